"""Drawing backend configs: the shipped ones, and ones of their own.

As with mappings, what is drawn is resolved when the graph and the qconfigs are
known: a drawn pattern is one of the graph's chains of targets, and most of its
dtype configs fit one of the qconfigs, so that most drawn backends quantize
something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import TypeAlias

from hypothesis import strategies as st

from .case import Backend, Constraint, DTypes, Observer, Pattern, QConfig
from .configs_source import dtypes_of
from .forms import Form, is_rival, owned

SUITED: dict[str, str | QConfig] = {
    "qnnpack": "default_symmetric_qnnpack_qconfig",
    "tensorrt": QConfig(
        Observer("HistogramObserver", (("dtype", "torch.qint8"), ("qscheme", "torch.per_tensor_symmetric"))),
        Observer("default_weight_observer"),
    ),
}
"""A qconfig for each shipped backend config that supports next to nothing else."""

_POSITIONS = {
    "F.linear": (("weight", 1), ("bias", 2)),
    "F.conv1d": (("weight", 1), ("bias", 2)),
    "F.conv2d": (("weight", 1), ("bias", 2)),
    "F.conv3d": (("weight", 1), ("bias", 2)),
    "F.conv_transpose1d": (("weight", 1), ("bias", 2)),
    "F.conv_transpose2d": (("weight", 1), ("bias", 2)),
    "F.conv_transpose3d": (("weight", 1), ("bias", 2)),
    "F.layer_norm": (("weight", 2), ("bias", 3)),
    "F.group_norm": (("weight", 2), ("bias", 3)),
    "F.instance_norm": (("weight", 3), ("bias", 4)),
    "F.embedding": (("weight", 1),),
}
"""Where the functions of the operator table have their weight and their bias."""

_BINARY = ("torch.add", "operator.add", "torch.mul", "operator.mul", "torch.sub", "operator.sub")
"""The targets that take one tensor or two."""

_OWN, _SHARED, _NEVER = (
    "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT",
    "OUTPUT_SHARE_OBSERVER_WITH_INPUT",
    "INPUT_OUTPUT_NOT_OBSERVED",
)

_COUNTS = ((0, _OWN), (1, _SHARED), (2, _OWN))
"""What shipped configs say of binary operators: a number is added without a new observer."""

_FLOAT = Constraint("torch.float32")

_LIMITS = {"torch.quint8": (0, 255), "torch.uint8": (0, 255), "torch.qint8": (-128, 127), "torch.int8": (-128, 127)}


DrawnDTypes: TypeAlias = "tuple[tuple[str, int, str], tuple[str, str, str | None]]"
DrawnPattern: TypeAlias = "tuple[tuple[tuple[str, bool], tuple[int, bool], int], list[DrawnDTypes]]"
DrawnBackend: TypeAlias = "tuple[str | None, bool] | list[DrawnPattern]"
"""A shipped config and whether it gets a qconfig that suits it, or patterns."""

# How a dtype config comes to be: "fitting" the qconfig with that number in the palette, "open" to all dtypes,
# "static" or "dynamic" with a dtype, or for a "weight" alone.
_KINDS = (
    *((("fitting", 0, ""),) * 4),
    *((("fitting", 1, ""),) * 2),
    ("fitting", 2, ""),
    *((("open", 0, ""),) * 2),
    *(("static", 0, dtype) for dtype in ("torch.quint8", "torch.qint8", "torch.uint8", "torch.int8", "torch.float16")),
    *(("dynamic", 0, dtype) for dtype in ("torch.quint8", "torch.float16")),
    ("weight", 0, ""),
)

_ONE_SIDED = ("narrow input", "narrow output", "other input", "other output")
"""Constraints of the input, or of the output alone; its dtype may be none that the qconfig has."""

# The constraint of the input and the output, that of the weight, and the dtype of the bias.
_LIMITED = tuple(
    (given, weight, bias)
    for bias, weight, given in product(
        (None, None, "torch.float32", "torch.float16"),
        (*("free",) * 10, "any", "range", "narrow", "scale", "ceiling"),
        (*("free",) * 9, "range", "range", "narrow", "scale", "fixed", "floor", "ceiling", "zero", *_ONE_SIDED),
    )
)

_OBSERVED = (*((_OWN, False), (_OWN, True), (_SHARED, False)) * 2, (_NEVER, False))

# How a pattern is observed, how many targets it has and whether each of them is a pattern alone too, and which of the
# chains of that length it is.
# No length is that of a pattern which is no chain; one more that ends in the same operator may compete with it.
_LENGTHS = (*((1, False),) * 4, (2, False), (2, True), (3, False), *((3, True),) * 2, (0, False), (0, True))
_HEADS = tuple(product(_OBSERVED, _LENGTHS, range(16)))

_DTYPES = st.sampled_from(tuple(product(_KINDS, _LIMITED)))

# The smallest pattern is five choices with those that make up the lists: as many as Hypothesis can delete at a stroke.
_PATTERNS = st.tuples(st.sampled_from(_HEADS), st.lists(_DTYPES, min_size=1, max_size=3))

_USUAL = ((None, False), ("native", False), ("x86", False), ("fbgemm", False), ("onednn", False))
_OTHERS = (("executorch", False), *((name, suits) for name in SUITED for suits in (True, True, False)))

BACKENDS: st.SearchStrategy[DrawnBackend] = st.one_of(
    # The oneDNN config alone has patterns with two arms and roots that it names itself.
    st.sampled_from((*_USUAL[:3], *_USUAL)),
    st.sampled_from(_USUAL),
    st.sampled_from((*_USUAL, *_OTHERS)),
    st.lists(_PATTERNS, min_size=1, max_size=6),
)
"""Draws a shipped backend config, or patterns, before they are resolved."""


def shipped(drawn: DrawnBackend) -> str:
    """Return the shipped config that a drawn backend is, or whose patterns its graph may have.

    A backend of its own is made of the patterns of its graph, so any will do: the
    oneDNN config has most of them.
    """
    match drawn:
        case (str() as name, _):
            return name
        case (None, _):
            return "native"
    return "onednn"


def suited(drawn: DrawnBackend, palette: Sequence[str | QConfig]) -> list[str | QConfig]:
    """Return the palette, with a qconfig in front that suits the drawn backend if it wants one."""
    match drawn:
        case (str() as name, True):
            return [SUITED[name], *palette]
    return [*palette]


def resolve_backend(
    drawn: DrawnBackend,
    chains: Sequence[tuple[str, ...]],
    others: Sequence[Form],
    palette: Sequence[str | QConfig],
    swaps: bool = False,
) -> str | Backend | None:
    """Return the backend config for a graph.

    Parameters
    ----------
    drawn
        What `BACKENDS` drew.
    chains
        The targets of the graph, alone and in the pairs and triples in which they
        follow one another: what drawn patterns are made of.  A pattern with
        ``getattr`` has to name the attribute, and is none of these.
    others
        The patterns of the graph that are no chains.
    palette
        The qconfigs of the case.
    swaps
        Whether a backend of its own has classes for training.
    """
    if isinstance(drawn, tuple):
        return drawn[0]
    usable = [chain for chain in chains if "getattr" not in chain]
    found = [pattern for one in drawn for pattern in _patterns(one, usable, others, palette)] if usable else []
    found = [replace(pattern, swaps=swaps and pattern.nested is None) for pattern in found]
    return Backend(tuple({(pattern.targets, pattern.nested): pattern for pattern in found}.values()))


def _patterns(
    drawn: DrawnPattern, chains: Sequence[tuple[str, ...]], others: Sequence[Form], palette: Sequence[str | QConfig]
) -> list[Pattern]:
    """Return what a backend says of one chain of targets, and perhaps of each of them alone."""
    ((observation, by_count), (length, with_parts), which), configs = drawn
    dtypes = tuple(_dtypes(kind, limits, palette) for kind, limits in configs)
    if not length and others:
        form = others[which % len(others)]
        rivals = [other for other in others if is_rival(form, other)][:1] if with_parts else []
        observed = (observation, _OWN if observation == _SHARED else _SHARED)
        return [
            Pattern(owned(one.nested), kind, dtypes, nested=one.nested, root=one.roots[which % len(one.roots)])
            for one, kind in zip((form, *rivals), observed, strict=False)
        ]
    candidates = [chain for chain in chains if len(chain) == length] or chains
    whole = candidates[which % len(candidates)]
    found = []
    for targets in (whole, *((target,) for target in whole if with_parts)):
        counts = _COUNTS if by_count and targets[0] in _BINARY else ()
        positions = _POSITIONS.get(targets[0], ()) if len(targets) == 1 else ()
        found.append(Pattern(targets, observation, dtypes, counts, positions))
    return found


def _dtypes(
    kind: tuple[str, int, str], limits: tuple[str, str, str | None], palette: Sequence[str | QConfig]
) -> DTypes:
    """Return one dtype config."""
    (name, number, dtype), (given, weight, bias) = kind, limits
    dynamic, weights = name == "dynamic", "torch.qint8"
    match name:
        case "open":
            return DTypes()
        case "weight":
            return DTypes(_FLOAT, _FLOAT, _constraint(weights, weight), bias)
        case "fitting":
            dtype, weights, dynamic = dtypes_of(palette[number % len(palette)])
    source, result = (_constraint(dtype, _at(place, given)) for place in ("input", "output"))
    return DTypes(source, _FLOAT if dynamic else result, _constraint(weights, weight), bias, dynamic or None)


def _at(place: str, kind: str) -> str:
    """Return how a constraint limits the input, or the output."""
    if kind not in _ONE_SIDED:
        return kind
    limit, side = kind.split()
    return limit if side == place else "free"


def _constraint(dtype: str, kind: str) -> Constraint:
    """Return a dtype that is free, or limited in its range, its scale or its parameters."""
    if kind == "other":
        dtype = "torch.qint8" if dtype != "torch.qint8" else "torch.quint8"
    low, high = _LIMITS.get(dtype, (0, 0))
    if kind == "any":
        return Constraint()
    if kind in ("free", "other") or low == high:
        return Constraint(dtype)
    match kind:
        case "range":
            return Constraint(dtype, quant_min=low, quant_max=high)
        case "narrow":
            return Constraint(dtype, quant_min=low // 2, quant_max=high // 2)
        case "floor":
            return Constraint(dtype, quant_min=low // 2)
        case "ceiling":
            return Constraint(dtype, quant_max=high // 2)
        case "scale":
            return Constraint(dtype, scale_min=2**-12)
        case "zero":
            return Constraint(dtype, zero_point_exact=0)
    return Constraint(dtype, scale_exact=2**-7 if low else 2**-8, zero_point_exact=0)
