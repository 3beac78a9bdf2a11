"""What an observer is, so that two can be compared without running them.

A qconfig holds constructors.  Two constructors ask for the same observer when
what they construct has the same class and the same settings.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.ao.quantization import FakeQuantizeBase, ObserverBase, observer
from torch.ao.quantization.fx._equalize import _InputEqualizationObserver, _WeightEqualizationObserver

from .devices import tensors_of
from .entry import RefusalError

OBSERVED_DTYPES = frozenset(
    {
        torch.quint8,
        torch.qint8,
        torch.qint32,
        torch.float16,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.float8_e5m2,
        torch.float8_e4m3fn,
    }
)
"""The dtypes for which an observer stands in the graph."""

OBSERVERS: tuple[type, ...] = (ObserverBase, FakeQuantizeBase) + (
    # Newer releases have a second family, which is not exported.
    (observer.AffineQuantizedObserverBase,) if hasattr(observer, "AffineQuantizedObserverBase") else ()
)
"""The base classes of all that observes for the sake of quantization."""

_BASES_OF_TORCHAO = ("ObserverBase", "FakeQuantizeBase", "AffineQuantizedObserverBase")

EQUALIZERS: tuple[type, ...] = (_InputEqualizationObserver, _WeightEqualizationObserver)
"""The classes of what observes for the sake of equalization; they have no base class in common with others."""

_OBSERVING = OBSERVERS + EQUALIZERS

_SETTINGS = (int, float, str, torch.dtype, torch.qscheme, type(None))
_LARGEST_BUFFER = 8

_NO_SETTINGS = ("training", "qconfig")
"""What every module may have, and no observer is told by."""

_SEEN = ("min_val", "max_val")
"""The range of what has passed through, which is no setting: a weight may be shown to its observer at once."""

_COMPUTED = (*_SEEN, "scale", "zero_point")
"""What is no setting of a fake quantizer either: its observer computes them, and says it where they are fixed."""


@dataclass(frozen=True)
class Spec:
    """An observer that somebody asks for.

    ``settings`` are the class's name and every plain setting of an instance;
    two specs are equal when these are.  ``dtype`` is what the value is to be
    quantized to, ``is_dynamic`` whether its parameters are chosen at run time,
    and ``make`` constructs one, a derived one from those that it is derived from.
    """

    dtype: torch.dtype | None
    is_dynamic: bool
    settings: tuple[tuple[str, Any], ...]
    make: Callable[..., nn.Module] = field(compare=False, repr=False)
    instance: nn.Module = field(compare=False, repr=False)

    @functools.cached_property
    def devices(self) -> frozenset[torch.device]:
        """The devices on which it is made; none where it has no tensors."""
        return frozenset(tensor.device for tensor in tensors_of(self.instance))

    @property
    def is_observed(self) -> bool:
        """Whether this asks for an observer in the graph, and not for a float value."""
        return self.dtype in OBSERVED_DTYPES

    def __str__(self) -> str:
        name = self.settings[0][1].rpartition(".")[2]
        dynamic = ", dynamic" if self.is_dynamic else ""
        return f"{name}({str(self.dtype).removeprefix('torch.')}{dynamic})"


def is_observer(module: Any) -> bool:
    """Whether a module observes or fake-quantizes what passes through it."""
    return isinstance(module, _OBSERVING) or _is_of_torchao(type(module))


def _is_of_torchao(kind: type) -> bool:
    """Whether a class is one of torchao's observers; they have no base class in common with torch's."""
    if "torchao.quantization.pt2e.observer" not in sys.modules:
        return False
    homes = {base.__name__: base.__module__ for base in kind.__mro__}
    return any(homes.get(name, "").startswith("torchao.quantization.pt2e.") for name in _BASES_OF_TORCHAO)


def is_equalizer(module: Any) -> bool:
    """Whether a module is an equalization observer: it looks at ranges by column, and quantizes nothing."""
    return isinstance(module, EQUALIZERS)


def spec_of(constructor: Callable[[], Any] | None) -> Spec | None:
    """Return what a constructor asks for.

    Parameters
    ----------
    constructor
        What a qconfig holds for activations or for weights.

    Returns
    -------
    Spec or None
        None where there is nothing to construct, or where what it constructs is
        no observer, such as ``torch.nn.Identity``: nothing is asked for then.

    Raises
    ------
    RefusalError
        If it constructs nothing, or what is no module (REFUSALS-1).
    """
    if constructor is None:
        return None
    if not callable(constructor) or isinstance(constructor, nn.Module):
        raise RefusalError(f"a qconfig has {constructor!r}; give it a constructor of observers, such as a class")
    instance = constructor()
    if not isinstance(instance, nn.Module):
        raise RefusalError(f"a qconfig has {constructor!r}, which constructs no module; give it one of observers")
    return spec_of_observer(instance, constructor) if is_observer(instance) else None


def spec_of_observer(instance: nn.Module, make: Callable[[], nn.Module]) -> Spec:
    """Return what an observer is, with what constructs one like it."""
    dtype, dynamic = getattr(instance, "dtype", None), bool(getattr(instance, "is_dynamic", False))
    return Spec(dtype, dynamic, settings_of(instance), make, instance)


def spec_of_made(observer: nn.Module) -> Spec:
    """Return what stands for an observer that is made already, and is one object wherever it stands.

    Its class tells it: nobody compares it with others, and to read all settings takes as long as to make it.
    """
    kind = type(observer)
    told = (("class", f"{kind.__module__}.{kind.__qualname__}"),)
    dtype, dynamic = getattr(observer, "dtype", None), bool(getattr(observer, "is_dynamic", False))
    return Spec(dtype, dynamic, told, lambda: observer, observer)


def settings_of(module: nn.Module) -> tuple[tuple[str, Any], ...]:
    """Return the class and the settings of an observer, those of its parts included.

    Buffers count as settings (``eps``, a fixed scale): read them before the
    first tensor passes through.  Where they are not on the CPU, their device is
    a setting too; on the meta device they have no values.
    """
    kind = type(module)
    found: list[tuple[str, Any]] = [("class", f"{kind.__module__}.{kind.__qualname__}")]
    for name, value in sorted(vars(module).items()):
        if not name.startswith("_") and name not in _NO_SETTINGS and isinstance(value, _SETTINGS):
            found.append((name, value))
        elif name == "derive_qparams_fn":
            found.append((name, getattr(value, "__qualname__", type(value).__qualname__)))
    unsaid = _COMPUTED if "activation_post_process" in module._modules else _SEEN
    for name, buffer in module._buffers.items():
        if buffer is None or name in unsaid:
            continue
        if buffer.device.type != "cpu":
            found.append((f"device of {name}", str(buffer.device)))
        if buffer.numel() <= _LARGEST_BUFFER and not buffer.is_meta:
            found.append((name, tuple(buffer.flatten().tolist())))
    for name, part in module.named_children():
        found.append((name, settings_of(part)))
    return tuple(found)
