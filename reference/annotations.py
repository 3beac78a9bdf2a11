"""Chapter *annotations*: observers go where a quantizer has written that they go.

An annotation on a node says how its inputs and its output are quantized.  A place
is a value, for an output, or an edge, a pair of a value and its reader.  What
each place asks for is read first; then which places share one observer; then the
observers are made, one for each group; and then they are put where their places are.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.ao.quantization import QConfigMapping
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.ao.quantization.fx.utils import ObservedGraphModuleAttrs
from torch.fx import Graph, GraphModule, Node

from . import devices, qspecs, state
from .entry import RefusalError
from .graphs import Operand, operands, places_read
from .plan import Plan, Slot
from .qspecs import kind_of
from .rewrite import rewrite
from .site import Groups
from .specs import spec_of_made

KEY = "quantization_annotation"
"""Where a node's annotation is in its ``meta``."""

Place: TypeAlias = "Node | tuple[Node, Node]"
"""Where an observer may be asked for: on a value, or on its way to one reader."""

Callback: TypeAlias = Callable[[GraphModule, dict[Place, nn.Module]], Any]


def prepare(
    model: GraphModule,
    node_name_to_scope: Mapping[str, tuple[str, Any]],
    is_qat: bool,
    obs_or_fq_callback: Callback | None = None,
) -> GraphModule:
    """Return a copy of an annotated graph with observers.

    Parameters
    ----------
    model
        The graph, most often an exported one, with annotations in its nodes' ``meta``.
    node_name_to_scope
        For each node's name, the path and the type of the module it stands in.
    is_qat
        Whether parameters that are fixed are those of a fake quantizer.
    obs_or_fq_callback
        Is given the model and the observer of each place before they are inserted,
        and may exchange them (ANNOTATIONS-16).

    Raises
    ------
    RefusalError
        If an annotation asks for what cannot be served.
    """
    prepared = rewrite(model, plan(model, is_qat, obs_or_fq_callback))
    readdress(prepared.graph)
    custom, mapping = PrepareCustomConfig(), QConfigMapping()
    prepared.meta[state.KEY] = ObservedGraphModuleAttrs(
        {}, dict(node_name_to_scope), custom, {}, mapping, is_qat, set()
    )
    return prepared


def readdress(graph: Graph) -> None:
    """Let the annotations in a copied graph name its own nodes: conversion follows them there (STATE-12)."""
    nodes = {node.name: node for node in graph.nodes}
    renewed: dict[int, Any] = {}

    def here(place: Any) -> Any:
        return tuple(map(here, place)) if isinstance(place, tuple) else nodes.get(getattr(place, "name", ""), place)

    for node in graph.nodes:
        if (note := node.meta.get(KEY)) is not None:
            node.meta[KEY] = renewed.setdefault(id(note), moved(note, here))


def moved(note: Any, here: Callable[[Any], Any]) -> Any:
    """Return a copy of an annotation that names other places; `here` tells which."""
    copied = copy.copy(note)
    copied.input_qspec_map = {here(value): qspecs.moved(spec, here) for value, spec in note.input_qspec_map.items()}
    copied.output_qspec = qspecs.moved(note.output_qspec, here)
    return copied


def plan(model: GraphModule, is_qat: bool, obs_or_fq_callback: Callback | None = None) -> Plan:
    """Decide where the observers of an annotated graph go, and change nothing.

    Parameters and errors are those of `prepare`.
    """
    asked = read(model.graph)
    groups = share(asked)
    observers = make(asked, groups, is_qat)
    if obs_or_fq_callback is not None:
        obs_or_fq_callback(model, observers)
    decided = place(model, observers)
    tell_sharing(decided, {where: groups.leader(where) for where in asked}, asked)
    return decided


def tell_sharing(decided: Plan, leaders: Mapping[Place, Place], asked: Mapping[Place, Any]) -> None:
    """Write down with what places share their observers, and why; `leaders` has whose observer each one has."""
    read = functools.cache(places_read)
    for where, leader in leaders.items():
        rule, reason = why_shared(where, asked[where], leader)
        if not rule:
            continue
        if isinstance(where, Node):
            decided.decide(where, "output", rule, reason)
            continue
        for operand in read(where[1]).get(where[0], ()):
            decided.decide(where[1], str(operand), rule, reason)


def why_shared(where: Place, spec: Any, leader: Place) -> tuple[str, str]:
    """Return why a place shares, as rule and reason: it says so, or asks for the same of one tensor; else nothing."""
    if kind_of(spec) == "shared":
        return "ANNOTATIONS-4", f"it shares with {words(spec.edge_or_node)}"
    if where != leader and value_of(where) is value_of(leader):
        return "ANNOTATIONS-5", f"it asks for the same as {words(leader)}, of the same tensor"
    return "", ""


def read(graph: Graph) -> dict[Place, Any]:
    """Return what each place asks for, in the order of the graph; inputs before the output.

    What is no node is no place: a number, say, that an annotation names as an input.

    Raises
    ------
    RefusalError
        If an annotated node reads a value by keyword, where no edge of the map says
        which one is meant, or a spec is none (ANNOTATIONS-12).
    """
    asked: dict[Place, Any] = {}
    for node in graph.nodes:
        note = node.meta.get(KEY)
        if note is None:
            continue
        refuse_keywords(node)
        for value, spec in note.input_qspec_map.items():
            if isinstance(value, Node):
                asked[value, node] = spec
        asked[node] = note.output_qspec
    for where, spec in asked.items():
        if spec is not None and kind_of(spec) is None:
            raise RefusalError(f"{words(where)} is annotated with {spec!r}; give it a quantization spec")
    return {where: spec for where, spec in asked.items() if spec is not None}


def refuse_keywords(node: Node) -> None:
    """Refuse an annotated node that reads a value by keyword: it would silently stay float (ANNOTATIONS-12)."""
    for operand in operands(node):
        if isinstance(operand.keys[0], str):
            text = f"{node.name} is annotated and reads {operand.keys[0]!r} by keyword; pass it by position"
            raise RefusalError(text)


def words(where: Place) -> str:
    """Return a place in words."""
    return where.name if isinstance(where, Node) else f"{where[0].name} -> {where[1].name}"


def value_of(where: Place) -> Node:
    """Return the node that gives the tensor of a place."""
    return where if isinstance(where, Node) else where[0]


def share(asked: Mapping[Place, Any]) -> Groups[Place]:
    """Return which places share one observer: those that say so, and those of one tensor that ask alike.

    Sharing is a closure, in whatever order the places are named (ANNOTATIONS-4).

    Raises
    ------
    RefusalError
        If a place shares with one that asks for nothing, or a group shares in a circle (ANNOTATIONS-12).
    """
    wanted, groups = followed(asked), said(asked)
    for alike in asking_alike(asked, wanted):
        willing = [where for where in alike if allows_sharing(where)]
        for other in alike if willing else ():
            groups.join(willing[0], other)
    return led_by_the_first(groups, asked)


def said(asked: Mapping[Place, Any]) -> Groups[Place]:
    """Return which places share one observer because an annotation says so."""
    groups: Groups[Place] = Groups()
    for where, spec in asked.items():
        if kind_of(spec) == "shared":
            groups.join(spec.edge_or_node, where)
    return groups


def followed(asked: Mapping[Place, Any]) -> dict[Place, Any]:
    """Return the spec that each place asks for, behind all that it shares with.

    Raises
    ------
    RefusalError
        If there is none (ANNOTATIONS-12).
    """
    found: dict[Place, Any] = {}
    for where in asked:
        way: dict[Place, None] = {}
        while where not in found and kind_of(asked[where]) == "shared":
            way[where] = None
            other = asked[where].edge_or_node
            if other not in asked:
                text = f"{words(where)} shares with {words(other)}, which asks for no observer; annotate that"
                raise RefusalError(text)
            if other in way:
                raise RefusalError(f"{words(other)} shares with itself, by way of {words(where)}; give one a spec")
            where = other
        found.setdefault(where, asked[where])
        found.update(dict.fromkeys(way, found[where]))
    return found


def asking_alike(asked: Mapping[Place, Any], wanted: Mapping[Place, Any]) -> list[list[Place]]:
    """Return the places of one tensor that ask for the same: its edges, in order, then the value itself."""
    found: dict[Any, list[Place]] = {}
    for where in sorted(asked, key=lambda where: isinstance(where, Node)):
        found.setdefault((value_of(where), qspecs.compared(wanted[where])), []).append(where)
    return list(found.values())


def allows_sharing(where: Place) -> bool:
    """Whether a place shares unasked with others of its tensor: edges do, unless their reader opts out."""
    return not isinstance(where, Node) and bool(where[1].meta[KEY].allow_implicit_sharing)


def led_by_the_first(groups: Groups[Place], asked: Mapping[Place, Any]) -> Groups[Place]:
    """Return the same groups, each led by its first place with a spec of its own: that one decides."""
    leaders: dict[Place, Place] = {}
    for where, spec in asked.items():
        if kind_of(spec) != "shared":
            leaders.setdefault(groups.leader(where), where)
    led: Groups[Place] = Groups()
    for where in asked:
        led.join(leaders[groups.leader(where)], where)
    return led


def make(asked: Mapping[Place, Any], groups: Groups[Place], is_qat: bool) -> dict[Place, nn.Module]:
    """Return the observer of each place: one object for a group.

    Raises
    ------
    RefusalError
        If something is derived from what asks for nothing, or from itself (ANNOTATIONS-12).
    """
    sources = {leader: derived_from(leader, asked, groups) for leader in dict.fromkeys(map(groups.leader, asked))}
    made: dict[Place, nn.Module] = {}
    try:
        for leader in TopologicalSorter(sources).static_order():
            made[leader] = qspecs.observer_of(asked[leader], [made[source] for source in sources[leader]], is_qat)
    except CycleError as error:
        named = ", ".join(map(words, error.args[1]))
        raise RefusalError(f"what is derived is derived from itself ({named}); give one of them a spec") from error
    return {where: made[groups.leader(where)] for where in asked}


def derived_from(leader: Place, asked: Mapping[Place, Any], groups: Groups[Place]) -> list[Place]:
    """Return the leaders of the places that a spec is derived from, in its order; nothing if it is not derived."""
    spec = asked[leader]
    sources = spec.derived_from if kind_of(spec) == "derived" else ()
    for source in sources:
        if source not in asked:
            text = f"{words(leader)} is derived from {words(source)}, which asks for no observer; annotate that"
            raise RefusalError(text)
    return [groups.leader(source) for source in sources]


@dataclass
class Placing:
    """The plan being made, what stands behind each value for all its readers, and where each observer stands."""

    plan: Plan
    observers: Mapping[Place, nn.Module]
    buffers: frozenset[str]
    behind: dict[Node, Slot] = field(default_factory=dict)
    found: dict[tuple[Node, Slot | None, nn.Module], Slot] = field(default_factory=dict)
    first: dict[nn.Module, Slot] = field(default_factory=dict)

    def slot(self, value: Node, below: Slot | None, observer: nn.Module, rule: str, reason: str) -> Slot:
        """Return the slot of an observer on a value: one, however many read it there (ANNOTATIONS-7)."""
        if (value, below, observer) not in self.found:
            spec = spec_of_made(observer)
            self.found[value, below, observer] = slot = Slot(value, below, spec, rule, reason)
            self.plan.slots.append(slot)
            self.plan.shares[slot] = self.first.setdefault(observer, slot)
        return self.found[value, below, observer]


def place(model: GraphModule, observers: Mapping[Place, nn.Module]) -> Plan:
    """Decide where the observers go, node by node in the order of the graph, and change nothing."""
    placing = Placing(Plan(device=devices.device_of(model)), observers, buffers_of(model))
    for node in model.graph.nodes:
        for operand in operands(node):
            place_input(placing, operand)
        if observers.get(node) is not None:
            place_output(placing, node, observers[node])
    return placing.plan


def place_input(placing: Placing, operand: Operand) -> None:
    """Decide what an operand reads: the value, what observes it for all, or what observes it for this reader."""
    node, value = operand.node, operand.value
    below, observer = placing.behind.get(value), placing.observers.get((value, node))
    if below is not None:
        placing.plan.read(operand, below)
    if observer is None:
        return
    if not is_tensor(value) or is_written(operand, placing.buffers):
        why = "is written to" if is_tensor(value) else "is no tensor"
        placing.plan.decide(node, str(operand), "ANNOTATIONS-3", f"{value.name} {why}")
        return
    if below is None or below.spec.instance is not observer:
        text = f"{node.name} is annotated to read {value.name} by it"
        below = placing.slot(value, below, observer, "ANNOTATIONS-1", text)
    placing.plan.decide(node, str(operand), below.rule, below.reason)
    placing.plan.read(operand, below)


def place_output(placing: Placing, node: Node, observer: nn.Module) -> None:
    """Decide whether a node's output is observed for all its readers: it is, if it is a tensor."""
    if not is_tensor(node):
        placing.plan.decide(node, "output", "ANNOTATIONS-2", "it gives no tensor")
        return
    slot = placing.slot(node, None, observer, "ANNOTATIONS-2", f"the output of {node.name} is annotated")
    placing.behind[node] = slot
    placing.plan.decide(node, "output", slot.rule, slot.reason)


def buffers_of(model: nn.Module) -> frozenset[str]:
    """Return the names of a model's buffers, all of them."""
    return frozenset(name for name, _ in model.named_buffers(remove_duplicate=False))


def is_tensor(node: Node) -> bool:
    """Whether a node gives one tensor, as what is stored in it says."""
    return isinstance(node.meta.get("val"), torch.Tensor)


def is_written(operand: Operand, buffers: frozenset[str]) -> bool:
    """Whether an operator writes into the buffer that it reads at an operand (ANNOTATIONS-3)."""
    schema = getattr(operand.node.target, "_schema", None)
    if operand.keys != (0,) or schema is None or not schema.arguments:
        return False
    alias = schema.arguments[0].alias_info
    if alias is None or not alias.is_write:
        return False
    behind, pending = {operand.value}, [operand.value]
    while pending:
        new = [node for node in pending.pop().all_input_nodes if node not in behind]
        behind.update(new)
        pending += new
    if any(node.op == "placeholder" for node in behind):
        return False
    return any(node.op == "get_attr" and str(node.target) in buffers for node in behind)
