"""The saboteurs of the chapter *devices*."""

from __future__ import annotations

from typing import Any

from .registry import Saboteur, breaks


@breaks("DEVICES-1", "devices.device_of")
def nowhere(original: Saboteur, model: Any) -> None:
    """Leave observers on the device on which they are made."""


@breaks("DEVICES-2", "devices.device_of")
def first_device(original: Saboteur, model: Any) -> Any:
    """Take the device of the first parameter for the model's."""
    return next((parameter.device for parameter in model.parameters()), None)
