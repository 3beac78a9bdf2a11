"""Drawing whole cases."""

from __future__ import annotations

from hypothesis import event
from hypothesis import strategies as st

from .backends import backends
from .case import Case, Mapping, operand_values
from .features import features
from .graphs import Graph, descriptors, outputs, resolve_output
from .layout import block_tree, join, scopes
from .operators import OPERATORS
from .qconfigs import dtypes_of, mappings
from .source import member

MAX_CALLS = 30
"""The most operators that are drawn for one graph."""


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
    case = draw(_graphs(max_calls))
    chains = target_chains(case)
    mapping = draw(mappings(*selectable(case)))
    chosen = [entry.qconfig for entry in mapping.entries if entry.qconfig is not None]
    asked = [dtypes_of(qconfig) for qconfig in chosen or ["default_qconfig"]]
    backend = draw(backends(chains, asked))
    floats = [index for index, kind in enumerate(case.inputs) if kind in "tud"]
    quantized: tuple[int, ...] = ()
    if floats and not draw(st.integers(0, 7)):
        quantized = (draw(st.sampled_from(floats)),)
    case = Case(case.inputs, case.calls, case.output, mapping, backend, quantized)
    for feature in features(case):
        event(feature)
    return case


@st.composite
def _graphs(draw: st.DrawFn, max_calls: int) -> Case:
    """Draw a graph, as a case without configs."""
    graph = Graph()
    for descriptor in draw(st.lists(descriptors(), min_size=1, max_size=max_calls)):
        graph.add(descriptor)
    output = resolve_output(graph, draw(outputs()))
    return Case(tuple(graph.inputs), tuple(graph.calls), output, Mapping())


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
