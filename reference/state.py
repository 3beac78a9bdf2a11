"""Chapter *state*: what a prepared model remembers, so that it can be converted.

Conversion looks at three things: a record in the prepared model's ``meta``
(STATE-1), ``qconfig`` on the modules that it calls (STATE-7), and the nodes'
``meta``, where it finds the weights of functions (STATE-11).  All belong to the
result; the caller's modules, nodes and configs are left as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping
from typing import Any

from torch import nn
from torch.ao.quantization import QConfig, QConfigMapping
from torch.ao.quantization.fx.utils import ObservedGraphModuleAttrs
from torch.fx import GraphModule, Node
from torch.nn.utils.parametrize import type_before_parametrizations

from . import qconfigs
from .entry import Configs
from .plan import Plan
from .qconfigs import Scopes
from .specs import is_observer

KEY = "_observed_graph_module_attrs"
"""Where conversion looks in the prepared model's ``meta``."""


def save(
    prepared: GraphModule,
    model: GraphModule,
    decided: Plan,
    configs: Configs,
    scopes: Scopes,
    positions: Mapping[Any, Mapping[str, int]],
    is_qat: bool = False,
    is_standalone_module: bool = False,
) -> GraphModule:
    """Write into the prepared model what was decided, and return it.

    Parameters
    ----------
    prepared, model
        The result, and the traced model that it was made of: their nodes have
        the same names.
    decided
        What was decided.
    configs, scopes, is_qat, is_standalone_module
        What the caller gave.
    positions
        For each function that the backend names, where its weight and bias stand.
    """
    names = node_qconfigs(model, decided.qconfigs, configs.qconfigs)
    state = ObservedGraphModuleAttrs(
        names,
        dict(scopes),
        copy.deepcopy(configs.custom),
        node_qconfigs(model, decided.equalization, configs.equalization),
        own_mapping(configs.qconfigs),
        is_qat,
        observed_names(decided),
    )
    if is_standalone_module:
        # The parent observes these inputs and reads these outputs as they are (STATE-5).
        state.is_observed_standalone_module = True
        state.standalone_module_input_quantized_idxs = list(configs.custom.input_quantized_indexes)
        state.standalone_module_output_quantized_idxs = list(configs.custom.output_quantized_indexes)
    prepared.meta[KEY] = state
    mark_modules(prepared, names, configs, decided)
    mark_weights(prepared, state.observed_node_names, positions)
    return prepared


def own_mapping(mapping: QConfigMapping) -> QConfigMapping:
    """Return a mapping with the entries of another, which nobody else can change: qconfigs themselves never do."""
    own = copy.copy(mapping)
    vars(own).update({name: value.copy() for name, value in vars(mapping).items() if isinstance(value, dict)})
    return own


def node_qconfigs(model: GraphModule, assigned: Mapping[Node, Any], mapping: QConfigMapping) -> dict[str, Any]:
    """Return the qconfig of every node, by its name (STATE-2); or that for equalization (STATE-8).

    A parameter has that of the module it belongs to; graph inputs and outputs have none.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    found: dict[str, Any] = {}
    for node in model.graph.nodes:
        if node.op == "call_module" and is_observer(modules[str(node.target)]):
            continue
        found[node.name] = assigned.get(node)
        if node.op == "get_attr":
            owner = str(node.target).rpartition(".")[0]
            found[node.name] = qconfigs.by_name(mapping, owner, (type(modules[owner]),))
    return found


def observed_names(decided: Plan) -> set[str]:
    """Return the names of the nodes of all patterns that are quantized (STATE-6)."""
    return {node.name for node in decided.observed}


def mark_modules(prepared: GraphModule, names: Mapping[str, Any], configs: Configs, decided: Plan) -> None:
    """Set ``qconfig`` on every module that the graph calls, and on those inside (STATE-7).

    Modules of their own kind say what they were prepared by themselves; those that
    are swapped for training have made what is inside of them by their qconfig.
    """
    own = {*decided.custom, *decided.standalone}
    modules = dict(prepared.named_modules(remove_duplicate=False))
    for node in prepared.graph.nodes:
        if node.op == "call_module" and node.name in names and node.target not in own:
            module, qconfig = modules[str(node.target)], names[node.name]
            if node.target in decided.swapped:
                module.qconfig = qconfig
            else:
                mark(module, str(node.target), qconfig, configs)


def mark(module: nn.Module, path: str, qconfig: QConfig | None, configs: Configs) -> None:
    """Set a module's qconfig; those inside inherit it, unless their path or type has its own.

    What is inside a module that is not to be traced is left alone.
    """
    module.qconfig = qconfig  # type: ignore[assignment]
    kind, custom = type_before_parametrizations(module), configs.custom
    if path in custom.non_traceable_module_names or kind in custom.non_traceable_module_classes:
        return
    for name, part in module.named_children():
        inner = f"{path}.{name}"
        by_type = configs.qconfigs.object_type_qconfigs.get(type_before_parametrizations(part), qconfig)
        mark(part, inner, configs.qconfigs.module_name_qconfigs.get(inner, by_type), configs)


def mark_weights(prepared: GraphModule, observed: Container[str], positions: Mapping[Any, Mapping[str, int]]) -> None:
    """Say on every quantized function's node at which position its weight and its bias stand (STATE-11)."""
    for node in prepared.graph.nodes:
        if node.op == "call_function" and node.name in observed and node.target in positions:
            roles = positions[node.target]
            node.meta["target_dtype_info"] = {f"{role}_index": roles.get(role) for role in ("weight", "bias")}
