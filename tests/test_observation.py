"""A prepared model seen without names: what is the same, and how what differs is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.ao.quantization import MinMaxObserver, PerChannelMinMaxObserver
from torch.fx import GraphModule, Node

from observance.conformance.differences import Difference, differences, read_differences
from observance.conformance.implementations import resolve
from observance.conformance.observation import Observation, ObservationError, describe, observe
from observance.conformance.outcomes import copy_graph, run
from observance.reference.specs import is_observer, settings_of
from observance.strategies.case import Call, Case, Entry, Mapping

# Graphs are made by hand, so that each test shows all that it speaks of. A float graph is a function that calls
# `sin`, `relu` and so on; `put` sets an observer on a value and lets chosen readers read it.


def float_model(forward: Callable[..., Any]) -> GraphModule:
    """A traced model without modules."""

    class Model(nn.Module):
        pass

    Model.forward = forward  # type: ignore[assignment]
    return torch.fx.symbolic_trace(Model())


def copied(model: GraphModule) -> GraphModule:
    """A prepared model to be: the same graph, to be observed."""
    return GraphModule(model, copy_graph(model.graph))


def node(model: GraphModule, name: str) -> Node:
    return next(node for node in model.graph.nodes if node.name == name)


def put(
    model: GraphModule, value: str, observer: nn.Module, *readers: str, name: str = "activation_post_process"
) -> Node:
    """Put an observer behind a value, and let readers read it; all of them, if none is named."""
    names = (f"{name}_{number}" for number in range(99))
    target = next(name for name in names if not hasattr(model, name))
    model.add_submodule(target, observer)
    below = node(model, value)
    with model.graph.inserting_after(below):
        made = model.graph.call_module(target, (below,))
    for reader in list(below.users):
        if reader is not made and (reader.name in readers or not readers):
            reader.replace_input_with(below, made)
    model.recompile()
    return made


def chain_model(self: Any, x: Any) -> Any:
    return torch.cos(torch.sin(x))


def twins_model(self: Any, x: Any) -> Any:
    first, second = torch.sin(x), torch.sin(x)
    return torch.relu(first), torch.cos(second)


def dead_model(self: Any, x: Any) -> Any:
    torch.sin(x)
    return torch.cos(x)


def seen(model: GraphModule, *placements: tuple[Any, ...]) -> Observation:
    """What is seen of a model with observers: each a value, an observer, and its readers."""
    prepared = copied(model)
    for value, observer, *readers in placements:
        put(prepared, value, observer, *readers)
    return observe(model.graph, prepared)


def only(found: list[Difference]) -> Difference:
    assert len(found) == 1, found
    return found[0]


def quint8(**settings: Any) -> nn.Module:
    return MinMaxObserver(dtype=torch.quint8, **settings)


def together(model: GraphModule) -> Observation:
    """What is seen where `x` and `sin` have one observer."""
    shared = quint8()
    return seen(model, ("x", shared), ("sin", shared))


def apart(model: GraphModule) -> Observation:
    """What is seen where `x` and `sin` have one observer each."""
    return seen(model, ("x", quint8()), ("sin", quint8()))


# What is seen


def test_every_edge_of_the_float_graph_has_its_chain_of_observers() -> None:
    model = float_model(chain_model)
    found = seen(model, ("sin", quint8()))
    assert {str(edge): [s.kind for s in chain] for edge, chain in found.edges.items()} == {
        "x -> sin (argument 0)": [],
        "sin -> cos (argument 0)": ["MinMaxObserver(quint8, 0..255)"],
        "cos -> output (argument 0)": [],
    }


def test_a_chain_begins_next_to_the_value() -> None:
    model = float_model(chain_model)
    prepared = copied(model)
    below = put(prepared, "sin", quint8())
    put(prepared, below.name, MinMaxObserver(dtype=torch.qint8))
    chains = [[s.kind.split("(")[1][:5] for s in chain] for chain in observe(model.graph, prepared).edges.values()]
    assert chains == [[], ["quint", "qint8"], []]


def test_an_edge_is_told_by_reader_value_and_place() -> None:
    model = float_model(lambda self, x, y: torch.cat([x, y], dim=x.size(dim=0)))
    assert [str(edge) for edge in seen(model).edges] == [
        "x -> size (argument 0)",
        "x -> cat (argument 0[0])",
        "y -> cat (argument 0[1])",
        "size -> cat (argument 'dim')",
        "cat -> output (argument 0)",
    ]


def test_one_value_read_twice_by_one_operator_is_two_edges() -> None:
    model = float_model(lambda self, x: torch.add(x, x))
    prepared = copied(model)
    observer = put(prepared, "x", quint8(), "nobody")
    node(prepared, "add").args = (node(prepared, "x"), observer)
    prepared.recompile()
    lengths = [len(chain) for chain in observe(model.graph, prepared).edges.values()]
    assert lengths == [0, 1, 0]


@pytest.mark.parametrize("observed", ["nested", "slice", "dict"])
def test_observers_are_found_inside_containers(observed: str) -> None:
    def nested(self: Any, x: Any) -> Any:
        return [x, (x, None)]

    def sliced(self: Any, x: Any) -> Any:
        return torch.sin(x)[x.size(0) :]

    def mapped(self: Any, x: Any) -> Any:
        return {"a": x, "b": [x]}

    model = float_model({"nested": nested, "slice": sliced, "dict": mapped}[observed])
    value = "size" if observed == "slice" else "x"
    found = seen(model, (value, quint8()))
    assert all(chain for edge, chain in found.edges.items() if edge.value == value and edge.reader != "size")


def test_observers_that_nothing_reads_are_seen_too() -> None:
    found = seen(float_model(dead_model), ("sin", quint8()))
    assert [(value, [s.kind for s in chain]) for value, chain in found.unread()] == [
        ("sin", ["MinMaxObserver(quint8, 0..255)"])
    ]


def test_an_observer_is_told_by_class_dtype_range_scheme_and_eps() -> None:
    observer = MinMaxObserver(
        dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=-8, quant_max=7, eps=2**-12
    )
    assert describe(settings_of(observer)) == "MinMaxObserver(qint8, -8..7, per_tensor_symmetric, eps 0.000244141)"


# What is the same


def test_names_carry_no_meaning() -> None:
    model = float_model(twins_model)
    prepared = copied(model)
    put(prepared, "sin", quint8(), name="watcher")
    plain = observe(model.graph, prepared)
    for number, renamed in enumerate(list(prepared.graph.nodes)):
        renamed.name = f"node_{number}"
    assert differences(plain, observe(model.graph, prepared)) == []
    assert differences(seen(model, ("sin", quint8())), plain) == []


def test_the_order_of_independent_nodes_carries_no_meaning() -> None:
    model = float_model(lambda self, x: (torch.relu(torch.sin(x)), torch.exp(torch.cos(x))))
    plain = seen(model, ("sin", quint8()))
    prepared = copied(model)
    put(prepared, "sin", quint8())
    for name in ("exp", "cos"):
        node(prepared, "x").append(node(prepared, name))
    prepared.graph.lint()
    assert [n.name for n in prepared.graph.nodes][1:3] == ["cos", "exp"]
    assert differences(plain, observe(model.graph, prepared)) == []


@pytest.mark.parametrize("names", ["other", "swapped"])
def test_nodes_that_do_the_same_are_told_by_what_reads_them(names: str) -> None:
    model = float_model(twins_model)
    plain = seen(model, ("sin_1", quint8()))
    prepared = copied(model)
    put(prepared, "sin_1", quint8())
    first, second = node(prepared, "sin"), node(prepared, "sin_1")
    node(prepared, "x").append(second)  # the one that `cos` reads now comes first
    first.name, second.name = ("p", "q") if names == "other" else ("sin_1", "sin")
    prepared.graph.lint()
    assert differences(plain, observe(model.graph, prepared)) == []


def test_nodes_that_do_the_same_are_told_by_what_reads_what_reads_them() -> None:
    def model_of_pairs(self: Any, x: Any, y: Any, z: Any) -> Any:
        first, second = torch.sin(x), torch.sin(x)
        return torch.add(first, y), torch.add(second, z)

    model = float_model(model_of_pairs)
    prepared = copied(model)
    put(prepared, "sin_1", quint8())
    node(prepared, "z").append(node(prepared, "sin_1"))
    for number, renamed in enumerate(list(prepared.graph.nodes)):
        renamed.name = f"node_{number}"
    found = observe(model.graph, prepared)
    assert [str(edge) for edge, chain in found.edges.items() if chain] == ["sin_1 -> add_1 (argument 0)"]


def test_the_order_of_keywords_carries_no_meaning() -> None:
    model = float_model(lambda self, x: torch.clamp(torch.sin(x), min=0, max=1))
    prepared = copied(model)
    put(prepared, "sin", quint8())
    clamp = node(prepared, "clamp")
    clamp.kwargs = dict(reversed(clamp.kwargs.items()))
    assert differences(seen(model, ("sin", quint8())), observe(model.graph, prepared)) == []


def test_the_numbers_of_objects_carry_no_meaning() -> None:
    model = float_model(chain_model)
    shared, other = quint8(), quint8()
    plain = seen(model, ("x", shared), ("sin", shared), ("cos", other))
    turned = seen(model, ("cos", quint8()), ("sin", same := quint8()), ("x", same))
    assert differences(plain, turned) == []


def test_a_reference_and_its_deep_copy_are_seen_alike() -> None:
    case = Case(("t",), (Call("relu", (-1,)),), 0, Mapping(None, (Entry("global", "default_qconfig"),)))
    outcome = run(resolve("reference"), case)
    assert outcome.prepared is not None
    assert outcome.observation is not None
    found = observe(outcome.float_graph, copy.deepcopy(outcome.prepared))
    assert differences(outcome.observation, found) == []
    assert any(is_observer(module) for module in outcome.prepared.modules())


# What differs


def test_an_observer_that_is_missing_is_told_with_its_edge() -> None:
    model = float_model(chain_model)
    on_edge, on_value = differences(seen(model, ("sin", quint8())), seen(model))
    assert str(on_edge.edge) == on_edge.place == "sin -> cos (argument 0)"
    assert (on_edge.expected, on_edge.found) == ("MinMaxObserver(quint8, 0..255)", "no observer")
    assert on_value == Difference(None, "on sin", "MinMaxObserver(quint8, 0..255)", "no observer")


def test_an_observer_too_many_is_told_with_its_edge() -> None:
    model = float_model(chain_model)
    on_edge, _ = differences(seen(model), seen(model, ("sin", quint8())))
    assert (on_edge.place, on_edge.expected) == ("sin -> cos (argument 0)", "no observer")


def test_an_observer_of_another_kind_is_told_with_its_edge() -> None:
    model = float_model(chain_model)
    on_edge, _ = differences(seen(model, ("sin", quint8())), seen(model, ("sin", quint8(quant_min=0, quant_max=127))))
    assert on_edge.expected == "MinMaxObserver(quint8, 0..255)"
    assert on_edge.found == "MinMaxObserver(quint8, 0..127)"


def test_a_setting_that_is_not_in_the_words_for_an_observer_is_told_where_it_is_all_that_differs() -> None:
    model = float_model(chain_model)
    first, second = (seen(model, ("sin", PerChannelMinMaxObserver(ch_axis=axis))) for axis in (0, 1))
    on_edge, on_value = differences(first, second)
    assert on_edge.expected.endswith(" with ch_axis 0")
    assert on_edge.found.endswith(" with ch_axis 1")
    assert on_value.place == "on sin"


def test_an_observer_upon_another_is_told_as_a_chain() -> None:
    model = float_model(chain_model)
    prepared = copied(model)
    below = put(prepared, "sin", quint8())
    put(prepared, below.name, MinMaxObserver(dtype=torch.qint8))
    on_edge = differences(seen(model, ("sin", quint8())), observe(model.graph, prepared))[0]
    assert on_edge.found == "MinMaxObserver(quint8, 0..255) then MinMaxObserver(qint8, -128..127)"


def test_a_reader_that_passes_an_observer_by_is_told_with_its_edge() -> None:
    model = float_model(lambda self, x: (torch.sin(x), torch.cos(x)))
    both, one = seen(model, ("x", quint8())), seen(model, ("x", quint8(), "sin"))
    assert only(differences(both, one)).place == "x -> cos (argument 0)"


def test_an_observer_that_nothing_reads_is_told_with_its_value() -> None:
    model = float_model(dead_model)
    assert only(differences(seen(model, ("sin", quint8())), seen(model))) == Difference(
        None, "on sin", "MinMaxObserver(quint8, 0..255)", "no observer", unread=True
    )


def test_what_nothing_reads_makes_no_difference_to_what_is_read() -> None:
    model = float_model(dead_model)
    assert read_differences(seen(model, ("sin", quint8())), seen(model)) == []
    assert read_differences(seen(model, ("x", quint8(), "cos")), seen(model))


def test_an_object_that_is_split_is_told_with_its_edge() -> None:
    model = float_model(chain_model)
    found = only(differences(together(model), apart(model)))
    assert found.place == "sin -> cos (argument 0), sharing"
    assert found.expected == "MinMaxObserver(quint8, 0..255) #0"
    assert found.found == "MinMaxObserver(quint8, 0..255) #1, which is another object"


def test_objects_that_are_merged_are_told_with_their_edge() -> None:
    model = float_model(chain_model)
    found = only(differences(apart(model), together(model)))
    assert found.place == "sin -> cos (argument 0), sharing"
    assert found.found == "MinMaxObserver(quint8, 0..255) #0, which is shared with others"


def test_sharing_is_compared_where_nothing_reads_the_observer() -> None:
    model = float_model(dead_model)
    found = only(differences(together(model), apart(model)))
    assert found.place == "on sin, sharing"
    assert found.edge is None


# What cannot be seen, because it is not the float model plus observers


def test_a_node_that_is_missing_is_told_by_its_name() -> None:
    model = float_model(chain_model)
    prepared = copied(model)
    gone = node(prepared, "cos")
    gone.replace_all_uses_with(node(prepared, "sin"))
    prepared.graph.erase_node(gone)
    with pytest.raises(ObservationError, match="node 'cos' of the float model is missing"):
        observe(model.graph, prepared)


def test_a_node_too_many_is_told_by_its_name() -> None:
    model = float_model(chain_model)
    prepared = copied(model)
    with prepared.graph.inserting_after(node(prepared, "sin")):
        prepared.graph.call_function(torch.relu, (node(prepared, "sin"),))
    with pytest.raises(ObservationError, match="the prepared model has a node 'relu' too many"):
        observe(model.graph, prepared)


def test_a_node_that_reads_something_else_is_told_by_its_name() -> None:
    model = float_model(chain_model)
    prepared = copied(model)
    node(prepared, "cos").args = (node(prepared, "x"),)
    with pytest.raises(ObservationError, match=r"node 'cos' .* reads something else"):
        observe(model.graph, prepared)


def test_a_constant_that_was_changed_is_told_by_its_reader() -> None:
    model = float_model(lambda self, x: torch.add(x, 2))
    prepared = copied(model)
    node(prepared, "add").args = (node(prepared, "x"), 2.0)
    with pytest.raises(ObservationError, match="node 'add'"):
        observe(model.graph, prepared)


def test_an_observer_that_observes_nothing_is_told_by_its_name() -> None:
    model = float_model(chain_model)
    prepared = copied(model)
    put(prepared, "sin", quint8()).args = ()
    with pytest.raises(ObservationError, match="observer 'activation_post_process_0' observes nothing"):
        observe(model.graph, prepared)
