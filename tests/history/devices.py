"""What was reported of the chapter *devices*."""

from __future__ import annotations

from typing import Any

from .models import model, op
from .registry import Decision, reported


@reported(
    61403,
    2021,
    "The observers of a model that is not on the CPU were made on the CPU.",
    "DEVICES-1",
    model(op("linear", -1), device="meta"),
    "devices.device_of",
)
def nowhere(original: Decision, model: Any) -> None:
    """Leave observers where they are made."""
