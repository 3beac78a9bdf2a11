"""The saboteurs of the chapter *qconfigs*."""

from __future__ import annotations

import copy
import re
from typing import Any

import torch
from torch.ao.quantization import QConfigMapping

from observance.conformance.deviations import torch_patterns
from observance.conformance.variants import Change
from observance.reference.entry import RefusalError

from .registry import SABOTEURS, Saboteur, breaks


def _by_name(
    names: Saboteur | None = None, regexes: Saboteur | None = None, types: bool = True, fallback: Any = None
) -> Saboteur:
    """Return a look-up of qconfigs with some of its steps changed or left out."""

    def look_up(original: Saboteur, mapping: QConfigMapping, name: str, kinds: Any) -> Any:
        changed = copy.copy(mapping)
        if names:
            changed.module_name_qconfigs = names(mapping, name)
        if regexes:
            changed.module_name_regex_qconfigs = regexes(mapping)
        return original(changed, name, kinds if types else ()) or fallback

    return look_up


SABOTEURS["QCONFIGS-1"] = (Change("qconfigs.by_name", _by_name(regexes=lambda mapping: {})),)


SABOTEURS["QCONFIGS-2"] = (Change("qconfigs.by_name", _by_name(types=False)),)


SABOTEURS["QCONFIGS-3"] = (
    Change(
        "qconfigs.by_name",
        _by_name(regexes=lambda m: dict(reversed(m.module_name_regex_qconfigs.items()))),
    ),
)


SABOTEURS["QCONFIGS-4"] = (Change("qconfigs.by_name", _by_name(fallback=torch.ao.quantization.default_qconfig)),)


@breaks("QCONFIGS-5", "qconfigs.by_name")
def farthest_ancestor(original: Saboteur, mapping: Any, name: str, types: Any) -> Any:
    """Let the farthest named ancestor decide."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        ancestor = ".".join(parts[:length])
        if ancestor in mapping.module_name_qconfigs:
            return mapping.module_name_qconfigs[ancestor]
    return original(mapping, name, types)


@breaks("QCONFIGS-6", "qconfigs.by_name")
def regex_before_name(original: Saboteur, mapping: Any, name: str, types: Any) -> Any:
    """Ask regular expressions before names."""
    for pattern, qconfig in mapping.module_name_regex_qconfigs.items():
        if re.match(pattern, name):
            return qconfig
    return original(mapping, name, types)


@breaks("QCONFIGS-7", "qconfigs.by_name")
def global_first(original: Saboteur, mapping: Any, name: str, types: Any) -> Any:
    """Let the global qconfig override all others."""
    return mapping.global_qconfig or original(mapping, name, types)


@breaks("QCONFIGS-8", "qconfigs.assign")
def fills_gaps(original: Saboteur, *args: Any) -> Any:
    """Give what is switched off the qconfig of what is not."""
    assigned = original(*args)
    some = next((qconfig for qconfig in assigned.values() if qconfig), None)
    return {node: qconfig or some for node, qconfig in assigned.items()}


@breaks("QCONFIGS-10", "qconfigs.refuse_disagreement")
def accepts_disagreement(original: Saboteur, *args: Any) -> None:
    """Let the parts of a fused module have what qconfigs they like."""


@breaks("QCONFIGS-14", "qconfigs.refuse_disagreement")
def names_nothing(original: Saboteur, *args: Any) -> None:
    """Refuse parts that disagree, and do not say which."""
    try:
        original(*args)
    except RefusalError:
        raise RefusalError("parts of a fused module disagree") from None


@breaks("QCONFIGS-11", "qconfigs.with_fused_types")
def adds_to_the_mapping(original: Saboteur, graph: Any, modules: Any, mapping: Any) -> Any:
    """Enter fused types into the caller's mapping."""
    changed = original(graph, modules, mapping)
    mapping.object_type_qconfigs.update(changed.object_type_qconfigs)
    return changed


@breaks("QCONFIGS-13", "qconfigs.with_fused_types")
def own_type_first(original: Saboteur, graph: Any, modules: Any, mapping: Any) -> Any:
    """Let a qconfig for a fused type itself override that of its parts."""
    changed = original(graph, modules, mapping)
    changed.object_type_qconfigs.update(mapping.object_type_qconfigs)
    return changed


SABOTEURS["QCONFIGS-12"] = torch_patterns.SWITCHED_OFF_PARTS


@breaks("QCONFIGS-9", "qconfigs.with_fused_types")
def no_parts(original: Saboteur, graph: Any, modules: Any, mapping: Any) -> Any:
    """Know a fused module by its own type alone."""
    return mapping
