"""The saboteurs of the chapter *entry*."""

from __future__ import annotations

from typing import Any

import torch
from torch.ao.quantization import QConfigMapping
from torch.ao.quantization.backend_config import BackendConfig
from torch.fx import GraphModule

from observance.reference.entry import RefusalError
from observance.reference.graphs import Operand

from .registry import Saboteur, breaks


@breaks("ENTRY-1", "qconfigs.refuse_misfit")
def refuses_linear(original: Saboteur, node: Any, qconfig: Any, modules: Any) -> None:
    """Refuse every model with a linear layer that is to be quantized."""
    if qconfig and node.op == "call_module" and isinstance(modules[node.target], torch.nn.Linear):
        raise RefusalError("no linear layers")


@breaks("ENTRY-2", "entry._as_object")
def loses_dicts(original: Saboteur, config: Any, kind: type, name: str) -> Any:
    """Take a mapping that is a dict for an empty one."""
    return kind() if isinstance(config, dict) and kind is QConfigMapping else original(config, kind, name)


@breaks("ENTRY-3", "entry.native")
def no_default_backend(original: Saboteur) -> BackendConfig:
    """Take a backend that supports nothing for the default."""
    return BackendConfig("empty")


@breaks("ENTRY-4", "prepare.rewrite")
def drops_dead_code(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Remove what nothing reads."""
    prepared: GraphModule = original(model, plan)
    prepared.graph.eliminate_dead_code()
    prepared.recompile()
    return prepared


@breaks("ENTRY-5", "qconfigs.refuse_misfit")
def refuses_nothing(original: Saboteur, node: Any, qconfig: Any, modules: Any) -> None:
    """Accept per-channel weights for transposed convolutions."""


@breaks("ENTRY-6", "prepare.rewrite")
def forgets_a_module(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Return a graph that calls an observer which the model does not own."""
    prepared: GraphModule = original(model, plan)
    if hasattr(prepared, "activation_post_process_0"):
        prepared.delete_submodule("activation_post_process_0")
    return prepared


@breaks("ENTRY-7", "placement.why_not")
def looks_at_weights(original: Saboteur, site: Any, operand: Operand, spec: Any, quantized: Any) -> Any:
    """Let the sign of a weight decide whether an input is observed."""
    parameters = list(operand.node.graph.owning_module.parameters())
    if parameters and float(parameters[0].flatten()[0]) > 0:
        return "the weight is positive"
    return original(site, operand, spec, quantized)


@breaks("ENTRY-8", "entry._as_object")
def loses_the_backend(original: Saboteur, config: Any, kind: type, name: str) -> Any:
    """Take a backend config that is a dict for an empty one."""
    return BackendConfig() if isinstance(config, dict) and kind is BackendConfig else original(config, kind, name)


@breaks("ENTRY-9", "entry._as_object")
def is_silent_about_one_dict(original: Saboteur, config: Any, kind: type, name: str) -> Any:
    """Take a backend config that is a dict without a word."""
    if not isinstance(config, dict) or kind is not BackendConfig:
        return original(config, kind, name)
    return BackendConfig.from_dict(config)
