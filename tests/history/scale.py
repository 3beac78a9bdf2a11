"""What was reported of the chapter *scale*."""

from __future__ import annotations

from observance.conformance.deviations import torch_scale
from observance.strategies.written import written_case

from .registry import enter

enter(
    61132,
    2021,
    "A model of 21,000 operators took a quarter of an hour: work that few of them need was done at each of them.",
    "SCALE-4",
    written_case("a chain of modules", 8),
    *torch_scale.WALKING,
    still="model-walked-at-each-node",
)
