"""The saboteurs of the chapter *modules*."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from torch import nn
from torch.ao.quantization import QConfigMapping, default_dynamic_qconfig
from torch.fx import GraphModule, Node

from observance.conformance.deviations import torch_lstm, torch_modules
from observance.conformance.variants import Change
from observance.reference import modules
from observance.reference.entry import Configs
from observance.reference.plan import Plan, Slot
from observance.reference.site import Inside
from observance.reference.state import KEY

from .registry import SABOTEURS, Saboteur, breaks


@breaks("MODULES-1", "modules.inside")
def switches_the_inside_off(original: Saboteur, *args: Any) -> Inside:
    """Quantize nothing inside a standalone module."""
    found: Inside = original(*args)
    return dataclasses.replace(found, configs=dataclasses.replace(found.configs, qconfigs=QConfigMapping()))


@breaks("MODULES-2", "modules.inside")
def class_before_name(original: Saboteur, name: str, module: nn.Module, qconfig: Any, parent: Configs) -> Any:
    """Let a config by class go before one by name."""
    custom = copy.copy(parent.custom)
    if type(module) in custom.standalone_module_classes:
        custom.standalone_module_names = {}
    return original(name, module, qconfig, dataclasses.replace(parent, custom=custom))


@breaks("MODULES-3", "site.Inside.declares")
def observes_all_inputs(original: Saboteur, inside: Inside, operand: Any) -> bool:
    """Observe the inputs of a standalone module that are declared as float."""
    return not original(inside, operand)


@breaks("MODULES-4", "placement.place_standalone")
def observes_outputs(original: Saboteur, site: Any, node: Node) -> None:
    """Observe what a standalone module gives."""
    original(site, node)
    call = site.standalone[node]
    spec = call.asks.ask.activation if call.asks else None
    if spec is not None and spec.is_observed:
        site.outputs[node] = Slot(node, None, spec, "MODULES-4", "sabotage")
        site.plan.slots.append(site.outputs[node])


SABOTEURS["MODULES-5"] = torch_modules.PREPARED_AGAIN


@breaks("MODULES-6", "modules.observed_class")
def swaps_nothing(original: Saboteur, *args: Any) -> None:
    """Leave custom modules as they are."""


@breaks("MODULES-7", "modules.with_qconfig")
def says_another_qconfig(original: Saboteur, module: nn.Module, qconfig: Any) -> Any:
    """Tell the observed class a qconfig that nobody gave."""
    return original(module, default_dynamic_qconfig)


@breaks("MODULES-8", "modules.observed")
def swaps_twice(original: Saboteur, *args: Any) -> nn.Module:
    """Make every observed module once more."""
    original(*args)
    made: nn.Module = original(*args)
    return made


@breaks("MODULES-9", "modules.take_apart")
def takes_nothing_apart(original: Saboteur, result: Plan, lstm: Node) -> None:
    """Let the parts of an LSTM's output be read as they are."""


@breaks("MODULES-10", "prepare.quantized_elsewhere")
def knows_inputs_alone(original: Saboteur, result: Plan, declared: Any, *rest: Any) -> Any:
    """Take what LSTMs and standalone modules give for float."""
    return {node: dtype for node, dtype in original(result, declared, *rest).items() if node in declared}


SABOTEURS["MODULES-11"] = torch_lstm.PARTS_MISSED


def _is_untraced(original: Saboteur, name: str, module: nn.Module, custom: Any) -> bool:
    """Take what is not to be traced for standalone."""
    return bool(original(name, module, custom)) or name in custom.non_traceable_module_names


def _declared_by_default(original: Saboteur, name: str, module: nn.Module, qconfig: Any, parent: Configs) -> Any:
    """Prepare it with its parent's configs."""
    custom = copy.copy(parent.custom)
    if not modules.is_prepared(module) and name in custom.non_traceable_module_names:
        custom.standalone_module_names = {}
        custom.set_standalone_module_name(name, None, (), None, None)
    return original(name, module, qconfig, dataclasses.replace(parent, custom=custom))


SABOTEURS["MODULES-12"] = (
    Change("modules.is_standalone", _is_untraced),
    Change("modules.inside", _declared_by_default),
)


@breaks("MODULES-13", "rewrite.finished")
def forgets_what_it_is(original: Saboteur, standalone: Any) -> GraphModule:
    """Do not say that a prepared module is a standalone one."""
    prepared: GraphModule = original(standalone)
    prepared.meta[KEY].is_observed_standalone_module = False
    return prepared


@breaks("MODULES-14", "modules.refuse_structure")
def returns_anything(original: Saboteur, graph: Any) -> None:
    """Let a standalone module return what it likes."""
