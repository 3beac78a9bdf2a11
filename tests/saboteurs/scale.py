"""The saboteurs of the chapter *scale*."""

from __future__ import annotations

from typing import Any

from observance.conformance.deviations import torch_scale

from .registry import SABOTEURS, Saboteur, breaks

SABOTEURS["SCALE-1"] = torch_scale.RECURSION


SABOTEURS["SCALE-2"] = torch_scale.FORGETTING


SABOTEURS["SCALE-3"] = torch_scale.TRACING


SABOTEURS["SCALE-4"] = torch_scale.WALKING


@breaks("SCALE-5", "placement.place_output")
def constructs_again(original: Saboteur, site: Any, quantized: Any) -> None:
    """Construct all observers again whenever there is one more."""
    original(site, quantized)
    for slot in site.plan.slots:
        slot.spec.make()
