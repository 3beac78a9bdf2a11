"""Chapter *sharing*: which observers are one object."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from observance.conformance.observation import Observation, Seen, edge_of
from observance.conformance.rules import MUST, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial
from observance.reference import dtypes
from observance.reference.graphs import Operand, operands
from observance.reference.patterns import Match
from observance.reference.placement import is_never_observed
from observance.reference.sharing import shares_with_inputs
from observance.reference.site import Quantized, Site


def _members(site: Site, seen: Observation, quantized: Quantized) -> list[tuple[str, Seen]]:
    """Return the observers that a sharing pattern makes one: at its inputs, then at its output."""
    found = []
    for operand in operands(quantized.match.root):
        edge = edge_of(operand)
        chain = seen.edges[edge]
        if chain and dtypes.role(operand, site.positions) == "activation":
            found.append((str(edge), chain[-1]))
    output = _output(seen, quantized.match)
    return [*found, (f"the output of {quantized.match.last.name}", output)] if output else found


def _output(seen: Observation, match: Match) -> Seen | None:
    """Return the observer next to a pattern's output, if all its readers read through it."""
    name = match.last.name
    chains = seen.values.get(name, frozenset())
    firsts = {chain[0] for chain in chains}
    edges = [seen.edges[edge] for edge in seen.edges if edge.value == name]
    if len(firsts) != 1 or any(not chain for chain in edges):
        return None
    return next(iter(firsts))


def _sharing(trial: Trial) -> Iterator[tuple[Quantized, list[tuple[str, Seen]]]]:
    """Yield each pattern that shares, with the observers that it makes one."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node, quantized in site.quantized.items():
        static = quantized.ask.activation is not None and not quantized.ask.activation.is_dynamic
        observed = static and site.values.is_observable(node)
        if node is quantized.match.last and shares_with_inputs(quantized) and observed:
            yield quantized, _members(site, seen, quantized)


@rule("SHARING-1", MUST, "OUTPUT_SHARE_OBSERVER_WITH_INPUT: the same observer instance as input")
def test_an_operator_that_passes_values_on_has_one_observer(trial: Trial) -> Iterator[Finding]:
    """All inputs and the output of a sharing operator, a list's elements included, have one object."""
    for quantized, members in _sharing(trial):
        last = quantized.match.last.name
        for place, member in members[1:]:
            first_place, first = members[0]
            because = (
                f"{last} passes values on; {first_place} has {first.kind} #{first.group}; "
                f"so {place} must have the same object"
            )
            holds = member.group == first.group
            yield judged(holds, place, f"#{first.group}", f"#{member.group}", because)


@rule("SHARING-2", MUST, "ObservationType: the output observer is different from the input's by default")
def test_nothing_else_is_shared(trial: Trial) -> Iterator[Finding]:
    """Two observers are one object only if a chain of sharing operators joins them."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    joined: dict[tuple[str, int], tuple[str, int]] = {}

    def leader(spot: tuple[str, int]) -> tuple[str, int]:
        while spot in joined:
            spot = joined[spot]
        return spot

    for first, other in _joined_spots(site, seen):
        if leader(first) != leader(other):
            joined[leader(other)] = leader(first)
    owners: dict[int, tuple[str, int]] = {}
    for value, chains in seen.values.items():
        for observer in {seen for chain in chains for seen in chain}:
            spot = (value, observer.group)
            owner = owners.setdefault(observer.group, spot)
            because = f"no sharing operator joins {value} with {owner[0]}"
            found = f"{observer.kind} #{observer.group} on both"
            holds = leader(owner) == leader(spot)
            yield judged(holds, value, f"not the object on {owner[0]}", found, because)


def _joined_spots(site: Site, seen: Observation) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """Yield pairs of places, a value and an object on it, that some operator makes one."""
    for node, quantized in site.quantized.items():
        shares = shares_with_inputs(quantized) or quantized.ask.reuse
        if node is not quantized.match.last or not shares:
            continue
        behind = _spots_read if quantized.ask.reuse else _spots_behind
        spots = [spot for operand in operands(quantized.match.root) for spot in behind(seen, operand)]
        for chain in seen.values.get(node.name, ()):
            spots.append((node.name, chain[0].group))
        yield from itertools.pairwise(spots)


def _spots_read(seen: Observation, operand: Operand) -> list[tuple[str, int]]:
    """Return the observers that an operand reads."""
    return [(operand.value.name, observer.group) for observer in seen.edges[edge_of(operand)]]


def _spots_behind(seen: Observation, operand: Operand) -> list[tuple[str, int]]:
    """Return the observers that an operand reads, or the nearest one behind a value that is not observed."""
    read: Operand | None = operand
    while read is not None:
        spots = _spots_read(seen, read)
        if spots:
            return spots
        read = next(iter(operands(read.value)), None)
    return []


@rule("SHARING-3", MUST, "BackendPatternConfig.set_observation_type: the same instance as the input, and so on")
def test_sharing_is_a_closure(trial: Trial) -> Iterator[Finding]:
    """If two sharing operators touch one value's observer, all observers of both are one object.

    The output of one that is the input of another is the plainest such value.
    """
    if trial.surveyed is None:
        return
    groups = [(quantized, members) for quantized, members in _sharing(trial) if members]
    by_value: dict[str, tuple[Quantized, Seen]] = {}
    for quantized, members in groups:
        output = members[-1][1]
        by_value[quantized.match.last.name] = (quantized, output)
    for quantized, members in groups:
        for operand in operands(quantized.match.root):
            earlier = by_value.get(operand.value.name)
            if earlier is None or not members:
                continue
            first, second = _first_input(trial, earlier[0]), members[-1][1]
            if first is None or not trial.seen or len(trial.seen.edges[edge_of(operand)]) != 1:
                continue
            because = (
                f"{operand.value.name} has the observer of its input, and "
                f"{quantized.match.last.name} that of {operand.value.name}"
            )
            place = f"{quantized.match.last.name} after {operand.value.name}"
            holds = first.group == second.group
            yield judged(holds, place, f"#{first.group}", f"#{second.group}", because)


def _first_input(trial: Trial, quantized: Quantized) -> Seen | None:
    """Return the observer at a pattern's first observed input."""
    if trial.surveyed is None:
        return None
    site, seen = trial.surveyed
    members = _members(site, seen, quantized)
    return members[0][1] if members else None


@rule(
    "SHARING-4", MUST, "ReuseInputObserver: we'll reuse the observer for x0; if x0 is not observed, we won't observe x1"
)
def test_an_operator_that_reuses_its_input_observer_has_no_other(trial: Trial) -> Iterator[Finding]:
    """Where the input of a reusing operator is observed, its output has the same object, if anything reads it and
    it may be observed at all.

    Where the input is not observed, there is nothing to reuse: what stands further back is not joined (SHARING-2).
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node, quantized in site.quantized.items():
        first = next(iter(operands(quantized.match.root)), None)
        if not quantized.ask.reuse or node is not quantized.match.last or first is None:
            continue
        if not node.users or is_never_observed(quantized) or not site.values.is_observable(node):
            continue
        chain = seen.edges[edge_of(first)]
        if not chain:  # an observer on the output is then some reader's
            continue
        output = _output(seen, quantized.match)
        found = f"#{output.group}" if output else "no observer"
        because = f"{node.name} reuses the observer of {first.value.name}, which is {chain[-1].kind} #{chain[-1].group}"
        yield judged(found == f"#{chain[-1].group}", node.name, f"#{chain[-1].group}", found, because)


@rule("SHARING-5", MUST, "_is_observer_in_same_graph: a quantized input is observed elsewhere", ("quantized-inputs",))
def test_a_quantized_graph_input_is_not_observed_again(trial: Trial) -> Iterator[Finding]:
    """A graph input that is declared as quantized is not observed for a reader of the same dtype."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for operand, quantized in trial.quantized_roots():
        spec = quantized.ask.activation
        if operand.value not in site.quantized_inputs or spec is None or spec.is_dynamic:
            continue
        if dtypes.role(operand, site.positions) != "activation" or str(spec.dtype) != "torch.quint8":
            continue
        found = ", ".join(s.kind for s in seen.edges[edge_of(operand)])
        because = f"{operand.value.name} is quantized outside this graph"
        yield judged(not found, edge_of(operand), "no observer", found, because)


@rule("SHARING-6", MUST, "insert_observers_for_model: all inputs and outputs use the first input's observer")
def test_an_operator_without_an_observed_input_shares_nothing(trial: Trial) -> Iterator[Finding]:
    """The observer on a sharing operator's output is one of its inputs', unless they are outside."""
    for quantized, members in _sharing(trial):
        if trial.site is None or quantized.ask.reuse:
            continue
        inputs = members[:-1] if len(members) > 1 else []
        roots = operands(quantized.match.root)
        outside = any(operand.value in trial.site.quantized_inputs for operand in roots)
        output = trial.seen and _output(trial.seen, quantized.match)
        read = any(reader in trial.site.quantized for reader in quantized.match.last.users)
        if not inputs and read:  # the observer there is that reader's
            continue
        if output and not outside:
            groups = {member.group for _, member in inputs}
            place = quantized.match.last.name
            if output.group in groups:
                yield kept(place)
            else:
                because = f"{place} passes values on, and none of its inputs has this observer"
                yield broken(place, "an input's observer", output.kind, because)
