"""Drawing annotated graphs: who has an annotation, and what it asks for.

The graph is drawn and built first, so that its nodes have names.  An annotation
is drawn as a few small choices: which node, what each input and the output ask
for.  They are resolved among the nodes and the places that there are, so every
list of choices is a set of annotations, and leaving some out shrinks it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping as Mapped
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeAlias

import torch
from hypothesis import event
from hypothesis import strategies as st
from torch.fx import Node

from . import executorch
from .annotations_source import PT2E
from .arguments import build
from .case import Annotation, Case, Key, Mapping, Observer, QSpec
from .cases import spared
from .features_annotations import annotated_features
from .graphs import OUTPUTS, DrawnGraph, Manner, descriptors, resolve_graph, resolve_output
from .observers import observer
from .operators import OPERATORS, PLAIN_OPERATORS
from .quantizers import SHIPPED
from .table_fused import is_aware

MAX_CALLS = 10
"""The most operators that are drawn for an annotated graph: what matters is who shares with whom."""

Choice: TypeAlias = "tuple[str, int]"
"""What a place asks for: a kind of spec, or nothing, and a number that says which."""

Kinds: TypeAlias = "tuple[str, ...]"
"""Kinds of specs among which one is drawn."""

_TENSOR = ("MinMaxObserver", "HistogramObserver", "MovingAverageMinMaxObserver")
_CHANNEL = ("PerChannelMinMaxObserver", "MovingAveragePerChannelMinMaxObserver")
_RANGES = (
    ("torch.uint8", 0, 255),
    ("torch.int8", -128, 127),
    ("torch.int8", -127, 127),
    ("torch.int16", -(2**15), 2**15 - 1),
)
_AFFINE, _SYMMETRIC = "torch.per_tensor_affine", "torch.per_tensor_symmetric"
_BY_CHANNEL = "torch.per_channel_symmetric"


def plain_spec(constructor: Observer, limits: tuple[str, int, int], scheme: str, axis: int | None = None) -> QSpec:
    """Return a plain spec with a range."""
    dtype, least, most = limits
    return QSpec("plain", constructor, dtype, least, most, scheme, axis)


PLAIN = (
    *(
        plain_spec(Observer(name), limits, scheme)
        for limits, scheme, name in product(_RANGES, (_AFFINE, _SYMMETRIC), _TENSOR)
    ),
    *(plain_spec(observer("MinMaxObserver", eps=2**-12), limits, _AFFINE) for limits in _RANGES[:2]),
    *(plain_spec(Observer("MinMaxObserver"), _RANGES[0], _AFFINE, axis) for axis in (0, 1)),
    *(plain_spec(Observer(name), _RANGES[2], _BY_CHANNEL, axis) for name, axis in product(_CHANNEL, (0, 1))),
    QSpec("plain", observer("MinMaxObserver", qscheme=_AFFINE), "torch.uint8"),
    QSpec("plain", Observer("HistogramObserver"), "torch.int8", qscheme=_SYMMETRIC),
    QSpec("plain", Observer("PlaceholderObserver"), "torch.float16"),
    QSpec("plain", Observer("PlaceholderObserver"), "torch.int8", -128, 127, _SYMMETRIC, is_dynamic=True),
    replace(
        plain_spec(observer("MovingAverageMinMaxObserver", averaging_constant=1), _RANGES[1], _SYMMETRIC),
        is_dynamic=True,
    ),
)
"""Plain specs for quantization after training; the usual ones first."""


_TWIN_DTYPES = {"torch.int16": "torch.int32", "torch.int8": "torch.int16", "torch.uint8": "torch.quint8"}
_TWIN_SCHEMES = {_AFFINE: _SYMMETRIC, _SYMMETRIC: _AFFINE}


def faked(spec: QSpec, factory: str) -> QSpec:
    """Return a spec whose observer is inside of a fake quantizer."""
    assert spec.observer is not None
    return replace(spec, observer=Observer(factory, (("observer", spec.observer),)))


def _is_moving(spec: QSpec) -> bool:
    """Whether a spec's observer is one that a fused fake quantizer takes."""
    return spec.observer is not None and spec.observer.factory.startswith("MovingAverage")


TRAINED = (
    *(
        faked(spec, "FakeQuantize")
        for spec in PLAIN
        if spec.observer and spec.observer.factory != "PlaceholderObserver"
    ),
    *(faked(spec, "FusedMovingAvgObsFakeQuantize") for spec in PLAIN if _is_moving(spec)),
)
"""The same for training: fake quantizers."""

_FIXED = (
    QSpec("fixed", dtype="torch.uint8", quant_min=0, quant_max=255, qscheme=_AFFINE, scale=2**-8, zero_point=0),
    QSpec("fixed", dtype="torch.uint8", quant_min=0, quant_max=255, qscheme=_AFFINE, scale=2**-7, zero_point=128),
    QSpec("fixed", dtype="torch.int8", quant_min=-128, quant_max=127, qscheme=_SYMMETRIC, scale=2**-7, zero_point=0),
)
"""Specs with fixed parameters."""

_DERIVED = (
    QSpec("derived", dtype="torch.int32", quant_min=-(2**31), quant_max=2**31 - 1, qscheme=_SYMMETRIC),
    QSpec("derived", dtype="torch.int32", quant_min=-(2**31), quant_max=2**31 - 1, qscheme=_BY_CHANNEL, ch_axis=0),
)
"""Specs that are derived from others."""

_KINDS = (
    *("plain",) * 20,
    *("shared",) * 14,
    *("sibling",) * 10,
    *("nothing",) * 6,
    *("fixed",) * 4,
    *("derived",) * 3,
    *("none",) * 2,
)
# A sibling shares with another place of the same tensor.
_RARE = ("forward", "forward", "ahead", "stray", "itself")
"""What can be refused: to share with, or to derive from, what comes later; to share with nothing, or with itself."""

_CHOICE = st.tuples(st.sampled_from(_KINDS * 3 + _RARE), st.sampled_from((0, 0, 0, 1, 1, 2, 3, 5)))
_NOTE = st.tuples(
    st.integers(0, 2 * MAX_CALLS),
    st.tuples(_CHOICE, _CHOICE, _CHOICE),
    _CHOICE,
    st.sampled_from((True,) * 6 + (False,)),
)
PALETTE = st.lists(st.integers(0, len(PLAIN) - 1), min_size=1, max_size=3)
_SETTINGS = (
    *("dtype", "is_dynamic", "quant_min", "quant_max", "qscheme", "ch_axis", "scale", "zero_point"),
    *("range", "scheme"),
    *("derived_from",) * 4,  # it takes two places of one tensor that are both derived
)
_TWINS = st.sampled_from(("",) * 10 + _SETTINGS)
"""Draws in which setting alone two specs differ, if two do: places of one tensor share where all of them are equal."""

_SPELLED = st.sampled_from((0,) * 27 + (1, 2, 3))
"""Draws which operator, counted from one, is spelled with keywords and annotated, which is refused; 0 for none."""

_EXPORTING = st.sampled_from(("",) * 38 + ("evaluated", "trained"))
"""Draws whether the graph is an exported one, in which mode: to export one takes as long as twenty that are traced."""

_MAKERS = (*SHIPPED, *executorch.drawn())
_QUANTIZERS = st.sampled_from(("",) * 30 * len(_MAKERS) + _MAKERS)
"""Draws which shipped quantizer annotates the graph, if one does."""

_WRITING = tuple(name for name in OPERATORS if name not in PLAIN_OPERATORS)
"""Operators that read or write to buffers, as exported graphs do."""

_PLAINEST = ("linear", (0, 0, 0, 0), Manner())
_IS_QAT = st.sampled_from((False, False, True))
_DEVICES = st.sampled_from(("cpu",) * 45 + ("meta",) * 3 + ("mixed",) * 2)
"""Draws the model's device."""

_MANNERS = st.sampled_from(("",) * 12 + ("all opt out",) * 2 + ("backwards",) * 2)
"""Draws whether no annotation allows implicit sharing (of those that opt out one by one, two seldom meet), or whether
annotations name the inputs in another order than they are read.
"""


@functools.cache
def _drawn(max_calls: int) -> st.SearchStrategy[list[Any]]:
    """Draw all that an annotated case is made of, as the one element of a list (see `spared`)."""
    graph = st.tuples(OUTPUTS, descriptors(max_calls, others=tuple(OPERATORS) + _WRITING * 8))
    notes = st.lists(_NOTE, min_size=1, max_size=max_calls)
    specs = st.tuples(PALETTE, _TWINS)
    whole = st.tuples(specs, _SPELLED, _DEVICES, _IS_QAT, _EXPORTING, _MANNERS, _QUANTIZERS, notes, graph)
    return spared(whole)


@st.composite
def annotated_cases(draw: st.DrawFn, max_calls: int = MAX_CALLS) -> Case:
    """Draw one annotated case: a graph, and annotations of some of its nodes.

    Parameters
    ----------
    draw
        Hypothesis's.
    max_calls
        The most operators to draw; those that an operand needs come on top.
    """
    specs, spelled, device, is_qat, exporting, manner, maker, notes, graph_drawn = draw(_drawn(max_calls))[0]
    (picks, twin), (output, operators) = specs, graph_drawn
    graph = resolve_graph(_with_keywords(usual(operators), spelled))
    case = Case(tuple(graph.inputs), tuple(graph.calls), resolve_output(graph, output), Mapping(), profile=PT2E)
    case = replace(case, is_qat=is_qat, training=exporting == "trained", has_values=True)
    if device != "cpu" and is_buildable(replace(case, device=device)):
        case = replace(case, device=device)
    if exporting or maker:
        case = _exported(case)
    if maker and case.exported and is_buildable(replace(case, quantizer=maker)):
        event("shipped quantizer")
        return replace(case, quantizer=maker)
    nodes = list(build(case).model.graph.nodes)
    table = TRAINED if is_qat else PLAIN
    palette = with_twins([table[pick % len(table)] for pick in picks], twin, table)
    annotations = resolve(nodes, notes, palette, bool(spelled))
    if manner == "all opt out":
        annotations = tuple(replace(note, allows_sharing=False) for note in annotations)
    if manner == "backwards":
        annotations = tuple(replace(note, inputs=note.inputs[::-1]) for note in annotations)
    case = replace(case, annotations=annotations)
    for feature in annotated_features(case):
        event(feature)
    return case


def with_twins(palette: Sequence[QSpec], setting: str, table: Sequence[QSpec]) -> list[QSpec]:
    """Return a palette that begins with two specs which differ in one setting alone; as it is, if none is named.

    What a spec is derived from is found where it stands, so that one of them is enough.
    """
    if setting == "derived_from":
        return [_DERIVED[0], palette[0]]
    pairs = ((spec, twin) for spec in (palette[0], *table, *_FIXED) if (twin := _twin(spec, setting)) is not None)
    return [*next(pairs, palette[:1]), *palette[1:]]


def _twin(spec: QSpec, setting: str) -> QSpec | None:
    """Return a spec that differs in one setting, if that can be."""
    match setting:
        case "dtype" if spec.dtype in _TWIN_DTYPES:
            return replace(spec, dtype=_TWIN_DTYPES[spec.dtype])
        case "is_dynamic" if spec.is_dynamic:
            return replace(spec, is_dynamic=False)
        case "quant_min" if spec.quant_min is not None and spec.quant_min < 0:
            return replace(spec, quant_min=spec.quant_min + 1)
        case "quant_max" if spec.quant_max is not None:
            return replace(spec, quant_max=spec.quant_max - 1)
        case "range" if spec.kind == "plain" and spec.quant_min is not None:
            return replace(spec, quant_min=None, quant_max=None)
        case "scheme" if spec.kind == "plain" and spec.qscheme is not None:
            return replace(spec, qscheme=None)
        case "qscheme" if spec.qscheme in _TWIN_SCHEMES:
            return replace(spec, qscheme=_TWIN_SCHEMES[spec.qscheme])
        case "ch_axis" if spec.ch_axis is not None:
            return replace(spec, ch_axis=1 - spec.ch_axis)
        case "scale" if spec.scale is not None:
            return replace(spec, scale=spec.scale / 2)
        case "zero_point" if spec.zero_point is not None:
            return replace(spec, zero_point=spec.zero_point + 1)
    return None


def usual(operators: DrawnGraph) -> DrawnGraph:
    """Return those of some drawn operators that are none of training's own; a linear layer if there are none."""
    return [drawn for drawn in operators if not is_aware(OPERATORS[drawn[0]].target)] or [_PLAINEST]


def _with_keywords(operators: DrawnGraph, number: int) -> DrawnGraph:
    """Return some drawn operators, one of them spelled with keywords where it can be: the first is number one."""
    picked = (number - 1) % len(operators) if number else -1
    return [
        (name, picks, replace(manner, keyword=True) if index == picked else manner)
        for index, (name, picks, manner) in enumerate(operators)
    ]


def _exported(case: Case) -> Case:
    """Return a case with an exported graph in place of the traced one, if its model can be exported."""
    exported = replace(case, exported=True, has_values=False)
    return exported if is_buildable(exported) else replace(case, training=False)


@functools.lru_cache(maxsize=4096)
def is_buildable(case: Case) -> bool:
    """Whether a case can be built: export refuses what it cannot trace, and a quantizer what it likes."""
    try:
        build(case)
    except Exception:  # with errors of many kinds
        return False
    return True


def resolve(
    nodes: Sequence[Node], drawn: Sequence[Any], palette: Sequence[QSpec], with_keywords: bool
) -> tuple[Annotation, ...]:
    """Return the annotations that some choices describe, in the order of the graph.

    Parameters
    ----------
    nodes
        The nodes of the graph.
    drawn
        For each annotation: which node, what its inputs and its output ask for, whether it allows implicit sharing.
    palette
        The plain specs that are used.
    with_keywords
        Whether nodes that read a value by keyword may be annotated too; then the first is one, if there are any.
    """
    spelled = [node for node in nodes if _reads_by_keyword(node)]
    able = [node for node in nodes if with_keywords or node not in spelled]
    first = spelled if with_keywords else []
    chosen: dict[Node, Any] = {}
    for pick, inputs, output, allows in drawn:
        among, first = first or able, []
        if among:
            chosen.setdefault(among[pick % len(among)], (inputs, output, allows))
    return noted(nodes, chosen, palette)


def noted(nodes: Sequence[Node], chosen: Mapped[Node, Any], palette: Sequence[QSpec]) -> tuple[Annotation, ...]:
    """Return the annotations of some nodes, in the order of the graph.

    Parameters
    ----------
    nodes
        The nodes of the graph.
    chosen
        For each of those that are annotated, what its inputs and its output ask for, whether it allows
        implicit sharing, and more.
    palette
        The plain specs that are used.
    """
    places: dict[Key, Choice] = {}
    for node in nodes:
        if node in chosen:
            inputs, output, *_ = chosen[node]
            for number, value in enumerate(node.all_input_nodes):
                places[value.name, node.name] = inputs[number % len(inputs)]
            if node.op != "output":
                places[node.name,] = output
    asking = [key for key, (kind, _) in places.items() if kind not in ("nothing", "none")]
    silent: list[Key] = [(node.name,) for node in nodes if (node.name,) not in asking]
    silent += [key for key, (kind, _) in places.items() if kind == "none" and len(key) > 1]
    specs = {key: _resolved(key, choice, asking, silent, palette) for key, choice in places.items()}
    return tuple(_annotation(node, places, specs, chosen[node][2]) for node in nodes if node in chosen)


def _annotation(node: Node, places: dict[Key, Choice], specs: dict[Key, QSpec | None], allows: bool) -> Annotation:
    """Return the annotation of a node; a place that asks for nothing is left out, but for one that says so."""
    edges = [(value.name, node.name) for value in node.all_input_nodes]
    inputs = tuple((edge[0], specs[edge]) for edge in edges if places[edge][0] != "nothing")
    return Annotation(node.name, inputs, specs.get((node.name,)), allows)


def _reads_by_keyword(node: Node) -> bool:
    """Whether a node reads a value by keyword."""
    found: list[Node] = []
    torch.fx.map_arg(node.kwargs, found.append)
    return bool(found)


def _resolved(
    key: Key, choice: Choice, asking: Sequence[Key], silent: Sequence[Key], palette: Sequence[QSpec]
) -> QSpec | None:
    """Return the spec of a place; what would share with, or derive from, an earlier place is plain where none is."""
    kind, number = choice
    if kind in ("nothing", "none"):
        return None
    position = asking.index(key)
    earlier = asking[:position]
    if kind in ("shared", "sibling") and earlier:
        able = [place for place in earlier if place[0] == key[0]] if kind == "sibling" else []
        able = able or list(earlier)
        return QSpec("shared", keys=(able[-1 - number % len(able)],))
    if kind == "forward":
        return QSpec("shared", keys=(asking[(position + 1 + number) % len(asking)],))
    if kind == "ahead":
        later = asking[(position + 1 + number) % len(asking)]
        return replace(_DERIVED[number % len(_DERIVED)], keys=(later,))
    if kind == "itself":
        return QSpec("shared", keys=(key,))
    if kind == "stray":
        others = silent or [key]
        return QSpec("shared", keys=(others[-1 - number % len(others)],))
    if kind == "fixed":
        return _FIXED[number % len(_FIXED)]
    spec = _DERIVED[number % len(_DERIVED)] if kind == "derived" else palette[number % len(palette)]
    if spec.kind == "derived" and earlier:
        keys = tuple(earlier[-1 - (number + more) % position] for more in range(1 + number % 2))
        return replace(spec, keys=keys)
    plain = [spec for spec in palette if spec.kind != "derived"]
    return plain[number % len(plain)]
