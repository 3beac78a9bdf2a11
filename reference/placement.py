"""Chapter *placement*: where observers go.

A quantized pattern's inputs are observed at its root, its output behind its
last node (PLACEMENT-4), and nothing inside (PATTERNS-1).  A value that is quantized that way
already is not observed again (PLACEMENT-2).
"""

from __future__ import annotations

import torch
from torch.ao.quantization.backend_config import ObservationType
from torch.fx import Node

from . import annotated, dtypes, sharing
from .dtypes import FLOAT
from .graphs import Operand, operands
from .plan import Slot
from .site import Quantized, Site
from .specs import OBSERVED_DTYPES, Spec


def place(site: Site) -> None:
    """Decide all observers, node by node in the order of the graph."""
    annotated.read(site, [node for node, quantized in site.quantized.items() if not is_never_observed(quantized)])
    for node in site.graph.nodes:
        for operand in operands(node):
            read = site.outputs.get(operand.value)
            if read is not None:
                site.plan.read(operand, read)
        if node in site.standalone:
            place_standalone(site, node)
        quantized = site.quantized.get(node)
        if quantized is not None:
            place_around(site, node, quantized)
        site.behind[node] = sharing.behind(site, node)
    annotated.share(site)
    sharing.separate(site)
    site.plan.shares = {slot: site.groups.leader(slot) for slot in site.plan.slots}
    site.plan.derived = annotated.derive(site)


def place_around(site: Site, node: Node, quantized: Quantized) -> None:
    """Decide the observers that a node of a quantized pattern asks for."""
    if is_never_observed(quantized):
        site.plan.decide(node, "input and output", "BACKENDS-4", "the pattern is never observed")
        return
    if node is quantized.match.root:
        for operand in operands(node):
            place_input(site, operand, quantized)
    if node is quantized.match.last:
        place_output(site, quantized)
        annotated.settle(site, node, site.outputs.get(node))


def place_standalone(site: Site, node: Node) -> None:
    """Decide whether the inputs of a standalone module are observed; its output never is (MODULES-4)."""
    call = site.standalone[node]
    site.plan.decide(node, "output", "MODULES-4", "what observes it is inside")
    for operand in operands(node):
        if call.asks is None or not call.inside.declares(operand):
            site.plan.decide(node, str(operand), "MODULES-3", "it is not declared as quantized")
        elif dtype_of(site, operand.value) is torch.quint8:
            site.plan.decide(node, str(operand), "MODULES-3", f"{operand.value.name} is quantized already")
        else:
            place_input(site, operand, call.asks)


def is_never_observed(quantized: Quantized) -> bool:
    """Whether the backend says that the pattern's input and output are never observed."""
    return quantized.observation is ObservationType.INPUT_OUTPUT_NOT_OBSERVED


def place_input(site: Site, operand: Operand, quantized: Quantized) -> None:
    """Decide whether a root's operand is observed on its way in."""
    spec, edge = annotated.input_spec(site, operand, quantized), (operand.value, operand.node)
    reason = why_not(site, operand, spec, quantized)
    if reason is not None or spec is None:
        site.plan.decide(operand.node, str(operand), _silent(site, operand, spec), reason or "nothing is asked for")
        annotated.settle(site, edge, None)
        return
    value = site.plan.read_as(operand.value)
    below = site.outputs.get(value)
    slot = fitting(site, value, below, spec)
    if slot is None:
        dtype = dtype_of(site, value)
        text = f"{value.name} is {dtype}; {operand.node.name} asks for {spec}"
        rule = "ANNOTATIONS-1" if annotated.is_annotated(site, operand.node) else "PLACEMENT-1"
        slot = Slot(value, below, spec, rule, text)
        site.plan.slots.append(slot)
        site.inputs.setdefault(value, {})[spec, below] = slot
    site.plan.decide(operand.node, str(operand), slot.rule, slot.reason)
    annotated.settle(site, edge, slot)
    site.plan.read(operand, slot)


def _silent(site: Site, operand: Operand, spec: Spec | None) -> str:
    """Return the rule by which an operand is not observed."""
    if annotated.is_annotated(site, operand.node) and spec is None:
        return "ANNOTATIONS-17"
    return "PLACEMENT-2" if site.values.is_observable(operand.value) else "DTYPES-1"


def why_not(site: Site, operand: Operand, spec: Spec | None, quantized: Quantized) -> str | None:
    """Return why an operand is not observed, or None if it is.

    Source: the truth table of previous dtype, wanted dtype, being dynamic,
    reuse, and being the first argument.
    """
    if spec is None or not spec.is_observed:
        return f"{operand.node.name} asks for no observer here"
    if not site.values.is_observable(operand.value):
        return f"{operand.value.name} is no float tensor"
    if spec.is_dynamic:
        first = dtypes.is_first_argument(operand, site.positions)
        return None if first else "only the first argument is quantized dynamically"
    if annotated.reuses_input(site, operand.node, quantized):
        return f"{operand.node.name} reuses its input's observer"
    if dtype_of(site, operand.value) == spec.dtype:
        return f"{operand.value.name} is {spec.dtype} already"
    return None


def dtype_of(site: Site, value: Node) -> torch.dtype | None:
    """Return the dtype that a value has for its readers, as its observer says it.

    It is what really stands behind the value that counts: where no observer
    does, the value is float, whatever its operator's qconfig asked for.
    """
    slot = site.outputs.get(value)
    if slot is not None:
        return slot.spec.dtype
    return site.elsewhere.get(value, FLOAT)


def fitting(site: Site, value: Node, below: Slot | None, spec: Spec) -> Slot | None:
    """Return the observer on a value that already is what is asked for (PLACEMENT-3)."""
    return site.inputs.get(value, {}).get((spec, below))


def place_output(site: Site, quantized: Quantized) -> None:
    """Decide whether a pattern's output is observed, by an observer of its own or a shared one."""
    last, spec = quantized.match.last, quantized.ask.activation
    if spec is None or quantized.ask.output_dtype not in OBSERVED_DTYPES:
        rule = "ANNOTATIONS-17" if annotated.is_annotated(site, last) and spec is None else "DTYPES-2"
        site.plan.decide(last, "output", rule, "the output is to be float")
        return
    if last in site.plan.parts:
        site.plan.decide(last, "output", "MODULES-9", "its parts are dequantized")
        return
    if not site.values.is_observable(last):
        site.plan.decide(last, "output", "DTYPES-1", "the output is no float tensor")
        return
    slot = sharing.output_slot(site, quantized, spec)
    if slot is None:
        return
    site.plan.slots.append(slot)
    site.plan.decide(last, "output", slot.rule, slot.reason)
    site.outputs[last] = slot
