"""What torch's `prepare` does with models that are not on the CPU, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from observance.conformance.variants import Change
from observance.reference import backends
from observance.reference.devices import tensors_of
from observance.reference.patterns import Match

from .register import Deviation

Decision = Callable[..., Any]

_BOTH = {torch.device("cpu"), torch.device("meta")}


def _cpu_beside_meta(original: Decision, model: Any) -> Any:
    """Take a model that is on the CPU and on the meta device for one on the CPU."""
    return torch.device("cpu") if {tensor.device for tensor in tensors_of(model)} == _BOTH else original(model)


class _Asked:
    """Whether the module whose qconfig is judged is on the meta device."""

    on_meta = False


def _knows_its_modules(original: Decision, match: Match, ask: Any, reader: backends.Reader) -> Any:
    """Remember, while a pattern is judged, whether the module of its last node, whose qconfig it has, is on meta."""
    module = reader.modules[str(match.last.target)] if match.last.op == "call_module" else None
    # A module that is in two places is taken to be where a set has its first element.
    devices = {tensor.device for tensor in tensors_of(module)} if module is not None else set()
    _Asked.on_meta = next(iter(devices), None) == torch.device("meta")
    try:
        return original(match, ask, reader)
    finally:
        _Asked.on_meta = False


def _reads_eps(original: Decision, observer: Any, constraint: Any) -> Any:
    """Fail where an eps on the meta device is held against a bound."""
    asked = constraint.scale_min_lower_bound is not None and isinstance(getattr(observer, "eps", None), torch.Tensor)
    if asked and _Asked.on_meta and backends._broken_range(observer, constraint) is None:
        raise RuntimeError("eps is on the meta device")
    return original(observer, constraint)


META_BESIDE_CPU = (Change("devices.device_of", _cpu_beside_meta),)
CONSTRAINTS_ON_META = (
    Change("backends.judge", _knows_its_modules),
    Change("backends._broken_scale", _reads_eps),
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
)
"""The entries of the chapter *devices*."""
