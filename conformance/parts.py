"""Seeing through what stands between a custom LSTM and its readers.

A custom LSTM's output is taken apart, a dequant stub is put on each part, and
the parts are put together again.  None of these nodes is an operator.  `undone`
gives the graph without them, and says beside it who reads through which stubs,
so that a graph can be held against the float one like any other.
"""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch.ao.quantization import DeQuantStub
from torch.fx import Graph, GraphModule, Node

from observance.reference.graphs import operands, output_of
from observance.reference.modules import Path

Place: TypeAlias = tuple[Node, tuple[int | str, ...]]
"""Where a node reads a value."""


@dataclass(frozen=True)
class Part:
    """A part of what a module gives; `dequantized` if a stub stands on it."""

    module: Node
    path: Path
    dequantized: bool = False


Value: TypeAlias = "Node | Part | tuple[Any, ...]"
"""What a node stands for: itself, a part, or several values put together."""


@dataclass
class Undone:
    """A prepared graph without what takes outputs apart, and the float graph with each part read once.

    Attributes
    ----------
    prepared, float_graph
        The two, to be held against each other.
    originals
        The node of `float_graph` for each node of the float graph.
    reads
        For each place of `prepared` that reads parts with stubs on them, which parts.
    detours
        The places that read a part out of what was put together again.
    stubs
        For each module's node, the parts of its output that have a stub.
    """

    prepared: GraphModule
    float_graph: Graph
    originals: dict[Node, Node]
    reads: dict[Place, frozenset[Path]] = field(default_factory=dict)
    detours: set[Place] = field(default_factory=set)
    stubs: dict[Node, set[Path]] = field(default_factory=dict)


def undone(float_graph: Graph, prepared: GraphModule) -> Undone | None:
    """Return a prepared graph without dequant stubs and what comes with them; None if there are none."""
    modules = dict(prepared.named_modules(remove_duplicate=False))
    stubs = {name for name, module in modules.items() if isinstance(module, DeQuantStub)}
    apart = {base for node in prepared.graph.nodes if node.target in stubs and (base := _base(node)) is not None}
    if not apart:
        return None
    once, originals = read_once(float_graph, {str(node.target) for node in apart})
    return _Undoer(Undone(prepared, once, originals), stubs, apart).run()


def _base(stub: Node) -> Node | None:
    """Return the module on a part of whose output a stub stands, or None if it stands on something else."""
    node = next(iter(stub.all_input_nodes), None)
    while node is not None and (part := _selected(node)) is not None:
        node = part[0]
    return node if node is not None and node.op == "call_module" else None


def read_once(float_graph: Graph, targets: set[str]) -> tuple[Graph, dict[Node, Node]]:
    """Return a copy of a float graph that takes each part of some modules' outputs once, and where each node went."""
    graph = Graph()
    copies: dict[Node, Node] = {}
    taken: dict[tuple[Node, Any], Node] = {}
    for node in float_graph.nodes:
        part = _selected(node)
        key = None if part is None else (copies[part[0]], part[1])
        if key in taken:
            copies[node] = taken[key]
            continue
        copies[node] = graph.node_copy(node, lambda value: copies[value])
        if key is not None and (str(key[0].target) in targets or key[0] in taken.values()):
            taken[key] = copies[node]
    graph.owning_module = float_graph.owning_module
    return graph, copies


def _selected(node: Node) -> tuple[Node, int] | None:
    """Return of what, and which item, a node takes; None if it takes none by a number."""
    if node.op != "call_function" or node.target is not operator.getitem or len(node.args) != 2:
        return None
    value, index = node.args
    return (value, index) if isinstance(value, Node) and isinstance(index, int) else None


class _Undoer:
    """First tells what each node stands for, then builds the graph of those that stand for themselves."""

    def __init__(self, result: Undone, stubs: set[str], apart: set[Node]) -> None:
        self.result, self.stubs, self.apart = result, stubs, apart
        self.old = result.prepared
        self.graph = Graph()
        self.values: dict[Node, Value] = {}
        self.copies: dict[Node, Node] = {}
        self.through: set[Node] = set()
        self.taken: dict[tuple[Node, Path], Node] = {}
        self.names: dict[tuple[Node, Path], str] = {}
        self.known = {node.name for node in result.float_graph.nodes}

    def run(self) -> Undone:
        """Build it, and return what was found."""
        for node in self.old.graph.nodes:
            self.values[node] = self._value(node)
        for value in list(self.values.values()):
            if isinstance(value, Node):
                self.copies[value] = self._copied(value)
        self._take_unread()
        self.result.stubs = {self.copies[module]: paths for module, paths in self.result.stubs.items()}
        self.result.prepared = GraphModule(self.old, self.graph)
        return self.result

    def _value(self, node: Node) -> Value:
        """Return what a node of the prepared graph stands for."""
        part = _selected(node)
        if part is not None and (found := self._item(node, *part)) is not None:
            return found
        if node.op == "call_function" and node.target is tuple and len(node.args) == 1:
            values = tuple(self.values[v] if isinstance(v, Node) else v for v in node.args[0])  # type: ignore[union-attr]
            if values and all(isinstance(value, (Part, tuple)) for value in values):
                return values
        if node.op == "call_module" and node.target in self.stubs and len(node.all_input_nodes) == 1:
            below = self.values[node.all_input_nodes[0]]
            if isinstance(below, Part) and not below.dequantized:
                self.result.stubs.setdefault(below.module, set()).add(below.path)
                return Part(below.module, below.path, True)
        return node

    def _item(self, node: Node, whole: Node, index: int) -> Value | None:
        """Return which part an item is of a module's output, or of what was put together of its parts."""
        value = self.values[whole]
        found: Value | None = None
        if isinstance(value, tuple):
            self.through.add(node)
            found = value[index] if -len(value) <= index < len(value) else None
        elif isinstance(value, Part) and not value.dequantized:
            found = Part(value.module, (*value.path, index))
        elif isinstance(value, Node) and whole in self.apart:
            found = Part(value, (index,))
        part = None if found is None else _whole(found)
        if part is not None and self.names.get((part.module, part.path)) not in self.known:
            self.names[part.module, part.path] = node.name
        return found

    def _copied(self, node: Node) -> Node:
        """Copy an operator, an observer, an input or the output, and note what it reads through stubs."""
        copy = self.graph.node_copy(node, lambda value: self._read(self.values[value]))
        for operand in operands(node):
            value = self.values[operand.value]
            if paths := frozenset(_dequantized(value)):
                self.result.reads[copy, operand.keys] = paths
            if operand.value in self.through:
                self.result.detours.add((copy, operand.keys))
        return copy

    def _read(self, value: Value) -> Node:
        """Return the node of the new graph to read a value from."""
        if isinstance(value, Node):
            return self.copies[value]
        part = _whole(value)
        if part is not None:
            return self._part(part.module, part.path)
        assert isinstance(value, tuple)
        return self.graph.call_function(tuple, ([self._read(one) for one in value],))

    def _part(self, module: Node, path: Path) -> Node:
        """Return the node that takes a part; it is made when it is first asked for."""
        if not path:
            return self.copies[module]
        if (module, path) not in self.taken:
            base = self._part(module, path[:-1])
            name = self.names.get((module, path))
            self.taken[module, path] = self.graph.create_node(
                "call_function", operator.getitem, (base, path[-1]), name=name
            )
        return self.taken[module, path]

    def _take_unread(self) -> None:
        """Take the parts that the float graph takes, though nothing reads them any more."""
        calls = dict(zip(_counted(self.result.float_graph), self.result.float_graph.nodes, strict=True))
        output = output_of(self.graph)
        for key, node in zip(_counted(self.old.graph), self.old.graph.nodes, strict=True):
            if node not in self.result.stubs or key not in calls:
                continue
            pending: list[tuple[Node, Path]] = [(calls[key], ())]
            while pending:
                value, path = pending.pop()
                for user in value.users:
                    if (part := _selected(user)) is not None:
                        with self.graph.inserting_before(output):
                            self._part(node, (*path, part[1]))
                        pending += [(user, (*path, part[1]))] if len(path) < 1 else []


def _counted(graph: Graph) -> list[tuple[str, str, int]]:
    """Return for each node what it calls, and how often that was called before."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for node in graph.nodes:
        key = node.op, str(node.target)
        found.append((*key, seen[key]))
        seen[key] += 1
    return found


def _dequantized(value: Value) -> list[Path]:
    """Return the paths of all parts of a value that have a stub."""
    if isinstance(value, tuple):
        return [path for one in value for path in _dequantized(one)]
    return [value.path] if isinstance(value, Part) and value.dequantized else []


def _whole(value: Value) -> Part | None:
    """Return the part that a value is, or that some parts put together are."""
    if isinstance(value, Part):
        return value
    if not isinstance(value, tuple):
        return None
    inner = [_whole(one) for one in value]
    first = inner[0] if inner else None
    if first is None or not first.path:
        return None
    wanted = [(first.module, (*first.path[:-1], index)) for index in range(len(value))]
    matches = [(part.module, part.path) for part in inner if part is not None] == wanted
    return Part(first.module, first.path[:-1]) if matches else None
