"""The floor: what any `prepare` must at least do to give the result that the reference gives.

It is told which observers to make and where they go, so that it decides nothing. It copies the graph, calls the
constructor of each observer that is one of its own, adds the observers to the model, inserts one node for each place,
lets every operand read what it is to read, and makes one graph module, whose code is generated once. It refuses
nothing, explains nothing, protects nothing of the caller's (the observers are added to his model), and stores nothing
that conversion needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg

from observance.reference import Plan


@dataclass(frozen=True)
class Place:
    """Where a node for an observer goes, in numbers.

    Attributes
    ----------
    value
        The number of the node that it observes.
    below
        The number of the place that it is inserted behind; None for the value itself.
    observer
        The number of its observer.
    """

    value: int
    below: int | None
    observer: int


@dataclass(frozen=True)
class Recipe:
    """What is made, and where it goes; nodes are numbered in the order of the graph.

    Attributes
    ----------
    constructors
        What constructs each observer.
    places
        Where they go, in the order in which they are inserted.
    reads
        For each node that reads observers, which place it reads in place of which node.
    """

    constructors: Sequence[Callable[[], nn.Module]]
    places: Sequence[Place]
    reads: Mapping[int, Mapping[int, int]]


def recipe(graph: Graph, plan: Plan) -> Recipe:
    """Return what the reference's plan comes to.

    Raises
    ------
    ValueError
        If the plan asks for more than the floor can do: what is swapped or derived, or different observers for one
        value that one node reads twice.
    """
    if plan.swapped or plan.custom or plan.standalone or plan.parts or plan.derived:
        raise ValueError("the floor inserts observers and does nothing else; measure a model that needs nothing else")
    numbers = {node: number for number, node in enumerate(graph.nodes)}
    slots = {slot: number for number, slot in enumerate(plan.slots)}
    leaders = {leader: number for number, leader in enumerate(dict.fromkeys(plan.shares[slot] for slot in slots))}
    places = [
        Place(numbers[slot.value], None if slot.below is None else slots[slot.below], leaders[plan.shares[slot]])
        for slot in slots
    ]
    reads: dict[int, dict[int, int]] = {}
    for (reader, _), slot in plan.reads.items():
        of_reader = reads.setdefault(numbers[reader], {})
        if of_reader.setdefault(numbers[slot.value], slots[slot]) != slots[slot]:
            raise ValueError(f"{reader.name} reads {slot.value.name} twice, each time observed otherwise")
    return Recipe([leader.spec.make for leader in leaders], places, reads)


def build(model: GraphModule, given: Recipe) -> GraphModule:
    """Return a graph module with the observers of a recipe."""
    graph, copies = Graph(), dict[Node, Node]()
    graph.output(graph.graph_copy(model.graph, copies))
    nodes = list(graph.nodes)
    observers = [make() for make in given.constructors]
    inserted: list[Node] = []
    for number, place in enumerate(given.places):
        name = f"activation_post_process_{number}"
        model.add_submodule(name, observers[place.observer])
        below = nodes[place.value] if place.below is None else inserted[place.below]
        with graph.inserting_after(below):
            inserted.append(graph.call_module(name, (below,)))
    for reader, places in given.reads.items():
        _reread(nodes[reader], {nodes[value]: inserted[place] for value, place in places.items()})
    return GraphModule(model, graph)


def _reread(node: Node, observed: Mapping[Node, Node]) -> None:
    """Let a node read observers in place of what they observe."""

    def read(value: Node) -> Any:
        return observed.get(value, value)

    node.args = map_arg(node.args, read)
    if node.kwargs:
        node.kwargs = map_arg(node.kwargs, read)
