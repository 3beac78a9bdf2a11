"""Drawing mappings of equalization qconfigs.

They select as other mappings do; most are drawn to select everything, since few
operators can be equalized.
"""

from __future__ import annotations

from itertools import product
from typing import TypeAlias

from hypothesis import strategies as st

from .case import Mapping, Observer, QConfig
from .observers import observer
from .qconfigs import CHOICES, DrawnMapping, Selectable, resolve_mapping

_TENSOR = ("torch.per_tensor_symmetric", "torch.per_tensor_affine")
_CHANNEL = ("torch.per_channel_symmetric", "torch.per_channel_affine", "torch.per_channel_affine_float_qparams")
_BYTES = ("torch.quint8", "torch.qint8")

_INPUTS = tuple(observer("_InputEqualizationObserver", dtype=d, qscheme=s) for d, s in product(_BYTES, _TENSOR))
_WEIGHTS = tuple(
    observer("_WeightEqualizationObserver", dtype=dtype, qscheme=scheme, quant_min=low, quant_max=high)
    for low, high in ((None, None), (0, 100))
    for dtype, scheme in product(reversed(_BYTES), (*_CHANNEL, *_TENSOR))
)
_NOTHING = Observer("")

QCONFIGS: tuple[str | QConfig, ...] = (
    *("default_equalization_qconfig",) * 16,
    *(QConfig(activation, weight) for activation, weight in product(_INPUTS, _WEIGHTS)),
    *(QConfig(activation, _NOTHING) for activation in _INPUTS),
    *(QConfig(_NOTHING, weight) for weight in _WEIGHTS[:4]),
)
"""Equalization qconfigs: torch's default one, ones of their own, and some that leave the input or the weight alone."""

Drawn: TypeAlias = "tuple[tuple[str | QConfig, str | QConfig], DrawnMapping] | None"
"""Two equalization qconfigs and how they are selected; None for no equalization at all."""

_WHOLE: st.SearchStrategy[DrawnMapping] = st.just(((None, "on"), []))

_DRAWN = st.tuples(
    st.tuples(st.sampled_from(QCONFIGS), st.sampled_from(QCONFIGS)),
    st.one_of(_WHOLE, CHOICES),
)

EQUALIZATIONS: st.SearchStrategy[Drawn] = st.sampled_from((False,) * 3 + (True,)).flatmap(
    lambda wanted: _DRAWN if wanted else st.none()
)
"""Draws a mapping of equalization qconfigs before it is resolved; mostly none."""

EQUALIZABLE = frozenset(
    f"{place}{name}"
    for place, names in (("nn.", "Linear Conv1d Conv2d Conv3d"), ("F.", "linear conv1d conv2d conv3d"))
    for name in names.split()
)
"""The targets of operators that can be equalized."""


def resolve_equalization(drawn: Drawn, parts: Selectable) -> Mapping | None:
    """Return the mapping of equalization qconfigs for a graph; None where there is nothing that can be equalized."""
    if drawn is None or EQUALIZABLE.isdisjoint(parts.targets):
        return None
    palette, ((_, at_first), selections) = drawn
    return resolve_mapping(((None, at_first), selections), palette, parts)
