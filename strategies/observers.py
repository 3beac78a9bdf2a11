"""Tables of observers: every kind that torch exports for quantization after training.

A table entry is an observer without settings; `configured` adds a range, a
smallest scale, or a reduced range where the kind can have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TypeAlias

from .case import Observer, Scalar

Setting: TypeAlias = "tuple[int | None, float | None, bool]"
"""Which range of quantized values, which smallest scale, whether the range is reduced."""

_RANGES: dict[str, tuple[tuple[int, int], ...]] = {
    "torch.quint8": ((0, 127), (0, 255)),
    "torch.qint8": ((-127, 127), (-64, 63)),
    "torch.uint8": ((0, 127), (0, 255)),
    "torch.int8": ((-127, 127), (-64, 63)),
    "torch.int16": ((-(2**14), 2**14 - 1), (0, 2**15 - 1)),
    "torch.int32": ((-(2**15), 2**15 - 1), (0, 2**31 - 1)),
    "torch.qint32": ((-(2**15), 2**15 - 1), (0, 2**31 - 1)),
}
"""Two ranges of quantized values for each dtype that an observer of a range is drawn with."""

SETTINGS: tuple[Setting, ...] = tuple(
    (limit, epsilon, reduces)
    for reduces, epsilon, limit in product((False, True), (None, 2**-12, 2**-20), (None, 0, 1))
)
"""The settings, the plain one first."""

_TENSOR = ("MinMaxObserver", "HistogramObserver", "MovingAverageMinMaxObserver")
_CHANNEL = ("PerChannelMinMaxObserver", "MovingAveragePerChannelMinMaxObserver")
_AFFINE, _SYMMETRIC = "torch.per_tensor_affine", "torch.per_tensor_symmetric"
_CHANNEL_AFFINE, _CHANNEL_SYMMETRIC = "torch.per_channel_affine", "torch.per_channel_symmetric"
_FLOAT_QPARAMS = "torch.per_channel_affine_float_qparams"
_BYTES = ("torch.quint8", "torch.qint8")
_OTHERS = ("torch.uint8", "torch.int8", "torch.int16", "torch.int32", "torch.qint32")


def observer(factory: str, **arguments: Scalar | Observer) -> Observer:
    """Return an observer; an argument that is None is left out."""
    return Observer(factory, tuple((name, value) for name, value in arguments.items() if value is not None))


def _ranging(factories: Sequence[str], dtypes: Sequence[str], *schemes: str) -> tuple[Observer, ...]:
    """Return the observers of a range, for every scheme and dtype."""
    every = product(schemes, dtypes, factories)
    return tuple(observer(factory, dtype=dtype, qscheme=scheme) for scheme, dtype, factory in every)


def _placeholders(dtypes: Sequence[str], is_dynamic: bool | None) -> tuple[Observer, ...]:
    """Return placeholders, which record nothing."""
    return tuple(observer("PlaceholderObserver", dtype=dtype, is_dynamic=is_dynamic) for dtype in dtypes)


ACTIVATIONS = (
    *_ranging(_TENSOR, ("torch.quint8",), _AFFINE, _SYMMETRIC) * 8,
    *_ranging(_TENSOR, ("torch.qint8",), _AFFINE, _SYMMETRIC) * 2,
    *_ranging(_TENSOR, _OTHERS, _AFFINE, _SYMMETRIC),
    Observer("default_observer"),
    Observer("default_histogram_observer"),
    *(Observer("default_fixed_qparams_range_0to1_observer"),) * 2,
    *(Observer("default_fixed_qparams_range_neg1to1_observer"),) * 2,
    Observer("default_affine_fixed_qparams_observer"),
    Observer("default_symmetric_fixed_qparams_observer"),
    observer("FixedQParamsObserver", scale=2**-7, zero_point=0),
    observer("FixedQParamsObserver", scale=2**-7, zero_point=0, dtype="torch.qint8", quant_min=-128, quant_max=127),
    *_placeholders(("torch.quint8", "torch.qint8", "torch.int8", "torch.float16"), None),
    observer("PlaceholderObserver", dtype="torch.quint8", quant_min=0, quant_max=127),
    *_placeholders(("torch.quint8", "torch.qint8", "torch.int8", "torch.float16"), True),
    Observer("default_dynamic_quant_observer"),
    *(observer("MovingAverageMinMaxObserver", averaging_constant=1, dtype=dtype, is_dynamic=True) for dtype in _BYTES),
    Observer("default_placeholder_observer"),
    Observer("default_debug_observer"),
    observer("RecordingObserver", dtype="torch.qint8"),
    Observer("NoopObserver"),
    observer("NoopObserver", dtype="torch.quint8"),
    Observer("default_reuse_input_observer"),
)
"""Observers for activations: static, dynamic and none; the usual ones several times.

None is per channel: one that is shared by values with different numbers of
channels cannot run, whoever placed it.
"""

WEIGHTS = (
    *(Observer("default_weight_observer"), Observer("default_per_channel_weight_observer")) * 6,
    *_ranging(_TENSOR, ("torch.qint8",), _SYMMETRIC, _AFFINE) * 3,
    *_ranging(_CHANNEL, ("torch.qint8",), _CHANNEL_SYMMETRIC, _CHANNEL_AFFINE) * 2,
    *_ranging(_TENSOR, ("torch.quint8", *_OTHERS[:3]), _SYMMETRIC, _AFFINE),
    *_ranging(_CHANNEL, ("torch.quint8", "torch.int8"), _CHANNEL_SYMMETRIC, _CHANNEL_AFFINE, _FLOAT_QPARAMS),
    *(observer(factory, dtype="torch.qint8", qscheme=_CHANNEL_SYMMETRIC, ch_axis=1) for factory in _CHANNEL),
    *(Observer("weight_observer_range_neg_127_to_127"),) * 3,
    *(Observer("per_channel_weight_observer_range_neg_127_to_127"),) * 3,
    *(Observer("default_float_qparams_observer"), Observer("default_float_qparams_observer_4bit")) * 2,
    *_placeholders(("torch.float16",) * 3, None),
    *(Observer("default_placeholder_observer"),) * 2,
    Observer("NoopObserver"),
)
"""Observers for weights, per tensor and per channel; the usual ones several times."""


def configured(plain: Observer, setting: Setting) -> Observer:
    """Return an observer with a setting, as far as it has a range that can be set."""
    limit, epsilon, reduces = setting
    arguments = dict(plain.arguments)
    dtype, scheme = arguments.get("dtype"), arguments.get("qscheme")
    if not isinstance(dtype, str) or not isinstance(scheme, str):
        return plain
    if limit is not None:
        arguments["quant_min"], arguments["quant_max"] = _RANGES[dtype][limit]
    if epsilon is not None:
        arguments["eps"] = epsilon
    if reduces and limit is None and scheme.endswith("affine"):
        # torch refuses to reduce the range of symmetric quint8.
        arguments["reduce_range"] = True
    return observer(plain.factory, **arguments)
