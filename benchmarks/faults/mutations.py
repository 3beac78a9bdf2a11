"""Faults to inject: small changes of a Python module, made in its syntax tree.

`mutants` lists every place of a source at which a fault of some kind fits, in
order; `mutated` returns the tree with that one fault in it.
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
    """One fault: the number of its node in a walk of the tree, which change, and where it stands."""

    node: int
    kind: str
    function: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.function}:{self.line} {self.kind}: {self.text}"


def mutants(source: str) -> Iterator[Mutant]:
    """Yield the faults that fit into a source, none in docstrings, annotations, or texts of errors."""
    tree = ast.parse(source)
    owners = _owners(tree)
    silent = {id(node) for node in _silent(tree)}
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in silent:
            continue
        for kind in _kinds(node):
            text = ast.unparse(node).partition("\n")[0][:90]
            yield Mutant(number, kind, owners.get(id(node), ""), getattr(node, "lineno", 0), text)


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """Return the tree of a source with one fault in it."""
    tree = ast.parse(source)
    target = next(node for number, node in enumerate(ast.walk(tree)) if number == mutant.node)
    changed = _Replace(target, mutant.kind).visit(tree)
    return ast.fix_missing_locations(changed)


def _owners(tree: ast.Module) -> dict[int, str]:
    """Return the name of the outermost function that each node stands in."""
    functions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return {id(node): function.name for function in functions for node in ast.walk(function)}


def _silent(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of which a change is no fault in what the module does."""
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Raise() | ast.JoinedStr():
                yield from ast.walk(node)
            case ast.Assert():
                yield from ast.walk(node)
            case ast.Expr(value=ast.Constant()):
                yield from ast.walk(node)
            case ast.AnnAssign():
                yield from ast.walk(node.annotation)
            case ast.FunctionDef():
                for part in (*node.args.args, *node.args.kwonlyargs):
                    yield from ast.walk(part)
                yield from ast.walk(node.returns) if node.returns else ()
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                yield from ast.walk(node)


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
        case ast.Call(args=[_, _, *_]):
            return ["swap first arguments"]
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
        case ast.Call(), _:
            made.args[:2] = reversed(made.args[:2])
        case ast.Dict(), _:
            del made.keys[number], made.values[number]
        case _:
            return ast.Pass()
    return made
