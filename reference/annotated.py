"""Chapter *annotations*, where qconfigs decide: what a node's annotation says takes the place of its qconfig.

Qconfigs and the backend say which patterns are quantized, and the annotation of a node
outside of them says nothing (ANNOTATIONS-19).  Inside, that of the root says what each input
is observed by, and that of the last node what the output is.  What it leaves out stays float
(ANNOTATIONS-17).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from torch import nn
from torch.fx import Node

from . import dtypes, qspecs
from .annotations import KEY, Place, followed, tell_sharing, words
from .entry import RefusalError
from .graphs import Operand, operands
from .plan import Slot
from .qspecs import kind_of
from .site import Quantized, Site
from .specs import OBSERVED_DTYPES, Spec, spec_of_observer


def is_annotated(site: Site, node: Node) -> bool:
    """Whether a node has an annotation that counts: it is in a pattern that is quantized (ANNOTATIONS-19)."""
    return KEY in node.meta and node in site.quantized


def read(site: Site, nodes: Collection[Node]) -> None:
    """Find out what the annotations of some nodes of quantized patterns ask for, place by place.

    The output that a pattern asks for becomes that of its last node's annotation.

    Raises
    ------
    RefusalError
        If a spec is none, or if one is shared with what asks for nothing, or with itself (ANNOTATIONS-12).
    """
    asked: dict[Place, Any] = {}
    for node in nodes:
        if is_annotated(site, node):
            asked |= asked_at(node, site.quantized[node])
    for where, spec in asked.items():
        if spec is not None and kind_of(spec) is None:
            raise RefusalError(f"{words(where)} is annotated with {spec!r}; give it a quantization spec")
    asked = {where: spec for where, spec in asked.items() if spec is not None}
    for other in [other for spec in asked.values() for other in named_by(spec)]:
        by_qconfig = None if other in asked else asked_by_qconfig(site, other)
        if by_qconfig is not None:
            asked[other] = by_qconfig
    site.notes.asked = asked
    site.notes.specs = {where: spec_of(spec, site.is_qat) for where, spec in followed(asked).items()}
    site.quantized = {node: with_output(site, node, quantized) for node, quantized in site.quantized.items()}


def asked_at(node: Node, quantized: Quantized) -> dict[Place, Any]:
    """Return what an annotation says at the places where it is looked at; None where it asks for nothing."""
    note, found = node.meta[KEY], {}
    if node is quantized.match.root:
        found = {(operand.value, node): note.input_qspec_map.get(operand.value) for operand in operands(node)}
    return found | ({node: note.output_qspec} if node is quantized.match.last else {})


def named_by(spec: Any) -> list[Place]:
    """Return the places that a spec is shared with, or derived from."""
    match kind_of(spec):
        case "shared":
            return [spec.edge_or_node]
        case "derived":
            return list(spec.derived_from)
    return []


def asked_by_qconfig(site: Site, where: Place) -> Spec | None:
    """Return what a qconfig asks for at a place of which no annotation speaks; None for no observer."""
    node = where if isinstance(where, Node) else where[1]
    quantized = site.quantized.get(node)
    if quantized is None or is_annotated(site, node):
        return None
    if isinstance(where, Node):
        serves = node is quantized.match.last and quantized.ask.output_dtype in OBSERVED_DTYPES
        return quantized.ask.activation if serves else None
    read_here = [o for o in operands(node) if o.value is where[0] and node is quantized.match.root]
    specs = [dtypes.spec_for(operand, quantized.ask, site.positions) for operand in read_here]
    return next((spec for spec in specs if spec is not None and spec.is_observed), None)


def spec_of(asked: Any, is_qat: bool) -> Spec:
    """Return what a quantization spec, or a qconfig, asks for; derived specs are alike if their sources are."""
    if isinstance(asked, Spec):
        return asked

    def make(*sources: nn.Module) -> nn.Module:
        return qspecs.observer_of(asked, list(sources), is_qat)

    spec = spec_of_observer(make(), make)
    if kind_of(asked) != "derived":
        return spec
    return replace(spec, settings=(*spec.settings, ("derived_from", tuple(map(words, asked.derived_from)))))


def with_output(site: Site, node: Node, quantized: Quantized) -> Quantized:
    """Return how a node is quantized, with the output that its annotation asks for (ANNOTATIONS-2)."""
    if node is not quantized.match.last or not is_annotated(site, node):
        return quantized
    return replace(quantized, ask=replace(quantized.ask, activation=site.notes.specs.get(node)))


def input_spec(site: Site, operand: Operand, quantized: Quantized) -> Spec | None:
    """Return what a root's operand is to be observed by: as its annotation says, or else its qconfig."""
    if is_annotated(site, operand.node):
        return site.notes.specs.get((operand.value, operand.node))
    return dtypes.spec_for(operand, quantized.ask, site.positions)


def reuses_input(site: Site, node: Node, quantized: Quantized) -> bool:
    """Whether a node's inputs have no observers of their own: as its annotation says, or else its qconfig."""
    if is_annotated(site, node):
        return bool(getattr(node.meta[KEY], "_reuse_input_obs_or_fq", False))
    return quantized.ask.reuse


def settle(site: Site, where: Place, slot: Slot | None) -> None:
    """Note what observes a place, and let it share at once if what it shares with is known (ANNOTATIONS-4)."""
    spec: Any = site.notes.asked.get(where)
    if slot is not None and spec is not None:
        site.notes.slots[where] = slot
    if named_by(spec):
        site.notes.settled.append(where)
    if slot is not None and kind_of(spec) == "shared":
        if spec.edge_or_node in site.notes.slots:
            join(site, spec.edge_or_node, slot)
        else:
            site.notes.waiting.append(where)


def join(site: Site, other: Place, slot: Slot) -> None:
    """Let a place have the observer of another."""
    site.groups.join(slot_at(site, other), slot)


def slot_at(site: Site, where: Place) -> Slot:
    """Return the observer of a place that another names.

    Raises
    ------
    RefusalError
        If it has none of its own (ANNOTATIONS-12).
    """
    slot: Slot | None = site.notes.slots.get(where)
    if slot is None:
        raise RefusalError(f"{words(where)} has no observer of its own to share or to derive from; name one that has")
    return slot


def share(site: Site) -> None:
    """Let places share that were decided before what they share with; find the sources of what is derived.

    Raises
    ------
    RefusalError
        If a place shares with, or is derived from, what has no observer, or from itself (ANNOTATIONS-12).
    """
    notes = site.notes
    for where in notes.settled:
        for other in named_by(notes.asked[where]):
            slot_at(site, other)
    for where in notes.waiting:
        join(site, notes.asked[where].edge_or_node, notes.slots[where])
    tell_sharing(site.plan, {where: where for where in notes.settled if where in notes.slots}, notes.asked)


def derive(site: Site) -> dict[Slot, list[Slot]]:
    """Return the sources of the observers that are derived from others, what comes first first (ANNOTATIONS-9).

    Raises
    ------
    RefusalError
        If one is derived from itself (ANNOTATIONS-12).
    """
    leader, notes = site.groups.leader, site.notes
    derived: dict[Slot, Place] = {}
    for where, slot in notes.slots.items():
        if kind_of(notes.asked[where]) == "derived":
            derived.setdefault(slot, where)  # of several places the first decides, as everywhere
    sources = {
        slot: [leader(slot_at(site, other)) for other in notes.asked[where].derived_from]
        for slot, where in derived.items()
        if leader(slot) is slot
    }
    try:
        ordered = [slot for slot in TopologicalSorter(sources).static_order() if slot in sources]
    except CycleError as error:
        named = ", ".join(slot.value.name for slot in error.args[1])
        raise RefusalError(f"what is derived is derived from itself ({named}); give one of them a spec") from error
    return {slot: sources[slot] for slot in ordered}


def said(site: Site) -> set[Slot]:
    """Return the slots of the places that share because an annotation says so, and of those with which they do."""
    notes = site.notes
    sharing = [where for where in notes.slots if kind_of(notes.asked[where]) == "shared"]
    return {notes.slots[place] for where in sharing for place in (where, notes.asked[where].edge_or_node)}
