"""Patterns that are no chains: two branches, what may be anything, a number, an attribute.

They are written reversed and nested, as in ``("nn.ReLU", ("torch.add", "*",
"nn.Conv2d"))``: an operator, then what its arguments are.  ``"*"`` is any value,
a number stands for itself, and ``("getattr", name)`` is an attribute.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .case import Call, Case
from .operators import FLOAT_KINDS, OPERATORS

ANYTHING = "*"
"""What stands in a pattern for a value that the pattern reads and does not own."""

_NUMBER = re.compile(r"\(\{0\}, (\d+)\)$")
"""A call of one operand and one number."""


@dataclass(frozen=True)
class Form:
    """A nested pattern that occurs in a graph, and the ways to name its root.

    ``roots`` are paths into the nested pattern, one for each operator of it, and
    None where the last part of the pattern is an operator: the root by default.
    """

    nested: Any
    roots: tuple[tuple[int, ...] | None, ...]


def nested_chain(operators: Iterable[Any]) -> Any:
    """Return operators that follow one another as a nested pattern, the last one first; one alone is itself."""
    return functools.reduce(lambda nested, outer: (outer, nested), operators)


def forms(case: Case) -> list[Form]:
    """Return the nested patterns that fit somewhere in the graph of a case, chains aside.

    Those with an attribute, which are rare, come several times.
    """
    found: dict[Any, None] = {}
    for number, call in enumerate(case.calls):
        here = list(_at(case.calls, call))
        readers = [other for other in case.calls if other.operands == (number,)]
        found |= dict.fromkeys(here)
        found |= dict.fromkeys((OPERATORS[other.operator].target, form) for other in readers[:1] for form in here)
    rare = [nested for nested in found if "getattr" in owned(nested)]
    return [Form(nested, _roots(nested)) for nested in (*rare * 3, *found)]


def _at(calls: Sequence[Call], call: Call) -> Iterator[Any]:
    """Yield the nested patterns that end in a call."""
    entry = OPERATORS[call.operator]
    if not _gives_floats(call):
        return
    if entry.target == "getattr":
        yield _named(call)
        return
    branches = [_branches(calls, operand) for operand in call.operands]
    number = _NUMBER.search(entry.positional)
    if len(branches) == 1 and number:
        yield from ((entry.target, branch, int(number.group(1))) for branch in branches[0])
    if len(branches) == 2:
        left, right = branches
        yield from ((entry.target, branch, ANYTHING) for branch in left)
        yield from ((entry.target, ANYTHING, branch) for branch in right)
        if call.operands[0] != call.operands[1]:
            yield from ((entry.target, *both) for both in zip(left, right, strict=False))


def _branches(calls: Sequence[Call], operand: Any) -> list[Any]:
    """Return what gives an operand: an operator alone, and with the one before it.

    What gives no float tensor is nothing that a backend would fuse.
    """
    if not isinstance(operand, int) or operand < 0 or not _gives_floats(calls[operand]):
        return []
    call = calls[operand]
    before = [calls[value] for value in call.operands[:1] if isinstance(value, int) and value >= 0]
    below = [_named(other) for other in before if _gives_floats(other)]
    chained = [(_named(call), part) for part in below if len(call.operands) == 1 and isinstance(_named(call), str)]
    return [_named(call), *chained]


def _gives_floats(call: Call) -> bool:
    """Whether an operator gives a float tensor."""
    return OPERATORS[call.operator].gives in FLOAT_KINDS


def _named(call: Call) -> Any:
    """Return what names a call in a pattern: its target, with an attribute's name."""
    entry = OPERATORS[call.operator]
    return ("getattr", entry.positional.rpartition(".")[2]) if entry.target == "getattr" else entry.target


def _roots(nested: Any) -> tuple[tuple[int, ...] | None, ...]:
    """Return the ways to name the root of a pattern."""
    found = leaves(nested)
    paths = tuple(path for path, leaf in reversed(found) if is_operator(leaf) and path)
    return (None, *paths) if is_operator(found[-1][1]) else paths


def leaves(nested: Any, path: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], Any]]:
    """Return all parts of a nested pattern with the paths to them, the last operator first."""
    if not isinstance(nested, tuple):
        return [(path, nested)]
    if nested[0] == "getattr":
        return [(path, nested[0])]
    return [leaf for index, part in enumerate(nested) for leaf in leaves(part, (*path, index))]


def is_operator(leaf: Any) -> bool:
    """Whether a part of a pattern is an operator, which the pattern owns."""
    return isinstance(leaf, str) and leaf != ANYTHING


def owned(nested: Any) -> tuple[str, ...]:
    """Return the operators of a nested pattern in the order in which the data flows."""
    return tuple(leaf for _, leaf in reversed(leaves(nested)) if is_operator(leaf))


def is_rival(form: Form, other: Form) -> bool:
    """Whether two patterns end in the same operator and are of the same size: the first one that is known wins."""
    sizes = len(leaves(form.nested)), len(leaves(other.nested))
    return form.nested != other.nested and form.nested[0] == other.nested[0] and sizes[0] == sizes[1]
