"""The saboteurs of the chapter *state*."""

from __future__ import annotations

from typing import Any

from torch.ao.quantization import QConfigMapping
from torch.fx import GraphModule

from observance.reference.state import KEY

from .registry import Saboteur, breaks


@breaks("STATE-1", "state.save")
def keeps_no_record(original: Saboteur, *args: Any) -> GraphModule:
    """Leave no record."""
    prepared: GraphModule = original(*args)
    del prepared.meta[KEY]
    return prepared


@breaks("STATE-2", "state.node_qconfigs")
def records_no_qconfig(original: Saboteur, *args: Any) -> dict[str, Any]:
    """Record that nothing is to be quantized."""
    return dict.fromkeys(original(*args))


@breaks("STATE-3", "state.save")
def records_one_scope(original: Saboteur, *args: Any) -> GraphModule:
    """Record that every node stands in the model itself."""
    prepared: GraphModule = original(*args)
    scopes = prepared.meta[KEY].node_name_to_scope
    prepared.meta[KEY].node_name_to_scope = dict.fromkeys(scopes, ("", GraphModule))
    return prepared


@breaks("STATE-4", "state.save")
def records_an_empty_mapping(original: Saboteur, *args: Any) -> GraphModule:
    """Record an empty mapping."""
    prepared: GraphModule = original(*args)
    prepared.meta[KEY].qconfig_mapping = QConfigMapping()
    return prepared


@breaks("STATE-5", "state.save")
def takes_all_for_standalone(original: Saboteur, *args: Any) -> GraphModule:
    """Record that every model is a standalone module."""
    *others, _ = args
    prepared: GraphModule = original(*others, True)
    return prepared


@breaks("STATE-6", "state.observed_names")
def counts_functions_only(original: Saboteur, decided: Any) -> set[str]:
    """Count no module as observed."""
    return {node.name for node in decided.observed if node.op != "call_module"}


@breaks("STATE-7", "state.mark")
def marks_with_the_global_qconfig(original: Saboteur, module: Any, path: str, qconfig: Any, configs: Any) -> None:
    """Give every module the global qconfig."""
    original(module, path, configs.qconfigs.global_qconfig, configs)


@breaks("STATE-8", "state.node_qconfigs")
def records_calls_only(original: Saboteur, model: Any, assigned: Any, mapping: Any) -> dict[str, Any]:
    """Enter the nodes that call something, and no others."""
    calls = {node.name for node in model.graph.nodes if node.op.startswith("call")}
    return {name: qconfig for name, qconfig in original(model, assigned, mapping).items() if name in calls}


@breaks("STATE-9", "state.mark_modules")
def marks_no_module(original: Saboteur, *args: Any) -> None:
    """Set no qconfig on any module."""


@breaks("STATE-10", "state.observed_names")
def counts_nothing(original: Saboteur, decided: Any) -> set[str]:
    """Count nothing as observed."""
    return set()


@breaks("STATE-11", "state.mark_weights")
def marks_no_weight(original: Saboteur, *args: Any) -> None:
    """Do not say where the weights of functions stand."""
