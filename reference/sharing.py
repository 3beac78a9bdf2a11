"""Chapter *sharing*: which observers are one object.

Operators that only pass values on give their output the observer of their
inputs, all of them (SHARING-1).  Sharing is a closure: what shares with a member
of a group shares with the whole group (SHARING-3), and nothing else does
(SHARING-2).
"""

from __future__ import annotations

from torch.ao.quantization.backend_config import ObservationType
from torch.fx import Node

from . import annotated, dtypes
from .graphs import Operand, operands
from .patterns import Match
from .plan import Slot
from .site import Quantized, Site
from .specs import Spec


def output_slot(site: Site, quantized: Quantized, spec: Spec) -> Slot | None:
    """Return the slot for a pattern's output, in the group that it belongs to.

    Returns
    -------
    Slot or None
        None where the output would share and there is nothing to share with.
    """
    last, match = quantized.match.last, quantized.match
    shares = shares_with_inputs(quantized)
    if quantized.ask.reuse:
        return _joined(site, last, reused(site, match)[: None if shares else 1], "SHARING-4")
    if not shares:
        text = f"{last.name} is observed by {spec}"
        rule = "ANNOTATIONS-2" if annotated.is_annotated(site, last) else "PLACEMENT-4"
        return Slot(last, None, spec, rule, text)
    if is_outside(site, match):
        text = f"the observer of {match.root.name}'s input is outside this graph"
        return Slot(last, None, spec, "SHARING-6", text)
    return _joined(site, last, sources(site, match), "SHARING-1")


def _joined(site: Site, last: Node, found: list[Slot], rule: str) -> Slot | None:
    """Return a slot that shares with all of the given ones, or None if there are none."""
    if not found:
        site.plan.decide(last, "output", rule, "no input is observed, so the output is not")
        return None
    first, *others = found
    for other in others:
        site.groups.join(first, other)
    leader = site.groups.leader(first)
    text = f"{last.name} shares the observer of {first.value.name}"
    slot = Slot(last, None, leader.spec, rule, text)
    site.groups.join(first, slot)
    return slot


def sources(site: Site, match: Match) -> list[Slot]:
    """Return the observers that a pattern's output shares: those of its activations, in order."""
    found = [source(site, operand) for operand in _activations(site, match)]
    return [slot for slot in found if slot is not None]


def reused(site: Site, match: Match) -> list[Slot]:
    """Return the observers that a reusing pattern's output may have: those that its activations are read from.

    It looks no further back: what lies between may have other values than it reads.
    """
    found = [site.plan.read_at(operand) for operand in _activations(site, match)]
    return [slot for slot in found if slot is not None]


def _activations(site: Site, match: Match) -> list[Operand]:
    """Return the operands of a pattern's root that are activations, and may be observed."""
    return [
        operand
        for operand in operands(match.root)
        if dtypes.role(operand, site.positions) == "activation" and site.values.is_observable(operand.value)
    ]


def source(site: Site, operand: Operand) -> Slot | None:
    """Return the observer behind an operand: its own, or the nearest one further back."""
    slot = site.plan.read_at(operand)
    return site.behind.get(operand.value) if slot is None else slot


def behind(site: Site, node: Node) -> Slot | None:
    """Return the observer behind an operator's own output, which is looked through at its first operand.

    It is noted for each node as soon as that has its observers, so that a long
    way back is gone once, and not by every operator on it (SCALE-3).
    """
    first = next(iter(operands(node)), None)
    return None if first is None else source(site, first)


def is_outside(site: Site, match: Match) -> bool:
    """Whether a pattern reads a graph input that is quantized already, and nothing observed.

    What that input was quantized with is not known here, so there is nothing to
    share (SHARING-6).
    """
    read = operands(match.root)
    declared = any(operand.value in site.quantized_inputs for operand in read)
    return declared and not sources(site, match)


def separate(site: Site) -> None:
    """Give consumers that do not share their own observer where sharing has changed it.

    A consumer may read an observer that was asked for with its own spec, and
    that a sharing operator then made one with an observer of another spec.
    """
    said = annotated.said(site)
    readers: dict[Slot, list[tuple[Node, tuple[int | str, ...]]]] = {}
    for place, slot in site.plan.reads.items():
        readers.setdefault(slot, []).append(place)
    for slot in [slot for slots in site.inputs.values() for slot in slots.values()]:
        if site.groups.leader(slot).spec == slot.spec or slot in said:
            continue
        plain = [place for place in readers.get(slot, ()) if not _shares(site, place[0])]
        if not plain:
            continue
        own = Slot(slot.value, slot.below, slot.spec, "PLACEMENT-1", slot.reason)
        site.plan.slots.append(own)
        for place in plain:
            site.plan.reads[place] = own


def _shares(site: Site, node: Node) -> bool:
    """Whether a node is part of a pattern whose output shares with its inputs."""
    quantized = site.quantized.get(node)
    return quantized is not None and shares_with_inputs(quantized)


def shares_with_inputs(quantized: Quantized) -> bool:
    """Whether the backend says that a pattern's output has the observer of its inputs."""
    return quantized.observation is ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT
