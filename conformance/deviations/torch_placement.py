"""How torch's `prepare` places observers, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference import backends, dtypes
from observance.reference.annotations import KEY
from observance.reference.graphs import Operand, operands
from observance.reference.patterns import Extra, Match
from observance.reference.plan import Plan
from observance.reference.site import Quantized, Site
from observance.reference.specs import Spec

Decision = Callable[..., Any]


def _same_class(original: Decision, site: Site, value: Node, below: Any, spec: Spec) -> Any:
    """Take any observer on the value that has the class and the dtype that are asked for."""
    for slot in site.inputs.get(value, {}).values():
        found = site.groups.leader(slot).spec
        if type(found.instance) is type(spec.instance) and found.dtype == spec.dtype:
            return slot
    return None


def _asked_by(site: Site, value: Node) -> Quantized | None:
    """Return the quantized pattern that gives a value, or that has it inside, if one does."""
    match = site.matches.get(value)
    return site.quantized.get(value) or (site.quantized.get(match.last) if match else None)


def _dynamic_is_quantized(original: Decision, site: Site, value: Node) -> Any:
    """Believe that a dynamically quantized operator gives a quantized value."""
    asked = _asked_by(site, value)
    if asked and asked.ask.activation and asked.ask.activation.is_dynamic:
        return asked.ask.activation.dtype
    return original(site, value)


def _absent_is_quantized(original: Decision, site: Site, value: Node) -> Any:
    """Believe that a value is quantized whose observer was taken away again."""
    asked = None if value in site.quantized_inputs else _asked_by(site, value)
    if asked and value not in site.outputs and asked.ask.activation and not asked.ask.activation.is_dynamic:
        return asked.ask.activation.dtype
    return original(site, value)


def _reused_is_quint8(original: Decision, site: Site, value: Node) -> Any:
    """Believe that a reused observer has the dtype of the placeholder that asks for it."""
    asked = _asked_by(site, value)
    if asked and asked.ask.reuse and value in site.outputs and asked.ask.activation:
        return asked.ask.activation.dtype
    return original(site, value)


def _first_by_position(original: Decision, operand: Operand, positions: Any) -> bool:
    """Quantize dynamically no operand of an operator that is called by keyword alone."""
    return bool(operand.node.args) and bool(original(operand, positions))


def _first_by_value(original: Decision, operand: Operand, positions: Any) -> bool:
    """Take every operand for the first argument that holds the same value."""
    args = operand.node.args
    return bool(args and operand.value is args[0]) or bool(original(operand, positions))


def _role_by_value(original: Decision, operand: Operand, positions: Any) -> Any:
    """Give a value that is a weight somewhere in an operator that role everywhere in it."""
    everywhere = [
        original(other, positions)
        for other in operands(operand.node)
        if other.value is operand.value and len(other.keys) == 1
    ]
    for name in ("weight", "bias"):
        if name in everywhere:
            return name
    return original(operand, positions)


def _keyword_itself(original: Decision, operand: Operand) -> Any:
    """Know an argument's place only where it is passed by position."""
    return operand.keys[0]


def _name_of_keyword(original: Decision, operand: Operand) -> str | None:
    """Know the name of a parameter only where it is written as a keyword."""
    key = operand.keys[0]
    return key if isinstance(key, str) else None


def _of_no_module(original: Decision, operand: Operand) -> bool:
    """Go by the names of keywords, whoever is called with them."""
    return False


def _no_roles_of_modules(original: Decision, module: Any) -> set[str]:
    """Look at no module's weight or bias when the backend is asked."""
    return set()


def _positional_tensors(original: Decision, root: Node, values: Any) -> list[Node]:
    """Count the tensors among positional arguments alone."""
    return [a for a in root.args if isinstance(a, Node) and values.is_tensor(a)]


def _positional_arguments(original: Decision, node: Node, inner: Any) -> list[Any]:
    """Hold a pattern against all positional arguments and no other."""
    return list(node.args)


def _users_not_uses(original: Decision, graph: Any) -> Any:
    """Count the operators that read a value, not how often they do."""
    uses = original(graph)
    for node in uses:
        uses[node] = len(node.users)
    return uses


def _observed_all_the_same(original: Decision, quantized: Quantized) -> bool:
    """Never leave a pattern unobserved because its observation type says so."""
    return False


def _owns_extras(original: Decision, tree: Any) -> list[Node]:
    """Take the extra inputs of a pattern for parts of it."""
    if isinstance(tree, Extra):
        return [tree.node] if isinstance(tree.node, Node) else []
    return [tree] if isinstance(tree, Node) else [n for part in tree for n in _owns_extras(original, part)]


def _swallows_twice(original: Decision, graph: Any, *rest: Any) -> dict[Node, Match]:
    """Note, at the graph, which extra inputs a pattern takes away from one further down."""
    found: dict[Node, Match] = original(graph, *rest)
    pairs = [(node, match) for match in dict.fromkeys(found.values()) for node in match.nodes]
    graph.swallowed_twice = {node: found[node] for node, match in pairs if found[node] is not match}
    return found


def _first_of_its_nodes(
    original: Decision, result: Plan, match: Match, assigned: Mapping[Node, Any], *rest: Any
) -> dict[Node, Quantized]:
    """Let a pattern stay float if it took an extra input away that has no qconfig: that is the first one looked up."""
    graph: Any = match.last.graph
    lost = {node: last for node, last in graph.swallowed_twice.items() if node in match.nodes}
    if any(last is match and result.qconfigs.get(node) is None for node, last in lost.items()):
        return {}
    chosen: dict[Node, Quantized] = original(result, match, assigned, *rest)
    return {node: found for node, found in chosen.items() if lost.get(node, match) is match}


def _stumbles(original: Decision, graph: Any, passes_on: Any) -> Any:
    """Fail where a mask or a size is traced back to a graph input that a pattern has swallowed."""
    never = original(graph, passes_on)
    if any(value in passes_on and value.op == "placeholder" for value in never):
        raise IndexError("a graph input has no argument")
    return never


def _resets_inputs(original: Decision, site: Site) -> None:
    """Forget that a graph input is quantized if a pattern that stays float has swallowed it."""
    floating = [match for match in site.matches.values() if match.last not in site.quantized and not is_open(match)]
    lost = site.quantized_inputs.intersection(node for match in floating for node in match.nodes)
    site.quantized_inputs -= lost
    site.elsewhere = {value: dtype for value, dtype in site.elsewhere.items() if value not in lost}
    original(site)


def _flattens(original: Decision, tree: Any) -> Any:
    """Give a backend's root finder the parts of a two-armed pattern in one flat list."""
    if isinstance(tree, (Node, Extra)):
        return original(tree)
    node, *branches = tree
    parts: list[Any] = []
    for branch in branches:
        found = _flattens(original, branch)
        parts += found if isinstance(found, list) else [found]
    if len(parts) == 1:
        return [node, *parts]
    return [node, tuple(parts)] if len(branches) == 1 else [node, *parts]


def _forgets_masks(original: Decision, graph: Any, matches: Mapping[Node, Match], shapes: Any) -> Any:
    """Forget what is known of a mask where its own operator stays float."""
    values = original(graph, matches, shapes)
    lost = {node for node in values.never if node in matches and not is_open(matches[node])}
    return _Forgetful(shapes, values.never - lost, frozenset(lost))


@dataclass(frozen=True)
class _Forgetful(dtypes.Values):
    """Values, and the masks that were known and are forgotten."""

    forgotten: frozenset[Node] = frozenset()


def _leaves_masks_float(original: Decision, result: Plan, match: Match, assigned: Any, values: Any, reader: Any) -> Any:
    """Leave a pattern float whose output was known to be a mask."""
    if match.last in getattr(values, "forgotten", ()):
        return {}
    return original(result, match, assigned, values, reader)


def _asks_nothing_where_marked(
    original: Decision, site: Site, operand: Operand, spec: Spec | None, quantized: Quantized
) -> Any:
    """Leave the activations of an operator float whose own output is known to be a mask or a size."""
    annotated = KEY in operand.node.meta  # which takes the place of all that its operator asks for
    marked = operand.node in site.values.never and not annotated
    if marked and dtypes.role(operand, site.positions) == "activation":
        return f"{operand.node.name} gives a mask or a size"
    return original(site, operand, spec, quantized)


def is_open(match: Match) -> bool:
    """Whether a backend takes any dtype for input and output of a pattern."""
    return any(c.input_dtype is None and c.output_dtype is None for c in match.config.dtype_configs)


def _half_patterns(
    original: Decision,
    result: Plan,
    match: Match,
    assigned: Mapping[Node, Any],
    values: Any,
    reader: backends.Reader,
) -> Any:
    """Decide for each node of a pattern alone whether its qconfig switches it off."""
    filled = {**assigned, **dict.fromkeys(match.nodes, assigned[match.last])}
    chosen = original(result, match, filled, values, reader)
    # What is swallowed as an extra input and calls nothing has no qconfig that could switch it off.
    return {node: found for node, found in chosen.items() if node not in assigned or assigned[node] is not None}


def _refuses_dynamic(original: Decision, site: Site, operand: Operand, spec: Spec | None, quantized: Quantized) -> Any:
    """Fail where an operand that is to be quantized dynamically is no float tensor."""
    dynamic = spec is not None and spec.is_observed and spec.is_dynamic
    if dynamic and not site.values.is_observable(operand.value):
        raise AssertionError(f"{operand.value} has no dtype")
    return original(site, operand, spec, quantized)


SAME_CLASS = (Change("placement.fitting", _same_class),)
DYNAMIC_OUTPUT = (Change("placement.dtype_of", _dynamic_is_quantized),)
ABSENT_OBSERVER = (Change("placement.dtype_of", _absent_is_quantized),)
REUSED_DTYPE = (Change("placement.dtype_of", _reused_is_quint8),)
DYNAMIC_BY_KEYWORD = (Change("dtypes.is_first_argument", _first_by_position),)
DYNAMIC_TWICE = (Change("dtypes.is_first_argument", _first_by_value),)
ROLE_BY_VALUE = (Change("dtypes.role", _role_by_value),)
ROLE_BY_KEYWORD = (Change("dtypes.position", _keyword_itself),)
ROLE_BY_POSITION = (Change("dtypes.parameter", _name_of_keyword),)
ROLE_IN_MODULES = (Change("dtypes._is_of_module", _of_no_module),)
MODULE_WEIGHT = (Change("backends.roles_of_module", _no_roles_of_modules),)
KEYWORD_TENSORS = (Change("patterns.tensor_arguments", _positional_tensors),)
KEYWORD_PATTERNS = (Change("patterns.arguments_of", _positional_arguments),)
READ_TWICE = (Change("patterns.count_uses", _users_not_uses),)
NOT_OBSERVED = (Change("placement.is_never_observed", _observed_all_the_same),)
EXTRA_INPUTS = (
    Change("patterns._owned", _owns_extras),
    Change("patterns.find", _swallows_twice),
    Change("prepare.select", _first_of_its_nodes),
    Change("dtypes.never_observed", _stumbles),
    Change("placement.place", _resets_inputs),
)
FLAT_TREES = (Change("patterns._plain", _flattens),)
FORGOTTEN_MASKS = (
    Change("prepare.read_values", _forgets_masks),
    Change("prepare.select", _leaves_masks_float),
)
MARKED_INPUTS = (Change("placement.why_not", _asks_nothing_where_marked),)
HALF_PATTERNS = (Change("prepare.select", _half_patterns),)
DYNAMIC_NO_TENSOR = (Change("placement.why_not", _refuses_dynamic),)
