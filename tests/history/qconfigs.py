"""What was reported of the chapter *qconfigs*: parts of a model that had another qconfig than the mapping says."""

from __future__ import annotations

from typing import Any

from torch import nn

from observance.strategies.case import Entry

from .models import by_type, everywhere, model, observing, op
from .registry import Decision, reported

_BOTH_PARTS = by_type(("nn.Linear", "default_qconfig"), ("nn.ReLU", "default_qconfig"))


@reported(
    60779,
    2021,
    "A fused module was looked up by its own type, which no mapping has, and stayed float.",
    "QCONFIGS-9",
    model(op("fused_LinearReLU", -1), qconfigs=_BOTH_PARTS),
    "qconfigs.with_fused_types",
)
def knows_no_parts(original: Decision, graph: Any, modules: Any, mapping: Any) -> Any:
    """Know a fused module by its own type alone."""
    return mapping


@reported(
    63384,
    2021,
    "The parts of a fused module were refused as disagreeing when their qconfigs were equal but not the same object.",
    "ENTRY-1",
    model(
        op("fused_LinearReLU", -1),
        qconfigs=by_type(("nn.Linear", observing("default_observer")), ("nn.ReLU", observing("default_observer"))),
    ),
    "qconfigs.qconfig_equals",
)
def the_same_object(original: Decision, first: Any, second: Any) -> bool:
    """Take two qconfigs for equal if they are one object."""
    return first is second


@reported(
    75825,
    2022,
    "Models with fused modules could not be prepared with the default mapping, which did not name all of their parts.",
    "ENTRY-1",
    model(
        op("fused_ConvReLU1d", -1), qconfigs=by_type(("nn.Conv1d", "default_qconfig"), ("nn.ReLU", "default_qconfig"))
    ),
    "qconfigs.refuse_disagreement",
)
def forgets_relu(original: Decision, node: Any, fused: Any, types: Any, by_kind: Any) -> None:
    """Have no qconfig for ReLU by its type."""
    original(node, fused, types, {kind: qconfig for kind, qconfig in by_kind.items() if kind is not nn.ReLU})


@reported(
    71233,
    2022,
    "Preparing a model changed the caller's qconfigs, so that they could not be used for anything else.",
    "QCONFIGS-11 EFFECTS-4",
    model(op("fused_LinearReLU", -1), qconfigs=_BOTH_PARTS),
    "qconfigs.with_types",
)
def adds_in_place(original: Decision, mapping: Any, more: Any) -> Any:
    """Add what is known of fused types to the mapping that was given."""
    mapping.object_type_qconfigs.update(more)
    return mapping


def _without_scope(kind: str) -> Decision:
    """Return a selection that does not know in which submodule operators of one kind stand."""

    def select(original: Decision, node: Any, modules: Any, mapping: Any, scope: Any, seen: Any) -> Any:
        """Take an operator to stand in the model itself."""
        return original(node, modules, mapping, ("", type(None)) if node.op == kind else scope, seen)

    return select


@reported(
    50173,
    2021,
    "A method that is called in a submodule did not have the submodule's qconfig.",
    "STATE-2",
    model(op("sigmoid_method_tt", -1, scope="a"), qconfigs=everywhere(None, Entry("name", "x86", name="a"))),
    "qconfigs._select",
)
def methods_stand_nowhere(original: Decision, node: Any, modules: Any, mapping: Any, scope: Any, seen: Any) -> Any:
    """Know no submodule in which a method is called."""
    return _without_scope("call_method")(original, node, modules, mapping, scope, seen)


@reported(
    51086,
    2021,
    "A function that is called in a submodule did not have the submodule's qconfig.",
    "QCONFIGS-8 STATE-2",
    model(op("F_hardswish_tt", -1, scope="a"), qconfigs=everywhere("x86", Entry("name", None, name="a"))),
    "qconfigs._select",
)
def functions_stand_nowhere(original: Decision, node: Any, modules: Any, mapping: Any, scope: Any, seen: Any) -> Any:
    """Know no submodule in which a function is called."""
    return _without_scope("call_function")(original, node, modules, mapping, scope, seen)
