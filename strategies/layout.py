"""Where each call of a case stands: the tree of submodules that the model is made of.

Calls that follow one another in one scope stand in one submodule.  A scope that
is left and entered again is another submodule, with a number behind its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .case import Call, Case, CaseError, operand_values, tree_values
from .operators import OPERATORS


@dataclass
class Block:
    """A submodule: its dotted path ("" for the root) and its parts, in order."""

    path: str
    parts: list[int | Block] = field(default_factory=list)

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
    root = Block("")
    taken: set[str] = set()
    open_blocks: list[tuple[str, Block]] = []
    for number, call in enumerate(case.calls):
        wanted = call.scope.split(".") if call.scope else []
        depth = 0
        while depth < min(len(wanted), len(open_blocks)) and (open_blocks[depth][0] == wanted[depth]):
            depth += 1
        del open_blocks[depth:]
        for name in wanted[depth:]:
            parent = open_blocks[-1][1] if open_blocks else root
            block = Block(_free_path(parent.path, name, taken))
            parent.parts.append(block)
            open_blocks.append((name, block))
        (open_blocks[-1][1] if open_blocks else root).parts.append(number)
    return root


def _free_path(parent: str, name: str, taken: set[str]) -> str:
    """Return a path below `parent` that is not taken yet, and take it."""
    base = f"{parent}.{name}" if parent else name
    path, count = base, 0
    while path in taken:
        count += 1
        path = f"{base}_{count}"
    taken.add(path)
    return path


def scopes(case: Case) -> list[str]:
    """Return, for every call, the dotted path of the submodule it stands in."""
    found = [""] * len(case.calls)
    pending = [block_tree(case)]
    while pending:
        block = pending.pop()
        for part in block.parts:
            if isinstance(part, int):
                found[part] = block.path
        pending += block.blocks()
    return found


def join(path: str, name: str) -> str:
    """Return the dotted path of `name` below `path`."""
    return f"{path}.{name}" if path else name


def owner(case: Case, number: int) -> int:
    """Return the call whose module or parameters the call `number` uses."""
    shares = case.calls[number].shares
    return number if shares is None else owner(case, shares)


def check(case: Case) -> None:
    """Check that the case can be built.

    Raises
    ------
    CaseError
        If an operator is unknown, a value is used before it is made, an operand
        has the wrong kind, or a call shares with one that does not come before it.
    """
    kinds: dict[int, str] = {-1 - index: kind for index, kind in enumerate(case.inputs)}
    for number, call in enumerate(case.calls):
        entry = OPERATORS.get(call.operator)
        if entry is None:
            raise CaseError(f"call {number}: there is no operator {call.operator!r} in the table")
        if len(call.operands) != len(entry.takes):
            raise CaseError(f"call {number}: {entry.name} takes {len(entry.takes)} operands")
        for operand, kind in zip(call.operands, entry.takes, strict=True):
            for value in operand_values(operand):
                if kinds.get(value) != kind.rstrip("*"):
                    raise CaseError(
                        f"call {number}: {entry.name} needs a {kind!r}, but value {value} is {kinds.get(value)!r}"
                    )
        _check_sharing(case, number, call)
        kinds[number] = entry.gives
    missing = [value for value in tree_values(case.output) if value not in kinds]
    if missing:
        raise CaseError(f"the output returns value {missing[0]}, which no call makes")


def _check_sharing(case: Case, number: int, call: Call) -> None:
    """Check that what the call shares or ties belongs to an earlier call of its operator."""
    for other in (call.shares, call.ties):
        if other is None:
            continue
        if not 0 <= other < number or case.calls[other].operator != call.operator:
            raise CaseError(f"call {number}: it can share only with an earlier call of {call.operator!r}")
