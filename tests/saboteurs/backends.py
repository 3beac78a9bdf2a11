"""The saboteurs of the chapter *backends*."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from observance.conformance.deviations import torch_placement
from observance.reference.backends import Verdict

from .registry import SABOTEURS, Saboteur, breaks


@breaks("BACKENDS-1", "backends.judge")
def supports_everything(original: Saboteur, *args: Any) -> Verdict:
    """Quantize whatever the qconfig asks for."""
    return Verdict(True, "sabotage")


@breaks("BACKENDS-2", "prepare.plan")
def says_nothing(original: Saboteur, *args: Any) -> Any:
    """Ignore a qconfig in silence."""
    plan = original(*args)
    plan.warnings.clear()
    return plan


@breaks("BACKENDS-3", "backends.judge")
def asks_the_first(original: Saboteur, match: Any, ask: Any, reader: Any) -> Any:
    """Look at a pattern's first dtype config alone."""
    config = copy.copy(match.config)
    config.dtype_configs = config.dtype_configs[:1]
    return original(dataclasses.replace(match, config=config), ask, reader)


SABOTEURS["BACKENDS-4"] = torch_placement.NOT_OBSERVED
