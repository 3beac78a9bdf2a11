"""How torch's `prepare` swaps modules for quantization-aware training, and where that goes wrong."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import torch
from torch import nn
from torch.fx import Graph, Node

from observance.conformance.deviations.torch_qconfigs import given_in_training
from observance.conformance.deviations.torch_state import looking_up, with_device
from observance.conformance.variants import Change
from observance.reference import rewrite
from observance.reference.devices import tensors_of
from observance.reference.entry import RefusalError
from observance.reference.patterns import Match
from observance.reference.plan import Plan
from observance.reference.qconfigs import select
from observance.reference.site import Site, Standalone
from observance.reference.specs import Spec, is_observer

from .register import Deviation

Decision = Callable[..., Any]


def _by_propagation(original: Decision, graph: Any, modules: Any, assigned: Any, configs: Any) -> Any:
    """Swap modules by what eager mode's propagation gives them, whatever the nodes that call them have."""
    if not configs.is_qat:
        return original(graph, modules, assigned, configs)
    given = given_in_training(graph.owning_module, modules, configs)
    calls = [node for node in assigned if node.op == "call_module"]
    called = {modules[node.target] for node in calls}
    with parts_saying({module: qconfig for module, qconfig in given.items() if module not in called}):
        return original(graph, modules, {node: given.get(modules[node.target]) for node in calls}, configs)


_PARTS: dict[nn.Module, Any] = {}
"""What propagation gives to the parts of modules, while modules are swapped."""


@contextmanager
def parts_saying(given: Mapping[nn.Module, Any]) -> Iterator[None]:
    """Let the parts of modules say these qconfigs, while modules are swapped."""
    _PARTS.update(given)
    try:
        yield
    finally:
        _PARTS.clear()


def _parts_by_propagation(original: Decision, module: nn.Module, qconfig: Any) -> nn.Module:
    """Let a part of a fused module say what propagation gives it, by its own type."""
    own = _PARTS.get(module, qconfig)
    if own is not qconfig and own is not None and _is_on_meta(module):
        own = with_device(own, torch.device("meta"))
    stand_in: nn.Module = original(module, own)
    return stand_in


def _serves_all(original: Decision, modules: Any, assigned: Any, backend: Any) -> Any:
    """Swap modules whatever the backend says of their qconfigs, and before it is found out what these ask for."""
    return {node: qconfig for node, qconfig in assigned.items() if node.op == "call_module" and qconfig is not None}


class _Given:
    """The mapping and the scopes by which the nodes of a graph were given their qconfigs, last, and these."""

    mapping: Any = None
    scopes: Any = None
    assigned: Any = None


def _remembers_mapping(original: Decision, graph: Any, modules: Any, mapping: Any, scopes: Any) -> Any:
    """Remember which qconfigs the nodes of a graph are given, and by what."""
    _Given.mapping, _Given.scopes = mapping, scopes
    _Given.assigned = original(graph, modules, mapping, scopes)
    return _Given.assigned


def _selected_anew(original: Decision, graph: Any, modules: Any, assigned: Any, configs: Any) -> Any:
    """Give the nodes their qconfigs once more when modules are swapped, by the types that these have now."""
    swapped = original(graph, modules, assigned, configs)
    if swapped:
        _Given.assigned.update(select(graph, {**modules, **swapped}, _Given.mapping, _Given.scopes))
    return swapped


def _is_on_meta(module: nn.Module) -> bool:
    """Whether a module has parameters on the meta device."""
    return any(tensor.is_meta for tensor in module.parameters())


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


def _leaves_selected(original: Decision, graph: Any, modules: Any, assigned: Any, configs: Any) -> Any:
    """Leave on a module that is not swapped what it is selected by, which the next preparation will believe.

    What a module has brought is not touched: what is inside of it has its qconfig by then.
    """
    calls = [node for node in assigned if node.op == "call_module" and configs.is_qat]
    silent = [node for node in calls if getattr(modules[node.target], "qconfig", None) is None]
    swapped = original(graph, modules, assigned, configs)
    for node in silent:
        if str(node.target) not in swapped:
            modules[node.target].qconfig = assigned[node]
    return swapped


def _in_training_mode(original: Decision, module: nn.Module, made: nn.Module) -> None:
    """Leave a new module in training mode."""
    original(module, made)
    made.train()


def _flags_lost(original: Decision, module: nn.Module, made: nn.Module) -> None:
    """Keep the hooks of a module, and not how they are to be called."""
    original(module, made)
    for flags in ("_forward_pre_hooks_with_kwargs", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"):
        for key in getattr(module, flags):
            getattr(made, flags).pop(key, None)


def _by_factory(original: Decision, name: str, module: nn.Module, qconfig: Any, kind: Any) -> Any:
    """Let the qconfig of a module that is on the meta device make its fake quantizers there."""
    return original(name, module, with_device(qconfig, torch.device("meta")) if _is_on_meta(module) else qconfig, kind)


_LEFT = WeakSet[nn.Module]()
"""The modules on the meta device whose fake quantizers were left on the CPU in this call: swapped ones, and theirs."""


def _with_nothing_left(original: Decision, *args: Any) -> Any:
    """Begin a call: what an earlier one swapped, and was refused after that, is not this one's."""
    _LEFT.clear()
    return original(*args)


def _on_cpu_then(original: Decision, model: nn.Module) -> Any:
    """Take a model for one on the CPU if fake quantizers of swapped modules are there."""
    return torch.device("cpu") if any(module in _LEFT for module in model.modules()) else original(model)


def _on_cpu_inside(original: Decision, result: Plan, *args: Any) -> Any:
    """Ask for the device of a model when what is inside of its standalone modules is swapped already."""
    calls = original(result, *args)
    if any(module in _LEFT for call in calls.values() for module in call.inside.model.modules()):
        result.device = torch.device("cpu")
    return calls


def fails_to_move(original: Decision, site: Site) -> None:
    """Fail to move observers to the CPU that the qconfig of a module on the meta device has made there."""
    original(site)
    model = site.graph.owning_module
    if model is None or site.plan.device != torch.device("cpu"):
        return
    fed = [call.asks for call in site.standalone.values() if call.asks is not None and call.inside.quantized_inputs]
    for quantized in (*site.quantized.values(), *fed):
        node = quantized.match.last  # whose qconfig it is
        if node.op != "call_module" or not _is_made_on_meta(quantized.ask.activation):
            continue
        module = site.plan.swapped.get(str(node.target)) or model.get_submodule(str(node.target))
        tensors = list(tensors_of(module))
        if tensors and all(tensor.is_meta for tensor in tensors):
            raise NotImplementedError("an observer on the meta device cannot be moved")


def _is_made_on_meta(asked: Spec | None) -> bool:
    """Whether the observer that is asked for has tensors on the meta device if it is made for that one."""
    if asked is None:
        return False
    made = looking_up(asked.make, torch.device("meta"))()
    return isinstance(made, nn.Module) and any(tensor.is_meta for tensor in tensors_of(made))


def _beside_meta(original: Decision, module: nn.Module, made: nn.Module) -> None:
    """Leave the fake quantizers of a new module on the CPU if its weights are on the meta device."""
    before = {name: copy.deepcopy(part) for name, part in made.named_children() if is_observer(part)}
    original(module, made)
    if _is_on_meta(made):
        if any(not tensor.is_meta for part in before.values() for tensor in tensors_of(part)):
            _LEFT.update((module, made))
        for name, part in before.items():
            setattr(made, name, part)


_MADE: list[tuple[nn.Module, str, Callable[[], nn.Module]]] = []
"""What this call has made of modules: the models that these are in, their names there, and what takes their place."""


_SWAPPING: list[nn.Module | None] = []
"""The models whose modules are being swapped, each inside of the one before."""

_PREPARING: list[nn.Module | None] = []
"""The models whose standalone modules are being prepared, each inside of the one before."""


@contextmanager
def _doing(what: list[nn.Module | None], model: nn.Module | None) -> Iterator[None]:
    """Note for which model something is being done, as long as it is."""
    what.append(model)
    try:
        yield
    finally:
        what.pop()


def _swaps_for(original: Decision, graph: Graph, *args: Any) -> Any:
    """Note whose modules are swapped."""
    with _doing(_SWAPPING, graph.owning_module):
        return original(graph, *args)


def _prepares_for(original: Decision, result: Plan, own: Mapping[Node, Match], *args: Any) -> Any:
    """Note whose standalone modules are prepared."""
    with _doing(_PREPARING, next((node.graph.owning_module for node in own), None)):
        return original(result, own, *args)


def _remembers_swapped(original: Decision, name: str, *args: Any) -> nn.Module:
    """Remember what a module becomes in its model; what is not of a graph is swapped there anyway."""
    made: nn.Module = original(name, *args)
    _MADE.extend((model, name, lambda: made) for model in _SWAPPING[-1:] if model is not None)
    return made


def _remembers_prepared(original: Decision, name: str, *args: Any) -> Standalone:
    """Remember what a standalone module becomes in its model."""
    made: Standalone = original(name, *args)
    finished = functools.partial(rewrite.finished, made)
    _MADE.extend((model, name, finished) for model in _PREPARING[-1:] if model is not None)
    return made


def _fails_afterwards(original: Decision, *args: Any) -> Plan:
    """Leave in the caller's model what was made of its modules, when a call fails after that."""
    _MADE.clear()
    try:
        plan: Plan = original(*args)
    except Exception:
        for model, name, make in _MADE:
            owner, _, own = name.rpartition(".")
            setattr(model.get_submodule(owner), own, make())
        raise
    return plan


EAGER_SWAP = (
    Change("qat.swaps", _by_propagation),
    Change("qat.swapped", _with_its_own_error),
    Change("qat.with_qconfig", _parts_by_propagation),
)
SELECTED_ANEW = (
    Change("qconfigs.assign", _remembers_mapping),
    Change("qat.swaps", _selected_anew),
)
LEFT_BEHIND = (Change("qat.chosen", _as_left_behind), Change("qat.swaps", _leaves_selected))
LEFT_ON_CPU = (
    Change("prepare.plan", _with_nothing_left),
    Change("qat.swapped", _by_factory),
    Change("qat.kept", _beside_meta),
    Change("devices.device_of", _on_cpu_then),
    Change("prepare.survey_standalone", _on_cpu_inside),
    Change("prepare.place", fails_to_move),
)
MADE_AND_REFUSED = (
    Change("prepare.plan", _fails_afterwards),
    Change("qat.swaps", _swaps_for),
    Change("qat.swapped", _remembers_swapped),
    Change("prepare.survey_standalone", _prepares_for),
    Change("prepare.settled", _remembers_prepared),
)
UNSERVED = (Change("qat.served", _serves_all),)
FLAGS_LOST = (Change("qat.kept", _flags_lost),)
TRAINING_MODE = (Change("qat.kept", _in_training_mode),)

ENTRIES = (
    Deviation(
        "modules-swapped-by-eager-rules",
        ("PLACEMENT-5", "QAT-1", "QAT-3", "QCONFIGS-1"),
        "modules are swapped for training by the qconfigs of propagate_qconfig_, which knows no regular "
        "expressions and no indexes and lets a type override a parent's name: a module is swapped that is "
        "switched off, or for another qconfig than its node's, or is not swapped",
        "QConfigMapping: in increasing match priority; prepare.py itself notes: TODO: support regex as well",
        EAGER_SWAP,
    ),
    Deviation(
        "ignored-qconfigs-swap",
        ("PLACEMENT-5", "QAT-1"),
        "_qat_swap_modules does not ask whether the backend supports a qconfig: a module whose qconfig is ignored, and "
        "which conversion leaves float, is swapped all the same and its weight fake-quantized in training; where its "
        "class for training takes no such qconfig the call fails, as for nn.Embedding with the default mapping",
        "DTypeConfig: if these dtypes match those of the QConfig, the pattern is quantized; otherwise, the QConfig is "
        "ignored and the pattern will not be quantized",
        UNSERVED,
    ),
    Deviation(
        "swapped-modules-selected-anew",
        ("PLACEMENT-5",),
        "nodes are given their qconfigs after modules are swapped: where the mapping has an object type that is a "
        "class for training, it selects every module that was swapped for that class as well",
        "QConfigMapping.set_object_type: the QConfig for a given module type; the user's module is of another one",
        SELECTED_ANEW,
    ),
    Deviation(
        "swapped-modules-in-training-mode",
        ("PLACEMENT-5", "QAT-6"),
        "swap_module constructs a new module and keeps hooks and device, but not the mode: in a model in eval "
        "mode it is in training mode",
        "torch.nn.Module.eval: sets the module in evaluation mode; affects all its modules",
        TRAINING_MODE,
    ),
    Deviation(
        "flags-of-hooks-lost",
        ("PLACEMENT-5", "QAT-6"),
        "swap_module registers the hooks of a module anew, and forgets which ones take keywords and which ones are "
        "always called: a hook that takes keywords is called without them, and the first forward pass fails",
        "swap_module: preserve a module's pre forward hooks and its post forward hooks; "
        "torch.nn.Module.register_forward_hook: with_kwargs, the hook is passed the kwargs",
        FLAGS_LOST,
    ),
    Deviation(
        "swapped-modules-on-two-devices",
        ("DEVICES-1", "PLACEMENT-5"),
        "swap_module does not count the meta device: the fake quantizers of a module there stay on the CPU, "
        "and so the model is on two devices, and its other observers go to the CPU as well",
        "swap_module: respect device affinity when swapping modules",
        LEFT_ON_CPU,
        first="2.7",
    ),
    Deviation(
        "refused-after-swapping",
        ("EFFECTS-10",),
        "modules are swapped for training, and standalone ones prepared, in the caller's own model before the qconfigs "
        "of nodes, the device and what the backend supports are looked at: a call that fails there leaves them there",
        "a call that is refused leaves what it was given as it was",
        MADE_AND_REFUSED,
    ),
    Deviation(
        "qconfig-left-on-the-float-model",
        ("QAT-8",),
        "propagate_qconfig_ leaves a qconfig on the modules of the float model, and takes one that it finds there "
        "in place of the mapping's: when a model is prepared again, for another mapping, modules are swapped as "
        "the first one said",
        "prepare_qat_fx: we'll insert fake_quantize modules according to the qconfig_mapping",
        LEFT_BEHIND,
    ),
)
"""The entries of the chapter *qat*."""
