"""The saboteurs of the chapter *qat*."""

from __future__ import annotations

import copy
from typing import Any

from torch.ao.quantization import MinMaxObserver, QConfig
from torch.fx import GraphModule

from observance.conformance.deviations import torch_qat

from .registry import SABOTEURS, Saboteur, breaks


@breaks("QAT-1", "qat.swaps")
def swaps_nothing(original: Saboteur, *args: Any) -> dict[str, Any]:
    """Let all modules be what they are."""
    return {}


@breaks("QAT-2", "qat.swapped")
def other_weights(original: Saboteur, name: str, module: Any, qconfig: QConfig, kind: Any) -> Any:
    """Observe the weights of what is swapped by an observer of no qconfig."""
    made = original(name, module, qconfig, kind)
    if hasattr(made, "weight_fake_quant"):
        made.weight_fake_quant = MinMaxObserver(eps=0.5)
    return made


@breaks("QAT-4", "qat.swapped")
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


@breaks("QAT-5", "qat.swaps")
def one_weight_observer(original: Saboteur, *args: Any) -> dict[str, Any]:
    """Fake-quantize all weights by the fake quantizer of the first one."""
    found: dict[str, Any] = original(*args)
    first = next(iter(found.values()), None)
    for made in found.values():
        made.weight_fake_quant = first.weight_fake_quant
    return found


@breaks("QAT-6", "qat.kept")
def keeps_nothing(original: Saboteur, module: Any, made: Any) -> None:
    """Forget hooks and mode."""


@breaks("QAT-13", "qat.swapped")
def freezes(original: Saboteur, name: str, module: Any, qconfig: QConfig, kind: Any) -> Any:
    """Let nothing of a swapped module be trained."""
    return original(name, module, qconfig, kind).requires_grad_(False)


@breaks("QAT-7", "prepare.rewrite")
def swaps_in_place(original: Saboteur, model: GraphModule, plan: Any) -> GraphModule:
    """Change the mode of the caller's modules."""
    prepared: GraphModule = original(model, plan)
    for name in plan.swapped:
        model.get_submodule(name).train(not model.training)
    return prepared


@breaks("QAT-9", "qat.swapped")
def doubles_weights(original: Saboteur, name: str, module: Any, qconfig: QConfig, kind: Any) -> Any:
    """Let a swapped module add its input to its output once more."""
    made = original(name, module, qconfig, kind)
    made.register_forward_hook(lambda module, inputs, output: output * 2)
    return made


@breaks("QAT-10", "prepare.survey")
def trains_elsewhere(original: Saboteur, model: Any, configs: Any, *rest: Any) -> Any:
    """Observe nothing in a model that is to be trained."""
    site = original(model, configs, *rest)
    if configs.is_qat:
        site.quantized.clear()
    return site


@breaks("QAT-11", "qat.swapped")
def unties(original: Saboteur, name: str, module: Any, qconfig: QConfig, kind: Any) -> Any:
    """Give a swapped module a weight of its own."""
    return original(name, copy.deepcopy(module), qconfig, kind)


@breaks("QAT-12", "qat.with_trained_types")
def serves_nobody(original: Saboteur, mapping: Any, configs: Any) -> Any:
    """Know a class for training by its own type alone."""
    return mapping


SABOTEURS["QAT-3"] = torch_qat.EAGER_SWAP


SABOTEURS["QAT-8"] = torch_qat.LEFT_BEHIND
