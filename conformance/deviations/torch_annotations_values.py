"""What torch's `prepare` believes of values that are annotated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.ao.quantization import PlaceholderObserver
from torch.ao.quantization.backend_config import ObservationType
from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference import annotated
from observance.reference.annotations import KEY
from observance.reference.dtypes import Ask
from observance.reference.graphs import Operand, operands, output_of
from observance.reference.patterns import Match
from observance.reference.plan import Plan, Slot
from observance.reference.qspecs import kind_of
from observance.reference.site import Quantized, Site
from observance.reference.specs import Spec, spec_of

from .torch_annotations_places import look_up, observer_at, origins
from .torch_placement import is_open

Decision = Callable[..., Any]


def _believed(site: Site, value: Node) -> torch.dtype | None:
    """Return the dtype that the annotation of a value asks for."""
    spec = value.meta[KEY].output_qspec
    if kind_of(spec) == "shared":
        found = origins(site).get(spec.edge_or_node) or observer_at(site, spec.edge_or_node)
        return None if found is None else site.groups.leader(found).spec.dtype
    return annotated.spec_of(spec, site.is_qat).dtype


def _believes_annotations(original: Decision, site: Site, value: Node) -> Any:
    """Believe that a value is what its annotation asks for."""
    if KEY not in value.meta or value.meta[KEY].output_qspec is None:
        return original(site, value)
    return _believed(site, value)


def _believes_qconfigs(original: Decision, site: Site, value: Node) -> Any:
    """Believe that a value whose observer is shared with inputs has the dtype that its qconfig asks for."""
    slot, quantized = site.outputs.get(value), site.quantized.get(value)
    if slot is not None and slot.rule == "SHARING-1" and quantized is not None:
        return quantized.ask.activation_dtype
    return original(site, value)


def _looks_up_values(original: Decision, site: Site, operand: Operand, quantized: Quantized) -> None:
    """Look up what the annotation of a value asks for whenever a quantized operator reads it."""
    if KEY in operand.value.meta:
        look_up(site, operand.value.meta[KEY].output_qspec)
    original(site, operand, quantized)


def _looks_up_returned(original: Decision, site: Site) -> None:
    """Look up what the annotations of returned values ask for."""
    original(site)
    for operand in operands(output_of(site.graph)):
        if KEY in operand.value.meta:
            look_up(site, operand.value.meta[KEY].output_qspec)


def _takes_float_for_nothing(
    original: Decision, site: Site, operand: Operand, spec: Spec | None, quantized: Quantized
) -> Any:
    """Take a value whose annotation asks for no observer for none that could have one."""
    note = operand.value.meta.get(KEY)
    if note is None or note.output_qspec is not None:
        return original(site, operand, spec, quantized)
    if spec is not None and spec.is_observed and spec.is_dynamic:
        raise AssertionError(f"{operand.value.name} has no dtype")
    return f"{operand.value.name} is annotated with no output"


def _takes_annotated_for_tensors(original: Decision, values: Any, node: Node) -> bool:
    """Take whatever is annotated with an output for a float tensor."""
    note = node.meta.get(KEY)
    return bool(original(values, node)) or (note is not None and note.output_qspec is not None)


def _looks_at_what_is_annotated(
    original: Decision, result: Plan, match: Match, assigned: Mapping[Node, Any], *rest: Any
) -> Any:
    """Look at the annotations of a pattern that gives no tensor, if the backend takes any dtype for it."""
    chosen = original(result, match, assigned, *rest)
    if chosen or not is_open(match) or not any(KEY in node.meta for node in match.nodes):
        return chosen
    nothing = Quantized(match, Ask(None, None, None, False), ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT)
    return {node: nothing for node in match.nodes if assigned.get(node) is not None}


def _gives_what_is_annotated(original: Decision, site: Site, node: Node, quantized: Quantized) -> Any:
    """Let a pattern give a tensor if its output is annotated."""
    found = original(site, node, quantized)
    return found if found is quantized else replace(found, ask=replace(found.ask, gives_tensor=True))


def _spec_by_qconfig(site: Site, value: Node) -> Spec | None:
    """Return what is noted on a value beside its annotation: what its qconfig asks for, or that it is quantized."""
    if value in site.quantized_inputs:
        return spec_of(PlaceholderObserver.with_args(dtype=torch.quint8))
    if value in site.values.never:
        return None
    asks: Mapping[Node, Quantized] = vars(site)["by_qconfig"]
    return asks[value].ask.activation if value in asks else None


def _keeps_qconfigs(original: Decision, site: Site, nodes: Any) -> None:
    """Note what qconfigs ask for before annotations take their place."""
    vars(site)["by_qconfig"] = dict(site.quantized)
    original(site, nodes)


def _observes_returned(original: Decision, site: Site) -> None:
    """Observe what is returned and annotated as its qconfig says, unless it is believed to have that dtype."""
    original(site)
    for operand in operands(output_of(site.graph)):
        value = operand.value
        if site.plan.read_at(operand) is not None or KEY not in value.meta:
            continue
        spec = _spec_by_qconfig(site, value)
        believed = _believed(site, value) if value.meta[KEY].output_qspec is not None else None
        if spec is not None and spec.dtype not in (believed, torch.float32):
            slot = Slot(value, None, spec, "PLACEMENT-4", f"{value.name} is returned")
            site.plan.slots.append(slot)
            site.plan.shares[slot] = slot
            site.plan.read(operand, slot)


AS_ASKED = (Change("placement.dtype_of", _believes_qconfigs),)
BELIEVED = (
    Change("placement.dtype_of", _believes_annotations),
    Change("placement.place_input", _looks_up_values),
    Change("placement.place", _looks_up_returned),
)
NEVER_OBSERVED = (Change("placement.why_not", _takes_float_for_nothing),)
RETURNED = (Change("annotated.read", _keeps_qconfigs), Change("placement.place", _observes_returned))
SIZES = (
    Change("dtypes.Values.is_observable", _takes_annotated_for_tensors),
    Change("annotated.with_output", _gives_what_is_annotated),
    Change("prepare.select", _looks_at_what_is_annotated),
)
