"""The saboteurs of the chapter *refusals*."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from observance.conformance.deviations import torch_refusals
from observance.reference import RefusalError

from .registry import SABOTEURS, Saboteur, breaks

SABOTEURS["REFUSALS-1"] = torch_refusals.INDEXES


SABOTEURS["REFUSALS-4"] = torch_refusals.LATE


@breaks("REFUSALS-2", "refusals.constants")
def returns_anything(original: Saboteur, returned: Any) -> Iterator[Any]:
    """Let a graph return constants."""
    yield from ()


@breaks("REFUSALS-3", "refusals.refuse_type")
def names_nothing(original: Saboteur, name: str, value: Any, kinds: Any, cure: str) -> None:
    """Refuse an argument without its name."""
    if not isinstance(value, kinds):
        raise RefusalError("this is wrong")


@breaks("REFUSALS-5", "rewrite.free_names")
def takes_any_name(original: Saboteur, model: Any) -> Iterator[str]:
    """Give observers their names whatever else has them."""
    yield from (f"activation_post_process_{number}" for number in itertools.count())
