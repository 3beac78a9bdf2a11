"""An outcome as plain data, in which nothing depends on names, on memory or on the order of the prepared graph.

Nodes are numbered as they stand in the float graph; observers are numbered as
they are met along its edges.  A node's name and kind are there for the reader.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from torch.fx import Graph, Node

from observance.conformance.observation import Chain, Inner, Observation, Settings, words
from observance.conformance.observation import specs_of as specs
from observance.conformance.outcomes import Outcome, arguments_of
from observance.conformance.usage import printable, told
from observance.strategies import Case

Plain: TypeAlias = "dict[str, Any]"
"""What JSON can hold, by name."""

PREPARED, REFUSED, MISSHAPEN, UNCLAIMED = "prepared", "refused", "misshapen", "not claimed"
"""What may have come of a case."""


def portrait(outcome: Outcome, prefused: bool) -> Plain:
    """Return an outcome as plain data.

    Parameters
    ----------
    outcome
        What one call of `prepare` did.
    prefused
        Whether the model was fused first.
    """
    if outcome.error is not None:
        return {"outcome": REFUSED, "error": type(outcome.error).__name__, "says": told(outcome.error)}
    if outcome.observation is None:
        return {"outcome": MISSHAPEN, "says": printable(str(outcome.misshapen))}
    nodes = _nodes(outcome.float_graph, kinds_of(outcome.case, prefused))
    return {"outcome": PREPARED, **_Painter(nodes, outcome.observation, outcome.float_graph, outcome.inner).paint()}


def kinds_of(case: Case, prefused: bool) -> dict[str, str]:
    """Return what each node of a case's float graph is, by name, from a model that nobody has prepared."""
    graph = arguments_of(case, prefused).model.graph
    return {node.name: kind_of(node) for node in graph.nodes}


def kind_of(node: Node) -> str:
    """Return what a node is: the class of its module, the name of its function or method, or its part in the graph."""
    model = node.graph.owning_module
    if node.op == "call_module" and model is not None:
        return type(model.get_submodule(str(node.target))).__name__
    if node.op == "call_function":
        return getattr(node.target, "__name__", str(node.target))
    if node.op == "call_method":
        return f".{node.target}"
    return {"placeholder": "input", "get_attr": "parameter"}.get(node.op, node.op)


def _nodes(graph: Graph, kinds: Mapping[str, str]) -> dict[str, str]:
    """Return the nodes of a graph, by name and in order, with what each is."""
    return {node.name: kinds.get(node.name) or kind_of(node) for node in graph.nodes}


class _Painter:
    """One observation, told with numbers in place of names."""

    def __init__(self, nodes: Mapping[str, str], seen: Observation, graph: Graph, inner: Mapping[str, Inner]) -> None:
        self.nodes, self.seen, self.graph, self.inner = nodes, seen, graph, inner
        self.numbers = {name: number for number, name in enumerate(nodes)}
        self.observers: dict[int, int] = {}
        self.settings: list[Plain] = []

    def paint(self) -> Plain:
        """Return the observation as plain data."""
        edges = [
            [self.numbers[edge.reader], list(edge.keys), self.numbers[edge.value], self._chain(self.seen.chain(edge))]
            for edge in self.seen.edges
        ]
        unread = [[self.numbers[value], self._chain(chain)] for value, chain in self._unread()]
        callees = [[self.numbers[node], _callee(callee)] for node, callee in self.seen.callees.items()]
        stubs = [[self.numbers[n], sorted(map(list, paths))] for n, paths in sorted(self.seen.stubs.items())]
        inside = [[self.numbers[node], self._inside(node, seen)] for node, seen in self.seen.inside.items()]
        told = {"nodes": list(map(list, self.nodes.items())), "observers": self.settings, "edges": edges}
        return told | {"unread": unread, "modules": callees, "stubs": stubs, "inside": inside}

    def _unread(self) -> Iterator[tuple[str, Chain]]:
        """Yield the observers that nothing reads, those of equalization included, in a fixed order."""
        yield from sorted(self.seen.unread(), key=lambda pair: (self.numbers[pair[0]], words(specs(pair[1]))))
        read = {(edge.value, chain) for edge, chain in self.seen.equalized.items()}
        left = [(v, c) for v, chains in self.seen.equalizers.items() for c in chains if (v, c) not in read]
        yield from sorted(left, key=lambda pair: (self.numbers[pair[0]], words(specs(pair[1]))))

    def _chain(self, chain: Chain) -> list[int]:
        """Return a chain of observers by number."""
        for seen in chain:
            if seen.group not in self.observers:
                self.observers[seen.group] = len(self.settings)
                self.settings.append(plain_settings(seen.settings))
        return [self.observers[seen.group] for seen in chain]

    def _inside(self, name: str, seen: Observation) -> Plain:
        """Return what is inside of a standalone module."""
        target = next(str(node.target) for node in self.graph.nodes if node.name == name)
        inner = self.inner[target]
        return _Painter(_nodes(inner.graph, {}), seen, inner.graph, inner.inner).paint()


def _callee(callee: Settings) -> Plain:
    """Return a module that is called as plain data."""
    (_, kind), (_, training), (_, hooks), *parts = callee
    observers = {name: plain_settings(settings) for name, settings in parts}
    return {"class": kind, "training": training, "hooks": list(hooks), "observers": observers}


def plain_settings(settings: Settings) -> Plain:
    """Return an observer's settings as plain data, those of its parts included."""
    return {name: _plain(value) for name, value in settings}


def _plain(value: Any) -> Any:
    """Return a setting as plain data."""
    if isinstance(value, tuple):
        pairs = value and all(isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str) for part in value)
        return plain_settings(value) if pairs else [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return printable(str(value))
