"""How torch's `prepare` swaps, for training, modules that its graph does not have, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakSet

from torch import nn
from torch.ao.nn import quantizable
from torch.ao.nn.intrinsic.modules.fused import _FusedModule
from torch.fx import Graph, GraphModule, Node
from torch.nn.utils.parametrize import type_before_parametrizations

from observance.conformance.deviations.torch_qat import parts_saying
from observance.conformance.deviations.torch_qconfigs import given_in_training
from observance.conformance.variants import Change
from observance.reference import modules as own
from observance.reference import qat
from observance.reference.entry import Configs, RefusalError
from observance.reference.patterns import operator_of
from observance.reference.site import Inside

from .register import Deviation

Decision = Callable[..., Any]
Modules = Mapping[str, nn.Module]


def _called(graph: Graph, modules: Modules) -> Iterator[tuple[Node, str, nn.Module]]:
    """Yield each call of a module: the node, the name, and the module."""
    for node in graph.nodes:
        if node.op == "call_module" and node.target in modules:
            yield node, str(node.target), modules[str(node.target)]


def _swap_inside(model: GraphModule, configs: Configs, standalone: bool) -> None:
    """Swap in the caller's own model what is inside of called modules, standalone ones or others."""
    modules = dict(model.named_modules(remove_duplicate=False))
    given, classes = given_in_training(model, modules, configs), qat.training_classes(configs.backend)
    for name, module in {name: module for _, name, module in _called(model.graph, modules)}.items():
        if own.is_standalone(name, module, configs.custom) is standalone and not isinstance(module, _FusedModule):
            for part in module.modules():
                if part is not module and part in given:
                    part.qconfig = given[part]  # which is believed when a standalone module is prepared
            _swap_parts(name, module, classes)


def _swap_parts(path: str, module: nn.Module, classes: Mapping[Any, type[nn.Module]]) -> None:
    """Swap the parts of a module, and theirs, by the qconfigs that they say."""
    made: dict[str, nn.Module] = {}
    for name, part in module.named_children():
        if not isinstance(part, _FusedModule):
            _swap_parts(f"{path}.{name}", part, classes)
        kind, qconfig = classes.get(type_before_parametrizations(part)), getattr(part, "qconfig", None)
        if kind is not None and qconfig is not None:
            with parts_saying({inner: getattr(inner, "qconfig", qconfig) for inner in part.modules()}):
                made[name] = qat.swapped(f"{path}.{name}", part, qconfig, kind)
    module._modules.update(made)
    _IN_PLACE.update(made.values())


_IN_PLACE = WeakSet[nn.Module]()
"""The modules that were swapped in the caller's own model."""


def _in_both(original: Decision, module: Any, made: dict[nn.Module, nn.Module]) -> Any:
    """Let the prepared model have the very modules that were swapped in the caller's."""
    return module if module in _IN_PLACE else original(module, made)


def _standalone_swapped(original: Decision, model: GraphModule, configs: Configs, *rest: Any) -> Any:
    """Swap what is inside of standalone modules by their parent's qconfigs, before all else."""
    if configs.is_qat:
        _swap_inside(model, configs, standalone=True)
    return original(model, configs, *rest)


def _others_swapped(original: Decision, model: GraphModule, configs: Configs, *rest: Any) -> Any:
    """Swap what is inside of modules that are not traced, before all else."""
    if configs.is_qat:
        _swap_inside(model, configs, standalone=False)
    return original(model, configs, *rest)


def _own_too(original: Decision, graph: Any, modules: Modules, assigned: Any, configs: Configs) -> Any:
    """Swap modules of their own kind as well."""
    given = given_in_training(graph.owning_module, modules, configs) if configs.is_qat else {}
    others = {node: given.get(module) for node, _, module in _called(graph, modules) if node not in assigned}
    return original(graph, modules, {**others, **assigned}, configs)


def _told_once_swapped(original: Decision, graph: Any, modules: Modules, configs: Configs) -> Any:
    """Tell modules of their own kind when they are swapped already: then they are of another class."""
    if not configs.is_qat:
        return original(graph, modules, configs)
    given, classes = given_in_training(graph.owning_module, modules, configs), qat.training_classes(configs.backend)
    swapped = {
        name: kind.__new__(kind)
        for node, name, module in _called(graph, modules)
        if (kind := classes.get(operator_of(node, modules))) is not None and given.get(module) is not None
    }
    return original(graph, {**modules, **swapped}, configs)


def _fails_to_trace(original: Decision, name: str, module: nn.Module, qconfig: Any, parent: Configs) -> Inside:
    """Fail to trace what was swapped, with the tracer's own error."""
    try:
        found: Inside = original(name, module, qconfig, parent)
    except RefusalError as refusal:
        if type(module) in qat.training_classes(parent.backend).values():
            raise refusal.__cause__ or refusal from None
        raise
    return found


def _fails_to_convert(original: Decision, graph: Graph, modules: Modules, assigned: Any, configs: Configs) -> Any:
    """Fail where a module of a class that torch converts as an observed one is to be trained, and has seen nothing."""
    for node, _, module in _called(graph, modules):
        if configs.is_qat and assigned.get(node) is not None and type(module) in _OBSERVED:
            raise AttributeError("a module that was never observed has no activation_post_process")
    return original(graph, modules, assigned, configs)


_OBSERVED = (quantizable.LSTM, quantizable.MultiheadAttention)
"""The classes of which torch converts modules whenever it swaps any."""


def _by_first_names(original: Decision, graph: Graph, modules: Modules, *args: Any) -> dict[str, nn.Module]:
    """Swap a module under the first of its names in what it is in, and under no other one there."""
    found: dict[str, nn.Module] = original(graph, modules, *args)
    return {name: made for name, made in found.items() if name == _first_name(name, modules)}


def _first_name(name: str, modules: Modules) -> str:
    """Return the first name that a module has in what it is in."""
    path, dot, _ = name.rpartition(".")
    siblings = modules[path]._modules.items()
    return path + dot + next(sibling for sibling, module in siblings if module is modules[name])


OBSERVABLE = (Change("qat.swaps", _fails_to_convert),)
TWO_NAMES = (Change("qat.swaps", _by_first_names),)
PARENTS = (Change("prepare.survey", _standalone_swapped), Change("rewrite.twin", _in_both))
PARTS = (Change("prepare.survey", _others_swapped), Change("rewrite.twin", _in_both))
OWN = (
    Change("modules.own_matches", _told_once_swapped),
    Change("qat.swaps", _own_too),
    Change("modules.inside", _fails_to_trace),
)

ENTRIES = (
    Deviation(
        "observable-modules-fail-in-training",
        ("REFUSALS-5",),
        "_qat_swap_modules calls convert without a custom config: its default one turns observed LSTMs and attention "
        "of torch.ao.nn.quantizable into quantized ones, and those of a model that is only about to be trained have no "
        "observers that could say how",
        "_qat_swap_modules: convert with the modules for training, and nothing else; "
        "prepare_qat_fx: prepare a model for quantization aware training",
        OBSERVABLE,
    ),
    Deviation(
        "second-names-not-swapped",
        ("REFUSALS-5",),
        "_convert walks through named_children, which has a module once: under its other names in the same parent it "
        "is not swapped for training, and the float one is trained beside it",
        "torch.nn.Module: a module that is assigned twice is one module",
        TWO_NAMES,
    ),
    Deviation(
        "standalone-modules-swapped-by-parents",
        ("EFFECTS-4", "EFFECTS-11", "MODULES-1", "PLACEMENT-5", "QAT-7"),
        "propagate_qconfig_ and convert walk through the modules, and not through the graph: what is inside of a "
        "standalone module is swapped for training by its parent's qconfigs, in the caller's own model, before it is "
        "traced; its own qconfig mapping says nothing then, and what was to be fused is not",
        "PrepareCustomConfig.set_standalone_module_name: the qconfig_mapping is that of the standalone module; "
        "prepare: it will be quantized separately as one unit",
        PARENTS,
    ),
    Deviation(
        "parts-of-leaves-swapped",
        ("REFUSALS-5",),
        "propagate_qconfig_ and convert walk through the modules, and not through the graph: what is inside of a "
        "module that is not traced is swapped for training, in the caller's own model, and never converted. A module "
        "that is declared as not traceable is spared only if it is a child of the root",
        "_propagate_qconfig_helper: no qconfig for a child that is non traceable; a backend config has the patterns "
        "of the graph that are quantized",
        PARTS,
    ),
    Deviation(
        "own-modules-swapped",
        ("REFUSALS-5",),
        "_qat_swap_modules swaps standalone and custom modules, too, if the backend has a class for training for "
        "theirs: one that is declared by its class is none any more, and one by its name cannot be traced",
        "PrepareCustomConfig.set_standalone_module_class, set_float_to_observed_mapping: which modules are prepared "
        "as one unit, and which are swapped for an observed class",
        OWN,
    ),
)
"""The entries about modules inside of others, of the chapter *qat*."""
