"""Drawing qconfigs and the mappings that select them.

What is drawn is not yet a mapping: a selection says "the third module" or "the
second of these qconfigs", and is resolved when the graph is known.  So a
mapping stays what it is while its graph shrinks, and drawing one is fast.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from hypothesis import strategies as st

from .case import Entry, Mapping, Observer, QConfig, QConfigChoice
from .configs_source import DEFAULT_MAPPINGS
from .observers import ACTIVATIONS, SETTINGS, WEIGHTS, Setting, configured

STATIC = (
    "default_qconfig",
    "default_per_channel_qconfig",
    "default_debug_qconfig",
    "default_quint8_weight_qconfig",
    "default_symmetric_qnnpack_qconfig",
    "default_per_channel_symmetric_qnnpack_qconfig",
    "float16_static_qconfig",
    "default_reuse_input_qconfig",
    *DEFAULT_MAPPINGS,
)
"""Qconfigs that torch exports for static quantization after training, a backend's default included."""

DYNAMIC = ("default_dynamic_qconfig", "per_channel_dynamic_qconfig", "float16_dynamic_qconfig")
"""Those for dynamic quantization."""

WEIGHT_ONLY = ("float_qparams_weight_only_qconfig", "float_qparams_weight_only_qconfig_4bit")
"""Those for the quantization of weights alone."""

OBSERVERLESS = ("default_weight_only_qconfig", "default_activation_only_qconfig")
"""Those that leave activations or weights alone by constructing what observes nothing."""


DrawnQConfig: TypeAlias = "tuple[Observer, Observer, tuple[Setting, Setting]]"
"""An observer for activations and one for weights, and the settings of both."""

DrawnSelection: TypeAlias = "tuple[tuple[tuple[str, str], int | None], int]"
"""A selector and its form, which qconfig, if any, and which of the things that it can select."""

DrawnMapping: TypeAlias = "tuple[tuple[str | None, str], list[DrawnSelection]]"
"""How a mapping begins, and its selections."""

_USUAL = ("default_qconfig", "default_per_channel_qconfig", "x86", "fbgemm", "default_debug_qconfig")
_BOTH = tuple(product(SETTINGS, SETTINGS))
_EXPORTED = (*STATIC * 4, *DYNAMIC * 12, *WEIGHT_ONLY * 12, *OBSERVERLESS)

_QCONFIGS: st.SearchStrategy[str | DrawnQConfig] = st.one_of(
    st.sampled_from(_USUAL),
    st.sampled_from(_EXPORTED),
    st.tuples(st.sampled_from(ACTIVATIONS), st.sampled_from(WEIGHTS), st.sampled_from(_BOTH)),
)
"""Draws a qconfig: one that torch exports, or one of its own, which is two observers and their settings."""


_SELECTORS = (
    ("object_type", "operator"),
    ("object_type", "operator"),
    ("object_type", "submodule"),
    ("object_type", "parts"),
    ("object_type", "parts"),
    ("name", "whole"),
    ("name", "whole"),
    ("regex", "whole"),
    ("regex", "start"),
    ("regex", "end"),
    ("order", "this"),
    ("order", "this"),
    ("order", "next"),
)

_SELECTIONS = st.tuples(
    st.sampled_from(tuple(product(_SELECTORS, (0, 0, 1, 1, 2, None)))),
    st.integers(0, 63),
)

_BASES = (
    *((None, "on"),) * 9,
    *((name, "") for name in DEFAULT_MAPPINGS),
    ("x86", "on"),
    ("fbgemm", "off"),
    ("qnnpack", "on"),
    (None, "off"),
    (None, ""),
)
"""The default mapping to begin with, and whether there is a global qconfig: one, None, or no entry."""


PALETTES = st.lists(_QCONFIGS, min_size=1, max_size=3)
"""Draws the qconfigs of a case, before they are resolved."""

CHOICES = st.tuples(st.sampled_from(_BASES), st.lists(_SELECTIONS, max_size=4))
"""Draws a mapping, before it is resolved: how it begins, and its selections."""


def resolve_palette(drawn: list[str | DrawnQConfig]) -> list[str | QConfig]:
    """Return the qconfigs of a case."""
    return [one if isinstance(one, str) else _own(*one) for one in drawn]


def _own(activation: Observer, weight: Observer, settings: tuple[Setting, Setting]) -> QConfig:
    """Return a qconfig with observers of its own."""
    return QConfig(configured(activation, settings[0]), configured(weight, settings[1]))


@dataclass(frozen=True)
class Selectable:
    """What a mapping can select in a graph.

    ``names`` are the dotted names of modules and submodules, ``targets`` the
    targets that are called, ``blocks`` the paths of submodules, and
    ``occurrences`` says for each call which path it stands in, its target, and
    how many calls of that target came before it there.  ``parts`` are the
    targets of the parts of each fused module.
    """

    names: Sequence[str]
    targets: Sequence[str]
    blocks: Sequence[str]
    occurrences: Sequence[tuple[str, str, int]]
    parts: Sequence[tuple[str, ...]]


def resolve_mapping(drawn: DrawnMapping, palette: Sequence[str | QConfig], parts: Selectable) -> Mapping:
    """Return the mapping for a graph."""
    (base, at_first), selections = drawn
    entries = [Entry("global", palette[0] if at_first == "on" else None)] if at_first else []
    entries += [entry for one in selections for entry in _entries(one, palette, parts)]
    return Mapping(base, tuple(entries))


def _entries(drawn: DrawnSelection, palette: Sequence[str | QConfig], parts: Selectable) -> list[Entry]:
    """Return the lines of a mapping for one selection: one, or one for each part of a fused module."""
    ((selector, form), _), what = drawn
    entry = _entry(drawn, palette, parts)
    if form != "parts" or not parts.parts:
        return [entry]
    # Every other one forgets the last part, so that the parts disagree.
    chosen = parts.parts[what % len(parts.parts)]
    return [Entry(selector, entry.qconfig, target=target) for target in chosen[: -1 if what % 2 else None]]


def _entry(drawn: DrawnSelection, palette: Sequence[str | QConfig], parts: Selectable) -> Entry:
    """Return one line of a mapping; where there is no module to select, it selects a type."""
    ((selector, form), choice), what = drawn
    qconfig: QConfigChoice = None if choice is None else palette[choice % len(palette)]
    if selector == "order":
        place, target, index = parts.occurrences[what % len(parts.occurrences)]
        return Entry("order", qconfig, name=place, target=target, index=index + (form == "next"))
    if selector == "object_type" or not parts.names:
        targets = [f"block:{path}" for path in parts.blocks] if form == "submodule" else []
        targets = targets or [*parts.targets]
        return Entry("object_type", qconfig, target=targets[what % len(targets)])
    name = parts.names[what % len(parts.names)]
    if selector == "regex":
        name = {"whole": f"{re.escape(name)}$", "start": f"{name[0]}.*", "end": f".*{re.escape(name[-1])}"}[form]
    return Entry(selector, qconfig, name=name)
