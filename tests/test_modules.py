"""Modules of their own kind: how the reference prepares them, how cases declare them, and how they are looked at."""

from __future__ import annotations

import copy
import dataclasses

import pytest
from torch import nn
from torch.ao.quantization import DeQuantStub, MinMaxObserver
from torch.fx import GraphModule

from observance.conformance.differences import differences
from observance.conformance.implementations import resolve
from observance.conformance.observation import ObservationError, observe
from observance.conformance.outcomes import Outcome, run
from observance.conformance.parts import undone
from observance.reference import RefusalError
from observance.reference.devices import tensors_of
from observance.reference.modules import is_prepared
from observance.strategies import Case, CaseError, build
from observance.strategies.case import Call, Declared, Entry, Mapping
from observance.strategies.declared_source import OBSERVED_CLASSES
from observance.strategies.scripts import script

EVERYTHING = Mapping(None, (Entry("global", "default_qconfig"),))
LSTM = (Declared("custom", "nn.LSTM"),)
BLOCK = (
    Call("linear", (-1,)),
    Call("linear", (0,), scope="a"),
    Call("relu", (1,), scope="a"),
    Call("linear", (2,)),
)


def with_block(*declared: Declared) -> Case:
    """A case with a submodule between two linear layers."""
    return Case(("t",), BLOCK, 3, EVERYTHING, declared=declared)


def outcome_of(case: Case) -> Outcome:
    """What the reference does with a case."""
    outcome = run(resolve("reference"), case)
    assert outcome.error is None, outcome.error
    assert outcome.misshapen is None, outcome.misshapen
    return outcome


def prepared(case: Case) -> GraphModule:
    """What the reference makes of a case."""
    made = outcome_of(case).prepared
    assert made is not None
    return made


def observers(model: nn.Module) -> list[str]:
    """The names of all observers of a model."""
    return [name for name, part in model.named_modules() if isinstance(part, MinMaxObserver)]


@pytest.mark.parametrize(("inputs", "inside"), [((), 2), ((0,), 1)])
def test_a_declared_input_is_observed_outside_and_not_inside(inputs: tuple[int, ...], inside: int) -> None:
    model = prepared(with_block(Declared("standalone", "a", quantized_inputs=inputs)))
    within = model.get_submodule("a")
    assert is_prepared(within)
    assert len(observers(within)) == inside


@pytest.mark.parametrize("declares", [True, False])
def test_who_reads_a_standalone_module_observes_what_is_not_quantized_inside(declares: bool) -> None:
    outcome = outcome_of(with_block(Declared("standalone", "a", quantized_output=declares)))
    assert outcome.observation is not None
    assert (outcome.observation.on("a") == "") is declares


def test_a_name_goes_before_a_class() -> None:
    named = Declared("standalone", "a")
    overridden = Declared("standalone", "a", by_class=True, mapping=Mapping())
    assert observers(prepared(with_block(named, overridden)).get_submodule("a"))
    assert not observers(prepared(with_block(overridden)).get_submodule("a"))


def test_a_standalone_module_inside_another_is_prepared_by_itself() -> None:
    calls = (Call("linear", (-1,), scope="a"), Call("linear", (0,), scope="a.b"))
    nested = (Declared("standalone", "a"), Declared("standalone", "a.b"))
    model = prepared(Case(("t",), calls, 1, EVERYTHING, declared=nested))
    assert is_prepared(model.get_submodule("a"))
    assert is_prepared(model.get_submodule("a.b"))


def test_what_is_inside_a_standalone_module_without_parameters_is_observed_where_the_model_is() -> None:
    declared = Declared("standalone", "b", quantized_inputs=(0,))
    calls = (Call("torch_transpose_tt", (-1,), scope="b"), Call("linear", (0,)))
    prepared = outcome_of(Case(("t",), calls, 1, EVERYTHING, declared=(declared,), device="meta")).prepared
    assert prepared is not None
    assert any(name.startswith("b.") for name, _ in prepared.named_buffers())
    assert {tensor.device.type for tensor in tensors_of(prepared)} == {"meta"}


def test_a_module_that_is_prepared_already_stays_as_it_is() -> None:
    case = with_block(Declared("prepared", "a", mapping=EVERYTHING))
    outcome = outcome_of(case)
    assert outcome.prepared is not None
    before, after = outcome.arguments.float_model.get_submodule("a"), outcome.prepared.get_submodule("a")
    assert observers(before) == observers(after) != []


@pytest.mark.parametrize("itself", [True, False])
def test_a_standalone_module_that_returns_two_values_is_refused(itself: bool) -> None:
    calls = (Call("linear", (-1,), scope="a"), Call("relu", (0,), scope="a"))
    case = Case(("t",), calls, ("tuple", 0, 1), EVERYTHING, declared=() if itself else (Declared("standalone", "a"),))
    outcome = run(resolve("reference"), dataclasses.replace(case, is_standalone=itself))
    assert isinstance(outcome.error, RefusalError)
    assert "returns one value" in str(outcome.error)


def test_the_float_model_keeps_its_modules() -> None:
    calls = (Call("gate", (-1, -1)), Call("lstm", (0,)), Call("lstm_output", (1,)), Call("linear", (2,), scope="a"))
    kinds = (Declared("custom", "Gate"), Declared("custom", "nn.LSTM"), Declared("standalone", "a"))
    outcome = outcome_of(Case(("t",), calls, 3, EVERYTHING, declared=kinds))
    names = [type(part).__name__ for part in outcome.arguments.float_model.children()]
    assert names == ["ABlock", "Gate", "LSTM"]
    assert not any(hasattr(part, "qconfig") for part in outcome.arguments.float_model.modules())
    assert outcome.prepared is not None
    assert type(outcome.prepared.get_submodule("gate_0")).__name__ == "ObservedGate"


def test_a_custom_module_without_a_class_for_its_qconfig_is_refused_by_name() -> None:
    fp16 = Mapping(None, (Entry("global", "float16_dynamic_qconfig"), Entry("object_type", "x86", target="Gate")))
    case = Case(("t",), (Call("gate", (-1, -1)),), 0, fp16, declared=(Declared("custom", "Gate"),))
    assert outcome_of(case)
    reused = Mapping(None, (Entry("global", "default_reuse_input_qconfig"),))
    refused = run(resolve("reference"), dataclasses.replace(case, mapping=reused)).error
    assert isinstance(refused, RefusalError)
    assert "'gate_0'" in str(refused)


TAKEN = {
    "whole": ((), {(0,), (1, 0), (1, 1)}),
    "output": ((Call("lstm_output", (0,)),), {(0,)}),
    "states": ((Call("lstm_states", (0,)),), {(1, 0), (1, 1)}),
    "hidden state": ((Call("lstm_states", (0,)), Call("hidden_state", (1,))), {(1, 0)}),
    "memory state": ((Call("lstm_states", (0,)), Call("memory_state", (1,))), {(1, 1)}),
}
"""For each way of taking a part of an LSTM's output, the calls that do so and the tensors that it has."""


@pytest.mark.parametrize("way", TAKEN)
def test_each_part_of_an_lstm_is_read_behind_its_stubs(way: str) -> None:
    calls, wanted = TAKEN[way]
    outcome = outcome_of(Case(("t",), (Call("lstm", (-1,)), *calls), len(calls), EVERYTHING, declared=LSTM))
    seen = outcome.observation
    assert seen is not None
    assert [paths for edge, paths in seen.dequantized.items() if edge.reader == "output"] == [wanted]
    assert seen.stubs == {"lstm_0": {(0,), (1, 0), (1, 1)}}
    assert not seen.detours


def test_a_part_that_is_taken_twice_is_read_behind_one_stub() -> None:
    calls = (Call("lstm", (-1,)), *(Call("lstm_output", (0,)),) * 2)
    model = prepared(Case(("t",), calls, ("tuple", 1, 2), EVERYTHING, declared=LSTM))
    output = next(node for node in model.graph.nodes if node.op == "output")
    assert len(output.all_input_nodes) == 1
    assert isinstance(model.get_submodule(str(output.all_input_nodes[0].target)), DeQuantStub)


def test_a_missing_stub_and_a_detour_are_seen() -> None:
    case = Case(("t",), (Call("lstm", (-1,)), Call("lstm_output", (0,))), 1, EVERYTHING, declared=LSTM)
    outcome = outcome_of(case)
    model, expected = outcome.prepared, outcome.observation
    assert model is not None
    assert expected is not None
    output = next(node for node in model.graph.nodes if node.op == "output")
    stub = output.all_input_nodes[0]
    item = next(node for node in model.graph.nodes if node.name == "getitem")
    output.replace_input_with(stub, item)
    seen = observe(outcome.float_graph, model)
    assert not differences(expected, seen)
    assert [edge.reader for edge in seen.detours] == ["output"]
    stub.replace_all_uses_with(stub.args[0])
    model.graph.erase_node(stub)
    places = [found.place for found in differences(expected, observe(outcome.float_graph, model))]
    assert places == ["getitem -> output (argument 0), dequant stubs", "on lstm_0, dequant stubs"]


def test_a_graph_without_stubs_is_left_as_it_is() -> None:
    outcome = outcome_of(with_block())
    assert outcome.prepared is not None
    assert undone(outcome.float_graph, outcome.prepared) is None


def test_what_is_inside_a_standalone_module_is_seen_without_names() -> None:
    outcome = outcome_of(with_block(Declared("standalone", "a")))
    expected = outcome.observation
    assert expected is not None
    assert outcome.prepared is not None
    model = copy.deepcopy(outcome.prepared)
    within = model.get_submodule("a")
    assert isinstance(within, GraphModule)
    for node in [node for node in within.graph.nodes if "post_process" in str(node.target)]:
        within.add_submodule(f"other_{node.name}", within.get_submodule(str(node.target)))
        node.target = f"other_{node.name}"
    assert not differences(expected, observe(outcome.float_graph, model, outcome.inner))
    last = next(node for node in reversed(within.graph.nodes) if "post_process" in str(node.target))
    last.replace_all_uses_with(last.args[0])
    within.graph.erase_node(last)
    found = differences(expected, observe(outcome.float_graph, model, outcome.inner))
    assert found
    assert all(difference.place.startswith("inside a: ") for difference in found)
    within.graph.erase_node(next(node for node in within.graph.nodes if node.op == "output"))
    with pytest.raises(ObservationError, match="inside a"):
        observe(outcome.float_graph, model, outcome.inner)


def test_configs_as_dicts_declare_the_same() -> None:
    calls = (*BLOCK, Call("gate", (3, 0)))
    case = Case(("t",), calls, 4, EVERYTHING, declared=(Declared("standalone", "a"), Declared("custom", "Gate")))
    first, second = (outcome_of(dataclasses.replace(case, as_dicts=as_dicts)) for as_dicts in (False, True))
    assert first.observation is not None
    assert second.observation is not None
    assert not differences(first.observation, second.observation)


def test_two_builds_share_no_class() -> None:
    case = Case(("t",), (Call("scale", (-1,)),), 0, EVERYTHING, declared=(Declared("custom", "Scale"),))
    first, second = (type(build(case).float_model.get_submodule("scale_0")) for _ in range(2))
    assert first is not second


def test_a_script_prepares_what_it_declares(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = (Declared("standalone", "a", mapping=Mapping("x86"), quantized_inputs=(0,)), *LSTM)
    case = Case(("t",), (*BLOCK, Call("lstm", (3,))), 4, EVERYTHING, declared=kinds)
    exec(compile(script(case), "<script>", "exec"), {"__name__": "__main__"})
    assert "QuantizableLSTM" in capsys.readouterr().out


@pytest.mark.parametrize(
    "declared",
    [Declared("static", "a"), Declared("standalone", "c"), Declared("standalone", ""), Declared("custom", "nn.Linear")],
)
def test_what_means_nothing_cannot_be_declared(declared: Declared) -> None:
    with pytest.raises(CaseError):
        build(with_block(declared))


def test_every_observed_class_is_one() -> None:
    for name in OBSERVED_CLASSES:
        operator = {"Gate": "gate", "Scale": "scale", "nn.LSTM": "lstm", "nn.MultiheadAttention": "attention"}[name]
        takes = (-1, -1) if operator in ("gate", "attention") else (-1,)
        case = Case(("t",), (Call(operator, takes),), 0, EVERYTHING, declared=(Declared("custom", name),))
        called = next(part for part in prepared(case).children() if not isinstance(part, (MinMaxObserver, DeQuantStub)))
        assert type(called).__name__ == OBSERVED_CLASSES[name].removeprefix("nnqa.")
