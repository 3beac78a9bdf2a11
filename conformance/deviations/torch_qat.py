"""How torch's `prepare` swaps modules for quantization-aware training, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from observance.conformance.deviations.torch_qconfigs import propagated
from observance.conformance.variants import Change
from observance.reference.entry import RefusalError
from observance.reference.qconfigs import with_fused_types

Decision = Callable[..., Any]


def _by_propagation(original: Decision, graph: Any, modules: Any, assigned: Any, configs: Any) -> Any:
    """Swap modules by what eager mode's propagation gives them, whatever the nodes that call them have."""
    if not configs.is_qat:
        return original(graph, modules, assigned, configs)
    mapping = with_fused_types(graph, modules, configs.qconfigs)
    given: dict[nn.Module, Any] = {}
    for module, qconfig in propagated(graph.owning_module, mapping):
        given.setdefault(module, qconfig)
    calls = (node for node in assigned if node.op == "call_module")
    return original(graph, modules, {node: given[modules[node.target]] for node in calls}, configs)


def _with_its_own_error(original: Decision, name: str, module: nn.Module, qconfig: Any, kind: Any) -> Any:
    """Raise what the class for training raises, as it is."""
    try:
        return original(name, module, qconfig, kind)
    except RefusalError as refusal:
        raise refusal.__cause__ or refusal from None


def _as_left_behind(original: Decision, modules: Any, assigned: Any) -> Any:
    """Swap a module by the qconfig that an earlier preparation left on it, and leave one on all."""
    calls = [node for node in assigned if node.op == "call_module"]
    stale = {node: getattr(modules[node.target], "qconfig", assigned[node]) for node in calls}
    for node in calls:
        modules[node.target].qconfig = stale[node]
    return original(modules, stale)


def _in_training_mode(original: Decision, module: nn.Module, made: nn.Module) -> None:
    """Leave a new module in training mode."""
    original(module, made)
    made.train()


EAGER_SWAP = (Change("qat.swaps", _by_propagation), Change("qat.swapped", _with_its_own_error))
LEFT_BEHIND = (Change("qat.chosen", _as_left_behind),)
TRAINING_MODE = (Change("qat.kept", _in_training_mode),)
