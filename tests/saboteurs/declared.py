"""The saboteurs of the chapter *declared*."""

from __future__ import annotations

from typing import Any

from observance.conformance.deviations import torch_declared
from observance.reference.values import Kind

from .registry import SABOTEURS, Saboteur, breaks


@breaks("DECLARED-2", "values.of_told")
def all_tensors(original: Saboteur, value: Any) -> Kind:
    """Take whatever a node carries for a float tensor."""
    return Kind.FLOAT


@breaks("DECLARED-3", "values.as_told")
def trusts_nobody(original: Saboteur, graph: Any, shapes: Any) -> Any:
    """Take whatever a node carries for something that is no tensor."""
    return {node: Kind.NO_TENSOR if "val" in node.meta else shape for node, shape in shapes.items()}


SABOTEURS["DECLARED-1"] = torch_declared.OUTPUTS_IN_SILENCE
