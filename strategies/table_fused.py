"""The modules of the operator table that stand for several operators, or for one in training.

A model that was fused before has modules such as ``ConvReLU2d``; one that was
prepared for quantization-aware training before has modules that quantize
their own weights.  The patterns of backend configs name both.
"""

from __future__ import annotations

import re

from .entries import Operator, call, module

_FUSED, _AWARE, _BOTH = "torch.ao.nn.intrinsic", "torch.ao.nn.qat", "torch.ao.nn.intrinsic.qat"
_QCONFIG, _EMBEDDING = "default_qat_qconfig", "default_embedding_qat_qconfig"


def _fused(name: str, kinds: str, *parts: str) -> Operator:
    """Return an entry for a fused module and the modules that it is made of."""
    return module(f"fused_{name}", kinds, f"{_FUSED}.{name}({', '.join(parts)})")


def _adding(name: str, *parts: str) -> Operator:
    """Return an entry for a fused module that adds a second input."""
    target = f"{_FUSED}.{name}"
    made = f"{target}({', '.join(parts)})"
    return call(f"fused_{name}", target, "u u -> u", "{m}({0}, {1})", "{m}(x1={0}, x2={1})", made)


def _aware(path: str, kinds: str, arguments: str, qconfig: str = _QCONFIG, rest: str = "") -> Operator:
    """Return an entry for a module that quantizes its own weight, as in training."""
    name = path.removeprefix("torch.ao.nn.").replace(".", "_")
    return module(name, kinds, f"{path}({arguments}, qconfig=tq.qconfig.{qconfig})", rest)


def _convolutions(size: str, kinds: str, channels: int) -> tuple[Operator, ...]:
    """Return the entries of all fused and quantization-aware convolutions of one dimension."""
    arguments = f"{channels}, {channels}, 1"
    conv, bn = f"nn.Conv{size}({arguments})", f"nn.BatchNorm{size}({channels})"
    return (
        _fused(f"ConvReLU{size}", kinds, conv, "nn.ReLU()"),
        _fused(f"ConvBn{size}", kinds, conv, bn),
        _fused(f"ConvBnReLU{size}", kinds, conv, bn, "nn.ReLU()"),
        _aware(f"{_AWARE}.Conv{size}", kinds, arguments),
        _aware(f"{_BOTH}.ConvReLU{size}", kinds, arguments),
        _aware(f"{_BOTH}.ConvBn{size}", kinds, arguments),
        _aware(f"{_BOTH}.ConvBnReLU{size}", kinds, arguments),
    )


FUSED = (
    *_convolutions("1d", "tt", 4),
    *_convolutions("2d", "uu", 2),
    *_convolutions("3d", "vv", 2),
    _fused("LinearReLU", "tt", "nn.Linear(4, 4)", "nn.ReLU()"),
    _fused("LinearBn1d", "tt", "nn.Linear(4, 4)", "nn.BatchNorm1d(4)"),
    _fused("LinearLeakyReLU", "tt", "nn.Linear(4, 4)", "nn.LeakyReLU()"),
    _fused("LinearTanh", "tt", "nn.Linear(4, 4)", "nn.Tanh()"),
    _fused("BNReLU2d", "uu", "nn.BatchNorm2d(2)", "nn.ReLU()"),
    _fused("BNReLU3d", "vv", "nn.BatchNorm3d(2)", "nn.ReLU()"),
    _adding("ConvAdd2d", "nn.Conv2d(2, 2, 1)", "torch.add"),
    _adding("ConvAddReLU2d", "nn.Conv2d(2, 2, 1)", "torch.add", "nn.ReLU()"),
    _aware(f"{_AWARE}.Linear", "tt", "4, 4"),
    _aware(f"{_AWARE}.Embedding", "it", "4, 4", _EMBEDDING),
    _aware(f"{_AWARE}.EmbeddingBag", "it", "4, 16", _EMBEDDING, ".view(2, 4, 4)"),
    _aware(f"{_AWARE}.dynamic.Linear", "tt", "4, 4", "default_dynamic_qat_qconfig"),
    _aware(f"{_BOTH}.LinearReLU", "tt", "4, 4"),
    # Its own constructor leaves the bias of this one uninitialized.
    _aware(f"{_BOTH}.LinearBn1d", "tt", "4, 4, bias=False"),
)
"""Fused modules, quantization-aware modules, and those that are both."""

_PART = re.compile(r"\bnn\.\w+(?=\()")

PARTS: dict[str, tuple[str, ...]] = {
    entry.target: tuple(_PART.findall(entry.module or ""))
    for entry in FUSED
    if entry.target.startswith(_FUSED) and not entry.target.startswith(_BOTH)
}
"""The targets of the modules that each fused module is made of, by its own target."""

_SINGLE = ("Linear", "Conv1d", "Conv2d", "Conv3d", "Embedding", "EmbeddingBag")

_TOGETHER = ("LinearReLU", "LinearBn1d", *(f"Conv{kind}{n}d" for kind in ("ReLU", "Bn", "BnReLU") for n in (1, 2, 3)))

TRAINED: dict[str, str] = {
    **{f"nn.{name}": f"{_AWARE}.{name}" for name in _SINGLE},
    **{f"{_FUSED}.{name}": f"{_BOTH}.{name}" for name in _TOGETHER},
}
"""The class that torch has for quantization-aware training, for each module that it has one for."""


def is_aware(target: str) -> bool:
    """Whether a target is a module that quantizes its own weight."""
    return target.startswith((_AWARE, _BOTH))
