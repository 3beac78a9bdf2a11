"""What torch's `prepare` does with models that are not on the CPU, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from observance.conformance.deviations.torch_qat import fails_to_move
from observance.conformance.variants import Change
from observance.reference import backends, dtypes
from observance.reference.devices import tensors_of
from observance.reference.patterns import Match
from observance.reference.plan import Plan
from observance.reference.site import Standalone

from .register import Deviation

Decision = Callable[..., Any]

_BOTH = {torch.device("cpu"), torch.device("meta")}


def _cpu_beside_meta(original: Decision, model: Any) -> Any:
    """Take a model that is on the CPU and on the meta device for one on the CPU."""
    return torch.device("cpu") if {tensor.device for tensor in tensors_of(model)} == _BOTH else original(model)


class _Asked:
    """The qconfig of each node, and whether a pattern is judged for a module that is on meta."""

    assigned: Mapping[Any, Any] = {}
    on_meta = False


def _remembers_assigned(original: Decision, result: Any, match: Any, assigned: Any, *rest: Any) -> Any:
    """Remember the qconfig of each node while it is decided how a pattern is quantized."""
    _Asked.assigned = assigned
    return original(result, match, assigned, *rest)


def _judges_each_node(original: Decision, match: Match, ask: Any, reader: backends.Reader) -> Any:
    """Judge a pattern once more for each node that calls a module on meta, by the qconfig of that node.

    Each node has its qconfig with the device of its own module.
    """
    own = {node: _Asked.assigned.get(node) for node in match.nodes if node.op == "call_module"}
    _Asked.on_meta = True
    try:
        for node, qconfig in own.items():
            if qconfig is not None and _is_on_meta(reader.modules[str(node.target)]):
                original(match, replace(dtypes.ask_of(qconfig), gives_tensor=ask.gives_tensor), reader)
    finally:
        _Asked.on_meta = False
    return original(match, ask, reader)


def _is_on_meta(module: nn.Module) -> bool:
    """Whether a module is on the meta device; one that is in two places is where a set has its first element."""
    return next(iter({tensor.device for tensor in tensors_of(module)}), None) == torch.device("meta")


def _reads_eps(original: Decision, observer: Any, constraint: Any) -> Any:
    """Fail where an eps on the meta device is held against a bound."""
    asked = constraint.scale_min_lower_bound is not None and isinstance(getattr(observer, "eps", None), torch.Tensor)
    if asked and _Asked.on_meta and backends._broken_range(observer, constraint) is None:
        raise RuntimeError("eps is on the meta device")
    return original(observer, constraint)


def _by_itself(original: Decision, name: str, module: nn.Module, qconfig: Any, configs: Any, device: Any) -> Standalone:
    """Prepare a standalone module without regard to where the model is that it is in."""
    found: Standalone = original(name, module, qconfig, configs, None)
    return found


def _asked_afterwards(original: Decision, result: Plan, *args: Any) -> dict[Node, Standalone]:
    """Ask for the device of a model when its standalone modules are prepared: their observers are part of it."""
    calls: dict[Node, Standalone] = original(result, *args)
    inside = [call.site.plan for call in calls.values() if call.site is not None]
    if result.device == torch.device("meta") and any(_is_on_cpu(plan) for plan in inside):
        result.device = torch.device("cpu")
    return calls


def _is_on_cpu(plan: Plan) -> bool:
    """Whether observers of a plan are on the CPU, where they are made."""
    return plan.device != torch.device("meta") and any(slot.spec.devices for slot in plan.slots)


META_BESIDE_CPU = (Change("devices.device_of", _cpu_beside_meta),)
CONSTRAINTS_ON_META = (
    Change("prepare.select", _remembers_assigned),
    Change("backends.judge", _judges_each_node),
    Change("backends._broken_scale", _reads_eps),
)
STANDALONE_ELSEWHERE = (
    Change("prepare.settled", _by_itself),
    Change("prepare.survey_standalone", _asked_afterwards),
    Change("prepare.place", fails_to_move),
)

ENTRIES = (
    Deviation(
        "meta-beside-cpu",
        ("ENTRY-5", "DEVICES-2"),
        "a model that is on the CPU and on the meta device is let through, with a warning, as if on the CPU",
        "assert_and_get_unique_device: throws an error if multiple devices are detected",
        META_BESIDE_CPU,
    ),
    Deviation(
        "constraints-on-meta-fail",
        ("ENTRY-1",),
        "the observers of a module's qconfig are made on the module's device to be held against the backend's "
        "constraints; on the meta device their eps has no value, and the comparison fails",
        "_add_module_to_qconfig_obs_ctr: to avoid potential device alignment issues",
        CONSTRAINTS_ON_META,
    ),
    Deviation(
        "standalone-modules-elsewhere",
        ("ENTRY-1",),
        "a standalone module without parameters has its observers on the CPU, wherever the model is that it is in; the "
        "device of that model is asked for afterwards, and so it is on two: on the meta device its observers go to "
        "the CPU as well, or cannot, and the call fails; on a GPU it would be refused",
        "_insert_obs_or_fq: the observer is moved to the model's device; prepare: only single-device modules",
        STANDALONE_ELSEWHERE,
    ),
)
"""The entries of the chapter *devices*."""
