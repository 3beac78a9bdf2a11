"""How torch's `prepare` decides which values are float tensors, and where that goes wrong."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from torch.fx import Graph, Node

from observance.conformance.variants import Change
from observance.reference.annotations import KEY
from observance.reference.dtypes import Values
from observance.reference.graphs import Operand
from observance.reference.patterns import Match
from observance.reference.site import Site
from observance.reference.values import Kind

Decision = Callable[..., Any]


def holds_no_tensor(node: Any, known: dict[Node, bool]) -> bool:
    """Whether torch takes it for certain that nothing a node reads is a tensor.

    Only ``size``, ``shape`` and ``ndim``, and what is computed from them by
    position, count as numbers; a literal other than an int or a bool counts as
    a tensor.
    """
    if not isinstance(node, Node):
        return True
    if node not in known:
        known[node] = _holds_no_tensor(node, known)
    return known[node]


def _holds_no_tensor(node: Node, known: dict[Node, bool]) -> bool:
    """Decide `holds_no_tensor` for a node that is met the first time."""
    if node.op in ("placeholder", "get_attr", "call_module", "output"):
        return False
    if node.target is operator.getitem:
        return holds_no_tensor(node.args[0], known)
    if node.target is getattr and node.args[1] in ("ndim", "shape"):
        return True
    if node.op == "call_method" and node.target == "size":
        return True
    return bool(node.args) and all(_is_number(argument, known) for argument in node.args)


def _is_number(argument: Any, known: dict[Node, bool]) -> bool:
    """Whether torch takes one argument for a number, or a list of them."""
    if isinstance(argument, list):
        return all(holds_no_tensor(part, known) for part in argument)
    if isinstance(argument, Node):
        return holds_no_tensor(argument, known)
    return isinstance(argument, int)


def _takes_integers_for_floats(original: Decision, graph: Graph, modules: Any, example_inputs: Any) -> dict[Node, Any]:
    """Classify as torch does what it takes for a float tensor and is none."""
    shapes = original(graph, modules, example_inputs)
    known = known_in_order(graph)
    for node, shape in shapes.items():
        if shape is not Kind.FLOAT and not holds_no_tensor_or_input(node, known):
            shapes[node] = Kind.FLOAT
    return dict(shapes)


def known_in_order(graph: Graph) -> dict[Node, bool]:
    """Decide `holds_no_tensor` for all nodes, each after what it reads: so none of them is deep."""
    known: dict[Node, bool] = {}
    for node in graph.nodes:
        holds_no_tensor(node, known)
    return known


def holds_no_tensor_or_input(node: Node, known: dict[Node, bool]) -> bool:
    """Whether torch leaves a call unobserved because it reads no tensor."""
    return node.op.startswith("call") and holds_no_tensor(node, known)


def _takes_floats_for_numbers(original: Decision, graph: Graph, modules: Any, example_inputs: Any) -> dict[Node, Any]:
    """Classify as torch does what it takes for a number and is a tensor, or several."""
    shapes = original(graph, modules, example_inputs)
    known = known_in_order(graph)
    for node, shape in shapes.items():
        if shape is not Kind.NO_TENSOR and holds_no_tensor_or_input(node, known):
            shapes[node] = Kind.NO_TENSOR
    return dict(shapes)


def _gives_tensors(original: Decision, match: Match, values: Values) -> bool:
    """Ask of a pattern only whether it gives a tensor, whatever it takes; of its root too, unless any dtype will do."""
    is_open = any(config.input_dtype is None for config in match.config.dtype_configs)
    return values.is_tensor(match.root) or (is_open and values.is_tensor(match.last))


def _knows_positions_only(original: Decision, operand: Operand) -> bool:
    """Tell masks and sizes by position, never by keyword."""
    return isinstance(operand.keys[0], int) and bool(original(operand))


def _fills_in_nothing(original: Decision, operand: Operand) -> bool:
    """Take a value to fill in for a number like any other, computed from numbers."""
    return False


def _knows_methods_only(original: Decision, operand: Operand) -> bool:
    """Tell masks and sizes of methods alone, never of functions."""
    return operand.node.op == "call_method" and bool(original(operand))


def _travels_by_position(original: Decision, graph: Graph, passes_on: Any) -> Any:
    """Fail where what is known of a mask or a size travels back through an operator that is called by keyword alone."""
    never = original(graph, passes_on)
    for node in never:
        if node in passes_on and node.op != "placeholder" and not node.args:
            raise IndexError(f"{node.name} has no positional argument")
    return never


def _asks_for_nothing(original: Decision, site: Site, operand: Operand, *rest: Any) -> Any:
    """Leave the inputs of a pattern float whose root counts as no tensor, though the pattern gives one.

    An annotation takes the place of that as well.
    """
    node = operand.node
    if (
        KEY not in node.meta
        and not site.values.is_tensor(node)
        and holds_no_tensor_or_input(node, known_in_order(node.graph))
    ):
        return f"{node.name} reads no tensor"
    return original(site, operand, *rest)


INTEGERS_OBSERVED = (Change("values.classify", _takes_integers_for_floats),)
NEW_TENSORS_IGNORED = (
    Change("values.classify", _takes_floats_for_numbers),
    Change("prepare.takes_and_gives_tensors", _gives_tensors),
    Change("placement.why_not", _asks_for_nothing),
)
MASKS_BY_KEYWORD = (Change("dtypes.is_never_tensor", _knows_positions_only),)
FILLED_IN = (Change("dtypes._is_filled_in", _fills_in_nothing),)
DIMENSIONS_OF_FUNCTIONS = (Change("dtypes.is_never_tensor", _knows_methods_only),)
KEYWORDS_ON_THE_WAY = (Change("dtypes.never_observed", _travels_by_position),)
