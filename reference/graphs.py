"""Reading an FX graph: operands, roles, uses.  No rule of `prepare` is decided here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch.fx import Node


@dataclass(frozen=True)
class Operand:
    """One place where a node reads a value.

    ``keys`` lead there: first a position or a keyword, then the indexes and
    keys inside nested containers.
    """

    node: Node
    keys: tuple[int | str, ...]
    value: Node

    def __str__(self) -> str:
        first, *rest = self.keys
        place = f"argument {first}" if isinstance(first, int) else f"argument {first!r}"
        return place + "".join(f"[{key!r}]" for key in rest)


def operands(node: Node) -> list[Operand]:
    """Return all places where a node reads values: positional ones first, in order."""
    arguments: list[tuple[int | str, Any]] = [*enumerate(node.args), *node.kwargs.items()]
    return [Operand(node, keys, value) for key, argument in arguments for keys, value in _leaves((key,), argument)]


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


def name_of(target: Any) -> str:
    """Return the bare name of what a node calls, such as ``add`` or ``view``."""
    if isinstance(target, str):
        return target
    return str(getattr(target, "__name__", ""))
