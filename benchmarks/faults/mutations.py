"""Faults to inject: small changes of a Python module, made in its syntax tree.

`mutants` lists every place of a source at which a fault of some kind fits, in
order; `mutated` returns the tree with that one fault in it.  Faults fit in the
bodies of functions and in the constants of the module; what is evaluated while
functions and classes are defined is left alone.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes
    ----------
    node
        The number of its node in a walk of the tree.
    kind
        Which change.
    function
        The function or class, or else the constant, at the top of the module that it is in.
    line, column
        Where its node begins.
    lines
        The first and the last line of the statement that it is in; of one with a body, of its head.
    text
        The code as it was.
    """

    node: int
    kind: str
    function: str
    line: int
    column: int
    lines: tuple[int, int]
    text: str

    @property
    def id(self) -> str:
        """What names it in a release of the module."""
        return f"{self.function}:{self.line}:{self.column} {self.kind}"


def mutants(source: str) -> Iterator[Mutant]:
    """Yield the faults that fit into a source."""
    tree = ast.parse(source)
    owners, heads = _owners(tree), _heads(tree)
    silent = {id(node) for node in _silent(tree)}
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in silent or id(node) not in owners:
            continue
        for kind in _kinds(node):
            text = ast.unparse(node).partition("\n")[0][:90]
            place = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
            yield Mutant(number, kind, owners[id(node)], *place, heads[id(node)], text)


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """Return the tree of a source with one fault in it."""
    tree = ast.parse(source)
    target = next(node for number, node in enumerate(ast.walk(tree)) if number == mutant.node)
    changed = _Replace(target, mutant.kind).visit(tree)
    return ast.fix_missing_locations(changed)


def _owners(tree: ast.Module) -> dict[int, str]:
    """Return the name of the function, the class or the constant at the top that each node stands in."""
    found = {}
    for statement in tree.body:
        match statement:
            case (
                ast.FunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.Assign(targets=[ast.Name(id=name)])
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr())
            ):
                found |= {id(node): name for node in ast.walk(statement) if node is not statement}
    return found


def _heads(tree: ast.Module) -> dict[int, tuple[int, int]]:
    """Return the first and the last line of the statement that each node is in, or of its head."""
    found: dict[int, tuple[int, int]] = {}
    for statement in ast.walk(tree):  # outer statements come first, and are overwritten by inner ones
        if isinstance(statement, ast.stmt):
            body = getattr(statement, "body", None)
            last = max(body[0].lineno - 1, statement.lineno) if body else statement.end_lineno or statement.lineno
            found |= {id(node): (statement.lineno, last) for node in ast.walk(statement)}
    return found


def _silent(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of which a change is no fault in what the module does when it is called."""
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Raise() | ast.JoinedStr() | ast.Assert():
                yield from ast.walk(node)
            case ast.Expr(value=ast.Constant()):
                yield from ast.walk(node)
            case ast.AnnAssign():
                yield from ast.walk(node.annotation)
            case ast.FunctionDef():
                for part in (node.args, node.returns, *node.decorator_list):
                    yield from ast.walk(part) if part else ()
            case ast.ClassDef():
                for part in (*node.bases, *node.body, *node.decorator_list):
                    yield from () if isinstance(part, ast.FunctionDef) else ast.walk(part)
    for statement in tree.body:
        match statement:
            # What the module exports, and names for types.
            case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.Assign(value=ast.Subscript()):
                yield from ast.walk(statement)


def _kinds(node: ast.AST) -> list[str]:
    """Return the faults that fit at a node."""
    match node:
        case ast.If() | ast.While():
            return ["always", "never"]
        case ast.IfExp():
            return ["always", "never"]
        case ast.BoolOp(values=values):
            return ["swap and/or", *(f"drop operand {index}" for index in range(len(values)))]
        case ast.Compare(ops=[one]) if type(one) in _COMPARISONS:
            return ["turn comparison"]
        case ast.UnaryOp(op=ast.Not()):
            return ["drop not"]
        case ast.Constant(value=bool()):
            return ["turn bool"]
        case ast.Constant(value=int()):
            return ["add one"]
        case ast.Constant(value=str()):
            return ["other text"]
        case ast.List(elts=parts) | ast.Tuple(elts=parts, ctx=ast.Load()) | ast.Set(elts=parts) if len(parts) > 1:
            return [f"drop element {index}" for index in range(len(parts))]
        case ast.Return(value=value) if value is not None and not _is_none(value):
            return ["return None"]
        case ast.Assign(value=value) if not isinstance(value, (ast.Constant, ast.Dict)):
            return ["assign None"]
        case ast.Expr(value=ast.Call()):
            return ["drop statement"]
        case ast.AugAssign():
            return ["drop statement"]
        case ast.Break() | ast.Continue():
            return ["drop statement"]
        case ast.Call(args=args, keywords=keywords):
            dropped = [f"drop keyword {index}" for index, keyword in enumerate(keywords) if keyword.arg]
            return [*(["swap first arguments"] if len(args) > 1 else []), *dropped]
        case ast.Dict(keys=keys) if len(keys) > 1:
            return [f"drop entry {index}" for index in range(len(keys))]
    return []


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


class _Replace(ast.NodeTransformer):
    """Puts a faulty node in the place of one node."""

    def __init__(self, target: ast.AST, kind: str) -> None:
        self.target, self.kind = target, kind

    def visit(self, node: ast.AST) -> ast.AST:
        """Return the node, or what stands in for it."""
        return _faulty(node, self.kind) if node is self.target else self.generic_visit(node)


def _faulty(node: ast.AST, kind: str) -> ast.AST:
    """Return a node with a fault in it."""
    made = copy.deepcopy(node)
    number = int(kind.rpartition(" ")[2]) if kind[-1].isdigit() else 0
    match made, kind:
        case ((ast.If() | ast.While() | ast.IfExp()), ("always" | "never")):
            made.test = ast.Constant(kind == "always")
        case ast.BoolOp(), "swap and/or":
            made.op = ast.Or() if isinstance(made.op, ast.And) else ast.And()
        case ast.BoolOp(), _:
            del made.values[number]
            return made.values[0] if len(made.values) == 1 else made
        case ast.Compare(), _:
            made.ops = [_COMPARISONS[type(made.ops[0])]()]
        case ast.UnaryOp(), _:
            return made.operand
        case ast.Constant(value=bool()), _:
            made.value = not made.value
        case ast.Constant(value=int()), _:
            made.value += 1
        case ast.Constant(value=str()), _:
            made.value += "_"
        case ((ast.List() | ast.Tuple() | ast.Set()), _):
            del made.elts[number]
        case ast.Return(), _:
            made.value = ast.Constant(None)
        case ast.Assign(), _:
            made.value = ast.Constant(None)
        case ast.Call(), "swap first arguments":
            made.args[:2] = reversed(made.args[:2])
        case ast.Call(), _:
            del made.keywords[number]
        case ast.Dict(), _:
            del made.keys[number], made.values[number]
        case _:
            return ast.Pass()
    return made
