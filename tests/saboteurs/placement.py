"""The saboteurs of the chapter *placement*."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch.ao.quantization.backend_config import get_native_backend_config
from torch.fx import GraphModule

from observance.conformance.deviations import torch_placement
from observance.reference.dtypes import FLOAT
from observance.reference.graphs import Operand
from observance.reference.specs import is_observer

from .registry import SABOTEURS, Saboteur, breaks


@breaks("PLACEMENT-1", "placement.dtype_of")
def all_quantized(original: Saboteur, site: Any, value: Any) -> torch.dtype:
    """Believe that every value is quantized."""
    return torch.quint8


@breaks("PLACEMENT-2", "placement.dtype_of")
def all_float(original: Saboteur, site: Any, value: Any) -> torch.dtype:
    """Believe that every value is float."""
    return FLOAT


@breaks("PLACEMENT-3", "placement.fitting")
def never_fits(original: Saboteur, *args: Any) -> None:
    """Give every reader an observer of its own."""


@breaks("PLACEMENT-4", "placement.place")
def reads_around(original: Saboteur, site: Any) -> None:
    """Let the graph's output read values as they are."""
    original(site)
    for node, keys in list(site.plan.reads):
        if node.op == "output":
            del site.plan.reads[node, keys]


@breaks("PLACEMENT-5", "patterns.tensor_arguments")
def counts_one(original: Saboteur, root: Any, values: Any) -> Any:
    """Treat x + y as x + 2."""
    return original(root, values)[:1]


@breaks("PLACEMENT-13", "prepare.select")
def root_decides(original: Saboteur, result: Any, match: Any, assigned: Any, *rest: Any) -> Any:
    """Give a pattern the qconfig of its root instead of its last node."""
    return original(result, match, {**assigned, match.last: assigned[match.root]}, *rest)


SABOTEURS["PLACEMENT-6"] = torch_placement.KEYWORD_TENSORS


@breaks("PLACEMENT-7", "placement.place_input")
def overlooks_tuples(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Look into lists and not into tuples."""
    first = operand.keys[0]
    holder = operand.node.args[first] if isinstance(first, int) else operand.node.kwargs[first]
    if not isinstance(holder, tuple):
        original(site, operand, quantized)


@breaks("PLACEMENT-8", "patterns.operator_of")
def knows_no_methods(original: Saboteur, node: Any, modules: Any) -> Any:
    """Match no method."""
    return None if node.op == "call_method" else original(node, modules)


@breaks("PLACEMENT-9", "placement.place_input")
def first_call_only(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Observe the input of a module at its first call alone."""
    same = [n for n in site.graph.nodes if n.op == "call_module" and n.target == operand.node.target]
    if not same or operand.node is same[0]:
        original(site, operand, quantized)


def observer_nodes(prepared: GraphModule) -> list[Any]:
    """Return the nodes of a prepared graph that observe."""
    modules = dict(prepared.named_modules(remove_duplicate=False))
    nodes = [node for node in prepared.graph.nodes if node.op == "call_module"]
    return [node for node in nodes if is_observer(modules[node.target])]


@breaks("PLACEMENT-10", "prepare.rewrite")
def other_names(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Call observers by other names."""
    prepared: GraphModule = original(model, plan)
    for number, node in enumerate(observer_nodes(prepared)):
        prepared.add_submodule(f"watcher_{number}", prepared.get_submodule(node.target))
        node.target = f"watcher_{number}"
    prepared.recompile()
    return prepared


@breaks("PLACEMENT-11", "prepare.rewrite")
def late_observers(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Put observers before their readers instead of behind their values."""
    prepared: GraphModule = original(model, plan)
    order = {node: number for number, node in enumerate(prepared.graph.nodes)}
    for node in reversed(observer_nodes(prepared)):
        if node.users:
            min(node.users, key=order.__getitem__).prepend(node)
    prepared.recompile()
    return prepared


@breaks("PLACEMENT-12", "entry.read_configs")
def fills_an_empty_backend(original: Saboteur, *args: Any) -> Any:
    """Take the native backend where the given one supports nothing."""
    configs = original(*args)
    if configs.backend.configs:
        return configs
    return dataclasses.replace(configs, backend=get_native_backend_config())


@breaks("PLACEMENT-14", "prepare.rewrite")
def observes_what_is_read(original: Saboteur, model: Any, plan: Any) -> Any:
    """Take out the observers that nobody reads."""
    prepared = original(model, plan)
    modules = dict(prepared.named_modules(remove_duplicate=False))
    for node in reversed(prepared.graph.nodes):
        if node.op == "call_module" and is_observer(modules[node.target]) and not node.users:
            prepared.graph.erase_node(node)
    prepared.recompile()
    return prepared


@breaks("PLACEMENT-15", "prepare.rewrite")
def a_node_for_each_reader(original: Saboteur, *args: Any) -> GraphModule:
    """Let every reader but the first read an observer at a node of its own."""
    prepared: GraphModule = original(*args)
    for node in observer_nodes(prepared):
        for reader in list(node.users)[1:]:
            with prepared.graph.inserting_before(reader):
                reader.replace_input_with(node, prepared.graph.call_module(node.target, node.args))
    prepared.recompile()
    return prepared
