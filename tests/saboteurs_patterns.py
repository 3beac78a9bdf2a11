"""The saboteurs of the rules about patterns and fused modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from observance.conformance.deviations import torch_patterns
from observance.conformance.variants import Change

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


SABOTEURS = {
    "QCONFIGS-9": (Change("qconfigs.said_of", nothing_is_said),),
    "QCONFIGS-10": (Change("qconfigs.refuse_disagreement", accepts_disagreement),),
    "QCONFIGS-11": (Change("qconfigs.with_fused_types", adds_to_the_mapping),),
    "QCONFIGS-12": torch_patterns.SWITCHED_OFF_PARTS,
    "QCONFIGS-13": (Change("qconfigs.with_fused_types", own_type_first),),
}
"""The changes that break each rule, by the rule's id."""
