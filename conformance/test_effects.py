"""Chapter *effects*: what must hold whatever the input."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch.ao.quantization import FakeQuantizeBase
from torch.fx import Node

from observance.conformance.derived import (
    names_of_calls,
    reordered,
    with_dead_branch,
    with_scopes_renamed,
    without_names,
)
from observance.conformance.observation import differences
from observance.conformance.outcomes import Outcome
from observance.conformance.rules import MUST, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial, same_placement
from observance.reference.specs import is_observer


def _forward(outcome: Outcome, training: bool) -> Iterator[Finding]:
    """Compare what the float model and the prepared one compute, from the same random state.

    A fake quantizer rounds what passes through, so nothing is said of a model
    that has one.
    """
    if outcome.prepared is None:
        return
    if any(isinstance(module, FakeQuantizeBase) for module in outcome.prepared.modules()):
        return
    mine = copy.deepcopy(outcome.arguments.float_model).train(training)
    theirs = copy.deepcopy(outcome.prepared).train(training)
    results = []
    for model in (mine, theirs):
        torch.manual_seed(0)
        inputs = [value.clone() for value in outcome.arguments.example_inputs]
        try:
            with torch.no_grad():
                results.append(model(*inputs))
        except Exception as error:  # a model that does not run is the finding
            results.append(error)
    if isinstance(results[1], Exception) and not isinstance(results[0], Exception):
        name = type(results[1]).__name__
        yield broken("the forward pass", "the float result", name, f"it fails: {results[1]}")
    elif not isinstance(results[0], Exception):
        same = _equal(results[0], results[1])
        because = "an observer looks and changes nothing, but the results differ"
        yield judged(same, "the forward pass", "the float result", "another result", because)


def _equal(mine: Any, theirs: Any) -> bool:
    """Whether two returned structures are equal, bit for bit."""
    if isinstance(mine, torch.Tensor):
        same = isinstance(theirs, torch.Tensor) and mine.dtype == theirs.dtype
        return same and torch.equal(torch.nan_to_num(mine), torch.nan_to_num(theirs))
    if isinstance(mine, dict):
        return isinstance(theirs, dict) and list(mine) == list(theirs) and all(_equal(mine[k], theirs[k]) for k in mine)
    if isinstance(mine, (list, tuple)):
        alike = type(mine) is type(theirs) and len(mine) == len(theirs)
        return alike and all(_equal(*pair) for pair in zip(mine, theirs, strict=True))
    return bool(mine == theirs)


@rule("EFFECTS-1", MUST, "ObserverBase: observers pass their input through")
def test_the_prepared_model_computes_what_the_float_model_computes(
    trial: Trial,
) -> Iterator[Finding]:
    """In eval mode the prepared model's result is the float model's, bit for bit."""
    if trial.float_values is not None:
        yield from _forward(trial.outcome, training=False)


@rule("EFFECTS-2", MUST, "ObserverBase: observers pass their input through", costly=True)
def test_the_prepared_model_trains_like_the_float_model(trial: Trial) -> Iterator[Finding]:
    """In training mode the prepared model's result is the float model's, bit for bit."""
    if trial.float_values is not None:
        yield from _forward(trial.outcome, training=True)


@rule("EFFECTS-3", MUST, "prepare: a function of its arguments", costly=True)
def test_the_same_call_twice_gives_the_same_model(trial: Trial) -> Iterator[Finding]:
    """Two calls with equal arguments place the same observers."""
    again = trial.calls.fresh(trial.case)
    yield from same_placement(trial.outcome, again, "the same call was made twice")


@rule("EFFECTS-4", MUST, "prepare: the configs are deep-copied")
def test_the_configs_are_left_as_they_were(trial: Trial) -> Iterator[Finding]:
    """The caller's mapping, configs, inputs and weights are after the call what they were before."""
    from observance.conformance.outcomes import fingerprints

    after = fingerprints(trial.outcome.arguments)
    for name, before in trial.outcome.before.items():
        because = f"{name} belongs to the caller, who may use it again"
        yield judged(after[name] == before, name, "as before the call", "changed", because)


@rule("EFFECTS-5", MUST, "torch.fx: names carry no meaning", costly=True)
def test_names_of_submodules_carry_no_meaning(trial: Trial) -> Iterator[Finding]:
    """With submodules under other names, and no selector that names one, nothing changes."""
    case = without_names(trial.case)
    other = with_scopes_renamed(case)
    if other == case or any(entry.target.startswith("block:") for entry in case.mapping.entries):
        return
    first, second = trial.calls.outcome(case), trial.calls.outcome(other)
    names = names_of_calls(first.float_graph, second.float_graph)
    yield from same_placement(first, second, "only names differ", names)


@rule("EFFECTS-6", MUST, "torch.fx: any topological order is the same program", costly=True)
def test_the_order_of_independent_operators_carries_no_meaning(trial: Trial) -> Iterator[Finding]:
    """Two neighbouring operators that do not read each other may stand in either order."""
    case = without_names(trial.case)
    found = reordered(case)
    if found is None:
        return
    other, _ = found
    first, second = trial.calls.outcome(case), trial.calls.outcome(other)
    names = _matched(first, second)
    if names is not None:
        yield from same_placement(first, second, "two independent operators are swapped", names)


def _matched(first: Outcome, second: Outcome) -> dict[str, str] | None:
    """Return the names in the second graph of the first one's nodes; None if it is not plain."""
    waiting = [node for node in second.float_graph.nodes if node.op != "get_attr"]
    names: dict[str, str] = {}
    for node in first.float_graph.nodes:
        if node.op == "get_attr":
            continue
        reads = [names[name] for name in _reads(node)]
        alike = [other for other in waiting if _called(other) == _called(node) and _reads(other) == reads]
        if len(alike) != 1:
            return None
        names[node.name] = alike[0].name
        waiting.remove(alike[0])
    return names


def _called(node: Node) -> tuple[str, str]:
    """Return what a node does, without the number that a module's name ends in."""
    name = getattr(node.target, "__name__", node.target)
    return node.op, str(name).rstrip("0123456789") if node.op == "call_module" else str(name)


def _reads(node: Node) -> list[str]:
    """Return the names of the values that a node reads, parameters aside."""
    return [other.name for other in node.all_input_nodes if other.op != "get_attr"]


@rule("EFFECTS-7", MUST, "locality: what is not connected does not matter", costly=True)
def test_a_dead_branch_elsewhere_changes_nothing(trial: Trial) -> Iterator[Finding]:
    """Operators that share no value with the rest of the graph change no placement there."""
    case = without_names(trial.case)
    more = trial.calls.outcome(with_dead_branch(case))
    yield from same_placement(trial.calls.outcome(case), more, "a branch apart was added")


@rule("EFFECTS-8", MUST, "torch.nn.Module: deepcopy keeps shared modules shared")
def test_a_deep_copy_has_the_same_observers(trial: Trial) -> Iterator[Finding]:
    """A deep copy of the prepared model has the same observers, shared in the same way."""
    outcome = trial.outcome
    if outcome.prepared is None or outcome.observation is None:
        return
    from observance.conformance.observation import observe

    copied = observe(outcome.float_graph, copy.deepcopy(outcome.prepared))
    found = differences(outcome.observation, copied)
    for difference in found:
        yield broken(difference.place, difference.expected, difference.found, "the model was copied")
    if not found and any(is_observer(module) for module in outcome.prepared.modules()):
        yield kept("the copy")


@rule("EFFECTS-9", MUST, "prepared models share nothing but what the caller shares", costly=True)
def test_two_preparations_share_no_observer(trial: Trial) -> Iterator[Finding]:
    """Two calls with arguments of their own return models that have no observer in common."""
    first, second = trial.calls.fresh(trial.case), trial.calls.fresh(trial.case)
    if first.prepared is None or second.prepared is None:
        return
    mine = {id(module) for module in first.prepared.modules() if is_observer(module)}
    both = [m for m in second.prepared.modules() if is_observer(m) and id(m) in mine]
    if mine:
        because = "what one model sees must not be counted in the other"
        yield judged(not both, "the observers", "none in common", f"{len(both)} in common", because)
