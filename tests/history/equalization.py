"""What was reported of the chapter *equalization*."""

from __future__ import annotations

from typing import Any

from observance.reference.graphs import Operand

from .models import everywhere, model, op
from .registry import Decision, reported

_ALL = everywhere("default_equalization_qconfig")


@reported(
    62366,
    2021,
    "A layer was equalized although another one reads the same input, and would read it scaled.",
    "EQUALIZATION-3",
    model(op("linear", -1), op("linear", -1), output=("tuple", 0, 1), equalization=_ALL),
    "equalization.branch",
)
def sees_no_branches(original: Decision, site: Any, node: Any) -> list[Any]:
    """Take every layer for the one reader of its input."""
    return []


@reported(
    59953,
    2021,
    "An equalization observer stood for the observer of quantization as well, and did not know all that one knows.",
    "EQUALIZATION-6",
    model(op("linear", -1), equalization=_ALL),
    "equalization._place_one",
)
def stands_for_both(original: Decision, site: Any, operand: Operand, spec: Any) -> None:
    """Put an equalization observer in the place of the other one."""
    site.plan.reads.pop((operand.node, operand.keys), None)
    original(site, operand, spec)


@reported(
    59964,
    2021,
    "A linear layer was equalized as a module, and not as a function.",
    "EQUALIZATION-1",
    model(op("F_linear", -1), equalization=_ALL),
    "equalization.can_be_equalized",
)
def modules_alone(original: Decision, node: Any, modules: Any) -> bool:
    """Equalize modules alone."""
    return node.op == "call_module" and bool(original(node, modules))
