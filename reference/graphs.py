"""Reading an FX graph: operands, and where they stand among a function's parameters.  No rule is decided here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torch.fx import Graph, Node
from torch.fx.operator_schemas import get_signature_for_torch_op


def output_of(graph: Graph) -> Node:
    """Return the node that returns; there is one."""
    found: Node = next(node for node in reversed(graph.nodes) if node.op == "output")
    return found


class Operand(NamedTuple):
    """One place where a node reads a value.

    ``keys`` lead there: first a position or a keyword, then the indexes and
    keys inside nested containers.
    """

    node: Node
    keys: tuple[int | str, ...]
    value: Node

    def __str__(self) -> str:
        return place_of(self.keys)


def place_of(keys: tuple[int | str, ...]) -> str:
    """Return the place to which keys lead, in words, such as ``argument 0[1]``."""
    first, *rest = keys
    return f"argument {first!r}" + "".join(f"[{key!r}]" for key in rest)


def operands(node: Node) -> list[Operand]:
    """Return all places where a node reads values: positional ones first, in order."""
    found: list[Operand] = []
    arguments: list[tuple[int | str, Any]] = [*enumerate(node.args), *node.kwargs.items()]
    for key, argument in arguments:
        if isinstance(argument, Node):  # most are, and the others are looked into
            found.append(Operand(node, (key,), argument))
        else:
            found += [Operand(node, keys, value) for keys, value in _leaves((key,), argument)]
    return found


def places_read(node: Node) -> dict[Node, list[Operand]]:
    """Return, for each value that a node reads, all places where it does."""
    found: dict[Node, list[Operand]] = {}
    for operand in operands(node):
        found.setdefault(operand.value, []).append(operand)
    return found


def holds_values(argument: Any) -> bool:
    """Whether an argument is, or contains, what a node of the graph gives."""
    return isinstance(argument, Node) or any(True for _ in _leaves((), argument))


def _leaves(keys: tuple[int | str, ...], argument: Any) -> Iterator[tuple[tuple[int | str, ...], Node]]:
    """Yield the nodes in an argument, with the keys that lead to them."""
    pending = [(keys, argument)]
    while pending:
        here, part = pending.pop()
        match part:
            case Node():
                yield here, part
            case list() | tuple():
                pending += reversed([((*here, index), item) for index, item in enumerate(part)])
            case dict():
                pending += reversed([((*here, key), item) for key, item in part.items()])
            case slice():
                ends = (part.start, part.stop, part.step)
                pending += reversed([((*here, index), item) for index, item in enumerate(ends)])


def position(operand: Operand) -> int | str:
    """Return where an operand stands among the parameters of the function that reads it.

    An argument has one place, by position or by keyword; where the function's
    parameters are not known, a keyword stands for itself.
    """
    key, target = operand.keys[0], operand.node.target
    if isinstance(key, str) and callable(target):
        return next((names.index(key) for names in parameters(target) if key in names), key)
    return key


def parameter(operand: Operand) -> str | None:
    """Return the name of the parameter that an operand is passed for, or None if it is not known."""
    key, target = operand.keys[0], operand.node.target
    if isinstance(key, str) or not callable(target):
        return key if isinstance(key, str) else None
    named = {names[key] for names in parameters(target) if key < len(names)}
    return named.pop() if len(named) == 1 else None


@functools.cache
def parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], ...]:
    """Return the names of a function's parameters, in order, for each of its overloads."""
    try:
        signatures = [inspect.signature(function)]
    except ValueError:  # a function that is not written in Python
        signatures = get_signature_for_torch_op(function) or []
    return tuple(tuple(signature.parameters) for signature in signatures)


def name_of(target: Any) -> str:
    """Return the bare name of what a node calls, such as ``add`` or ``view``."""
    if isinstance(target, str):
        return target
    return str(getattr(target, "__name__", ""))
