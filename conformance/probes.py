"""Small graphs made of some nodes of a larger one: what a quantizer does with operators by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch.fx import Graph, GraphModule, Node

from observance.conformance.brought import Quantizing, annotate
from observance.reference.annotations import KEY, Place, read

_OF_INPUTS = ("val", "tensor_meta")
"""What an input of an exported graph carries."""


def part_of(model: GraphModule, nodes: Sequence[Node], equal: Mapping[Node, Node] | None = None) -> GraphModule:
    """Return a graph of some nodes alone, under their names, with what is stored in them; the last one is returned.

    Parameters
    ----------
    model
        The graph that they are in; its parameters stay, all else that they read becomes an input, of which nobody
        can tell any more what has computed it.
    nodes
        The nodes, in the order of the graph.
    equal
        Values in place of which others are read.
    """
    graph, made = Graph(), dict[Node, Node]()
    for value in dict.fromkeys(value for node in nodes for value in node.all_input_nodes):
        if value not in nodes and value not in (equal or {}):
            made[value] = _from_outside(graph, value)
    for value, other in (equal or {}).items():
        made[value] = made[other]
    for node in nodes:
        made[node] = graph.node_copy(node, made.__getitem__)
        made[node].meta = _bare(node)
    graph.output((made[nodes[-1]],))
    return GraphModule(model, graph)


def _from_outside(graph: Graph, value: Node) -> Node:
    """Return a new node of a graph for what it reads: a parameter, or an input, which says what it is and no more."""
    if value.op == "get_attr":
        node = graph.get_attr(str(value.target))
        node.meta = _bare(value)
    else:
        node = graph.placeholder(value.name)
        node.meta = {name: value.meta[name] for name in _OF_INPUTS if name in value.meta}
    return node


def _bare(node: Node) -> dict[str, object]:
    """Return what a node carries, but for an annotation."""
    return {name: value for name, value in node.meta.items() if name != KEY}


def asked_of(quantizing: Any, model: GraphModule, is_qat: bool) -> dict[Place, object]:
    """Return what a new quantizer asks for, place by place, on a graph on which nothing is written yet.

    Where it fails, or nobody can read what it wrote, that is nothing: whether it may fail is another rule's affair.
    """
    assert isinstance(quantizing, Quantizing)
    try:
        annotate(quantizing.quantizer(is_qat), model)
        return read(model.graph)
    except Exception:  # it is the vendor's
        return {}


def places_of(asked: Mapping[Place, object]) -> set[tuple[str, ...]]:
    """Return the names of places."""
    return {(where.name,) if isinstance(where, Node) else (where[0].name, where[1].name) for where in asked}
