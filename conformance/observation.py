"""A prepared model seen without names.

What is left of a prepared model when its names are taken away: for every edge
of the float graph the chain of observers on it, for every observer what it is,
and which of them are one object.  Two observations of one float graph are equal
exactly when the two models have the same observers in the same places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from observance.conformance.alignment import ObservationError as ObservationError
from observance.conformance.alignment import Unobserved, align
from observance.reference.graphs import operands, place_of
from observance.reference.specs import is_equalizer, is_observer, settings_of

Settings: TypeAlias = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Edge:
    """A place where a node of the float graph reads a value.

    ``reader`` and ``value`` are names in the float graph; ``keys`` lead to the
    operand: a position or a keyword, then indexes and keys in containers.
    """

    reader: str
    keys: tuple[int | str, ...]
    value: str

    def __str__(self) -> str:
        return f"{self.value} -> {self.reader} ({place_of(self.keys)})"


@dataclass(frozen=True)
class Seen:
    """An observer that was found: which object, by number, and what it is."""

    group: int
    settings: Settings = field(compare=False)

    @property
    def kind(self) -> str:
        """The observer's class and its telling settings, for a reader."""
        return describe(self.settings)


Chain: TypeAlias = tuple[Seen, ...]
"""The observers between a value and what reads it, the one next to the value first."""


@dataclass(frozen=True)
class Observation:
    """What a prepared model has where.

    Attributes
    ----------
    edges
        The chain of observers on every edge of the float graph; empty if none.
        Equalization observers are left out: they say nothing of how a value is quantized.
    values
        All chains of observers on every value, those that nothing reads included.
    callees
        What each node that calls a module calls: its class, and the observers inside.
    names
        The name of each float node in the prepared model.
    equalized
        The whole chain on every edge that has an equalization observer.
    equalizers
        All chains on every value that end in an equalization observer.
    """

    edges: Mapping[Edge, Chain]
    values: Mapping[str, frozenset[Chain]]
    callees: Mapping[str, Settings]
    names: Mapping[str, str]
    equalized: Mapping[Edge, Chain] = field(default_factory=dict)
    equalizers: Mapping[str, frozenset[Chain]] = field(default_factory=dict)

    def chain(self, edge: Edge) -> Chain:
        """Return all observers on an edge, those of equalization included."""
        return self.equalized.get(edge, self.edges[edge])

    def on(self, value: str) -> str:
        """Return all observers on a value in words; nothing if there are none."""
        return ", ".join(seen.kind for chain in self.values.get(value, ()) for seen in chain)

    def specs(self, edge: Edge) -> tuple[Settings, ...]:
        """Return what the observers on an edge are."""
        return _specs(self.edges[edge])

    def unread(self) -> list[tuple[str, Chain]]:
        """Return the chains that no edge has, each with its value: observers that nothing reads."""
        read = {(edge.value, chain[:end]) for edge, chain in self.edges.items() for end in range(len(chain) + 1)}
        return [
            (value, chain)
            for value, chains in self.values.items()
            for chain in sorted(chains, key=lambda chain: words(_specs(chain)))
            if (value, chain) not in read
        ]


def _specs(chain: Chain) -> tuple[Settings, ...]:
    """Return what the observers of a chain are."""
    return tuple(seen.settings for seen in chain)


def describe(settings: Settings) -> str:
    """Return an observer in words, such as ``MinMaxObserver(quint8, 0..127)``."""
    found = dict(settings)
    name = str(found["class"]).rpartition(".")[2]
    words = [str(found.get("dtype")).removeprefix("torch.")]
    if found.get("quant_min") is not None:
        words.append(f"{found['quant_min']}..{found['quant_max']}")
    scheme = str(found.get("qscheme", "")).removeprefix("torch.")
    words += [scheme] if scheme not in ("", "per_tensor_affine") else []
    words += ["dynamic"] if found.get("is_dynamic") else []
    words += [f"scale {found['scale'][0]:g}"] if found.get("scale") else []
    eps = found.get("eps")
    if isinstance(eps, tuple) and eps and eps[0] != torch.finfo(torch.float32).eps:
        words.append(f"eps {eps[0]:g}")
    words += sorted({f"on {place}" for name, place in found.items() if name.startswith("device of ")})
    return f"{name}({', '.join(words)})"


def edges_of(graph: Graph) -> list[Edge]:
    """Return all edges of a float graph, in its order."""
    return [Edge(node.name, operand.keys, operand.value.name) for node in graph.nodes for operand in operands(node)]


def observe(float_graph: Graph, prepared: GraphModule) -> Observation:
    """Observe a prepared model.

    Parameters
    ----------
    float_graph
        The graph that was prepared, as it was before.
    prepared
        The result.  Observe it before a tensor passes through it.

    Raises
    ------
    ObservationError
        If, its observers taken away, it is not the float graph.
    """
    reader = _Reader(float_graph, prepared)
    whole = {
        Edge(node.name, operand.keys, operand.value.name): reader.chain(_at(reader.copies[node], operand.keys))
        for node in float_graph.nodes
        for operand in operands(node)
    }
    edges = {edge: reader.quantizing(chain) for edge, chain in whole.items()}
    values: dict[str, set[Chain]] = {}
    equalizers: dict[str, set[Chain]] = {}
    for node in prepared.graph.nodes:
        if reader.bare.is_observer(node):
            base, chain = reader.names[reader.bare.base(node)], reader.chain(node)
            if chain[-1].group in reader.equalizers:
                equalizers.setdefault(base, set()).add(chain)
            else:
                values.setdefault(base, set()).add(reader.quantizing(chain))
    names = {original.name: copy.name for original, copy in reader.copies.items()}
    frozen = {value: frozenset(chains) for value, chains in values.items()}
    callees = {
        original.name: callee_of(reader.bare.modules[str(copy.target)])
        for original, copy in reader.copies.items()
        if original.op == "call_module"
    }
    equalized = {edge: chain for edge, chain in whole.items() if chain != edges[edge]}
    return Observation(edges, frozen, callees, names, equalized, {v: frozenset(c) for v, c in equalizers.items()})


def callee_of(module: nn.Module) -> Settings:
    """Return what a module that a node calls is: its class, and the observers inside, by their names."""
    kind = type(module)
    inside = ((name, settings_of(part)) for name, part in module.named_modules() if name and is_observer(part))
    return (("class", f"{kind.__module__}.{kind.__qualname__}"), *inside)


class _Reader:
    """A prepared graph, held against the float graph node by node."""

    def __init__(self, float_graph: Graph, prepared: GraphModule) -> None:
        self.bare = Unobserved(prepared)
        self.groups: dict[int, int] = {}
        self.equalizers: set[int] = set()
        self.seen: dict[Node, Chain] = {}
        self.copies = align(float_graph, self.bare)
        self.names = {copy: original.name for original, copy in self.copies.items()}

    def chain(self, node: Any) -> Chain:
        """Return the observers from the value below up to a node."""
        if not isinstance(node, Node):
            raise ObservationError("a value of the float graph was replaced by a constant")
        pending: list[Node] = []
        while self.bare.is_observer(node) and node not in self.seen:
            pending.append(node)
            node = node.all_input_nodes[0]
        chain = self.seen.get(node, ())
        for observer in reversed(pending):
            module = self.bare.modules[str(observer.target)]
            group = self.groups.setdefault(id(module), len(self.groups))
            if is_equalizer(module):
                self.equalizers.add(group)
            chain = (*chain, Seen(group, settings_of(module)))
            self.seen[observer] = chain
        return chain

    def quantizing(self, chain: Chain) -> Chain:
        """Return a chain without its equalization observers."""
        return tuple(seen for seen in chain if seen.group not in self.equalizers)


def _at(node: Node, keys: tuple[int | str, ...]) -> Any:
    """Return the part of a node's arguments to which keys lead."""
    first, *rest = keys
    part: Any = node.args[first] if isinstance(first, int) else node.kwargs[first]
    for key in rest:
        part = (part.start, part.stop, part.step)[int(key)] if isinstance(part, slice) else part[key]
    return part


@dataclass(frozen=True)
class Difference:
    """One place where two observations differ."""

    edge: Edge | None
    place: str
    expected: str
    found: str


def differences(expected: Observation, found: Observation) -> list[Difference]:
    """Return where two observations of one float graph differ; nothing if they are equal.

    First the observers on each edge are compared, then those on each value, which
    include those that nothing reads, then which of them are one object.
    """
    return [
        *_edge_differences(expected, found),
        *_equalization_differences(expected, found),
        *_callee_differences(expected, found),
        *_sharing_differences(expected, found),
    ]


def _edge_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the edges, and the values, whose observers are not the same."""
    for edge in expected.edges:
        mine, theirs = expected.specs(edge), found.specs(edge)
        if mine != theirs:
            yield Difference(edge, str(edge), *_told(mine, theirs))
    for value in dict.fromkeys([*expected.values, *found.values]):
        mine_all, theirs_all = (_on_value(seen, value) for seen in (expected, found))
        if Counter(mine_all) != Counter(theirs_all):
            texts = (" | ".join(sorted(map(words, chains))) or words(()) for chains in (mine_all, theirs_all))
            yield Difference(None, f"on {value}", *texts)


def _equalization_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the edges, and the values, whose equalization observers are not the same, or stand elsewhere."""
    for edge in expected.edges:
        if expected.specs(edge) == found.specs(edge):
            mine, theirs = _specs(expected.chain(edge)), _specs(found.chain(edge))
            if mine != theirs:
                yield Difference(edge, f"{edge}, equalization", *_told(mine, theirs))
    for value in dict.fromkeys([*expected.equalizers, *found.equalizers]):
        counts = [Counter(map(_specs, seen.equalizers.get(value, ()))) for seen in (expected, found)]
        if counts[0] != counts[1]:
            texts = (" | ".join(sorted(map(words, count.elements()))) or words(()) for count in counts)
            yield Difference(None, f"on {value}, equalization", *texts)


def _callee_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the nodes that call different modules, or modules with different observers inside."""
    for node, callee in expected.callees.items():
        other = found.callees[node]
        if callee != other:
            yield Difference(None, f"the module of {node}", describe_callee(callee), describe_callee(other))


def describe_callee(callee: Settings) -> str:
    """Return a called module in words: its class, and the observers inside."""
    (_, kind), *parts = callee
    inside = ", ".join(f"{name} {describe(settings)}" for name, settings in parts)
    return f"{kind} with {inside}" if inside else str(kind)


def _on_value(observation: Observation, value: str) -> list[tuple[Settings, ...]]:
    """Return what all chains of observers on a value are."""
    return [_specs(chain) for chain in observation.values.get(value, ())]


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
        mine = [own for where, own in expected.unread() if where == value and _specs(own) == _specs(chain)]
        theirs = [other for where, other in unread if where == value and _specs(other) == _specs(chain)]
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
                )
                break


def words(chain: tuple[Settings, ...]) -> str:
    """Return a chain of observers in words."""
    return " then ".join(map(describe, chain)) or "no observer"
