"""Two observations held against each other: where they differ, and how that is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from observance.conformance.observation import Chain, Edge, Observation, Settings, describe, specs_of, words
from observance.reference.modules import Path


@dataclass(frozen=True)
class Difference:
    """One place where two observations differ; `inner` is the same, told inside a standalone module.

    It is `unread` if it is about a value that nothing reads, and `of_mode` if two modules that a node calls differ in
    their modes or hooks alone.
    """

    edge: Edge | None
    place: str
    expected: str
    found: str
    inner: Difference | None = None
    unread: bool = False
    of_mode: bool = False


def differences(expected: Observation, found: Observation) -> list[Difference]:
    """Return where two observations of one float graph differ; nothing if they are equal.

    First the observers on each edge are compared, then those on each value, which
    include those that nothing reads, then which of them are one object.
    """
    return [
        *_edge_differences(expected, found),
        *_equalization_differences(expected, found),
        *_callee_differences(expected, found),
        *_part_differences(expected, found),
        *_inner_differences(expected, found),
        *_sharing_differences(expected, found),
    ]


def read_differences(expected: Observation, found: Observation) -> list[Difference]:
    """Return where two observations of one float graph differ by what somebody reads."""
    return [difference for difference in differences(expected, found) if not difference.unread]


def _edge_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the edges, and the values, whose observers are not the same."""
    for edge in expected.edges:
        mine, theirs = expected.specs(edge), found.specs(edge)
        if mine != theirs:
            yield Difference(edge, str(edge), *_told(mine, theirs))
    read = {edge.value for edge in expected.edges}
    for value in dict.fromkeys([*expected.values, *found.values]):
        mine_all, theirs_all = (_on_value(seen, value) for seen in (expected, found))
        if Counter(mine_all) != Counter(theirs_all):
            own, other = (" | ".join(sorted(map(words, chains))) or words(()) for chains in (mine_all, theirs_all))
            yield Difference(None, f"on {value}", own, other, unread=value not in read)


def _equalization_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the edges, and the values, whose equalization observers are not the same, or stand elsewhere."""
    for edge in expected.edges:
        if expected.specs(edge) == found.specs(edge):
            mine, theirs = specs_of(expected.chain(edge)), specs_of(found.chain(edge))
            if mine != theirs:
                yield Difference(edge, f"{edge}, equalization", *_told(mine, theirs))
    for value in dict.fromkeys([*expected.equalizers, *found.equalizers]):
        counts = [Counter(map(specs_of, seen.equalizers.get(value, ()))) for seen in (expected, found)]
        if counts[0] != counts[1]:
            own, other = (" | ".join(sorted(map(words, count.elements()))) or words(()) for count in counts)
            yield Difference(None, f"on {value}, equalization", own, other)


def _callee_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the nodes that call different modules, or modules with different observers inside."""
    for node, callee in expected.callees.items():
        other = found.callees[node]
        if callee != other:
            told = describe_callee(callee), describe_callee(other)
            yield Difference(None, f"the module of {node}", *told, of_mode=same_but_for_mode(callee, other))


def same_but_for_mode(callee: Settings, other: Settings) -> bool:
    """Whether two called modules differ in their modes and hooks at most."""
    return (callee[0], callee[3:]) == (other[0], other[3:])


def _part_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the edges, and the values, whose dequant stubs are not the same."""
    for edge in expected.edges:
        mine, theirs = (seen.dequantized.get(edge, frozenset()) for seen in (expected, found))
        if mine != theirs:
            yield Difference(edge, f"{edge}, dequant stubs", path_words(mine), path_words(theirs))
    for value in dict.fromkeys([*expected.stubs, *found.stubs]):
        mine, theirs = (seen.stubs.get(value, frozenset()) for seen in (expected, found))
        if mine != theirs:
            yield Difference(None, f"on {value}, dequant stubs", path_words(mine), path_words(theirs))


def path_words(paths: frozenset[Path]) -> str:
    """Return the parts of an output that have a dequant stub in words."""
    parts = (" part " + "".join(f"[{index}]" for index in path) for path in sorted(paths))
    return "a dequant stub on" + ",".join(parts) if paths else "no dequant stub"


def _inner_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the places inside standalone modules that are not the same."""
    for node, mine in expected.inside.items():
        if node not in found.inside:
            continue  # told by the class of the module
        for inner in differences(mine, found.inside[node]):
            yield Difference(None, f"inside {node}: {inner.place}", inner.expected, inner.found, inner, inner.unread)


def describe_callee(callee: Settings) -> str:
    """Return a called module in words: its class, its mode, its hooks, and the observers inside."""
    (_, kind), (_, training), (_, hooks), *parts = callee
    mode = "training" if training else "eval"
    inside = [f"the hook {hook}" for hook in hooks] + [f"{name} {describe(settings)}" for name, settings in parts]
    return f"{kind} in {mode} mode" + (f" with {', '.join(inside)}" if inside else "")


def _on_value(observation: Observation, value: str) -> list[tuple[Settings, ...]]:
    """Return what all chains of observers on a value are."""
    return [specs_of(chain) for chain in observation.values.get(value, ())]


def _told(mine: tuple[Settings, ...], theirs: tuple[Settings, ...]) -> tuple[str, str]:
    """Return two chains in words; where these are the same, with the settings that differ."""
    texts = words(mine), words(theirs)
    if texts[0] != texts[1]:
        return texts
    pairs = [(dict(a), dict(b)) for a, b in zip(mine, theirs, strict=True)]
    names = [(a, b, name) for a, b in pairs for name in {**a, **b} if a.get(name) != b.get(name)]
    own, other = (", ".join(f"{name} {pair[side].get(name)}" for *pair, name in names) for side in (0, 1))
    return f"{texts[0]} with {own}", f"{texts[1]} with {other}"


def _pairs(expected: Observation, found: Observation) -> Iterator[tuple[Edge | None, str, Chain, Chain]]:
    """Yield the places that both observations have, with the chain that each has there.

    A chain that nothing reads is paired where it is the only one of its kind on its value.
    """
    for edge in expected.edges:
        yield edge, str(edge), expected.chain(edge), found.chain(edge)
    unread = found.unread()
    for value, chain in expected.unread():
        mine = [own for where, own in expected.unread() if where == value and specs_of(own) == specs_of(chain)]
        theirs = [other for where, other in unread if where == value and specs_of(other) == specs_of(chain)]
        if len(mine) == len(theirs) == 1:
            yield None, f"on {value}", chain, theirs[0]


def _sharing_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the places whose observers are one object in one model only."""
    forth: dict[int, int] = {}
    back: dict[int, int] = {}
    for edge, place, chain, other in _pairs(expected, found):
        for mine, theirs in zip(chain, other, strict=False):
            if mine.settings != theirs.settings:
                continue
            right = forth.setdefault(mine.group, theirs.group)
            left = back.setdefault(theirs.group, mine.group)
            if (right, left) != (theirs.group, mine.group):
                yield Difference(
                    edge,
                    f"{place}, sharing",
                    f"{mine.kind} #{mine.group}",
                    f"{theirs.kind} #{theirs.group}, which is "
                    + ("another object" if right != theirs.group else "shared with others"),
                    unread=edge is None,
                )
                break
            sources = tuple(
                forth.setdefault(one, other) for one, other in zip(mine.sources, theirs.sources, strict=False)
            )
            if sources != theirs.sources or len(mine.sources) != len(theirs.sources):
                texts = f"from {mine.sources}", f"from {theirs.sources}"
                yield Difference(edge, f"{place}, derived", *texts, unread=edge is None)
