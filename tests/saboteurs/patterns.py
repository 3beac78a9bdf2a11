"""The saboteurs of the chapter *patterns*."""

from __future__ import annotations

from collections import Counter
from typing import Any

from observance.conformance.deviations import torch_placement
from observance.reference.graphs import operands
from observance.reference.plan import Slot

from .registry import SABOTEURS, Saboteur, breaks


@breaks("PATTERNS-1", "placement.place")
def observes_inside(original: Saboteur, site: Any) -> None:
    """Observe between the nodes of a pattern too."""
    original(site)
    for node, quantized in site.quantized.items():
        for operand in operands(node):
            spec = quantized.ask.activation
            inside = node is not quantized.match.root and operand.value in quantized.match.nodes
            if inside and spec is not None and spec.is_observed:
                slot = Slot(operand.value, None, spec, "PATTERNS-1", "sabotage")
                site.plan.slots.append(slot)
                site.plan.shares[slot] = slot
                site.plan.read(operand, slot)


@breaks("PATTERNS-2", "patterns.count_uses")
def counts_no_uses(original: Saboteur, graph: Any) -> Counter[Any]:
    """Fuse over values that are read outside."""
    return Counter()


@breaks("PATTERNS-3", "patterns.length")
def no_lengths(original: Saboteur, pattern: Any) -> int:
    """Take patterns in the order of registration."""
    return 1


@breaks("PATTERNS-4", "patterns.candidates")
def drops_the_first_pattern(original: Saboteur, backend: Any) -> Any:
    """Overlook the first pattern of a backend."""
    first, found = backend.configs[:1], original(backend)
    return {key: [c for c in group if c.config not in first] for key, group in found.items()}


@breaks("PATTERNS-6", "patterns.default_root")
def outermost_root(original: Saboteur, nodes: Any) -> Any:
    """Take a pattern's last operator for its root."""
    return nodes[0]


@breaks("PATTERNS-7", "patterns.stands_for")
def anything_stands(original: Saboteur, part: Any, value: Any) -> bool:
    """Take any number for that of a pattern, and any attribute too."""
    return True


@breaks("PATTERNS-8", "placement.place")
def observes_at_every_node(original: Saboteur, site: Any) -> None:
    """Observe what the other operators of a pattern read from outside too."""
    original(site)
    for node, quantized in site.quantized.items():
        for operand in operands(node):
            spec, outside = quantized.ask.activation, operand.value not in quantized.match.nodes
            if node is not quantized.match.root and outside and spec is not None and spec.is_observed:
                slot = Slot(operand.value, site.outputs.get(operand.value), spec, "PATTERNS-8", "sabotage")
                site.plan.slots.append(slot)
                site.plan.shares[slot] = slot
                site.plan.read(operand, slot)


SABOTEURS["PATTERNS-5"] = torch_placement.EXTRA_INPUTS
