"""The saboteurs of the chapter *sharing*."""

from __future__ import annotations

from typing import Any

from observance.conformance.deviations import torch_sharing
from observance.reference.plan import Slot

from .registry import SABOTEURS, Saboteur, breaks


@breaks("SHARING-1", "site.Groups.join")
def never_joins(original: Saboteur, groups: Any, first: Any, other: Any) -> None:
    """Share nothing."""


@breaks("SHARING-2", "site.Groups.leader")
def shares_all_alike(original: Saboteur, groups: Any, slot: Any) -> Any:
    """Let all observers that are alike be one."""
    leader = original(groups, slot)
    alike = groups.__dict__.setdefault("alike", {})
    return alike.setdefault(leader.spec, leader)


SABOTEURS["SHARING-3"] = torch_sharing.NOT_CLOSED


@breaks("SHARING-4", "sharing.output_slot")
def reuses_nothing(original: Saboteur, site: Any, quantized: Any, spec: Any) -> Any:
    """Give an operator that reuses its input's observer one of its own."""
    if quantized.ask.reuse:
        return Slot(quantized.match.last, None, spec, "SHARING-4", "sabotage")
    return original(site, quantized, spec)


@breaks("SHARING-5", "prepare.quantized_inputs")
def no_quantized_inputs(original: Saboteur, *args: Any) -> frozenset[Any]:
    """Forget which graph inputs are quantized."""
    return frozenset()


@breaks("SHARING-6", "sharing._joined")
def own_for_lack(original: Saboteur, site: Any, last: Any, found: Any, rule: str) -> Any:
    """Observe an output that has nothing to share with, or does not share, by its own observer."""
    spec = site.quantized[last].ask.activation
    return Slot(last, None, spec, rule, "sabotage")
