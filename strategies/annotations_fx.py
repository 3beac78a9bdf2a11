"""Drawing annotated models with qconfigs: a case as any other, and annotations on some of its nodes.

Most of the annotated nodes call something, as a quantizer's do; a few are inputs, parameters or
the output, of which nothing is observed.  What is annotated may have a qconfig, or none.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping as Mapped
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import event
from hypothesis import strategies as st
from torch.fx import Node

from .annotations import PALETTE, PLAIN, TRAINED, Kinds, faked, noted, plain_spec, usual
from .annotations_source import FX
from .arguments import build
from .backends import BACKENDS, resolve_backend, shipped, suited
from .case import Annotation, Case, Mapping, Observer
from .cases import parts, spared, target_chains
from .features import features
from .features_annotations import annotated_features
from .forms import forms
from .graphs import OUTPUTS, descriptors, resolve_graph, resolve_output
from .motifs import MOTIFS, resolve_motifs, suiting_motifs
from .operators import OPERATORS
from .qconfigs import CHOICES, PALETTES, resolve_mapping, resolve_palette
from .training import MANNERS, in_manner, trained

MAX_CALLS = 8
"""The most operators that are drawn for an annotated model."""

_OF_QCONFIGS = tuple(
    plain_spec(Observer(name), (dtype, least, most), "torch.per_tensor_affine")
    for dtype, least, most in (("torch.quint8", 0, 255), ("torch.qint8", -128, 127))
    for name in ("MinMaxObserver", "HistogramObserver")
)
"""Specs with the dtypes that qconfigs have, so that what an annotation asks for may be there already."""

_SPECS = (*_OF_QCONFIGS, *PLAIN)
_TRAINED_SPECS = (*(faked(spec, "FakeQuantize") for spec in _OF_QCONFIGS), *TRAINED)

_KINDS: Kinds = (
    *("plain",) * 36,
    *("nothing",) * 10,
    *("shared",) * 8,
    *("fixed",) * 4,
    *("derived",) * 2,
    *("none",) * 3,
    *("stray", "forward", "ahead", "itself"),
)
"""What a place asks for; most often something of its own, as what is shared needs two places that are observed."""

_CHOICE = st.tuples(st.sampled_from(_KINDS), st.sampled_from((0, 0, 0, 1, 1, 2, 3, 5)))
_REUSES = st.sampled_from((False,) * 40 + (True,) * 6 + (None,))
_NOTE = st.tuples(st.integers(0, 8 * MAX_CALLS), st.tuples(_CHOICE, _CHOICE, _CHOICE), _CHOICE, _REUSES)
_ALIKE = st.sampled_from((False, False, True))
"""Draws whether the readers of one value are annotated alike; else two that are seldom meet."""

_QUANTIZED = st.sampled_from(((),) * 15 + ((0,), (0, 1)))


@functools.cache
def _drawn(max_calls: int) -> st.SearchStrategy[list[Any]]:
    """Draw all that an annotated model is made of, as the one element of a list (see `spared`)."""
    graph = st.tuples(descriptors(max_calls), MOTIFS, OUTPUTS)
    notes = st.tuples(st.lists(_NOTE, min_size=1, max_size=max_calls), PALETTE, _ALIKE)
    return spared(st.tuples(graph, PALETTES, CHOICES, BACKENDS, st.tuples(MANNERS, _QUANTIZED), notes))


@st.composite
def annotated_models(draw: st.DrawFn, max_calls: int = MAX_CALLS) -> Case:
    """Draw one model with qconfigs and annotations.

    Parameters
    ----------
    draw
        Hypothesis's.
    max_calls
        The most operators to draw; those that an operand needs come on top.
    """
    graph, qconfigs, mapping, backend, (manner, quantized), (notes, picks, alike) = draw(_drawn(max_calls))[0]
    operators, motifs, output = graph[0], resolve_motifs(graph[1], shipped(backend)), graph[2]
    made = resolve_graph(usual(operators), motifs)
    case = Case(tuple(made.inputs), tuple(made.calls), resolve_output(made, output), Mapping(), profile=FX)
    palette = in_manner(manner, [*suiting_motifs(motifs), *suited(backend, resolve_palette(qconfigs))])
    nested = forms(case) if isinstance(backend, list) else ()
    case = replace(
        case,
        mapping=resolve_mapping(mapping, palette, parts(case)),
        backend=resolve_backend(backend, target_chains(case), nested, palette, manner.is_qat),
        quantized_inputs=tuple(index for index in quantized if index < len(case.inputs)),
    )
    case = trained(case, replace(manner, hooked=False), [OPERATORS[call.operator].target for call in case.calls])
    table = _TRAINED_SPECS if manner.observers == "fake" else _SPECS
    nodes = list(build(case).model.graph.nodes)
    chosen = _chosen(nodes, notes)
    if alike:
        chosen |= _alike(chosen)
    annotations = noted(nodes, chosen, [table[pick % len(table)] for pick in picks])
    case = replace(case, annotations=_with_reuse(annotations, {node.name: note[3] for node, note in chosen.items()}))
    for feature in [*features(case), *annotated_features(case)]:
        event(feature)
    return case


def _chosen(nodes: Sequence[Node], notes: Sequence[Any]) -> dict[Node, Any]:
    """Return the nodes that are annotated, most of them calls, with what their places ask for, and the rest."""
    calls = [node for node in nodes if node.op.startswith("call_")]
    able, chosen = [*calls * 4, *nodes], dict[Node, Any]()
    for pick, inputs, output, reuses in notes:
        chosen.setdefault(able[pick % len(able)], (inputs, output, True, reuses))
    return chosen


def _alike(chosen: Mapped[Node, Any]) -> dict[Node, Any]:
    """Return more nodes that are annotated: those that read what an annotated one reads first, as that one is."""
    found: dict[Node, Any] = {}
    for node, note in chosen.items():
        for value in node.all_input_nodes[:1]:
            others = [reader for reader in value.users if reader.op.startswith("call_") and reader not in chosen]
            found |= {reader: note for reader in others if reader not in found}
    return found


def _with_reuse(notes: Sequence[Annotation], reuses: dict[str, bool | None]) -> tuple[Annotation, ...]:
    """Return annotations that say whether their nodes' inputs have no observers of their own."""
    return tuple(replace(note, reuses=reuses[note.node]) for note in notes)
