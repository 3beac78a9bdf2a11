"""Chapter *scale*: what a large model costs, in proportion to its size.

Costs are counted and not timed (`costs.py`), on models that are made by size (`strategies/scale.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

from observance.conformance import costs
from observance.conformance.outcomes import call
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial
from observance.strategies import build
from observance.strategies.scale import FAMILIES
from observance.strategies.written import written_case

_SIZED = tuple(written_case(family.name, family.size) for family in FAMILIES.values())
_DEEP = tuple(written_case(family.name, family.depth) for family in FAMILIES.values() if family.depth)


@rule("SCALE-1", MUST, "the scope of this suite: deep chains and wide fan-outs are served", own=_DEEP)
def test_no_model_is_too_deep(trial: Trial) -> Iterator[Finding]:
    """A model of 500 operators in a row is prepared while functions may call one another 400 deep."""
    family = FAMILIES.get(trial.case.written)
    if family is None or trial.case.size != family.depth or trial.calls.implementation.shape != "prepare":
        return
    arguments = build(trial.case)
    with warnings.catch_warnings(), costs.shallow():
        warnings.simplefilter("ignore")
        try:
            call(trial.calls.implementation, arguments)
        except RecursionError:
            because = f"functions called one another more than {costs.FRAMES} deep; a loop has no such limit"
            yield broken(family.name, "a prepared model", "RecursionError", because)
        except Exception as error:  # whatever it raises, there is no model
            name = type(error).__name__
            yield broken(family.name, "a prepared model", name, f"it was refused: {error}")
        else:
            yield kept(family.name)


def _grown(trial: Trial, names: Iterable[str], power: float) -> Iterator[Finding]:
    """Compare what is counted at a size, its double and its fourfold.

    What `prepare_fx` counts is not compared: it traces and fuses as well.
    """
    family, size = FAMILIES.get(trial.case.written), trial.case.size
    if family is None or size != family.size or trial.calls.implementation.shape != "prepare":
        return
    # What is made at the first call and kept must not count: the half comes first.
    sizes = (max(size // 2, 1), size, 2 * size, 4 * size)
    _, *counted = [costs.count(trial.calls.implementation, written_case(family.name, s)) for s in sizes]
    if any(counts is None for counts in counted):
        return
    for name in names:
        first, second, third = (counts[name] for counts in counted if counts is not None)
        slow = not costs.grows_faster((first, second, third), size, power)
        because = f"{name}: {first} times at size {size}, {second} at its double, {third} at its fourfold"
        yield judged(slow, f"{family.name}: {name}", f"below the power {power} of the size", "above it", because)


@rule("SCALE-2", MUST, "the scope of this suite: deep chains and wide fan-outs are served", own=_SIZED)
def test_the_cost_does_not_explode(trial: Trial) -> Iterator[Finding]:
    """The functions that a call of prepare calls are fewer than the power 2.5 of the model's size.

    Whoever looks through the whole model at each of its nodes is within this bound; whoever goes
    all ways that lead to each node is not.
    """
    yield from _grown(trial, [costs.ALL], 2.5)


@rule("SCALE-3", UPSTREAM, "_set_target_dtype_info_for_matched_node_pattern: each node is processed once", own=_SIZED)
def test_the_graph_is_not_read_again_for_each_node(trial: Trial) -> Iterator[Finding]:
    """Operands are read, and readers looked at, in proportion to the graph."""
    yield from _grown(trial, ("operands read", "readers looked at"), 1.5)


@rule("SCALE-4", UPSTREAM, "the scope of this suite: the cost is in proportion to the graph", own=_SIZED)
def test_the_model_is_not_searched_again_for_each_node(trial: Trial) -> Iterator[Finding]:
    """Modules and parameters are visited, and attributes looked up, in proportion to the model."""
    yield from _grown(trial, ("modules visited", "parameters visited", "attributes looked up"), 1.5)


@rule("SCALE-5", UPSTREAM, "the scope of this suite: the cost is in proportion to the graph", own=_SIZED)
def test_observers_are_constructed_in_proportion(trial: Trial) -> Iterator[Finding]:
    """Observers are constructed in proportion to the graph, those included that are only looked at."""
    yield from _grown(trial, ("observers constructed",), 1.5)
