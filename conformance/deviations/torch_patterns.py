"""How torch's `prepare` knows fused modules, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from observance.conformance.variants import Change

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


ATTRIBUTES = (Change("patterns._match", _fails_for_attributes),)
SWITCHED_OFF_PARTS = (Change("qconfigs.said_of", _forgets_none),)
PARTS_IN_TRAINING = (
    Change("qconfigs.parts_of", _all_children),
    Change("qconfigs.refuse_disagreement", _raises_lookup_error),
)
