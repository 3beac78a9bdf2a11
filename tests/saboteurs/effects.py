"""The saboteurs of the chapter *effects*."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import os
from collections.abc import Callable
from typing import Any

from torch.fx import GraphModule

from observance.conformance.deviations import torch_state
from observance.reference.graphs import Operand
from observance.reference.specs import is_observer

from .placement import observer_nodes
from .registry import SABOTEURS, Saboteur, breaks


def _with_hook(prepared: GraphModule, hook: Callable[..., Any]) -> GraphModule:
    """Let a hook change what every observer returns."""
    for module in prepared.modules():
        if is_observer(module):
            module.register_forward_hook(hook)
    return prepared


def _double(module: Any, inputs: Any, output: Any) -> Any:
    return output * 2


def _double_in_training(module: Any, inputs: Any, output: Any) -> Any:
    return output * 2 if module.training else output


@breaks("EFFECTS-1", "prepare.rewrite")
def doubles(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Let observers double what passes through."""
    return _with_hook(original(model, plan), _double)


@breaks("EFFECTS-2", "prepare.rewrite")
def doubles_in_training(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Let observers double what passes through in training."""
    return _with_hook(original(model, plan), _double_in_training)


_CALLS = itertools.count()


@breaks("EFFECTS-3", "prepare.plan")
def alternates(original: Saboteur, *args: Any) -> Any:
    """Leave the first observer out in every other call."""
    plan = original(*args)
    if next(_CALLS) % 2 and plan.slots:
        plan.reads = {place: slot for place, slot in plan.reads.items() if slot is not plan.slots[0]}
    return plan


@breaks("EFFECTS-4", "prepare.survey")
def changes_the_mapping(original: Saboteur, model: Any, configs: Any, *rest: Any) -> Any:
    """Empty the caller's mapping after use."""
    site = original(model, configs, *rest)
    configs.qconfigs.set_global(None).set_object_type("changed", None)
    return site


@breaks("EFFECTS-5", "qconfigs.assign")
def dislikes_names(original: Saboteur, graph: Any, modules: Any, mapping: Any, scopes: Any) -> Any:
    """Switch off what stands in a submodule named ``a``."""
    assigned = original(graph, modules, mapping, scopes)
    return {n: None if scopes[n.name][0].split(".")[0] == "a" else q for n, q in assigned.items()}


@breaks("EFFECTS-6", "placement.place_input")
def odd_nodes_only(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Observe the inputs of every other node of the graph."""
    calls = [node for node in site.graph.nodes if node.op.startswith("call")]
    if calls.index(operand.node) % 2:
        original(site, operand, quantized)


@breaks("EFFECTS-7", "placement.place_input")
def odd_graphs_only(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Observe the inputs of graphs with an odd number of nodes."""
    if len(site.graph.nodes) % 2:
        original(site, operand, quantized)


def _copy_apart(self: GraphModule, memo: Any) -> GraphModule:
    """Copy a graph module and give each observer's name an object of its own."""
    copied = GraphModule.__deepcopy__(self, memo)
    for name, module in list(copied._modules.items()):
        if is_observer(module):
            setattr(copied, name, copy.deepcopy(module))
    return copied


@breaks("EFFECTS-8", "prepare.rewrite")
def copies_apart(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Return a model whose deep copies share nothing."""
    prepared: GraphModule = original(model, plan)
    type(prepared).__deepcopy__ = _copy_apart  # type: ignore[method-assign]
    return prepared


_MADE: dict[Any, Any] = {}


@breaks("EFFECTS-9", "dtypes.spec_of")
def keeps_observers(original: Saboteur, constructor: Any) -> Any:
    """Use one observer again and again, in all models."""
    spec = original(constructor)
    if spec is None:
        return None
    return dataclasses.replace(spec, make=lambda: _MADE.setdefault(spec, spec.make()))


SABOTEURS["EFFECTS-10"] = torch_state.REMEMBERED_REFUSALS


_MADE: dict[int, Any] = {}


_KEPT: list[Any] = []


@breaks("EFFECTS-11", "dtypes.spec_of")
def one_observer_for_a_constructor(original: Saboteur, constructor: Any) -> Any:
    """Use the observer of a constructor again, whenever that very constructor is met."""
    spec = original(constructor)
    if spec is None:
        return None
    _KEPT.append(constructor)  # so that its id stays its own
    return dataclasses.replace(spec, make=lambda: _MADE.setdefault(id(constructor), spec.make()))


SABOTEURS["EFFECTS-12"] = torch_state.LOCAL_FUNCTIONS


_NUMBERS = itertools.count()


@breaks("EFFECTS-13", "prepare.rewrite")
def names_of_its_own(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Never give two observers one name, not even in different models."""
    prepared: GraphModule = original(model, plan)
    for node in observer_nodes(prepared):
        name = f"watcher_{next(_NUMBERS)}"
        prepared.add_submodule(name, prepared.get_submodule(node.target))
        prepared.delete_submodule(node.target)
        node.target = name
    prepared.recompile()
    return prepared


SABOTEURS["EFFECTS-14"] = torch_state.KEPT_ALIVE


@breaks("EFFECTS-15", "prepare.survey")
def counts_in_the_environment(original: Saboteur, *args: Any) -> Any:
    """Count the calls in a variable of the environment."""
    os.environ["CALLS_OF_PREPARE"] = str(int(os.environ.get("CALLS_OF_PREPARE", "0")) + 1)
    return original(*args)
