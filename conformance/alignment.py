"""Which node of a prepared graph is which node of the float graph.

Names do not tell: an implementation may give its nodes others, and put
independent ones in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch.fx import Graph, GraphModule, Node

from observance.reference.graphs import operands
from observance.reference.specs import is_observer


class ObservationError(ValueError):
    """A prepared model that is not its float model plus observers; the text says where."""


class Unobserved:
    """A prepared graph with its observers looked through."""

    def __init__(self, prepared: GraphModule) -> None:
        self.modules = dict(prepared.named_modules(remove_duplicate=False))
        self.nodes = [node for node in prepared.graph.nodes if not self.is_observer(node)]

    def is_observer(self, node: Any) -> bool:
        """Whether a node of the prepared graph observes a value."""
        return isinstance(node, Node) and node.op == "call_module" and is_observer(self.modules.get(str(node.target)))

    def base(self, node: Node) -> Node:
        """Return the value below all observers."""
        while self.is_observer(node):
            below = next(iter(node.all_input_nodes), None)
            if below is None:
                raise ObservationError(f"observer {node.name!r} observes nothing")
            node = below
        return node


def align(float_graph: Graph, bare: Unobserved) -> dict[Node, Node]:
    """Return the node of the prepared graph for each node of the float graph.

    Nodes are told by what they call and read; where several are alike, by what
    reads them, and then by their names.

    Raises
    ------
    ObservationError
        If a node is missing, or there is one too many.
    """
    named = _by_names(float_graph, bare)
    if named is not None:
        return named
    waiting = list(bare.nodes)
    kinds: dict[Node, int] = {}
    copies: dict[Node, Node] = {}
    inputs = _inputs(waiting)
    for node in float_graph.nodes:
        if node.op == "placeholder":
            found = inputs.pop(0) if inputs else None
        else:
            alike = [other for other in waiting if _is_copy(bare, node, other, copies)]
            if len(alike) > 1:
                kinds = kinds or _kinds(float_graph, bare)
                alike = [other for other in alike if kinds[other] == kinds[node]] or alike
            found = next((o for o in alike if o.name == node.name), alike[0] if alike else None)
        if found is None:
            raise ObservationError(
                f"node {node.name!r} of the float model is missing in the prepared one, or reads something else"
            )
        copies[node] = found
        waiting.remove(found)
    if waiting:
        raise ObservationError(f"the prepared model has a node {waiting[0].name!r} too many")
    return copies


def _by_names(float_graph: Graph, bare: Unobserved) -> dict[Node, Node] | None:
    """Return the node of the same name for each node, if these are a float graph and its copy.

    Then they are what `align` finds too, and they are found by looking at each node once.
    """
    names = {node.name: node for node in bare.nodes}
    if len(names) != len(float_graph.nodes) or [n.name for n in _inputs(float_graph.nodes)] != [
        n.name for n in _inputs(bare.nodes)
    ]:
        return None
    copies: dict[Node, Node] = {}
    for node in float_graph.nodes:
        other = names.get(node.name)
        if other is None or not (node.op == "placeholder" or _is_copy(bare, node, other, copies)):
            return None
        copies[node] = other
    return copies


def _inputs(nodes: Iterable[Node]) -> list[Node]:
    """Return the graph inputs among some nodes, in order."""
    return [node for node in nodes if node.op == "placeholder"]


def _kinds(float_graph: Graph, bare: Unobserved) -> dict[Node, int]:
    """Return a number for each node of both graphs: the same for nodes that only their names tell apart.

    Nodes are told apart by what they call; then, again and again, by the kinds of
    what they read and of what reads them, until no more are told apart.
    """
    places = [
        (operand.node, repr(operand.keys), bare.base(operand.value))
        for node in (*float_graph.nodes, *bare.nodes)
        for operand in operands(node)
    ]
    told: dict[Node, Any] = {**_calls(list(float_graph.nodes)), **_calls(bare.nodes)}
    kinds = dict.fromkeys(told, 0)
    while True:
        numbers: dict[Any, int] = {}
        finer = {node: numbers.setdefault((kinds[node], told[node]), len(numbers)) for node in kinds}
        if finer == kinds:
            return kinds
        kinds = finer
        around: dict[Node, list[tuple[str, str, int]]] = {node: [] for node in kinds}
        for node, keys, value in places:
            around[node].append(("reads", keys, kinds[value]))
            around[value].append(("is read by", keys, kinds[node]))
        told = {node: tuple(sorted(found)) for node, found in around.items()}


def _calls(nodes: list[Node]) -> dict[Node, str]:
    """Return what each node calls; inputs are told by their number."""
    inputs = _inputs(nodes)
    found = {}
    for node in nodes:
        match node.op:
            case "placeholder":
                target = str(inputs.index(node))
            case "output":
                target = ""
            case "call_function":
                target = _function_name(node.target)
            case _:
                target = str(node.target)
        found[node] = f"{node.op} {target}"
    return found


def _is_copy(bare: Unobserved, node: Node, other: Node, copies: Mapping[Node, Node]) -> bool:
    """Whether a prepared node does what a float node does, observers aside."""
    if node.op != other.op or (node.op != "output" and not _same_target(node, other)):
        return False
    same_args = _same(bare, tuple(node.args), tuple(other.args), copies)
    # In what order keywords are given means nothing; the order of a dict that is an argument may.
    mine, theirs = (dict(sorted(one.kwargs.items())) for one in (node, other))
    return same_args and _same(bare, mine, theirs, copies)


def _same_target(node: Node, other: Node) -> bool:
    """Whether two nodes call the same thing; functions made twice are told by their names."""
    mine, theirs = node.target, other.target
    if mine == theirs:
        return True
    if isinstance(mine, str) or isinstance(theirs, str):
        return False
    return _function_name(mine) == _function_name(theirs)


def _function_name(function: Any) -> str:
    """Return the full name of a function, which is the same for one that is defined twice."""
    return f"{function.__module__}.{function.__qualname__}"


def _same(bare: Unobserved, mine: Any, theirs: Any, copies: Mapping[Node, Node]) -> bool:
    """Whether an argument is the same, with the observers taken away."""
    match mine:
        case Node():
            return isinstance(theirs, Node) and bare.base(theirs) is copies.get(mine)
        case list() | tuple():
            return (
                isinstance(theirs, (list, tuple))
                and isinstance(mine, list) == isinstance(theirs, list)
                and len(mine) == len(theirs)
                and all(_same(bare, a, b, copies) for a, b in zip(mine, theirs, strict=True))
            )
        case dict():
            return (
                isinstance(theirs, dict)
                and list(mine) == list(theirs)
                and all(_same(bare, mine[key], theirs[key], copies) for key in mine)
            )
        case slice():
            ends = [(s.start, s.stop, s.step) for s in (mine, theirs) if isinstance(s, slice)]
            return len(ends) == 2 and _same(bare, ends[0], ends[1], copies)
    return type(mine) is type(theirs) and bool(mine == theirs)
