"""The classes of annotations that torch had, for releases that have them no more.

Their names and fields are those of ``torch.ao.quantization.quantizer``, which ends before torch 2.13.
Where torch has them, a case is written with torch's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class QuantizationSpec:
    """How a tensor is quantized, by an observer or a fake quantizer of a kind."""

    dtype: torch.dtype
    observer_or_fake_quant_ctr: Callable[..., Any]
    quant_min: int | None = None
    quant_max: int | None = None
    qscheme: torch.qscheme | None = None
    ch_axis: int | None = None
    is_dynamic: bool = False


@dataclass(frozen=True)
class FixedQParamsQuantizationSpec:
    """How a tensor is quantized whose scale and zero point are known."""

    dtype: torch.dtype
    scale: float
    zero_point: int
    quant_min: int | None = None
    quant_max: int | None = None
    qscheme: torch.qscheme | None = None
    is_dynamic: bool = False


@dataclass(frozen=True)
class SharedQuantizationSpec:
    """A tensor is quantized by the very observer of another place: a value, or an edge."""

    edge_or_node: Any


@dataclass(frozen=True)
class DerivedQuantizationSpec:
    """A tensor is quantized with parameters that are computed from the observers of other places."""

    derived_from: list[Any]
    derive_qparams_fn: Callable[[list[Any]], tuple[torch.Tensor, torch.Tensor]]
    dtype: torch.dtype
    quant_min: int | None = None
    quant_max: int | None = None
    qscheme: torch.qscheme | None = None
    ch_axis: int | None = None
    is_dynamic: bool = False


@dataclass
class QuantizationAnnotation:
    """How a node's inputs and its output are quantized."""

    input_qspec_map: dict[Any, Any] = field(default_factory=dict)
    output_qspec: Any = None
    allow_implicit_sharing: bool = True
    _annotated: bool = False
