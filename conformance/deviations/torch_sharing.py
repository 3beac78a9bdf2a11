"""How torch's `prepare` lets observers be shared, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference import sharing
from observance.reference.graphs import Operand
from observance.reference.patterns import Match
from observance.reference.plan import Slot
from observance.reference.site import Site

Decision = Callable[..., Any]


def _slot_at(site: Site, node: Node, keys: tuple[int | str, ...], value: Any) -> Slot | None:
    """Return the observer that an operand reads directly."""
    return site.plan.read_at(Operand(node, keys, value))


def _positional_sources(original: Decision, site: Site, match: Match) -> list[Slot]:
    """Look for the shared observer among positional arguments alone."""
    return [] if _first_held(match) is None else list(original(site, match))


def _first_held(match: Match) -> int | None:
    """Return the position of the first argument of a pattern's last node that holds a value."""
    held = (i for i, a in enumerate(match.last.args) if isinstance(a, (Node, list, tuple)))
    return next(held, None)


def _source_by_position(original: Decision, site: Site, operand: Operand) -> Slot | None:
    """Look back through positional arguments alone."""
    return _source(site, operand.node, operand.keys, operand.value, by_first_node=True)


def _first_source(original: Decision, site: Site, match: Match) -> list[Slot]:
    """Share with the first argument alone, unless it is a list, whatever it holds."""
    listed = _first_held(match)
    value = match.last.args[listed] if listed is not None else None
    if listed is None or not isinstance(value, Node):
        return list(original(site, match))
    slot = sharing.source(site, Operand(match.last, (listed,), value))
    return [] if slot is None else [slot]


def _reused_from_afar(original: Decision, site: Site, match: Match) -> list[Slot]:
    """Look for the observer that is reused as for one that is shared: behind whatever stands before the input."""
    return sharing.sources(site, match)


def _all_or_nothing(original: Decision, site: Site, match: Match) -> list[Slot]:
    """Give up where one value in a list has no observer, and keep what is joined by then."""
    listed = _first_held(match)
    parts = match.last.args[listed] if listed is not None else None
    if listed is None or not isinstance(parts, (list, tuple)):
        return list(original(site, match))
    joined: list[Slot] = []
    try:
        for slot in _sources_in_list(site, match, listed):
            if slot is None:
                return []
            if joined:
                site.groups.join(joined[0], slot)
            joined.append(slot)
    except AttributeError:  # of which `_fails_on_numbers` tells
        return []
    return joined


def _sources_in_list(site: Site, match: Match, listed: int) -> Iterator[Slot | None]:
    """Yield the observer behind each part of a list, or None, and fail where no value is behind a later part."""
    parts: Any = match.last.args[listed]
    for index, part in enumerate(parts):
        yield _source(site, match.last, (listed, index), part, by_first_node=index == 0)


def _fails_on_numbers(original: Decision, site: Site, match: Match) -> list[Slot]:
    """Fail, with all observers until then in the caller's model, where looking back from a list ends at a number."""
    listed = _first_held(match)
    if listed is not None and isinstance(match.last.args[listed], (list, tuple)):
        try:
            next((None for slot in _sources_in_list(site, match, listed) if slot is None), None)
        except AttributeError:
            leave_half_way(site)
            raise
    return list(original(site, match))


def leave_half_way(site: Site) -> None:
    """Put the observers that are decided into the caller's model."""
    model: Any = site.graph.owning_module
    for number, slot in enumerate(site.plan.slots):
        model.add_submodule(f"half_way_{number}", slot.spec.make())
        with site.graph.inserting_after(slot.value):
            site.graph.call_module(f"half_way_{number}", (slot.value,))


def _source(site: Site, node: Node, keys: tuple[int | str, ...], value: Any, by_first_node: bool) -> Slot | None:
    """Look back for an observer, through first arguments or through first nodes.

    What was found behind a value is kept: torch goes the whole way each time,
    which is a deviation of its own.
    """
    kept: dict[tuple[Node, bool], Slot | None] = vars(site).setdefault("traced", {})
    slot, passed = None, []
    while isinstance(value, Node):
        slot = _slot_at(site, node, keys, value) or kept.get((value, by_first_node))
        if slot is not None or (value, by_first_node) in kept or value.op == "placeholder" or not value.args:
            break
        passed.append((value, by_first_node))
        nodes = [i for i, argument in enumerate(value.args) if isinstance(argument, Node)]
        index = nodes[0] if by_first_node and nodes else 0
        node, keys, value = value, (index,), value.args[index]
    else:
        if not by_first_node:
            raise AttributeError("a list's part has no observer behind it")
    kept.update(dict.fromkeys(passed, slot))
    return slot


def _outside_directly(original: Decision, site: Site, match: Match) -> bool:
    """Know a quantized graph input only where it is the first argument, and then share nothing."""
    first = _first_input(site, match)
    return first is not None and first in site.quantized_inputs and _gives_bytes(site, match)


def _outside_unless_observed(original: Decision, site: Site, match: Match) -> bool:
    """Take every graph input that is the first argument, and is not observed, for one that is quantized already."""
    return bool(original(site, match)) or (_gives_bytes(site, match) and _first_input(site, match) is not None)


def _gives_bytes(site: Site, match: Match) -> bool:
    """Whether a pattern's output is to be unsigned bytes: of others, torch never thinks that they are outside."""
    return site.quantized[match.last].ask.output_dtype in (torch.quint8, torch.uint8)


def _first_input(site: Site, match: Match) -> Node | None:
    """Return the graph input that is a pattern's first argument; None if it is none, or is observed there."""
    first = match.last.args[0] if match.last.args else None
    if not isinstance(first, Node) or first.op != "placeholder":
        return None
    return first if _slot_at(site, match.last, (0,), first) is None else None


def _pointer_join(original: Decision, groups: Any, first: Slot, other: Slot) -> None:
    """Replace one observer's object and leave those that share with it behind."""
    groups.parents[other] = groups.parents.get(first, first)


def _pointer_leader(original: Decision, groups: Any, slot: Slot) -> Slot:
    """Return the slot whose object stands at a slot."""
    return groups.parents.get(slot, slot)  # type: ignore[no-any-return]


def _no_separation(original: Decision, site: Site) -> None:
    """Leave consumers behind an observer that sharing has changed."""


BY_POSITION = (
    Change("sharing.sources", _positional_sources),
    Change("sharing.source", _source_by_position),
)
REUSED_FROM_AFAR = (Change("sharing.reused", _reused_from_afar),)
FIRST_ONLY = (Change("sharing.sources", _first_source),)
ALL_OR_NOTHING = (Change("sharing.sources", _all_or_nothing),)
NUMBERS_IN_LISTS = (Change("sharing.sources", _fails_on_numbers),)
OUTSIDE_IN_LIST = (Change("sharing.is_outside", _outside_directly),)
OUTSIDE_UNLESS_OBSERVED = (Change("sharing.is_outside", _outside_unless_observed),)
NOT_CLOSED = (
    Change("site.Groups.join", _pointer_join),
    Change("site.Groups.leader", _pointer_leader),
)
NOT_SEPARATED = (Change("sharing.separate", _no_separation),)
