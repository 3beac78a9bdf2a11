"""Chapter *equalization*: a second kind of slot, in front of linear layers and convolutions.

Equalization observers see what a layer reads, column by column, and its weight,
where that is an argument (EQUALIZATION-1).  They stand next to the layer, behind
what observes the value for quantization, and each layer has its own.  So they
come last: nothing else depends on them (EQUALIZATION-6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.ao.nn.intrinsic as nni
import torch.nn.functional as F
from torch import nn
from torch.fx import Node

from . import dtypes, placement
from .entry import RefusalError
from .graphs import Operand, operands
from .plan import Slot
from .site import Equalized, Site
from .specs import Spec, spec_of

MODULES = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nni.LinearReLU, nni.ConvReLU1d, nni.ConvReLU2d, nni.ConvReLU3d),
)
"""The modules that can be equalized, fused ones included: these very classes, and none derived from them."""

FUNCTIONS = (F.linear, F.conv1d, F.conv2d, F.conv3d)
"""The functions that can be equalized."""


def select(assigned: Mapping[Node, Any], modules: Mapping[str, nn.Module]) -> dict[Node, Equalized]:
    """Return what is asked for at each node that can be equalized and has an equalization qconfig.

    Raises
    ------
    RefusalError
        If what a node has is another qconfig.
    """
    found: dict[Node, Equalized] = {}
    for node, qconfig in assigned.items():
        if qconfig is None or not can_be_equalized(node, modules):
            continue
        if not hasattr(qconfig, "input_activation"):
            raise RefusalError(
                f"_equalization_config has a {type(qconfig).__name__} for node {node.name!r}; "
                "give it an EqualizationQConfig, or None for no equalization"
            )
        found[node] = Equalized(spec_of(qconfig.input_activation), spec_of(qconfig.weight))
    return found


def can_be_equalized(node: Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a node is a linear layer or a convolution."""
    if node.op == "call_module":
        return type(modules[str(node.target)]) in MODULES
    return node.op == "call_function" and node.target in FUNCTIONS


def place(site: Site) -> None:
    """Decide all equalization observers; all others must have been decided."""
    for node, asked in site.equalized.items():
        quantized = site.quantized.get(node)
        if quantized is None or node is not quantized.match.root or placement.is_never_observed(quantized):
            continue
        others = branch(site, node)
        if others:
            # The one name in a warning is that of the layer, so that nobody takes it for one about another.
            text = f"{node.name} cannot be equalized: another quantized operator reads its input as well"
            site.plan.warnings.append(text)
            site.plan.decide(node, "equalization", "EQUALIZATION-3", f"{text} ({others[0].name})")
            continue
        for operand in places(site, node):
            spec = spec_for(site, operand, asked)
            if spec is not None:
                _place_one(site, operand, spec)


def places(site: Site, node: Node) -> list[Operand]:
    """Return the operands of a layer at which it may be equalized: its input and its weight (EQUALIZATION-2).

    A stride or a number of groups that the graph computes is neither.
    """
    return [o for o in operands(node) if is_input(o) or dtypes.role(o, site.positions) == "weight"]


def is_input(operand: Operand) -> bool:
    """Whether an operand of a layer is its input: all layers take it first, under this name."""
    return operand.keys in ((0,), ("input",))


def spec_for(site: Site, operand: Operand, asked: Equalized) -> Spec | None:
    """Return what is asked for at an operand of a layer; nothing at its bias (EQUALIZATION-2)."""
    match dtypes.role(operand, site.positions):
        case "activation":
            return asked.activation
        case "weight":
            return asked.weight
    return None


def branch(site: Site, node: Node) -> list[Node]:
    """Return the other quantized nodes that read a layer's input (EQUALIZATION-3).

    To equalize a layer is to scale its input, and they would read it scaled.
    """
    inputs = [operand.value for operand in operands(node) if is_input(operand)]
    return [reader for value in inputs for reader in value.users if reader is not node and reader in site.quantized]


def _place_one(site: Site, operand: Operand, spec: Spec) -> None:
    """Put an equalization observer next to a layer, upon whatever the layer reads there."""
    text = f"{operand.node.name} is equalized, and asks for {spec}"
    slot = Slot(operand.value, site.plan.read_at(operand), spec, "EQUALIZATION-1", text)
    site.plan.slots.append(slot)
    site.plan.shares[slot] = slot
    site.plan.read(operand, slot)
    site.plan.decide(operand.node, str(operand), slot.rule, text)
