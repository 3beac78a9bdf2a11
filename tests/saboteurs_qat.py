"""The saboteurs of the chapter *qat*, and of what fused modules bring with them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch.ao.quantization import MinMaxObserver, QConfig
from torch.fx import GraphModule

from observance.conformance.deviations import torch_qat
from observance.conformance.variants import Change

Saboteur = Callable[..., Any]


def swaps_nothing(original: Saboteur, *args: Any) -> dict[str, Any]:
    """Let all modules be what they are."""
    return {}


def other_weights(original: Saboteur, name: str, module: Any, qconfig: QConfig, kind: Any) -> Any:
    """Observe the weights of what is swapped by an observer of no qconfig."""
    made = original(name, module, qconfig, kind)
    if hasattr(made, "weight_fake_quant"):
        made.weight_fake_quant = MinMaxObserver(eps=0.5)
    return made


def new_weights(original: Saboteur, name: str, module: Any, qconfig: QConfig, kind: Any) -> Any:
    """Train from weights of zero."""
    made = original(name, copy.deepcopy(module), qconfig, kind)
    made.weight.data.zero_()
    return made


def swaps_each_call(original: Saboteur, model: GraphModule, plan: Any) -> GraphModule:
    """Give every call of a swapped module a copy of its own."""
    prepared: GraphModule = original(model, plan)
    seen: set[str] = set()
    for number, node in enumerate(prepared.graph.nodes):
        if node.op == "call_module" and node.target in plan.swapped:
            if node.target in seen:
                prepared.add_submodule(f"again_{number}", copy.deepcopy(prepared.get_submodule(node.target)))
                node.target = f"again_{number}"
            seen.add(node.target)
    prepared.recompile()
    return prepared


def one_weight_observer(original: Saboteur, *args: Any) -> dict[str, Any]:
    """Fake-quantize all weights by the fake quantizer of the first one."""
    found: dict[str, Any] = original(*args)
    first = next(iter(found.values()), None)
    for made in found.values():
        made.weight_fake_quant = first.weight_fake_quant
    return found


def keeps_nothing(original: Saboteur, module: Any, made: Any) -> None:
    """Forget hooks and mode."""


def swaps_in_place(original: Saboteur, model: GraphModule, plan: Any) -> GraphModule:
    """Change the mode of the caller's modules."""
    prepared: GraphModule = original(model, plan)
    for name in plan.swapped:
        model.get_submodule(name).train(not model.training)
    return prepared


def doubles_weights(original: Saboteur, name: str, module: Any, qconfig: QConfig, kind: Any) -> Any:
    """Let a swapped module add its input to its output once more."""
    made = original(name, module, qconfig, kind)
    made.register_forward_hook(lambda module, inputs, output: output * 2)
    return made


def trains_elsewhere(original: Saboteur, model: Any, configs: Any, *rest: Any) -> Any:
    """Observe nothing in a model that is to be trained, but in its modules."""
    site = original(model, configs, *rest)
    if configs.is_qat:
        site.quantized_inputs = frozenset(site.graph.nodes)
    return site


def unties(original: Saboteur, name: str, module: Any, qconfig: QConfig, kind: Any) -> Any:
    """Give a swapped module a weight of its own."""
    return original(name, copy.deepcopy(module), qconfig, kind)


def serves_nobody(original: Saboteur, mapping: Any, configs: Any) -> Any:
    """Know a class for training by its own type alone."""
    return mapping


def no_parts(original: Saboteur, graph: Any, modules: Any, mapping: Any) -> Any:
    """Know a fused module by its own type alone."""
    return mapping


SABOTEURS: dict[str, tuple[Change, ...]] = {
    "QAT-1": (Change("qat.swaps", swaps_nothing),),
    "QAT-2": (Change("qat.swapped", other_weights),),
    "QAT-3": torch_qat.EAGER_SWAP,
    "QAT-4": (Change("qat.swapped", new_weights),),
    "QAT-5": (Change("qat.swaps", one_weight_observer),),
    "QAT-6": (Change("qat.kept", keeps_nothing),),
    "QAT-7": (Change("prepare.rewrite", swaps_in_place),),
    "QAT-8": torch_qat.LEFT_BEHIND,
    "QAT-9": (Change("qat.swapped", doubles_weights),),
    "QAT-10": (Change("prepare.survey", trains_elsewhere),),
    "QAT-11": (Change("qat.swapped", unties),),
    "QAT-12": (Change("qat.with_trained_types", serves_nobody),),
    "QCONFIGS-9": (Change("qconfigs.with_fused_types", no_parts),),
}
"""The changes that break each rule, by the rule's id."""
