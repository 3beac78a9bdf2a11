"""How torch's `prepare` knows patterns and fused modules, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from observance.conformance.variants import Change
from observance.reference import backends, dtypes
from observance.reference.patterns import Extra, Match
from observance.reference.plan import Plan
from observance.reference.specs import Spec, is_observer

from .torch_equalization import FLOAT_QCONFIG

Decision = Callable[..., Any]


def _forgets_none(original: Decision, types: list[type], by_type: Mapping[Any, Any]) -> list[Any]:
    """Take parts that are switched off for parts of which nothing is said."""
    return [qconfig for qconfig in original(types, by_type) if qconfig is not None]


def _all_children(original: Decision, module: Any) -> list[nn.Module]:
    """Take whatever is inside a fused module for a part of it, a fake quantize included."""
    fused = any(kind.__name__ == "_FusedModule" for kind in type(module).__mro__)
    return list(module._modules.values()) if fused else []


def _raises_lookup_error(original: Decision, *args: Any) -> None:
    """Refuse parts that disagree with a plain error."""
    try:
        original(*args)
    except LookupError as error:
        raise LookupError(str(error)) from None


def _fails_for_attributes(original: Decision, candidate: Any, *args: Any) -> Any:
    """Fail where a pattern with an attribute fits."""
    if _has_attribute(candidate.pattern):
        raise IndexError("no argument of an attribute was recorded")
    return original(candidate, *args)


def _has_attribute(pattern: Any) -> bool:
    """Whether a pattern, or a part of it, is an attribute."""
    return isinstance(pattern, tuple) and (pattern[0] is getattr or any(map(_has_attribute, pattern)))


def _fails_for_texts(original: Decision, candidate: Any, tree: Any, last: Any) -> Any:
    """Fail where a pattern that fits has a text in the place of what may be anything."""
    if _has_text(tree):
        raise RecursionError("a text is made of texts")
    return original(candidate, tree, last)


def _has_text(tree: Any) -> bool:
    """Whether something that may be anything is a text, in a pattern as it fits a graph."""
    if isinstance(tree, Extra):
        return isinstance(tree.node, str) and bool(tree.node)
    return isinstance(tree, tuple) and any(map(_has_text, tree))


@dataclass(frozen=True)
class _Held(Spec):
    """What a pattern asks for, with the observer of one of its parts to hold against constraints."""

    part: Any = None


def _held(asked: Spec | None, constructor: Callable[[], Any] | None) -> Spec | None:
    """Return what is asked for, with what a part's qconfig constructs."""
    if asked is None:
        return None
    part = None if constructor is None else constructor()
    return _Held(asked.dtype, asked.is_dynamic, asked.settings, asked.make, asked.instance, part)


def _constraints_of_part(original: Decision, spec: Spec | None, constraint: Any, name: str) -> Any:
    """Hold a part's observer against a constraint, where its dtype is that of the constraint."""
    if not isinstance(spec, _Held):
        return original(spec, constraint, name)
    if spec.part is None:
        return []
    if not is_observer(spec.part):
        raise AssertionError("a part of a pattern has a qconfig that constructs no observer")
    return original(_plain(spec), constraint, name) if _agrees(spec, constraint) else []


def _plain(spec: _Held) -> Spec:
    """Return what a part's observer asks for."""
    return Spec(spec.dtype, spec.is_dynamic, spec.settings, spec.make, spec.part)


def _agrees(spec: _Held, constraint: Any) -> bool:
    """Whether a part's observer has the dtype of a constraint."""
    return bool(getattr(spec.part, "dtype", None) == constraint.dtype)


def _unsupported(result: Plan, node: Any) -> bool:
    """Whether the plan says that the backend does not support a node."""
    return any(decision.rule.startswith("BACKENDS") for decision in result.said.get(node, ()))


def _judges_every_part(
    original: Decision, result: Plan, match: Match, assigned: Mapping[Any, Any], known: Any, reader: Any
) -> Any:
    """Leave a pattern float if the qconfig of any of its parts breaks a constraint."""
    chosen = original(result, match, assigned, known, reader)
    if match.last in chosen:
        ask = chosen[match.last].ask
    elif assigned.get(match.last) is None or _unsupported(result, match.last):
        ask = dtypes.ask_of(FLOAT_QCONFIG)  # what is left float asks for it by the time that the next part is judged
    else:
        return chosen
    own = assigned.get(match.last)
    others = [assigned[node] for node in match.nodes if assigned.get(node, own) is not own]
    for qconfig in [other for other in others if other is not None]:
        activation, weight = _held(ask.activation, qconfig.activation), _held(ask.weight, qconfig.weight)
        verdict = backends.judge(match, replace(ask, activation=activation, weight=weight), reader)
        result.warnings += verdict.warnings
        if not verdict.supported:
            result.observed.difference_update(match.nodes)
            return {}
    return chosen


INNER_QCONFIGS = (
    Change("backends.broken_constraints", _constraints_of_part),
    Change("prepare.select", _judges_every_part),
)
ATTRIBUTES = (Change("patterns._match", _fails_for_attributes),)
TEXTS = (Change("patterns._match", _fails_for_texts),)
SWITCHED_OFF_PARTS = (Change("qconfigs.said_of", _forgets_none),)
PARTS_IN_TRAINING = (
    Change("qconfigs.parts_of", _all_children),
    Change("qconfigs.refuse_disagreement", _raises_lookup_error),
)
