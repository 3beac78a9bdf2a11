"""Equalization, declared outputs, stored values and devices, case by case, on the reference."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from observance.conformance.differences import differences
from observance.conformance.implementations import resolve
from observance.conformance.observation import Observation
from observance.conformance.outcomes import Outcome, run
from observance.conformance.variants import Change, variant
from observance.reference import RefusalError
from observance.strategies.case import Call, Case, Entry, Mapping

from .saboteurs.equalization import below_the_observer

QUANTIZED = Mapping(None, (Entry("global", "default_qconfig"),))
EQUALIZED = Mapping(None, (Entry("global", "default_equalization_qconfig"),))


def case(*calls: Call, output: object = None, **changes: object) -> Case:
    """A case in which everything is quantized and equalized."""
    last = len(calls) - 1 if output is None else output
    return dataclasses.replace(Case(("t",), calls, last, QUANTIZED, equalization=EQUALIZED), **changes)  # type: ignore[arg-type]


def outcome(of: Case) -> Outcome:
    """What the reference does with a case."""
    return run(resolve("reference"), of)


def seen(of: Case) -> Observation:
    """The reference's result without names."""
    found = outcome(of).observation
    assert found is not None
    return found


def classes(observation: Observation, reader: str) -> dict[object, list[str]]:
    """The classes of the observers at each operand of a reader, the one next to the value first."""
    return {
        edge.keys[0]: [str(dict(one.settings)["class"]).rpartition(".")[2] for one in observation.chain(edge)]
        for edge in observation.edges
        if edge.reader == reader
    }


def test_a_linear_layer_reads_through_both_kinds_of_observer() -> None:
    assert classes(seen(case(Call("linear", (-1,)))), "linear_0") == {
        0: ["MinMaxObserver", "_InputEqualizationObserver"]
    }


@pytest.mark.parametrize(("spelling", "keys"), [("positional", (0, 1, 2)), ("keyword", ("input", "weight", "bias"))])
def test_input_and_weight_of_a_function_are_equalized_and_its_bias_is_not(
    spelling: str, keys: tuple[object, ...]
) -> None:
    found = classes(seen(case(Call("F_linear", (-1,), spelling))), "linear")
    assert found == {
        keys[0]: ["MinMaxObserver", "_InputEqualizationObserver"],
        keys[1]: ["MinMaxObserver", "_WeightEqualizationObserver"],
        keys[2]: [],
    }


def test_one_value_may_be_equalized_as_input_and_as_weight() -> None:
    of = dataclasses.replace(case(Call("F_linear_computed", (-1, -1))), inputs=("d",))
    assert classes(seen(of), "linear") == {
        0: ["MinMaxObserver", "_InputEqualizationObserver"],
        1: ["MinMaxObserver", "_WeightEqualizationObserver"],
    }


def test_what_is_not_quantized_is_not_equalized() -> None:
    of = dataclasses.replace(case(Call("linear", (-1,))), mapping=Mapping(None, (Entry("global", None),)))
    assert not seen(of).equalized


def test_a_reader_that_is_not_quantized_makes_no_branch() -> None:
    found = outcome(case(Call("size", (-1,)), Call("linear", (-1,))))
    assert found.observation is not None
    assert found.observation.equalized
    assert not found.warnings


def test_layers_in_a_branch_are_named_in_warnings() -> None:
    found = outcome(case(Call("linear", (-1,)), Call("linear", (-1,)), output=("tuple", 0, 1)))
    assert found.observation is not None
    assert not found.observation.equalized
    texts = [text for _, text in found.warnings]
    assert all(any(f"{name} cannot be equalized" in text for text in texts) for name in ("linear_0", "linear_1"))


def test_the_order_of_observers_on_an_edge_makes_a_difference() -> None:
    of = case(Call("linear", (-1,)))
    turned = variant([Change("equalization._place_one", below_the_observer)])
    other = run(dataclasses.replace(resolve("reference"), function=turned), of).observation
    assert other is not None
    found = differences(seen(of), other)
    assert "x0 -> linear_0 (argument 0), equalization" in {difference.place for difference in found}


def test_an_observer_on_another_device_makes_a_difference() -> None:
    of = case(Call("linear", (-1,)), device="meta")
    nowhere = variant([Change("devices.device_of", lambda original, model: None)])
    other = run(dataclasses.replace(resolve("reference"), function=nowhere), of).observation
    assert other is not None
    (first, *_) = differences(seen(of), other)
    assert ", on meta)" in first.expected
    assert ", on meta)" not in first.found


def test_a_model_on_two_devices_is_refused_with_their_names() -> None:
    found = outcome(case(Call("linear", (-1,)), device="mixed")).error
    assert isinstance(found, RefusalError)
    assert "(cpu, meta)" in str(found)


def test_a_model_without_parameters_is_nowhere_and_is_served() -> None:
    assert outcome(case(Call("relu", (-1,)), device="meta")).error is None


OUTPUTS = {
    "a value": (2, (0,), ["sin"]),
    "a value, by another index": (2, (1,), []),
    "the parts of a tuple": (("tuple", 2, 1), (0,), ["sin"]),
    "a part that is observed": (("tuple", 1, 2), (0,), []),
    "a dict, as a whole": (("dict", ("a", 1), ("b", 2)), (0,), ["sin"]),
    "one value twice": (("list", 2, 2), (0, 1), ["sin", "sin"]),
    "None": (("list", None, 1), (0,), []),
    "an input": (("list", -1), (0,), ["x0"]),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_that_are_declared_and_not_observed_are_named(name: str) -> None:
    output, indexes, named = OUTPUTS[name]
    calls = (Call("relu", (-1,)), Call("linear", (0,)), Call("torch_sin_tt", (-1,)))
    texts = [text for _, text in outcome(case(*calls, output=output, quantized_outputs=indexes)).warnings]
    assert [text.partition(" is returned")[0] for text in texts] == named


def test_an_input_that_is_quantized_may_be_returned_as_it_is() -> None:
    of = case(Call("linear", (-1,)), output=("tuple", -1), quantized_inputs=(0,), quantized_outputs=(0,))
    assert not outcome(of).warnings


def test_a_constant_among_the_outputs_is_refused_and_named() -> None:
    found = outcome(case(Call("linear", (-1,)), output=("tuple", 0, ("constant", 3)))).error
    assert isinstance(found, RefusalError)
    assert "the constant 3" in str(found)


def test_what_a_node_says_of_itself_is_believed() -> None:
    of = case(Call("chunk", (-1,)), Call("part", (0,)))
    plain, told = (seen(dataclasses.replace(of, has_values=has)) for has in (False, True))
    assert differences(plain, plain) == []
    assert not told.on("chunk")
    assert plain.on("x0")
    assert plain.edges.keys() == told.edges.keys()


def test_the_values_of_nodes_are_fake_tensors_or_no_tensors() -> None:
    of = case(Call("linear", (-1,)), Call("size", (0,)), Call("sizes", (0,)), Call("F_linear", (0,)), has_values=True)
    told = {node.name: node.meta["val"] for node in outcome(of).arguments.model.graph.nodes}
    assert isinstance(told["size_1"], torch.Size)
    assert told["size"] == 2
    assert all(type(told[name]).__name__ == "FakeTensor" for name in ("x0", "linear_0", "linear", "f_linear_3_p0"))
