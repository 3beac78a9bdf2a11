"""Chapter *qconfigs*: which qconfig each node gets.

The closest selector wins (QCONFIGS-6): a module name with an object type and an
index, then a module name, then a regular expression, then an object type, then
the global qconfig.  A qconfig of None switches a part off (QCONFIGS-4).  The
type of a fused module has the qconfig of its parts' types (QCONFIGS-9).
"""

from __future__ import annotations

import copy
import functools
import itertools
import re
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.ao.nn.intrinsic.modules.fused import _FusedModule
from torch.ao.quantization import QConfig, QConfigMapping
from torch.ao.quantization.observer import (
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
)
from torch.fx import Graph, Node

from .entry import DisagreementError, RefusalError
from .specs import is_observer

Scopes = Mapping[str, tuple[str, Any]]
"""For each node's name, the path and the type of the module that it stands in."""


def assign(
    graph: Graph, modules: Mapping[str, nn.Module], mapping: QConfigMapping, scopes: Scopes
) -> dict[Node, QConfig | None]:
    """Return the qconfig of each node that calls something.

    Raises
    ------
    RefusalError
        As `select` does, and if a qconfig is none, or cannot serve the module it is for.
    """
    assigned = select(graph, modules, mapping, scopes)
    for node, qconfig in assigned.items():
        refuse_other(node, qconfig)
        refuse_misfit(node, qconfig, modules)
    return assigned


def select(graph: Graph, modules: Mapping[str, nn.Module], mapping: QConfigMapping, scopes: Scopes) -> dict[Node, Any]:
    """Return what a mapping selects for each node that calls something: a qconfig, or one for equalization.

    Raises
    ------
    RefusalError
        If a node has no scope.
    """
    selected: dict[Node, Any] = {}
    seen: Counter[tuple[str, Any]] = Counter()
    for node in graph.nodes:
        if node.op not in ("call_module", "call_function", "call_method"):
            continue
        if node.op == "call_module" and is_observer(modules[node.target]):
            continue
        if node.name not in scopes:
            raise RefusalError(f"node {node.name!r} has no scope; give node_name_to_scope an entry for it")
        scope = scopes[node.name]
        if not isinstance(scope, tuple) or len(scope) != 2:
            raise RefusalError(f"the scope of node {node.name!r} is {scope!r}; it is a module's path and its type")
        selected[node] = _select(node, modules, mapping, scope, seen)
    return selected


def _select(
    node: Node,
    modules: Mapping[str, nn.Module],
    mapping: QConfigMapping,
    scope: tuple[str, Any],
    seen: Counter[tuple[str, Any]],
) -> QConfig | None:
    """Return the qconfig of one node, and count it among those seen in its scope."""
    path, scope_type = scope
    if node.op == "call_module":
        # A module's own scope is itself: occurrences are counted in its parent.
        parent, counted = path.rpartition(".")[0], scope_type
        types: tuple[Any, ...]
        types, name = (type(modules[str(node.target)]),), str(node.target)
    else:
        parent, counted = path, node.target
        types, name = called_types(node, scope_type), path
    occurrence = (parent, counted, seen[parent, counted])
    seen[parent, counted] += 1
    by_order = mapping.module_name_object_type_order_qconfigs
    if node.op != "call_method" and occurrence in by_order:
        return by_order[occurrence]
    return by_name(mapping, name, types)


def called_types(node: Node, scope_type: Any) -> tuple[Any, ...]:
    """Return the object types that select a function or a method, the closest one first.

    The type of the module around a method serves where the method has no entry
    of its own.  Of functions nothing is promised: there the module goes first.
    """
    return (node.target, scope_type) if node.op == "call_method" else (scope_type, node.target)


def by_name(mapping: QConfigMapping, name: str, types: tuple[Any, ...]) -> QConfig | None:
    """Return the qconfig for a module name, or for one of the types, or the global one.

    The nearest ancestor that is named wins (QCONFIGS-5), then the first regular
    expression that matches (QCONFIGS-3), then the first of `types`.
    """
    ancestor = name
    while ancestor:
        if ancestor in mapping.module_name_qconfigs:
            return mapping.module_name_qconfigs[ancestor]
        ancestor = ancestor.rpartition(".")[0]
    for pattern, qconfig in mapping.module_name_regex_qconfigs.items():
        if re.match(pattern, name):
            return qconfig
    for kind in types:
        if kind in mapping.object_type_qconfigs:
            return mapping.object_type_qconfigs[kind]
    return mapping.global_qconfig


def refuse_other(node: Node, qconfig: Any) -> None:
    """Refuse what is no qconfig (REFUSALS-1).

    Raises
    ------
    RefusalError
        If it has no constructors of observers for activations and weights.
    """
    if qconfig is not None and not (hasattr(qconfig, "activation") and hasattr(qconfig, "weight")):
        raise RefusalError(f"the qconfig of node {node.name!r} is {qconfig!r}; give it a QConfig or None")


def with_fused_types(graph: Graph, modules: Mapping[str, nn.Module], mapping: QConfigMapping) -> QConfigMapping:
    """Return the mapping with an object type for each fused module, as its parts' types have it.

    The mapping that is given stays as it is (QCONFIGS-11).  A qconfig for the
    fused type itself is overridden by that of its parts (QCONFIGS-13).

    Raises
    ------
    DisagreementError
        If the types of its parts have different qconfigs.
    """
    by_type, fused = mapping.object_type_qconfigs, {}
    for node in graph.nodes:
        if node.op != "call_module" or not (parts := parts_of(modules[str(node.target)])):
            continue
        kind, types = type(modules[str(node.target)]), [type(part) for part in parts]
        refuse_disagreement(node, kind, types, by_type)
        for qconfig in said_of(types, by_type):
            fused[kind] = qconfig
    return with_types(mapping, fused)


def with_types(mapping: QConfigMapping, more: Mapping[Any, QConfig | None]) -> QConfigMapping:
    """Return the mapping with more object types, or other qconfigs for them; the one that is given stays as it is."""
    changed = copy.copy(mapping)
    changed.object_type_qconfigs = OrderedDict(mapping.object_type_qconfigs)
    changed.object_type_qconfigs.update(more)
    return changed


def parts_of(module: nn.Module | None) -> list[nn.Module]:
    """Return the modules that a fused module calls one after another; nothing of any other module.

    A fused module for training is one operator, with a weight of its own.
    """
    if not isinstance(module, _FusedModule) or any(True for _ in module.parameters(recurse=False)):
        return []
    return list(module.children())


def said_of(types: list[type], by_type: Mapping[Any, QConfig | None]) -> list[QConfig | None]:
    """Return the qconfigs that are given for some of the types, None for what is switched off (QCONFIGS-12)."""
    return [by_type[kind] for kind in types if kind in by_type]


def ask_alike(first: Any, second: Any) -> bool:
    """Whether two qconfigs are one, or have the same constructors of observers with the same arguments."""
    if not isinstance(first, QConfig) or not isinstance(second, QConfig):
        return bool(first == second)
    return all(itertools.starmap(construct_alike, zip(first, second, strict=True)))


def construct_alike(first: Any, second: Any) -> bool:
    """Whether two constructors, or arguments of some, are the same; arguments may be constructors themselves."""
    one, other = (getattr(given, "p", None) for given in (first, second))
    if not isinstance(one, functools.partial) or not isinstance(other, functools.partial):
        return bool(first == second)
    same = (one.func, one.args, set(one.keywords)) == (other.func, other.args, set(other.keywords))
    return same and all(construct_alike(value, other.keywords[name]) for name, value in one.keywords.items())


def refuse_disagreement(node: Node, fused: type, types: list[type], by_type: Mapping[Any, QConfig | None]) -> None:
    """Refuse a fused module whose parts have different qconfigs, or of which some have one (QCONFIGS-10).

    Raises
    ------
    DisagreementError
        If they have.
    """
    for kind in types[1:]:
        if not ask_alike(by_type.get(kind), by_type.get(types[0])):
            raise DisagreementError(
                f"module {node.target!r} is a {fused.__name__}, whose parts {types[0].__name__} and {kind.__name__} "
                "have different qconfigs by object type; give both the same one"
            )


def refuse_misfit(node: Node, qconfig: QConfig | None, modules: Mapping[str, nn.Module]) -> None:
    """Refuse per-channel weights for transposed convolutions, which have no kernel (ENTRY-5).

    Raises
    ------
    RefusalError
        If the node calls one and its qconfig asks for them.
    """
    if qconfig is None or qconfig.weight is None or node.op != "call_module":
        return
    if is_per_channel_transposed(modules[str(node.target)], qconfig):
        raise RefusalError(
            f"module {node.target!r} is a transposed convolution, whose weight cannot be "
            "observed per channel; give it a qconfig with a per-tensor weight observer"
        )


def is_per_channel_transposed(module: nn.Module, qconfig: QConfig) -> bool:
    """Whether a module is a transposed convolution whose weight is to be observed per channel.

    Of fake quantizers nothing is said: torch looks at observers alone.
    """
    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    per_channel = (PerChannelMinMaxObserver, MovingAveragePerChannelMinMaxObserver)
    return isinstance(module, transposed) and isinstance(qconfig.weight(), per_channel)
