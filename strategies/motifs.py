"""Motifs: the patterns of the backend configs that torch ships, as operators of the table.

A drawn motif is a number and where it stands; it becomes the operators of one
pattern of the case's backend config, wired as the pattern says.  A qconfig that
one of the pattern's dtype configs demands may come with it, so that the pattern
is often quantized.  New patterns of torch need no change here as long as their
operators are in the table.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import torch
import torch.ao.quantization as tq
import torch.ao.quantization.backend_config as tb
import torch.ao.quantization.backend_config.x86
from hypothesis import strategies as st
from torch import nn
from torch.ao.quantization.backend_config import BackendPatternConfig, DTypeConfig, DTypeWithConstraints
from torch.ao.quantization.utils import MatchAllNode
from torch.nn import functional as F

from .case import Observer, QConfig
from .configs_source import SHIPPED_BACKENDS
from .entries import Operator
from .forms import nested_chain
from .observers import observer
from .operators import OPERATORS

_NAMES = {"torch": torch, "tq": tq, "nn": nn, "F": F, "operator": operator, "getattr": getattr}


@dataclass(frozen=True)
class Step:
    """One operator of a motif; ``arms`` are, for each operand, the step that gives it, or None for any value."""

    operator: str
    arms: tuple[int | None, ...]


@dataclass(frozen=True)
class Motif:
    """A pattern of a shipped backend config.

    ``pattern`` is reversed and nested, as in ``(ReLU, (BatchNorm2d, Conv2d))``;
    ``forms`` are the ways to write it with operators of the table, none if it
    has one that no tensor has; ``qconfigs`` suit its dtype configs, in order.
    """

    pattern: Any
    forms: tuple[tuple[Step, ...], ...]
    qconfigs: tuple[QConfig, ...]


@functools.cache
def motifs(backend: str) -> tuple[Motif, ...]:
    """Return the motifs of a shipped backend config, all of its patterns in order."""
    made: Any = tb
    for name in SHIPPED_BACKENDS[backend].split("."):
        made = getattr(made, name)
    return tuple(_motif(config) for config in made().configs)


def pattern_of(config: BackendPatternConfig) -> Any:
    """Return the pattern of a config, reversed and nested, whichever way it is written there."""
    pattern = config.pattern
    if pattern is None:
        return config.to_dict()["pattern_complex_format"]
    if isinstance(pattern, tuple):
        return nested_chain(pattern)
    return pattern


def _motif(config: BackendPatternConfig) -> Motif:
    """Return the motif of one pattern of a backend config."""
    pattern = pattern_of(config)
    return Motif(pattern, tuple(_forms(pattern)), tuple(map(suiting, config.dtype_configs)))


@functools.cache
def _entries() -> dict[Any, list[Operator]]:
    """Return the operators of the table by what they call."""
    found: dict[Any, list[Operator]] = {}
    for entry in OPERATORS.values():
        root, _, method = entry.target.partition(".")
        if not root:
            found.setdefault(method, []).append(entry)
        elif root in _NAMES:  # functions and classes of the scripts' own are in no config of torch's
            found.setdefault(eval(entry.target, dict(_NAMES)), []).append(entry)
    return found


def _forms(pattern: Any) -> Iterator[tuple[Step, ...]]:
    """Yield the ways to write a pattern with operators of the table, the last operator last."""
    outer, *inner = pattern if isinstance(pattern, tuple) else (pattern,)
    for entry in _entries().get(outer, ()):
        if not inner:
            yield (Step(entry.name, (None,) * len(entry.takes)),)
        elif len(inner) == len(entry.takes):
            branches = [[()] if part is MatchAllNode else list(_forms(part)) for part in inner]
            yield from (_joined(entry, chosen) for chosen in product(*branches) if _fit(entry, chosen))


def _fit(entry: Operator, branches: Sequence[tuple[Step, ...]]) -> bool:
    """Whether what the branches give is what an operator takes."""
    given = [
        OPERATORS[branch[-1].operator].gives if branch else kind
        for branch, kind in zip(branches, entry.takes, strict=True)
    ]
    return tuple(given) == entry.takes


def _joined(entry: Operator, branches: Sequence[tuple[Step, ...]]) -> tuple[Step, ...]:
    """Return the steps of all branches, and an operator that reads their last ones."""
    steps: list[Step] = []
    arms: list[int | None] = []
    for branch in branches:
        first = len(steps)
        moved = (tuple(None if arm is None else arm + first for arm in step.arms) for step in branch)
        steps += [Step(step.operator, shifted) for step, shifted in zip(branch, moved, strict=True)]
        arms.append(len(steps) - 1 if branch else None)
    return (*steps, Step(entry.name, tuple(arms)))


def suiting(dtypes: DTypeConfig) -> QConfig:
    """Return a qconfig that a dtype config of a backend agrees with."""
    return QConfig(
        _activation(dtypes.input_dtype_with_constraints, bool(dtypes.is_dynamic)),
        _weight(dtypes.weight_dtype_with_constraints),
    )


def _activation(wanted: DTypeWithConstraints, is_dynamic: bool) -> Observer:
    """Return an observer of activations that has a dtype and keeps its constraints."""
    if wanted.dtype in (None, torch.float32):
        return Observer("default_placeholder_observer" if wanted.dtype else "default_observer")
    if is_dynamic or wanted.dtype is torch.float16:
        return observer(
            "PlaceholderObserver",
            dtype=str(wanted.dtype),
            quant_min=wanted.quant_min_lower_bound,
            quant_max=wanted.quant_max_upper_bound,
            eps=wanted.scale_min_lower_bound,
            is_dynamic=is_dynamic or None,
        )
    if wanted.scale_exact_match is not None:
        return observer(
            "FixedQParamsObserver",
            scale=wanted.scale_exact_match,
            zero_point=wanted.zero_point_exact_match,
            dtype=str(wanted.dtype),
            quant_min=wanted.quant_min_lower_bound,
            quant_max=wanted.quant_max_upper_bound,
        )
    return _ranging(wanted, "torch.per_tensor_affine")


def _weight(wanted: DTypeWithConstraints) -> Observer:
    """Return an observer of weights that has a dtype and keeps its constraints."""
    match wanted.dtype:
        case None:
            return Observer("default_weight_observer")
        case torch.float32:
            return Observer("default_placeholder_observer")
        case torch.float16:
            return observer("PlaceholderObserver", dtype="torch.float16")
        case torch.quint8:
            return Observer("default_float_qparams_observer")
        case torch.quint4x2:
            return Observer("default_float_qparams_observer_4bit")
    return _ranging(wanted, "torch.per_tensor_symmetric")


def _ranging(wanted: DTypeWithConstraints, scheme: str) -> Observer:
    """Return an observer of a range of quantized values, with a smallest scale if one is demanded."""
    return observer(
        "MinMaxObserver",
        dtype=str(wanted.dtype),
        qscheme=scheme,
        quant_min=wanted.quant_min_lower_bound,
        quant_max=wanted.quant_max_upper_bound,
        eps=wanted.scale_min_lower_bound,
    )


@dataclass(frozen=True)
class Place:
    """Where a motif stands and what comes with it.

    It begins at the descriptor number ``before``; ``form`` says how it is
    written; ``suits`` which of its dtype configs the case has a qconfig for, if
    any; where it is ``open``, others may read what is inside; where it is ``fed``,
    operators compute what it reads.
    """

    before: int = 0
    form: int = 0
    suits: int | None = None
    open: bool = False
    fed: bool = False


DrawnMotif: TypeAlias = "tuple[int, Place]"
"""Which pattern, and where it stands."""

_PLACES = tuple(
    Place(before, form, suits, is_open, is_fed)
    for is_open, is_fed in ((False, False), (False, True), (False, True), (True, False))
    for suits in (None, None, 0, 0, 1, 2)
    for form in range(4)
    for before in (0, 1, 2, 5)
)

NUMBERS = range(512)
"""The numbers of motifs that are drawn: no shipped backend config has more to draw."""

MOTIFS: st.SearchStrategy[list[DrawnMotif]] = st.lists(
    st.tuples(st.sampled_from(NUMBERS), st.sampled_from(_PLACES)), max_size=3
)
"""Draws motifs, before it is known of which backend config they are."""


@dataclass(frozen=True)
class Placed:
    """A motif that is resolved: its operators, where they stand, and the qconfig that comes with it."""

    steps: tuple[Step, ...]
    place: Place
    qconfig: QConfig | None


@functools.cache
def drawable(backend: str) -> tuple[Motif, ...]:
    """Return what is drawn for a shipped backend config; what the native one does not have comes five times more."""
    known = tuple(motif for motif in motifs(backend) if motif.forms)
    common = {motif.pattern for motif in motifs("native")}
    return known + tuple(motif for motif in known if motif.pattern not in common) * 5


def resolve_motifs(drawn: Sequence[DrawnMotif], backend: str) -> list[Placed]:
    """Return the motifs of a case with one of the shipped backend configs."""
    known, found = drawable(backend), []
    for number, place in drawn:
        motif = known[number % len(known)]
        wanted = [] if place.suits is None else motif.qconfigs
        qconfig = wanted[(place.suits or 0) % len(wanted)] if wanted else None
        found.append(Placed(motif.forms[place.form % len(motif.forms)], place, qconfig))
    return found


def suiting_motifs(placed: Sequence[Placed]) -> list[QConfig]:
    """Return the qconfigs that come with motifs: at most one, as the first motif wants it."""
    return [motif.qconfig for motif in placed if motif.qconfig is not None][:1]
