"""Where each call of a case stands: the tree of submodules that the model is made of.

Calls that follow one another in one scope stand in one submodule.  A scope that
is left and entered again is another submodule, with a number behind its name.
"""

from __future__ import annotations

import functools
import itertools
import keyword
import re
from dataclasses import dataclass

from torch import nn

from .case import Call, Case, CaseError, Operand, operand_values, tree_values
from .operators import INPUT_SHAPES, OPERATORS, TIEABLE


@dataclass(frozen=True)
class Block:
    """A submodule: its dotted path ("" for the root) and its parts, in order."""

    path: str
    parts: tuple[int | Block, ...] = ()

    def calls(self) -> list[int]:
        """Return the numbers of all calls inside, nested ones included."""
        found: list[int] = []
        for part in self.parts:
            found += [part] if isinstance(part, int) else part.calls()
        return found

    def blocks(self) -> list[Block]:
        """Return the submodules directly inside."""
        return [part for part in self.parts if isinstance(part, Block)]


def block_tree(case: Case) -> Block:
    """Return the root submodule of the case."""
    return _arranged(tuple([call.scope for call in case.calls]))[0]


def scopes(case: Case) -> list[str]:
    """Return, for every call, the dotted path of the submodule it stands in."""
    return list(_arranged(tuple([call.scope for call in case.calls]))[1])


@functools.lru_cache(maxsize=1024)
def _arranged(wanted: tuple[str, ...]) -> tuple[Block, tuple[str, ...]]:
    """Return the root submodule for the scopes of some calls, and where each call stands."""
    numbered = [(number, scope.split(".") if scope else []) for number, scope in enumerate(wanted)]
    root = _block("", numbered, set())
    places = [""] * len(wanted)
    pending = [root]
    while pending:
        block = pending.pop()
        for part in block.parts:
            if isinstance(part, int):
                places[part] = block.path
        pending += block.blocks()
    return root, tuple(places)


def _block(path: str, numbered: list[tuple[int, list[str]]], taken: set[str]) -> Block:
    """Return the submodule at `path` with the given calls, each with the scope it wants inside."""
    parts: list[int | Block] = []
    for name, run in itertools.groupby(numbered, lambda call: call[1][0] if call[1] else ""):
        if name:
            inner = [(number, scope[1:]) for number, scope in run]
            parts.append(_block(_free_path(path, name, taken), inner, taken))
        else:
            parts += [number for number, _ in run]
    return Block(path, tuple(parts))


def _free_path(parent: str, name: str, taken: set[str]) -> str:
    """Return a path below `parent` that is not taken yet, and take it."""
    base = join(parent, name)
    path, count = base, 0
    while path in taken:
        count += 1
        path = f"{base}_{count}"
    taken.add(path)
    return path


def join(path: str, name: str) -> str:
    """Return the dotted path of `name` below `path`."""
    return f"{path}.{name}" if path else name


def owner(case: Case, number: int) -> int:
    """Return the call whose module or parameters the call `number` uses."""
    shares = case.calls[number].shares
    return number if shares is None else owner(case, shares)


def member(case: Case, number: int) -> str:
    """Return the attribute name of a call's module, or the stem of its parameters' names."""
    places, source = scopes(case), owner(case, number)
    shown = source if places[source] == places[number] else number
    return f"{case.calls[shown].operator}_{shown}"


def check(case: Case) -> None:
    """Check that the model of the case can be built.

    Raises
    ------
    CaseError
        If an operator or a kind is unknown, a value is used before it is made,
        an operand has the wrong kind, a call shares with one that does not come
        before it, or a word such as a spelling or a scope means nothing.
    """
    for kind in case.inputs:
        if kind not in INPUT_SHAPES:
            raise CaseError(f"{kind!r} is no kind of input; the kinds are {', '.join(INPUT_SHAPES)}")
    kinds: dict[int, str] = {-1 - index: kind for index, kind in enumerate(case.inputs)}
    for number, call in enumerate(case.calls):
        kinds[number] = _check_call(case, number, call, kinds)
    missing = [value for value in tree_values(case.output) if value not in kinds]
    if missing:
        raise CaseError(f"the output returns value {missing[0]}, which no call makes")
    for index in case.quantized_inputs:
        if not 0 <= index < len(case.inputs):
            raise CaseError(f"there is no graph input {index} that could be declared as quantized")
    if case.device not in ("cpu", "meta", "mixed"):
        raise CaseError(f"{case.device!r} is no device; it is 'cpu', 'meta' or 'mixed'")
    if case.has_values and case.has_qconfigs and case.device != "cpu":
        raise CaseError("the values of nodes are told on the CPU alone, but for annotated graphs")


def _check_call(case: Case, number: int, call: Call, kinds: dict[int, str]) -> str:
    """Check one call against the kinds of the values before it; return the kind that it gives."""
    entry = OPERATORS.get(call.operator)
    if entry is None:
        raise CaseError(f"call {number}: there is no operator {call.operator!r} in the table")
    if len(call.operands) != len(entry.takes):
        raise CaseError(f"call {number}: {entry.name} takes {len(entry.takes)} operands")
    for operand, kind in zip(call.operands, entry.takes, strict=True):
        if _depth(operand) != kind.count("*"):
            raise CaseError(f"call {number}: {entry.name} needs a {kind!r}, which {operand!r} is not")
        for value in operand_values(operand):
            if kinds.get(value) != kind.rstrip("*"):
                found = f"a {kinds[value]!r}" if value in kinds else "not made before it"
                raise CaseError(f"call {number}: {entry.name} needs a {kind!r}, but value {value} is {found}")
    for word, known in ((call.spelling, ("positional", "keyword")), (call.sequence, ("list", "tuple"))):
        if word not in known:
            raise CaseError(f"call {number}: {word!r} is neither {known[0]!r} nor {known[1]!r}")
    _check_scope(number, call.scope)
    _check_sharing(case, number, call)
    return entry.gives


def _depth(operand: Operand) -> int:
    """Return how deep an operand's lists are nested; -1 if one is empty or they differ."""
    if isinstance(operand, int):
        return 0
    depths = {_depth(part) for part in operand}
    return 1 + depths.pop() if len(depths) == 1 and -1 not in depths else -1


_TAKEN = frozenset(dir(nn.Module()))
"""The attributes that every module has already."""

_MEMBER = re.compile(r".*_p?\d+")
"""What the model calls the modules and parameters of its calls."""


def _check_scope(number: int, scope: str) -> None:
    """Check that every part of a scope can be the name of a submodule."""
    for name in scope.split(".") if scope else ():
        usable = name.isidentifier() and not keyword.iskeyword(name)
        if not usable or name in _TAKEN or _MEMBER.fullmatch(name):
            raise CaseError(f"call {number}: {name!r} in the scope {scope!r} cannot name a submodule")


def _check_sharing(case: Case, number: int, call: Call) -> None:
    """Check that what the call shares or ties belongs to an earlier call of its operator."""
    entry = OPERATORS[call.operator]
    for other in (call.shares, call.ties):
        if other is not None and (not 0 <= other < number or case.calls[other].operator != call.operator):
            raise CaseError(f"call {number}: it can share only with an earlier call of {call.operator!r}")
    if call.shares is not None and not (entry.module or entry.parameters):
        raise CaseError(f"call {number}: {entry.name} has no module and no parameter to share")
    if call.ties is not None and entry.target not in TIEABLE:
        raise CaseError(f"call {number}: {entry.name} has no weight to tie")
