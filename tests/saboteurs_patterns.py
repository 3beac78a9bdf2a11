"""The saboteurs of the rules about patterns and fused modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from observance.conformance.deviations import torch_patterns, torch_placement
from observance.conformance.variants import Change
from observance.reference.graphs import operands
from observance.reference.plan import Slot

Saboteur = Callable[..., Any]


def nothing_is_said(original: Saboteur, types: Any, by_type: Any) -> list[Any]:
    """Know a fused module by its own type alone."""
    return []


def accepts_disagreement(original: Saboteur, *args: Any) -> None:
    """Let the parts of a fused module have what qconfigs they like."""


def adds_to_the_mapping(original: Saboteur, graph: Any, modules: Any, mapping: Any) -> Any:
    """Enter fused types into the caller's mapping."""
    changed = original(graph, modules, mapping)
    mapping.object_type_qconfigs.update(changed.object_type_qconfigs)
    return changed


def own_type_first(original: Saboteur, graph: Any, modules: Any, mapping: Any) -> Any:
    """Let a qconfig for a fused type itself override that of its parts."""
    changed = original(graph, modules, mapping)
    changed.object_type_qconfigs.update(mapping.object_type_qconfigs)
    return changed


def outermost_root(original: Saboteur, nodes: Any) -> Any:
    """Take a pattern's last operator for its root."""
    return nodes[0]


def anything_stands(original: Saboteur, part: Any, value: Any) -> bool:
    """Take any number for that of a pattern, and any attribute too."""
    return True


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


SABOTEURS = {
    "PATTERNS-5": torch_placement.EXTRA_INPUTS,
    "PATTERNS-6": (Change("patterns.default_root", outermost_root),),
    "PATTERNS-7": (Change("patterns.stands_for", anything_stands),),
    "PATTERNS-8": (Change("placement.place", observes_at_every_node),),
    "QCONFIGS-9": (Change("qconfigs.said_of", nothing_is_said),),
    "QCONFIGS-10": (Change("qconfigs.refuse_disagreement", accepts_disagreement),),
    "QCONFIGS-11": (Change("qconfigs.with_fused_types", adds_to_the_mapping),),
    "QCONFIGS-12": torch_patterns.SWITCHED_OFF_PARTS,
    "QCONFIGS-13": (Change("qconfigs.with_fused_types", own_type_first),),
}
"""The changes that break each rule, by the rule's id."""
