"""How torch's `prepare` finds the places that annotations name, and which observers it takes for theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference import annotated
from observance.reference.annotations import KEY, Place, words
from observance.reference.entry import RefusalError
from observance.reference.graphs import Operand, operands
from observance.reference.plan import Slot
from observance.reference.qspecs import kind_of
from observance.reference.site import Quantized, Site
from observance.reference.specs import OBSERVED_DTYPES

Decision = Callable[..., Any]


# What annotations name, as far as it is there when it is looked up.


def observer_at(site: Site, where: Place) -> Slot | None:
    """Return the observer that a place has got so far, whether an annotation names it or not."""
    if where in site.notes.slots:
        return site.notes.slots[where]
    if isinstance(where, Node):
        return site.outputs.get(where)
    value, reader = where
    found = [site.plan.read_at(operand) for operand in operands(reader) if operand.value is value]
    return next((slot for slot in found if slot is not None and slot is not site.outputs.get(value)), None)


def look_up(site: Site, spec: Any) -> None:
    """Fail unless all places that a spec names have their observers already."""
    failure = KeyError if kind_of(spec) == "derived" else AssertionError
    for other in annotated.named_by(spec):
        try:
            if other in site.notes.slots or observer_at(site, other) is None:
                annotated.slot_at(site, other)
        except (RefusalError, AssertionError):
            raise failure(f"{words(other)} has no observer yet") from None


def _resolves_what_can_be(original: Decision, asked: Mapping[Place, Any]) -> dict[Place, Any]:
    """Find the spec behind each place, where there is one, and refuse nothing before it is looked up."""
    found: dict[Place, Any] = {}
    for where in asked:
        way, here = set[Place](), where
        while here in asked and here not in way and kind_of(asked[here]) == "shared":
            way.add(here)
            here = asked[here].edge_or_node
        if here in asked and here not in way:
            found[where] = asked[here]
    return found


def _looks_up_inputs(original: Decision, site: Site, operand: Operand, quantized: Quantized) -> None:
    """Look up what an annotated input shares with, or is derived from, when its reader is met."""
    if annotated.is_annotated(site, operand.node):
        look_up(site, operand.node.meta[KEY].input_qspec_map.get(operand.value))
    original(site, operand, quantized)


def _looks_up_outputs(original: Decision, site: Site, quantized: Quantized) -> None:
    """Look up what an annotated output shares with, or is derived from, when its node is met."""
    last = quantized.match.last
    if annotated.is_annotated(site, last):
        look_up(site, last.meta[KEY].output_qspec)
    original(site, quantized)


def _knows_edges_by_nodes(original: Decision, site: Site, where: Place) -> Slot:
    """Know an edge from a value that is observed by the observer's node, which no annotation can name."""
    slot: Slot = original(site, where)
    if isinstance(where, tuple) and slot.below is not None:
        raise AssertionError(f"{words(where)} is known by another name")
    return slot


# Which object is meant.


def origins(site: Site) -> dict[Place, Slot]:
    """Return the observer that each place was given first, whatever has replaced it since."""
    return vars(site).setdefault("origins", {})  # type: ignore[no-any-return]


def _remembers_the_first(original: Decision, site: Site, where: Place, slot: Slot | None) -> None:
    """Note which observer a place is given first: that of an output is made before it is exchanged for a shared one."""
    spec: Any = site.notes.asked.get(where)
    kept = origins(site)
    fitted = slot is not None and slot in site.plan.reads.values()
    original(site, where, slot)
    is_made = isinstance(where, Node) or (slot is not None and not fitted)
    if kind_of(spec) == "shared" and spec.edge_or_node in kept and is_made:
        kept[where] = kept[spec.edge_or_node]
    elif isinstance(where, Node) and (slot is None or slot.rule.startswith("SHARING-")):
        wanted = site.quantized[where].ask
        if (
            wanted.activation is not None
            and wanted.output_dtype in OBSERVED_DTYPES
            and site.values.is_observable(where)
        ):
            kept[where] = Slot(where, None, wanted.activation, "ANNOTATIONS-2", "it is exchanged at once")
    elif slot is not None:
        kept[where] = site.groups.leader(slot)
    if kind_of(spec) == "derived" and slot is not None:
        # Of several places with one observer the first decides.
        sources = vars(site).setdefault("sources", {})
        sources.setdefault(slot, [kept[other] for other in spec.derived_from if other in kept])


def _joins_the_first(original: Decision, site: Site, other: Place, slot: Slot) -> None:
    """Let a place have the observer that another was given first."""
    first = origins(site).get(other)
    if first is None:
        original(site, other, slot)
    elif first is not slot and not slot.rule.startswith("SHARING-"):
        site.groups.parents[slot] = first


def _finds_the_first(original: Decision, site: Site, where: Place) -> Slot:
    """Find the observer that a place was given first, though it may have none any more."""
    if where not in site.notes.slots and where in origins(site):
        return origins(site)[where]
    return original(site, where)  # type: ignore[no-any-return]


def _derives_from_the_first(original: Decision, site: Site) -> Any:
    """Derive from the observers that places were given first."""
    return {slot: vars(site).get("sources", {}).get(slot, sources) for slot, sources in original(site).items()}


def _prefers_what_is_there(original: Decision, site: Site, other: Place, slot: Slot) -> None:
    """Take an observer that is on the value already for the one that is to be shared."""
    if slot not in site.plan.reads.values():
        original(site, other, slot)


LOOKS_BACK = (
    Change("annotated.followed", _resolves_what_can_be),
    Change("placement.place_input", _looks_up_inputs),
    Change("placement.place_output", _looks_up_outputs),
)
EDGES_BY_NODES = (Change("annotated.slot_at", _knows_edges_by_nodes),)
FIRST_OBSERVERS = (
    Change("annotated.settle", _remembers_the_first),
    Change("annotated.join", _joins_the_first),
    Change("annotated.slot_at", _finds_the_first),
    Change("annotated.derive", _derives_from_the_first),
)
WHAT_IS_THERE = (Change("annotated.join", _prefers_what_is_there),)
