"""Situations: combinations of what a case has, as they meet in one place of its graph.

`strategies/features.py` says what a case has somewhere.  A situation is more: a
dynamic qconfig *beside* a static one, a weight by keyword *that is quantized*.  It
is read from the reference's survey and plan, so that what is switched off or not
supported does not count.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn
from torch.ao.quantization.backend_config import ObservationType
from torch.fx import Node

from observance.reference import RefusalError, place, survey
from observance.reference.entry import read_configs
from observance.reference.graphs import Operand, operands, output_of
from observance.reference.plan import Slot
from observance.reference.site import Quantized, Site
from observance.strategies import Case, build
from observance.strategies.case import tree_values
from observance.strategies.operators import OPERATORS, SEVERAL

_SHARED = ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT


def planned(case: Case) -> Site | None:
    """Return how the reference plans a case; None if it refuses it."""
    given = build(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapping, custom, backend = given.qconfig_mapping, given.custom_config, given.backend_config
        try:
            configs = read_configs(mapping, custom, backend, given.is_qat, given.equalization)
            site = survey(given.model, configs, given.scopes, given.example_inputs)
            place(site)
        except RefusalError:
            return None
    return site


@dataclass(frozen=True)
class Scene:
    """A case and its plan, with what several situations ask for."""

    case: Case
    site: Site

    @cached_property
    def reads(self) -> list[Operand]:
        """All places where a node reads a value."""
        return [operand for node in self.site.graph.nodes for operand in operands(node)]

    @cached_property
    def neighbours(self) -> list[tuple[Quantized, Quantized]]:
        """The pairs of quantized patterns of which one reads what the other gives."""
        of = self.site.quantized
        pairs = [(of[o.value], of[o.node]) for o in self.reads if o.value in of and o.node in of]
        return [(giver, reader) for giver, reader in pairs if giver.match is not reader.match]

    @cached_property
    def groups(self) -> list[list[Slot]]:
        """The slots of each observer of the graph."""
        found: dict[Slot, list[Slot]] = {}
        for slot, leader in self.site.plan.shares.items():
            found.setdefault(leader, []).append(slot)
        return list(found.values())

    @cached_property
    def slots_on(self) -> Counter[Node]:
        """How many observers each value has."""
        return Counter(slot.value for slot in self.site.plan.slots)

    def kinds_differ(self, kind: Callable[[Quantized], object]) -> bool:
        """Whether neighbours ask for activations of different kinds; one that asks for nothing has None."""
        kinds = [(kind(giver), kind(reader)) for giver, reader in self.neighbours]
        return any(None not in pair and pair[0] != pair[1] for pair in kinds)

    def reads_keyed(self, operand: Operand) -> bool:
        """Whether an operand stands in a list."""
        return len(operand.keys) > 1

    def sharers(self) -> list[Quantized]:
        """The quantized patterns that pass their input's observer on."""
        return [one for one in dict.fromkeys(self.site.quantized.values()) if one.observation is _SHARED]


def _observer(one: Quantized) -> object:
    """Return what observes the activations of a pattern, if anything does."""
    return one.ask.activation if one.ask.activation and one.ask.activation.is_observed else None


def _is_dynamic(one: Quantized) -> object:
    """Return whether a pattern is dynamic; None if its activations are not observed."""
    return None if _observer(one) is None or one.ask.activation is None else one.ask.activation.is_dynamic


def _is_half(one: Quantized) -> object:
    """Return whether the activations of a pattern are of half precision; None if they are not observed."""
    return None if _observer(one) is None else one.ask.activation_dtype is torch.float16


def _weight_by_keyword(scene: Scene) -> bool:
    quantized = [node for node in scene.site.quantized if node.op == "call_function"]
    return any("weight" in node.kwargs and isinstance(node.kwargs["weight"], Node) for node in quantized)


def _shared_list(scene: Scene) -> bool:
    roots = {one.match.root for one in scene.sharers()}
    return any(operand.node in roots and scene.reads_keyed(operand) for operand in scene.reads)


def _shared_mixed(scene: Scene) -> bool:
    """Whether a pattern that shares reads values for which different observers are asked."""
    for one in scene.sharers():
        given = [scene.site.quantized.get(operand.value) for operand in operands(one.match.root)]
        if len({_observer(giver) for giver in given if giver is not None} - {None}) > 1:
            return True
    return False


def _shared_chain(scene: Scene) -> bool:
    return any(giver.observation is _SHARED and reader.observation is _SHARED for giver, reader in scene.neighbours)


def _shared_with_input(scene: Scene) -> bool:
    return any(len(group) > 1 and any(slot.value.op == "placeholder" for slot in group) for group in scene.groups)


def _shared_by_declared(scene: Scene) -> bool:
    roots = {one.match.root for one in scene.sharers()}
    return any(operand.node in roots and operand.value in scene.site.quantized_inputs for operand in scene.reads)


def _read_both_ways(scene: Scene) -> bool:
    """Whether a value is read through an observer, and as it is."""
    slots: dict[Node, set[bool]] = {}
    for operand in scene.reads:
        slots.setdefault(operand.value, set()).add(scene.site.plan.read_at(operand) is None)
    return any(len(ways) > 1 for ways in slots.values())


def _part_quantized(scene: Scene) -> bool:
    """Whether an operator that is quantized reads a part of what gives several values."""
    several = {call.operator for call in scene.case.calls if OPERATORS[call.operator].gives in SEVERAL}
    parts = {node for node in scene.site.graph.nodes if getattr(node.target, "__name__", "") == "getitem"}
    return bool(several) and any(o.value in parts and o.node in scene.site.quantized for o in scene.reads)


def _is_number(scene: Scene, node: Node) -> bool:
    """Whether a node computes something else than a tensor."""
    return node.op not in ("placeholder", "output") and not scene.site.values.is_tensor(node)


def _size_of_observed(scene: Scene) -> bool:
    """Whether a number is computed from a value that is observed."""
    return any(_is_number(scene, operand.node) and scene.slots_on[operand.value] for operand in scene.reads)


def _size_into_quantized(scene: Scene) -> bool:
    """Whether a quantized operator reads a number that was computed."""
    return any(operand.node in scene.site.quantized and _is_number(scene, operand.value) for operand in scene.reads)


def _declared_in_container(scene: Scene) -> bool:
    return isinstance(scene.case.output, tuple) and bool(scene.site.returned)


def _observed_in_container(scene: Scene) -> bool:
    returned = operands(output_of(scene.site.graph))
    return len(tree_values(scene.case.output)) > 1 and any(scene.slots_on[operand.value] for operand in returned)


def _torn(scene: Scene) -> bool:
    """Whether what a ReLU reads is read elsewhere, too, so that the two are no pattern."""
    relus = (nn.ReLU, F.relu, torch.relu)
    return any(r.match.config.pattern in relus and len(g.match.last.users) > 1 for g, r in scene.neighbours)


def _float_between(scene: Scene) -> bool:
    """Whether an operator that stays float reads what a quantized one gives, and a quantized one reads it."""
    of = scene.site.quantized
    middle = {o.node for o in scene.reads if o.value in of and o.node not in of and o.node.op != "output"}
    return any(operand.value in middle and operand.node in of for operand in scene.reads)


SITUATIONS: dict[str, Callable[[Scene], bool]] = {
    "neighbours with different observers": lambda s: s.kinds_differ(_observer),
    "dynamic beside static": lambda s: s.kinds_differ(_is_dynamic),
    "float16 beside another dtype": lambda s: s.kinds_differ(_is_half),
    "a value with two observers": lambda s: any(count > 1 for count in s.slots_on.values()),
    "an observer above another": lambda s: any(slot.below is not None for slot in s.site.plan.slots),
    "a value read observed and as it is": _read_both_ways,
    "float operator between quantized ones": _float_between,
    "one observer at three places or more": lambda s: any(len(group) > 2 for group in s.groups),
    "one observer at six places or more": lambda s: any(len(group) > 5 for group in s.groups),
    "sharing operator that takes a list": _shared_list,
    "sharing operator with inputs observed differently": _shared_mixed,
    "sharing operator after another": _shared_chain,
    "graph input that shares": _shared_with_input,
    "declared input of a sharing operator": _shared_by_declared,
    "quantized weight by keyword": _weight_by_keyword,
    "quantized pattern of two operators": lambda s: any(len(q.match.nodes) == 2 for q in s.site.quantized.values()),
    "quantized pattern of three or more": lambda s: any(len(q.match.nodes) > 2 for q in s.site.quantized.values()),
    "pattern torn by another reader": _torn,
    "part of several values, quantized": _part_quantized,
    "size of an observed value": _size_of_observed,
    "computed number into a quantized operator": _size_into_quantized,
    "declared output in a container": _declared_in_container,
    "observed value in a container": _observed_in_container,
    "broken constraint": lambda s: bool(s.site.plan.warnings),
    "equalized layer": lambda s: bool(s.site.equalized),
    "standalone module that is quantized inside": lambda s: any(
        one.site is not None and one.site.quantized for one in s.site.standalone.values()
    ),
    "module swapped for training": lambda s: bool(s.site.plan.swapped),
}
"""All situations, each with how it is told."""


def situations(case: Case, site: Site | None) -> list[str]:
    """Return the names of the situations of a case, in the order of `SITUATIONS`; none if it is refused."""
    if site is None:
        return []
    scene = Scene(case, site)
    return [name for name, holds in SITUATIONS.items() if holds(scene)]
