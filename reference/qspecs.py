"""What an annotation asks for: the kinds of quantization specs, and the observers that they mean.

No class of specs is imported here: two libraries have them, and a spec is told by its fields.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

_KINDS = {
    "shared": "edge_or_node",
    "derived": "derived_from",
    "plain": "observer_or_fake_quant_ctr",
    "fixed": "scale",
}
"""The field by which each kind of spec is told."""

_COMPARED = (
    *("dtype", "is_dynamic", "quant_min", "quant_max", "qscheme", "ch_axis", "scale", "zero_point"),
    "derive_qparams_fn",
)
"""What two specs of one tensor must have in common to share an observer unasked, and what they are derived from."""


def kind_of(spec: Any) -> str | None:
    """Return what kind of spec something is; None if it is none."""
    return _kind_of(spec.__class__)


@functools.cache
def _kind_of(specs: Any) -> str | None:
    return next((kind for kind, field in _KINDS.items() if field in _fields_of(specs)), None)


@functools.cache
def _fields_of(specs: Any) -> tuple[str, ...]:
    """Return the fields of a class of specs; nothing if it is no dataclass."""
    return tuple(field.name for field in dataclasses.fields(specs)) if dataclasses.is_dataclass(specs) else ()


def compared(spec: Any) -> tuple[Any, ...]:
    """Return what is compared of specs of one tensor; one that lacks a field is as good as one that leaves it open.

    What is derived from other places has other parameters (ANNOTATIONS-9).
    """
    settings = (getattr(spec, name, None) for name in _COMPARED)
    return *settings, tuple(getattr(spec, "derived_from", ()))


def observer_of(spec: Any, sources: list[nn.Module], is_qat: bool) -> nn.Module:
    """Return a new observer for a spec.

    A setting that the spec leaves open is the observer's own; the axis is passed on
    where the observer looks at channels (ANNOTATIONS-10).  Parameters that are fixed
    are those of an observer, or for training those of a fake quantizer (ANNOTATIONS-8).
    """
    library, settings = library_of(spec), given(spec)
    match kind_of(spec):
        case "derived":
            del settings["derived_from"], settings["is_dynamic"]
            made: nn.Module = derived_class(library)(obs_or_fqs=sources, **settings)
        case "fixed":
            fixed = library.FixedQParamsObserver.with_args(**settings)
            made = library.FixedQParamsFakeQuantize.with_args(observer=fixed)() if is_qat else fixed()
        case _:
            constructor = settings.pop("observer_or_fake_quant_ctr")
            if not looks_at_channels(constructor):
                settings.pop("ch_axis", None)
            made = constructor(**copy.deepcopy(settings))
    return made


def given(spec: Any) -> dict[str, Any]:
    """Return the settings that a spec gives; what it leaves open is not among them."""
    fields = {name: getattr(spec, name) for name in _fields_of(spec.__class__)}
    return {name: value for name, value in fields.items() if value is not None}


def moved(spec: Any, here: Callable[[Any], Any]) -> Any:
    """Return a spec that names other places, if it names some; `here` tells which."""
    match kind_of(spec):
        case "shared":
            return dataclasses.replace(spec, edge_or_node=here(spec.edge_or_node))
        case "derived":
            return dataclasses.replace(spec, derived_from=[here(place) for place in spec.derived_from])
    return spec


def library_of(spec: Any) -> Any:
    """Return the library that a spec is of, which has the observers that go with it."""
    of_torchao = type(spec).__module__.partition(".")[0] == "torchao"
    return _imported("torchao.quantization.pt2e" if of_torchao else "torch.ao.quantization")


_imported = functools.cache(importlib.import_module)


def derived_class(library: Any) -> Any:
    """Return the class of observers that are derived from others; torch does not export its own."""
    return getattr(library, "DerivedObserverOrFakeQuantize", None) or library._DerivedObserverOrFakeQuantize


def looks_at_channels(constructor: Any) -> bool:
    """Whether what is constructed, or the observer inside of it, takes an axis (ANNOTATIONS-10)."""
    given: dict[str, Any] = {}
    while hasattr(constructor, "p"):  # what `with_args` returns is a partial in a wrapper
        given = {**constructor.p.keywords, **given}
        constructor = constructor.p.func
    taken = parameters_of(constructor)
    if "ch_axis" in taken or "observer" not in taken:
        return "ch_axis" in taken
    return looks_at_channels(given.get("observer", taken["observer"].default))


@functools.cache
def parameters_of(constructor: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a constructor, by name; nothing if they cannot be read."""
    try:
        return inspect.signature(constructor).parameters
    except (TypeError, ValueError):
        return {}
