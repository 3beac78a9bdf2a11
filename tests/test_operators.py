"""The tables that cases are drawn from: every operator is what its entry says, and every observer observes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.ao.quantization.utils import MatchAllNode

from observance.strategies import Case, build
from observance.strategies.case import Mapping, Observer
from observance.strategies.configs_source import SHIPPED_BACKENDS, backend_lines, observer_source, target_source
from observance.strategies.declared_source import own_classes
from observance.strategies.entries import INPUT_SHAPES, Operator
from observance.strategies.graphs import Descriptor, Graph, Manner
from observance.strategies.observers import ACTIVATIONS, SETTINGS, WEIGHTS, configured
from observance.strategies.operators import OPERATORS, TIEABLE
from observance.strategies.source import PREAMBLE
from observance.strategies.table_fused import PARTS

from .results import compute, same

NAMES: dict[str, Any] = {}
exec(PREAMBLE, NAMES)
exec(own_classes("Gate, Scale"), NAMES)

TRACED = frozenset({"Gate", "Scale"})
"""Modules that cases define: the tracer goes through them."""


# The table of operators


PLAINLY = Manner()


def alone(name: str, manner: Manner = PLAINLY) -> Case:
    """A case whose graph is one operator, and what makes its operands."""
    graph = Graph()
    graph.add(Descriptor(name, (1, 0, 0, 0), manner))
    return Case(tuple(graph.inputs), tuple(graph.calls), len(graph.calls) - 1, Mapping())


def manners(entry: Operator) -> Iterator[Manner]:
    """All the ways in which an operator is written."""
    has_list = any("*" in kind for kind in entry.takes)
    for keyword in (False, True) if entry.keyword else (False,):
        for as_tuple in (False, True) if has_list else (False,):
            yield Manner(keyword=keyword, as_tuple=as_tuple)


def is_of_kind(value: Any, kind: str) -> bool:
    """Whether a value is what the table says of its kind."""
    match kind:
        case "n":
            return type(value) is int
        case "z":
            return isinstance(value, torch.Size) and value == (2, 4, 4)
        case "m":
            return type(value) is tuple and len(value) == 2 and all(is_of_kind(part, "t") for part in value)
        case "c":
            return type(value) is tuple and len(value) == 2 and all(is_of_kind(part, "d") for part in value)
        case "r" | "g" | "a":
            return type(value) is tuple and is_of_kind(value[0], "t")
        case "s":
            return type(value) is tuple and len(value) == 2 and all(is_of_kind(part, "w") for part in value)
        case "w":
            return isinstance(value, Tensor) and value.shape == (1, 4, 4) and value.dtype == torch.float32
    dtype = {"b": torch.bool, "i": torch.int64}.get(kind, torch.float32)
    return isinstance(value, Tensor) and value.shape == INPUT_SHAPES[kind] and value.dtype == dtype


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_gives_what_the_table_says_in_every_spelling(name: str) -> None:
    entry = OPERATORS[name]
    results = []
    for manner in manners(entry):
        case = alone(name, manner)
        assert case.calls[-1].spelling == ("keyword" if manner.keyword else "positional")
        assert case.calls[-1].sequence == ("tuple" if manner.as_tuple else "list")
        arguments = build(case)
        results.append(arguments.model(*arguments.example_inputs))
        assert is_of_kind(results[-1], entry.gives)
        assert same(results[0], results[-1])


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_calls_its_target(name: str) -> None:
    target, model = OPERATORS[name].target, build(alone(name)).model
    called = {node.target for node in model.graph.nodes if node.op in ("call_function", "call_method")}
    called |= {type(model.get_submodule(str(node.target))) for node in model.graph.nodes if node.op == "call_module"}
    if target in TRACED:
        assert target in [type(module).__name__ for module in build(alone(name)).float_model.children()]
    elif target == "fold":
        assert "fold" in {getattr(one, "__name__", "") for one in called}
    else:
        assert eval(target_source(target, {}), NAMES) in called


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_writes_into_its_operand_just_if_the_table_says_so(name: str) -> None:
    arguments, before = build(alone(name)), build(alone(name)).example_inputs
    arguments.float_model(*arguments.example_inputs)
    assert same(before, arguments.example_inputs) is not OPERATORS[name].mutates


FAMILIES = sorted({entry.family for entry in OPERATORS.values() if entry.family})


def members(family: str) -> list[str]:
    """The names of the operators of a family."""
    return [name for name, entry in OPERATORS.items() if entry.family == family]


@pytest.mark.parametrize("family", FAMILIES)
def test_operators_of_one_family_compute_the_same(family: str) -> None:
    first, *others = members(family)
    assert others
    for other in others:
        assert OPERATORS[first].takes == OPERATORS[other].takes
        assert OPERATORS[first].gives == OPERATORS[other].gives
        assert same(compute(alone(first)), compute(alone(other)))


def targets_of(backend: str) -> set[Any]:
    """Everything that the patterns of a shipped backend config name."""
    namespace = dict(NAMES)
    exec("\n    ".join(["def make():", *backend_lines(backend, False)]), namespace)
    found: set[Any] = set()
    pending = [config.pattern or config._pattern_complex_format for config in namespace["make"]().configs]
    while pending:
        match pending.pop():
            case tuple() | list() as parts:
                pending += parts
            case target:
                found.add(target)
    return found


@pytest.mark.parametrize("backend", SHIPPED_BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_operators_of_one_family_mean_the_same_to_a_shipped_backend_config(backend: str, family: str) -> None:
    named = targets_of(backend)
    known = {eval(target_source(OPERATORS[name].target, {}), NAMES) in named for name in members(family)}
    assert len(known) == 1


# What matches everything; and what no tensor has, though some configs name it as a method.
NOT_DRAWN = {MatchAllNode, "hardsigmoid", "hardsigmoid_", "leaky_relu", "shape"}


@pytest.mark.parametrize("backend", SHIPPED_BACKENDS)
def test_every_operator_of_a_shipped_backend_config_is_in_the_table(backend: str) -> None:
    known = {eval(target_source(entry.target, {}), {**NAMES, "fold": None}) for entry in OPERATORS.values()}
    assert not targets_of(backend) - known - NOT_DRAWN


@pytest.mark.parametrize("target", PARTS)
def test_a_fused_module_has_the_parts_that_the_table_says(target: str) -> None:
    (entry,) = [one for one in OPERATORS.values() if one.target == target]
    made = build(alone(entry.name)).float_model.get_submodule(f"{entry.name}_0")
    assert [type(part) for part in made.children()] == [eval(part, NAMES) for part in PARTS[target]]


@pytest.mark.parametrize("name", [name for name, entry in OPERATORS.items() if entry.target in TIEABLE])
def test_a_weight_that_can_be_tied_is_there(name: str) -> None:
    graph = Graph()
    graph.add(Descriptor(name))
    graph.add(Descriptor(name, manner=Manner(reuse="tie")))
    tied = graph.calls[-1].ties
    assert graph.calls[tied].operator == name
    case = Case(tuple(graph.inputs), tuple(graph.calls), len(graph.calls) - 1, Mapping())
    *_, first, second = build(case).float_model.children()
    assert first is not second
    assert first.weight is second.weight


@pytest.mark.parametrize("name", [name for name, entry in OPERATORS.items() if entry.module or entry.parameters])
def test_what_can_be_shared_is_called_twice(name: str) -> None:
    graph = Graph()
    graph.add(Descriptor(name))
    graph.add(Descriptor("relu", manner=Manner(reuse="share")))
    assert graph.calls[-1].operator == name
    assert graph.calls[graph.calls[-1].shares].operator == name
    compute(Case(tuple(graph.inputs), tuple(graph.calls), len(graph.calls) - 1, Mapping()))


# The tables of observers

FEWEST, MOST = INPUT_SHAPES["d"], INPUT_SHAPES["v"]
"""The shapes with the fewest and the most dimensions of those that may be observed, weights included."""


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("table", [ACTIVATIONS, WEIGHTS], ids=["activations", "weights"])
def test_every_observer_observes_float_tensors(table: tuple[Observer, ...], setting: Any) -> None:
    for observer in {configured(plain, setting) for plain in table}:
        make = eval(observer_source(observer), NAMES)
        for shape in (FEWEST, MOST):
            value = torch.linspace(-1, 2, torch.Size(shape).numel()).view(shape)
            assert torch.equal(make()(value), value)


@pytest.mark.parametrize("table", [ACTIVATIONS, WEIGHTS], ids=["activations", "weights"])
def test_settings_make_other_observers(table: tuple[Observer, ...]) -> None:
    for plain in table:
        made = {configured(plain, setting) for setting in SETTINGS}
        assert plain in made
        assert len(made) == 1 or len(made) >= 9
