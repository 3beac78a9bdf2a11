"""The saboteurs of the chapter *equalization*."""

from __future__ import annotations

import dataclasses
from typing import Any

from observance.conformance.variants import Change
from observance.reference import dtypes
from observance.reference.graphs import operands
from observance.reference.plan import Slot

from .registry import SABOTEURS, Saboteur, breaks


@breaks("EQUALIZATION-1", "equalization.spec_for")
def other_observers(original: Saboteur, site: Any, operand: Any, asked: Any) -> Any:
    """Observe the input by what is asked for at the weight, and the other way round."""
    turned = dataclasses.replace(asked, activation=asked.weight, weight=asked.activation)
    return original(site, operand, turned)


def equalizes_biases(original: Saboteur, site: Any, node: Any) -> Any:
    """Take all operands of a layer for its input or its weight."""
    return operands(node)


def observes_biases(original: Saboteur, site: Any, operand: Any, asked: Any) -> Any:
    """Equalize a bias too."""
    if dtypes.role(operand, site.positions) == "bias":
        return asked.weight
    return original(site, operand, asked)


def equalizes_all(original: Saboteur, node: Any, modules: Any) -> bool:
    """Equalize every operator that has an equalization qconfig."""
    return node.op in ("call_module", "call_function")


@breaks("EQUALIZATION-3", "equalization.branch")
def sees_no_branches(original: Saboteur, site: Any, node: Any) -> list[Any]:
    """Equalize in branches too."""
    return []


@breaks("EQUALIZATION-8", "equalization.place")
def is_silent_about_branches(original: Saboteur, site: Any) -> None:
    """Leave branches as they are without a word."""
    before = list(site.plan.warnings)
    original(site)
    site.plan.warnings[:] = before


@breaks("EQUALIZATION-4", "equalization._place_one")
def below_the_observer(original: Saboteur, site: Any, operand: Any, spec: Any) -> None:
    """Put the equalization observer next to the value instead of next to the layer."""
    upper = site.plan.read_at(operand)
    original(site, operand, spec)
    if upper is not None:
        site.plan.slots.pop()
        lower = Slot(operand.value, None, spec, "EQUALIZATION-4", "sabotage")
        upper = Slot(operand.value, lower, upper.spec, "EQUALIZATION-4", "sabotage")
        site.plan.slots += [lower, upper]
        site.plan.shares |= {lower: lower, upper: upper}
        site.plan.read(operand, upper)


@breaks("EQUALIZATION-5", "rewrite.free_names")
def common_names(original: Saboteur, model: Any, prefix: str) -> Any:
    """Name equalization observers like all others."""
    return original(model, "activation_post_process")


@breaks("EQUALIZATION-6", "equalization._place_one")
def instead_of_observers(original: Saboteur, site: Any, operand: Any, spec: Any) -> None:
    """Put equalization observers in place of the others."""
    site.plan.reads.pop((operand.node, operand.keys), None)
    original(site, operand, spec)


@breaks("EQUALIZATION-7", "equalization.place")
def shares_equalizers(original: Saboteur, site: Any) -> None:
    """Let all equalization observers that are alike be one."""
    original(site)
    first: dict[Any, Slot] = {}
    for slot in site.plan.slots:
        if slot.rule == "EQUALIZATION-1":
            site.plan.shares[slot] = first.setdefault(slot.spec, slot)


SABOTEURS["EQUALIZATION-2"] = (
    Change("equalization.places", equalizes_biases),
    Change("equalization.spec_for", observes_biases),
    Change("equalization.can_be_equalized", equalizes_all),
)
