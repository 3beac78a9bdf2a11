"""From a plan to a model: the graph is copied, observers are put where the plan says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from torch import nn
from torch.fx import Graph, GraphModule, Node

from .plan import Plan, Slot
from .specs import is_equalizer


def rewrite(model: GraphModule, plan: Plan) -> GraphModule:
    """Return a copy of a traced model with the plan's observers in it.

    The model itself keeps its graph; the copy has the same modules.
    """
    graph = Graph()
    copies: dict[Node, Node] = {}
    returned = graph.graph_copy(model.graph, copies)
    graph.output(returned)
    prepared = GraphModule(model, graph)
    prepared.meta.update(model.meta)
    nodes = _insert(prepared, plan, copies)
    _rewire(model.graph, graph, plan, copies, nodes)
    graph.lint()
    prepared.recompile()
    return prepared


def _insert(prepared: GraphModule, plan: Plan, copies: dict[Node, Node]) -> dict[Slot, Node]:
    """Put one node for each slot behind the value that it observes."""
    made: dict[Slot, nn.Module] = {}
    nodes: dict[Slot, Node] = {}
    for slot in plan.slots:
        leader = plan.shares[slot]
        if leader not in made:
            made[leader] = leader.spec.make()
            if plan.device is not None:
                made[leader].to(plan.device)
        below = nodes[slot.below] if slot.below else copies[slot.value]
        name = next(name for name in _names(slot, below) if not hasattr(prepared, name))
        prepared.add_submodule(name, made[leader])
        with prepared.graph.inserting_after(below):
            nodes[slot] = prepared.graph.call_module(name, (below,))
    return nodes


def _names(slot: Slot, below: Node) -> Iterator[str]:
    """Yield names for an observer, as many as it takes to find one that is free."""
    prefix = f"{below.name}_equalization_process" if is_equalizer(slot.spec.instance) else "activation_post_process"
    return (f"{prefix}_{number}" for number in count())


def _rewire(old: Graph, new: Graph, plan: Plan, copies: dict[Node, Node], nodes: dict[Slot, Node]) -> None:
    """Let every operand read the observer that the plan gives it."""
    output = next(node for node in new.nodes if node.op == "output")
    for node in old.nodes:
        copy = output if node.op == "output" else copies[node]

        def reads(argument: Any, keys: tuple[int | str, ...], node: Node = node) -> Any:
            return _argument(argument, keys, node, plan, copies, nodes)

        copy.args = tuple(reads(argument, (index,)) for index, argument in enumerate(node.args))
        copy.kwargs = {name: reads(argument, (name,)) for name, argument in node.kwargs.items()}


def _argument(
    argument: Any,
    keys: tuple[int | str, ...],
    node: Node,
    plan: Plan,
    copies: dict[Node, Node],
    nodes: dict[Slot, Node],
) -> Any:
    """Return an argument of the new graph in place of one of the old."""

    def inner(part: Any, key: int | str) -> Any:
        return _argument(part, (*keys, key), node, plan, copies, nodes)

    match argument:
        case Node():
            slot = plan.reads.get((node, keys))
            return copies[argument] if slot is None else nodes[slot]
        case list() | tuple():
            parts = [inner(part, index) for index, part in enumerate(argument)]
            if hasattr(argument, "_fields"):
                return type(argument)(*parts)
            return list(parts) if isinstance(argument, list) else tuple(parts)
        case dict():
            return {key: inner(part, key) for key, part in argument.items()}
        case slice():
            ends = (argument.start, argument.stop, argument.step)
            return slice(*(inner(end, index) for index, end in enumerate(ends)))
    return argument
