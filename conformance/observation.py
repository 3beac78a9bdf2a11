"""A prepared model seen without names.

What is left of a prepared model when its names are taken away: for every edge
of the float graph the chain of observers on it, for every observer what it is,
and which of them are one object.  Two observations of one float graph are equal
exactly when the two models have the same observers in the same places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from observance.reference.graphs import operands
from observance.reference.specs import is_observer, settings_of

Settings: TypeAlias = tuple[tuple[str, Any], ...]


class ObservationError(ValueError):
    """A prepared model that is not its float model plus observers; the text says where."""


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
        first, *rest = self.keys
        place = f"argument {first!r}" + "".join(f"[{key!r}]" for key in rest)
        return f"{self.value} -> {self.reader} ({place})"


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
    values
        All chains of observers on every value, those that nothing reads included.
    names
        The name of each float node in the prepared model.
    """

    edges: Mapping[Edge, Chain]
    values: Mapping[str, frozenset[Chain]]
    names: Mapping[str, str]

    def specs(self, edge: Edge) -> tuple[Settings, ...]:
        """Return what the observers on an edge are."""
        return tuple(seen.settings for seen in self.edges[edge])


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
    return f"{name}({', '.join(words)})"


def edges_of(graph: Graph) -> list[Edge]:
    """Return all edges of a float graph, in its order."""
    return [
        Edge(node.name, operand.keys, operand.value.name)
        for node in graph.nodes
        for operand in operands(node)
    ]


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
    edges = {
        Edge(node.name, operand.keys, operand.value.name): reader.chain(
            _at(reader.copies[node], operand.keys)
        )
        for node in float_graph.nodes
        for operand in operands(node)
    }
    values: dict[str, set[Chain]] = {}
    for node in prepared.graph.nodes:
        if reader.is_observer(node):
            base = reader.names[reader.base(node)]
            values.setdefault(base, set()).add(reader.chain(node))
    names = {original.name: copy.name for original, copy in reader.copies.items()}
    frozen = {value: frozenset(chains) for value, chains in values.items()}
    return Observation(edges, frozen, names)


class _Reader:
    """A prepared graph, held against the float graph node by node."""

    def __init__(self, float_graph: Graph, prepared: GraphModule) -> None:
        self.modules = dict(prepared.named_modules(remove_duplicate=False))
        self.groups: dict[int, int] = {}
        self.seen: dict[Node, Chain] = {}
        self.copies = _align(self, float_graph, prepared.graph)
        self.names = {copy: original.name for original, copy in self.copies.items()}

    def is_observer(self, node: Any) -> bool:
        """Whether a node of the prepared graph observes a value."""
        return (
            isinstance(node, Node)
            and node.op == "call_module"
            and is_observer(self.modules.get(str(node.target)))
        )

    def base(self, node: Node) -> Node:
        """Return the value below all observers."""
        while self.is_observer(node):
            below = next(iter(node.all_input_nodes), None)
            if below is None:
                raise ObservationError(f"observer {node.name!r} observes nothing")
            node = below
        return node

    def chain(self, node: Any) -> Chain:
        """Return the observers from the value below up to a node."""
        if not isinstance(node, Node):
            raise ObservationError("a value of the float graph was replaced by a constant")
        pending: list[Node] = []
        while self.is_observer(node) and node not in self.seen:
            pending.append(node)
            node = node.all_input_nodes[0]
        chain = self.seen.get(node, ())
        for observer in reversed(pending):
            module = self.modules[str(observer.target)]
            group = self.groups.setdefault(id(module), len(self.groups))
            chain = (*chain, Seen(group, settings_of(module)))
            self.seen[observer] = chain
        return chain


def _align(reader: _Reader, float_graph: Graph, prepared: Graph) -> dict[Node, Node]:
    """Return the node of the prepared graph for each node of the float graph.

    Nodes are told by what they call and read; where several are alike, the one
    of the same name is taken, else the first.
    """
    waiting = [node for node in prepared.nodes if not reader.is_observer(node)]
    copies: dict[Node, Node] = {}
    inputs = [node for node in waiting if node.op == "placeholder"]
    for node in float_graph.nodes:
        if node.op == "placeholder":
            found = inputs.pop(0) if inputs else None
        else:
            alike = [other for other in waiting if _is_copy(reader, node, other, copies)]
            found = next((o for o in alike if o.name == node.name), alike[0] if alike else None)
        if found is None:
            raise ObservationError(
                f"node {node.name!r} of the float model is missing in the prepared one, "
                "or reads something else"
            )
        copies[node] = found
        waiting.remove(found)
    if waiting:
        raise ObservationError(f"the prepared model has a node {waiting[0].name!r} too many")
    return copies


def _is_copy(reader: _Reader, node: Node, other: Node, copies: Mapping[Node, Node]) -> bool:
    """Whether a prepared node does what a float node does, observers aside."""
    if node.op != other.op or (node.op != "output" and not _same_target(node, other)):
        return False
    same_args = _same(reader, tuple(node.args), tuple(other.args), copies)
    return same_args and _same(reader, dict(node.kwargs), dict(other.kwargs), copies)


def _same_target(node: Node, other: Node) -> bool:
    """Whether two nodes call the same thing; functions made twice are told by their names."""
    mine, theirs = node.target, other.target
    if mine == theirs:
        return True
    if isinstance(mine, str) or isinstance(theirs, str):
        return False
    return (mine.__module__, mine.__qualname__) == (theirs.__module__, theirs.__qualname__)


def _same(reader: _Reader, mine: Any, theirs: Any, copies: Mapping[Node, Node]) -> bool:
    """Whether an argument is the same, with the observers taken away."""
    match mine:
        case Node():
            return isinstance(theirs, Node) and reader.base(theirs) is copies.get(mine)
        case list() | tuple():
            return (
                isinstance(theirs, (list, tuple))
                and isinstance(mine, list) == isinstance(theirs, list)
                and len(mine) == len(theirs)
                and all(_same(reader, a, b, copies) for a, b in zip(mine, theirs, strict=True))
            )
        case dict():
            return (
                isinstance(theirs, dict)
                and list(mine) == list(theirs)
                and all(_same(reader, mine[key], theirs[key], copies) for key in mine)
            )
        case slice():
            ends = [(s.start, s.stop, s.step) for s in (mine, theirs) if isinstance(s, slice)]
            return len(ends) == 2 and _same(reader, ends[0], ends[1], copies)
    return type(mine) is type(theirs) and bool(mine == theirs)


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

    First the observers on each edge are compared, then those that nothing reads,
    then which of them are one object.
    """
    return [*_edge_differences(expected, found), *_sharing_differences(expected, found)]


def _edge_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the edges, and the values, whose observers are not the same."""
    for edge in expected.edges:
        mine, theirs = expected.specs(edge), found.specs(edge)
        if mine != theirs:
            yield Difference(edge, str(edge), words(mine), words(theirs))
    for value in dict.fromkeys([*expected.values, *found.values]):
        mine_all, theirs_all = _on_value(expected, value), _on_value(found, value)
        if mine_all != theirs_all:
            yield Difference(None, f"on {value}", " | ".join(mine_all), " | ".join(theirs_all))


def _on_value(observation: Observation, value: str) -> list[str]:
    """Return all chains of observers on a value, in words, sorted."""
    chains = observation.values.get(value, frozenset())
    return sorted(words(tuple(seen.settings for seen in chain)) for chain in chains)


def _sharing_differences(expected: Observation, found: Observation) -> Iterator[Difference]:
    """Yield the edges whose observers are one object in one model only."""
    forth: dict[int, int] = {}
    back: dict[int, int] = {}
    for edge, chain in expected.edges.items():
        for mine, theirs in zip(chain, found.edges[edge], strict=False):
            if mine.settings != theirs.settings:
                continue
            right = forth.setdefault(mine.group, theirs.group)
            left = back.setdefault(theirs.group, mine.group)
            if (right, left) != (theirs.group, mine.group):
                yield Difference(
                    edge,
                    f"{edge}, sharing",
                    f"{mine.kind} #{mine.group}",
                    f"{theirs.kind} #{theirs.group}, which is "
                    + ("another object" if right != theirs.group else "shared with others"),
                )
                break


def words(chain: tuple[Settings, ...]) -> str:
    """Return a chain of observers in words."""
    return " then ".join(map(describe, chain)) or "no observer"


def modules_of(model: nn.Module) -> dict[str, nn.Module]:
    """Return all modules by name, those with several names included."""
    return dict(model.named_modules(remove_duplicate=False))
