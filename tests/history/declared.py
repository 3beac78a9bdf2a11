"""What was reported of the chapter *declared*."""

from __future__ import annotations

from typing import Any

from observance.reference.graphs import Operand

from .models import model, op
from .registry import Decision, reported


@reported(
    73264,
    2022,
    "Of several outputs that are declared as quantized only the first was looked at.",
    "DECLARED-1",
    model(op("torch_sin_tt", -1), op("torch_sin_tt", -1), output=("tuple", 0, 1), quantized_outputs=(0, 1)),
    "declared.quantized_outputs",
    still="unobserved-outputs-in-silence",
)
def the_first_output_alone(original: Decision, graph: Any, configs: Any) -> tuple[Operand, ...]:
    """Read what is declared of the first output, and of no other."""
    declared: tuple[Operand, ...] = original(graph, configs)
    return declared[:1]
