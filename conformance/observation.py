"""A prepared model seen without names.

What is left of a prepared model when its names are taken away: for every edge
of the float graph the chain of observers on it, for every observer what it is,
and which of them are one object.  Two observations of one float graph are equal
exactly when the two models have the same observers in the same places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from observance.conformance.alignment import ObservationError as ObservationError
from observance.conformance.alignment import Unobserved, align
from observance.conformance.parts import Place, undone
from observance.reference.graphs import Operand, operands, place_of
from observance.reference.modules import Path
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
    """An observer that was found: which object, by number, what it is, and which ones it is derived from."""

    group: int
    settings: Settings = field(compare=False)
    sources: tuple[int, ...] = field(default=(), compare=False)

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
        What each node that calls a module calls: its class, its mode, its hooks, and the observers inside.
    names
        The name of each float node in the prepared model.
    inside
        For each node that calls a standalone module, what is inside of it.
    dequantized
        For each edge that reads an LSTM's output or a part of it, the parts behind dequant stubs.
    stubs
        For each node whose output is taken apart, the parts that have a stub.
    detours
        The edges that read a part out of what was put together again.
    equalized
        The whole chain on every edge that has an equalization observer.
    equalizers
        All chains on every value that end in an equalization observer.
    """

    edges: Mapping[Edge, Chain]
    values: Mapping[str, frozenset[Chain]]
    callees: Mapping[str, Settings]
    names: Mapping[str, str]
    inside: Mapping[str, Observation] = field(default_factory=dict)
    dequantized: Mapping[Edge, frozenset[Path]] = field(default_factory=dict)
    stubs: Mapping[str, frozenset[Path]] = field(default_factory=dict)
    detours: frozenset[Edge] = frozenset()
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
        return specs_of(self.edges[edge])

    def unread(self) -> list[tuple[str, Chain]]:
        """Return the chains that no edge has, each with its value: observers that nothing reads."""
        read = {(edge.value, chain[:end]) for edge, chain in self.edges.items() for end in range(len(chain) + 1)}
        return [
            (value, chain)
            for value, chains in self.values.items()
            for chain in sorted(chains, key=lambda chain: words(specs_of(chain)))
            if (value, chain) not in read
        ]


def specs_of(chain: Chain) -> tuple[Settings, ...]:
    """Return what the observers of a chain are."""
    return tuple(seen.settings for seen in chain)


def words(chain: tuple[Settings, ...]) -> str:
    """Return a chain of observers in words."""
    return " then ".join(map(describe, chain)) or "no observer"


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
    scale, _ = fixed_parameters(settings)
    words += [f"scale {scale[0]:g}"] if scale else []
    eps = found.get("eps")
    if isinstance(eps, tuple) and eps and eps[0] != torch.finfo(torch.float32).eps:
        words.append(f"eps {eps[0]:g}")
    words += sorted({f"on {place}" for name, place in found.items() if name.startswith("device of ")})
    return f"{name}({', '.join(words)})"


def fixed_parameters(settings: Settings) -> tuple[Any, Any]:
    """Return the scale and the zero point of an observer that fixes them, or that a fake quantizer has; else None."""
    found = dict(settings)
    found |= dict(found.get("activation_post_process", ()))
    return found.get("scale"), found.get("zero_point")


def edge_of(operand: Operand) -> Edge:
    """Return the edge at which an operand stands."""
    return Edge(operand.node.name, operand.keys, operand.value.name)


def chain_text(chain: Chain) -> str:
    """Return the observers on an edge in words, with the number of the object that each is."""
    return " then ".join(f"{seen.kind} #{seen.group}" for seen in chain) or "no observer"


@dataclass(frozen=True)
class Inner:
    """The float graph of a standalone module, and the standalone modules in it, by their targets."""

    graph: Graph
    inner: Mapping[str, Inner]


class StandaloneModule(nn.Module):
    """What stands for a prepared standalone module where its class is told: what is inside is seen by itself."""


def observe(float_graph: Graph, prepared: GraphModule, inner: Mapping[str, Inner] | None = None) -> Observation:
    """Observe a prepared model.

    Parameters
    ----------
    float_graph
        The graph that was prepared, as it was before.
    prepared
        The result.  Observe it before a tensor passes through it.
    inner
        The float graphs of the standalone modules that the graph calls, by their targets.

    Raises
    ------
    ObservationError
        If, its observers taken away, it is not the float graph.
    """
    reader = _Reader(float_graph, prepared)
    whole = {
        edge_of(operand): reader.chain(_at(reader.copies[node], operand.keys))
        for node in float_graph.nodes
        for operand in operands(node)
    }
    inside = _inside(reader, inner or {})
    edges = {edge: reader.quantizing(chain) for edge, chain in whole.items()}
    values, equalizers = _on_values(reader)
    names = {original.name: copy.name for original, copy in reader.copies.items()}
    callees = {
        original.name: callee_of(_told_as(reader.bare.modules[str(copy.target)], original.name in inside))
        for original, copy in reader.copies.items()
        if original.op == "call_module"
    }
    equalized = {edge: chain for edge, chain in whole.items() if chain != edges[edge]}
    through, detours = reader.through(edges)
    stubs = {reader.names[node]: frozenset(paths) for node, paths in reader.stubs.items()}
    return Observation(edges, values, callees, names, inside, through, stubs, detours, equalized, equalizers)


def _on_values(reader: _Reader) -> tuple[dict[str, frozenset[Chain]], dict[str, frozenset[Chain]]]:
    """Return all chains on each value: those that quantize it, and those that end in an equalization observer."""
    values: dict[str, set[Chain]] = {}
    equalizers: dict[str, set[Chain]] = {}
    for node in reader.prepared.graph.nodes:
        if reader.bare.is_observer(node):
            base, chain = reader.names[reader.bare.base(node)], reader.chain(node)
            if chain[-1].group in reader.equalizers:
                equalizers.setdefault(base, set()).add(chain)
            else:
                values.setdefault(base, set()).add(reader.quantizing(chain))
    quantizing, equalizing = (
        {value: frozenset(chains) for value, chains in found.items()} for found in (values, equalizers)
    )
    return quantizing, equalizing


def _inside(reader: _Reader, inner: Mapping[str, Inner]) -> dict[str, Observation]:
    """Return what is inside the standalone modules that are prepared."""
    found = {}
    for original, copy in reader.copies.items():
        module = reader.bare.modules.get(str(copy.target)) if copy.op == "call_module" else None
        if str(original.target) not in inner or not isinstance(module, GraphModule):
            continue
        own = inner[str(original.target)]
        try:
            found[original.name] = observe(own.graph, module, own.inner)
        except ObservationError as error:
            raise ObservationError(f"inside {original.target}: {error}") from error
    return found


def _told_as(module: nn.Module, is_seen_inside: bool) -> nn.Module:
    """Return the module by which a called one is told: itself, or what stands for a standalone one."""
    return StandaloneModule().train(module.training) if is_seen_inside else module


def callee_of(module: nn.Module) -> Settings:
    """Return what a module that a node calls is: its class, mode and hooks, and the observers inside, by name.

    Those inside of a graph module have no names that anybody else gave: they are numbered.
    """
    kind = type(module)
    # In what order the modules were put into it means nothing.
    inside = {name: settings_of(part) for name, part in module.named_modules() if name and is_observer(part)}
    parts = [(name, inside[name]) for name in sorted(inside)]
    if isinstance(module, GraphModule):
        parts = [(f"observer {number}", one) for number, one in enumerate(sorted(inside.values(), key=repr))]
    hooks = [describe_hook(*one) for name in HOOKS for one in hooks_of(module, name)]
    state = (("training", module.training), ("hooks", tuple(hooks)))
    # A class that a case defines is the same in a case that was made from it.
    home = "case" if kind.__module__.startswith("case_") else kind.__module__
    return (("class", f"{home}.{kind.__qualname__}"), *state, *parts)


HOOKS = ("_forward_pre_hooks", "_forward_hooks")
"""Where a module keeps what is called before and after it."""


def hooks_of(module: nn.Module, name: str) -> list[tuple[Any, tuple[str, ...]]]:
    """Return the hooks that a module keeps under a name, each with how it is to be called."""
    manners = (("with keywords", f"{name}_with_kwargs"), ("always", f"{name}_always_called"))
    return [
        (hook, tuple(manner for manner, place in manners if key in getattr(module, place, ())))
        for key, hook in getattr(module, name).items()
    ]


def describe_hook(hook: Any, manners: tuple[str, ...]) -> str:
    """Return a hook in words, with how it is to be called."""
    return ", ".join((hook.__qualname__, *manners))


class _Reader:
    """A prepared graph, held against the float graph node by node."""

    def __init__(self, float_graph: Graph, prepared: GraphModule) -> None:
        apart = undone(float_graph, prepared)
        self.prepared = prepared if apart is None else apart.prepared
        self.stubs: Mapping[Node, set[Path]] = {} if apart is None else apart.stubs
        self.bare = Unobserved(self.prepared)
        self.groups: dict[int, int] = {}
        self.equalizers: set[int] = set()
        self.seen: dict[Node, Chain] = {}
        self.apart = apart
        self.copies = align(float_graph if apart is None else apart.float_graph, self.bare)
        if apart is not None:
            self.copies = {original: self.copies[once] for original, once in apart.originals.items()}
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
            group = self.group(module)
            if is_equalizer(module):
                self.equalizers.add(group)
            sources = tuple(map(self.group, getattr(module, "obs_or_fqs", ())))
            chain = (*chain, Seen(group, settings_of(module), sources))
            self.seen[observer] = chain
        return chain

    def group(self, module: nn.Module) -> int:
        """Return the number of an observer: the same for one object."""
        return self.groups.setdefault(id(module), len(self.groups))

    def through(self, edges: Mapping[Edge, Chain]) -> tuple[dict[Edge, frozenset[Path]], frozenset[Edge]]:
        """Return through which stubs the edges read, and which of them by a detour."""
        if self.apart is None:
            return {}, frozenset()
        found: dict[Edge, frozenset[Path]] = {}
        detours: set[Edge] = set()
        for original, copy in self.copies.items():
            for operand in operands(original):
                edge = edge_of(operand)
                places = self._places(copy, operand.keys)
                paths = frozenset(path for place in places for path in self.apart.reads.get(place, ()))
                found.update({edge: paths} if paths else {})
                detours.update({edge} if self.apart.detours.intersection(places) else ())
        return found, frozenset(detours)

    def _places(self, node: Node, keys: tuple[int | str, ...]) -> list[Place]:
        """Return a place, and those where the observers there read."""
        places = [(node, keys)]
        while self.bare.is_observer(below := _at(*places[-1])):
            places.append((below, (0,)))
        return places

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
