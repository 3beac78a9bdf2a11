"""Drawing qconfigs and the mappings that select them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import torch
import torch.ao.quantization as tq
from hypothesis import strategies as st

from .case import Entry, Mapping, Observer, QConfig, QConfigChoice, Scalar
from .configs_source import DEFAULT_MAPPINGS

STATIC = (
    "default_qconfig",
    "default_per_channel_qconfig",
    "default_debug_qconfig",
    "default_quint8_weight_qconfig",
    "default_symmetric_qnnpack_qconfig",
    "default_per_channel_symmetric_qnnpack_qconfig",
    "float16_static_qconfig",
    "default_reuse_input_qconfig",
)
"""Qconfigs that torch exports for static quantization after training."""

DYNAMIC = ("default_dynamic_qconfig", "per_channel_dynamic_qconfig", "float16_dynamic_qconfig")
"""Those for dynamic quantization."""

WEIGHT_ONLY = ("float_qparams_weight_only_qconfig", "float_qparams_weight_only_qconfig_4bit")
"""Those for the quantization of weights alone."""

OBSERVERLESS = ("default_weight_only_qconfig", "default_activation_only_qconfig")
"""Those that leave activations or weights alone by constructing what observes nothing."""

_RANGES: dict[str, tuple[tuple[int, int] | None, ...]] = {
    "torch.quint8": (None, (0, 127), (0, 255)),
    "torch.qint8": (None, (-127, 127), (-64, 63)),
    "torch.uint8": (None, (0, 127)),
    "torch.int8": (None, (-127, 127)),
}

_EPSILONS = (None, 2**-12, 2**-20)


def _observer(factory: str, *arguments: tuple[str, Scalar] | None) -> Observer:
    """Return an observer with those arguments that are given."""
    return Observer(factory, tuple(pair for pair in arguments if pair is not None))


@st.composite
def activation_observers(draw: st.DrawFn) -> Observer:
    """Draw an observer for activations: range observers, fixed ones and placeholders."""
    factory = draw(
        st.sampled_from(
            (
                "MinMaxObserver",
                "HistogramObserver",
                "MovingAverageMinMaxObserver",
                "default_fixed_qparams_range_0to1_observer",
                "default_fixed_qparams_range_neg1to1_observer",
                "PlaceholderObserver",
                "RecordingObserver",
                "NoopObserver",
            )
        )
    )
    if factory == "PlaceholderObserver":
        dtype = draw(st.sampled_from(("torch.quint8", "torch.float16", "torch.float32")))
        dynamic = dtype != "torch.float32" and draw(st.booleans())
        return _observer(factory, ("dtype", dtype), ("is_dynamic", True) if dynamic else None)
    if not factory.endswith("MinMaxObserver") and factory != "HistogramObserver":
        return Observer(factory)
    return _range_observer(draw, factory, ("torch.per_tensor_affine", "torch.per_tensor_symmetric"))


def _range_observer(draw: st.DrawFn, factory: str, schemes: tuple[str, ...]) -> Observer:
    """Draw the arguments of an observer that records a range."""
    dtype = draw(st.sampled_from(tuple(_RANGES)))
    limits = draw(st.sampled_from(_RANGES[dtype]))
    epsilon = draw(st.sampled_from(_EPSILONS))
    scheme = draw(st.sampled_from(schemes))
    may_reduce = limits is None and scheme.endswith("affine")
    return _observer(
        factory,
        ("dtype", dtype),
        ("qscheme", scheme),
        None if limits is None else ("quant_min", limits[0]),
        None if limits is None else ("quant_max", limits[1]),
        None if epsilon is None else ("eps", epsilon),
        ("reduce_range", True) if may_reduce and draw(st.booleans()) else None,
    )


@st.composite
def weight_observers(draw: st.DrawFn) -> Observer:
    """Draw an observer for weights, per tensor or per channel."""
    factory = draw(
        st.sampled_from(
            (
                "default_weight_observer",
                "MinMaxObserver",
                "PerChannelMinMaxObserver",
                "MovingAveragePerChannelMinMaxObserver",
                "PlaceholderObserver",
            )
        )
    )
    if factory == "default_weight_observer":
        return Observer(factory)
    if factory == "PlaceholderObserver":
        dtype = draw(st.sampled_from(("torch.float32", "torch.float16")))
        return _observer(factory, ("dtype", dtype))
    family = "channel" if "PerChannel" in factory else "tensor"
    schemes = (f"torch.per_{family}_symmetric", f"torch.per_{family}_affine")
    return _range_observer(draw, factory, schemes)


def qconfigs() -> st.SearchStrategy[str | QConfig]:
    """Draw a qconfig: one that torch exports, or one of its own."""
    exported = STATIC[:3] * 3 + STATIC * 2 + DYNAMIC * 3 + WEIGHT_ONLY * 2 + OBSERVERLESS
    return st.one_of(
        st.sampled_from(exported),
        st.builds(QConfig, activation_observers(), weight_observers()),
    )


@functools.cache
def dtypes_of(qconfig: str | QConfig) -> tuple[str, str, bool]:
    """Return what a qconfig quantizes to: its activation's dtype, its weight's, and whether dynamic.

    What observes nothing leaves its values ``torch.float32``.
    """
    if isinstance(qconfig, str):
        exported = getattr(tq.qconfig, qconfig)
        makers = [exported.activation, exported.weight]
    else:
        makers = [_maker(part) for part in (qconfig.activation, qconfig.weight)]
    activation, weight = (make() for make in makers)
    names = [str(getattr(made, "dtype", torch.float32)) for made in (activation, weight)]
    return names[0], names[1], bool(getattr(activation, "is_dynamic", False))


def _maker(observer: Observer) -> Callable[[], object]:
    """Return the constructor that an observer of a case stands for."""
    factory = getattr(tq, observer.factory)
    arguments = {
        name: getattr(torch, value.removeprefix("torch.")) if isinstance(value, str) else value
        for name, value in observer.arguments
    }
    made: Callable[[], object] = factory.with_args(**arguments)
    return made


@st.composite
def mappings(draw: st.DrawFn, names: list[str], targets: list[str], blocks: list[str]) -> Mapping:
    """Draw a qconfig mapping whose selectors mean parts of one model.

    Parameters
    ----------
    draw
        Hypothesis's.
    names
        The dotted names of the model's modules and submodules.
    targets
        The targets that its graph calls.
    blocks
        The paths of its submodules, the root's "" first.
    """
    palette: list[QConfigChoice] = draw(st.lists(qconfigs(), min_size=1, max_size=3))
    base = draw(st.sampled_from((None, None, None, *DEFAULT_MAPPINGS)))
    choice = st.sampled_from([*palette, *palette, None])
    entries: list[Entry] = []
    if base is None or draw(st.booleans()):
        wanted = palette[0] if draw(st.integers(0, 7)) else None
        entries.append(Entry("global", wanted))
    selectors = st.sampled_from(("object_type", "name", "regex", "order"))
    for selector in draw(st.lists(selectors, max_size=4)):
        qconfig = draw(choice)
        if selector in ("object_type", "order"):
            target = draw(st.sampled_from([*targets, *(f"block:{path}" for path in blocks if path)]))
            scope = draw(st.sampled_from(blocks)) if selector == "order" else ""
            index = draw(st.integers(0, 2)) if selector == "order" else 0
            entries.append(Entry(selector, qconfig, name=scope, target=target, index=index))
        elif names:
            name = draw(st.sampled_from(names))
            entries.append(Entry(selector, qconfig, name=_pattern(draw, selector, name)))
    return Mapping(base, tuple(entries))


def _pattern(draw: st.DrawFn, selector: str, name: str) -> str:
    """Return a module name, or a regular expression that matches it."""
    if selector == "name":
        return name
    return draw(st.sampled_from((f"{re.escape(name)}$", f"{name[0]}.*", f".*{re.escape(name[-1])}")))
