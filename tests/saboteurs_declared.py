"""Saboteurs of the rules about what is declared of values, and about devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from observance.conformance.deviations import torch_declared
from observance.conformance.variants import Change
from observance.reference.values import Kind

Saboteur = Callable[..., Any]


def all_tensors(original: Saboteur, value: Any) -> Kind:
    """Take whatever a node carries for a float tensor."""
    return Kind.FLOAT


def trusts_nobody(original: Saboteur, graph: Any, shapes: Any) -> Any:
    """Take whatever a node carries for something that is no tensor."""
    return {node: Kind.PLAIN if "val" in node.meta else shape for node, shape in shapes.items()}


def nowhere(original: Saboteur, model: Any) -> None:
    """Leave observers on the device on which they are made."""


def first_device(original: Saboteur, model: Any) -> Any:
    """Take the device of the first parameter for the model's."""
    return next((parameter.device for parameter in model.parameters()), None)


SABOTEURS: dict[str, tuple[Change, ...]] = {
    "DECLARED-1": torch_declared.OUTPUTS_IN_SILENCE,
    "DECLARED-2": (Change("values.of_told", all_tensors),),
    "DECLARED-3": (Change("values.as_told", trusts_nobody),),
    "DEVICES-1": (Change("devices.device_of", nowhere),),
    "DEVICES-2": (Change("devices.device_of", first_device),),
}
"""The changes that break each of these rules, by the rule's id."""
