"""Drawing whole cases."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from typing import Any

from hypothesis import event
from hypothesis import strategies as st

from .backends import BACKENDS, resolve_backend, shipped, suited
from .case import Case, Mapping, Tree, operand_values
from .declared import DECLARED, apart_from_own, is_plain, planned, resolve_declared, untrained
from .equalization import EQUALIZATIONS, resolve_equalization
from .features import features
from .forms import forms
from .graphs import OUTPUTS, descriptors, resolve_graph, resolve_output
from .layout import block_tree, join, scopes
from .motifs import MOTIFS, resolve_motifs, suiting_motifs
from .operators import FLOAT_KINDS, OPERATORS, SEVERAL
from .qconfigs import CHOICES, PALETTES, Selectable, resolve_mapping, resolve_palette
from .source import member
from .table_fused import PARTS, is_aware
from .training import MANNERS, in_manner, trained

MAX_CALLS = 30
"""The most operators that are drawn for one graph."""

_QUANTIZED = st.sampled_from(((),) * 15 + ((0,), (0,), (1,), (0, 1), (2, 0)))
"""Draws which float inputs are declared as quantized."""

_OTHERS_TOO = st.sampled_from((False,) * 7 + (True,))
"""Draws whether inputs that are no float tensors may be declared as quantized as well."""

_RETURNED = st.sampled_from(((),) * 33 + ((0,), (0,), (1,), (0, 1)))
"""Draws which outputs are declared as quantized."""

_PLACES = st.sampled_from(
    (
        *(("cpu", "never"),) * 32,
        *(("cpu", "several"),) * 8,
        *(("cpu", "always"),) * 5,
        *(("meta", "never"),) * 2,
        *(("mixed", "never"),) * 2,
    )
)
"""Draws the model's device, and when its nodes carry what they give: never, always, or if some give several values."""

_AS_DICTS = st.sampled_from((False,) * 15 + (True,))
"""Draws whether the configs are passed as dicts."""


def spared(whole: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Draw what another strategy draws, as the one element of a list.

    The list is there because Hypothesis makes six variants of each example by
    copying parts of it over one another, so that of 2,000 graphs some 300 would
    be its own and a quarter of the cases equal to another; it spares what is
    inside of a list of unique elements.
    """
    return st.lists(whole, min_size=1, max_size=1, unique_by=id)


@functools.cache
def _drawn(max_calls: int) -> st.SearchStrategy[list[Any]]:
    """Draw all that a case is made of, as the one element of a list (see `spared`).

    Strategies are made once and depend on nothing drawn: to make and check one
    costs more than to draw from it.  The graph is drawn last, and its operators
    at the end, as Hypothesis makes smaller what was drawn last: a failure that
    has few operators soon is prepared sooner in all attempts that follow.
    """
    flags = st.tuples(_QUANTIZED, _OTHERS_TOO, _RETURNED, _AS_DICTS, _PLACES, MANNERS)
    graph = st.tuples(OUTPUTS, MOTIFS, descriptors(max_calls))
    whole = st.tuples(PALETTES, CHOICES, BACKENDS, flags, EQUALIZATIONS, DECLARED, graph)
    return spared(whole)


@st.composite
def cases(draw: st.DrawFn, max_calls: int = MAX_CALLS) -> Case:
    """Draw one case: a graph, its qconfigs, a backend config, and the flags.

    Every drawn model runs forward on its example inputs.  The features of the
    case (see `features`) are counted as Hypothesis events.

    Parameters
    ----------
    draw
        Hypothesis's.
    max_calls
        The most operators to draw; those that an operand needs come on top.
    """
    qconfigs, mapping, backend, flags, equalization, declared, (output, drawn, operators) = draw(_drawn(max_calls))[0]
    quantized, others_too, returned, as_dicts, place, drawn_manner = flags
    manner = untrained(declared, drawn_manner)
    motifs = resolve_motifs(drawn, shipped(backend))
    graph = resolve_graph(planned(operators, declared), motifs)
    case = Case(tuple(graph.inputs), tuple(graph.calls), resolve_output(graph, output), Mapping())
    # What is inside of a module of its own kind is made with values, on the CPU.
    device, carrying = place if is_plain(declared) and can_carry_values(case) else ("cpu", "never")
    several = any(OPERATORS[call.operator].gives in SEVERAL for call in case.calls)
    palette = in_manner(manner, [*suiting_motifs(motifs), *suited(backend, resolve_palette(qconfigs))])
    inputs = [index for index, kind in enumerate(case.inputs) if others_too or kind in FLOAT_KINDS]
    chains = apart_from_own(declared, target_chains(case))
    nested = forms(case) if isinstance(backend, list) and is_plain(declared) else ()
    case = dataclasses.replace(
        case,
        mapping=resolve_mapping(mapping, palette, parts(case)),
        equalization=resolve_equalization(equalization, parts(case)),
        backend=resolve_backend(backend, chains, nested, palette, manner.is_qat),
        quantized_inputs=tuple(dict.fromkeys(inputs[index % len(inputs)] for index in quantized)) if inputs else (),
        quantized_outputs=tuple(index for index in returned if index < _width(case.output)),
        as_dicts=as_dicts,
        has_values=carrying == "always" or (carrying == "several" and several),
        device=device,
    )
    case = trained(case, manner, [OPERATORS[call.operator].target for call in case.calls])
    case = resolve_declared(declared, case, palette)
    for feature in features(case):
        event(feature)
    return case


def can_carry_values(case: Case) -> bool:
    """Whether the nodes of a case can carry what they give: a fake quantizer fails on a fake tensor."""
    return not case.declared and not any(is_aware(OPERATORS[call.operator].target) for call in case.calls)


def _width(output: Tree) -> int:
    """Return how many outputs a structure is: its parts, if it is a list or a tuple."""
    match output:
        case ("list" | "tuple", *several):
            return len(several)
    return 1


def parts(case: Case) -> Selectable:
    """Return what a mapping can select in the graph of a case."""
    places, seen = scopes(case), Counter[tuple[str, str]]()
    occurrences = []
    for place, call in zip(places, case.calls, strict=True):
        target = OPERATORS[call.operator].target
        occurrences.append((place, target, seen[place, target]))
        seen[place, target] += 1
    names, targets, blocks = selectable(case)
    fused = [PARTS[target] for target in targets if target in PARTS]
    return Selectable(names, targets, blocks[1:], occurrences, fused)


def selectable(case: Case) -> tuple[list[str], list[str], list[str]]:
    """Return what a mapping can select: module names, targets, submodule paths."""
    places = scopes(case)
    blocks = ["", *dict.fromkeys(path for path in places if path)]
    owned = [
        join(places[number], member(case, number))
        for number, call in enumerate(case.calls)
        if OPERATORS[call.operator].module and call.shares is None
    ]
    targets = list(dict.fromkeys(OPERATORS[call.operator].target for call in case.calls))
    inner = [block.path for block in block_tree(case).blocks()]
    return list(dict.fromkeys([*owned, *blocks[1:], *inner])), targets, blocks


def target_chains(case: Case) -> list[tuple[str, ...]]:
    """Return the targets of the graph, alone and as they follow one another, up to three."""
    chains: dict[tuple[str, ...], None] = {}
    ending: list[list[tuple[str, ...]]] = []
    for call in case.calls:
        target = OPERATORS[call.operator].target
        here: list[tuple[str, ...]] = [(target,)]
        first = next((v for operand in call.operands for v in operand_values(operand)), -1)
        if first >= 0:
            here += [(*chain, target) for chain in ending[first] if len(chain) < 3]
        ending.append(here)
        chains |= dict.fromkeys(here)
    return list(chains)
