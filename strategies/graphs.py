"""Drawing graphs: a list of small descriptors, made into calls that always fit.

A descriptor says which operator, and for each operand "how many values back".
The operand is resolved among the values so far of the kind that the operator
takes; where there is none, the graph gets an input of that kind, or an operator
that makes one.  So every list of descriptors is a valid graph, and leaving
descriptors out shrinks it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import strategies as st

from .case import Call, Operand, Tree
from .motifs import Placed, Step
from .operators import INPUT_SHAPES, OPERATORS, PLAIN_OPERATORS, TIEABLE

FRESH_INPUT = 7
"""The operand choice that asks for one more graph input, if there is room."""

_INPUTS_PER_KIND = 3

_MAKERS = {
    "n": "size",
    "z": "sizes",
    "m": "chunk",
    "r": "lstm",
    "s": "lstm_states",
    "w": "hidden_state",
    "g": "gru",
    "a": "attention",
    "c": "lstm_cell",
}
"""What makes a value of a kind that cannot be an input."""

_FEEDERS = {"t": "linear", "u": "conv2d", "v": "conv3d_deep"}
"""What computes a value of a kind from another one."""

_COMMON = (
    "linear",
    "relu",
    "conv2d",
    "batch_norm2d",
    "relu_wide",
    "F_relu_tt",
    "F_linear",
    "F_conv1d",
    "operator_add",
    "torch_add",
    "operator_add_number",
    "cat_narrow",
    "cat",
    "embedding",
    "stack",
    "view_method_tt",
    "reshape_method_tt",
    "sigmoid",
    "torch_flatten_ut",
    "torch_unsqueeze_tu",
    "max_pool1d",
    "size",
    "view_as_size",
    "torch_sin_tt",
    "transposed",
    "part",
    "masked_fill",
    "fold",
)
"""The operators that meet in patterns; drawn as often as all others together."""


@dataclass(frozen=True)
class Manner:
    """How a call is written, where it stands, and whether it uses an earlier call's module.

    With ``reuse`` it is that call's operator once more: ``share`` uses the same
    module or parameters, ``tie`` a module of its own with the same weight.
    """

    scope: str = ""
    keyword: bool = False
    as_tuple: bool = False
    reuse: str = ""


@dataclass(frozen=True)
class Descriptor:
    """One operator to be, before its operands are resolved."""

    operator: str
    picks: tuple[int, ...] = (0, 0, 0, 0)
    manner: Manner = Manner()


@dataclass
class Graph:
    """Calls under construction, and the values so far by kind."""

    inputs: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    values: dict[str, list[int]] = field(default_factory=dict)

    def add(self, descriptor: Descriptor) -> None:
        """Resolve a descriptor and append its call."""
        picks, manner = descriptor.picks, descriptor.manner
        earlier = self._reusable(manner.reuse, picks[0])
        entry = OPERATORS[descriptor.operator if earlier is None else self.calls[earlier].operator]
        operands = tuple(
            self._operand(kind, picks[index:] + picks[:index], manner.scope) for index, kind in enumerate(entry.takes)
        )
        self._append(_call(entry.name, operands, manner, earlier))

    def add_steps(
        self, steps: Sequence[Step], replaced: Sequence[Descriptor], is_open: bool, is_fed: bool = False
    ) -> None:
        """Append the operators of a motif, each in place of a descriptor, written as the first of these says.

        All that it reads from outside is chosen first, so that it does not read
        itself.  What is inside is at hand for others only if it is open; if it is
        fed, an operator computes what it reads last, such as the second arm.
        """
        manner = replaced[0].manner
        outside = [
            [
                self._operand(kind, one.picks[index:] + one.picks[:index], manner.scope) if arm is None else 0
                for index, (kind, arm) in enumerate(zip(OPERATORS[step.operator].takes, step.arms, strict=True))
            ]
            for step, one in zip(steps, replaced, strict=True)
        ]
        if is_fed:
            self._feed(steps, outside, manner)
        first = len(self.calls)
        for number, (step, read) in enumerate(zip(steps, outside, strict=True)):
            operands = tuple(value if arm is None else first + arm for value, arm in zip(read, step.arms, strict=True))
            self._append(_call(step.operator, operands, manner), is_open or number == len(steps) - 1)

    def _feed(self, steps: Sequence[Step], outside: Sequence[list[Operand]], manner: Manner) -> None:
        """Let an operator compute what a motif reads last from outside."""
        places = [
            (read, index, OPERATORS[step.operator].takes[index])
            for step, read in zip(steps, outside, strict=True)
            for index, arm in enumerate(step.arms)
            if arm is None
        ]
        read, index, kind = places[-1]
        if kind in _FEEDERS:
            self._append(_call(_FEEDERS[kind], (read[index],), manner))
            read[index] = len(self.calls) - 1

    def _append(self, call: Call, at_hand: bool = True) -> None:
        """Append a call, and let later ones read its value if it is to be at hand."""
        self.calls.append(call)
        if at_hand:
            self.values.setdefault(OPERATORS[call.operator].gives, []).append(len(self.calls) - 1)

    def _reusable(self, reuse: str, pick: int) -> int | None:
        """Return the call, `pick` back, whose module, parameters or weight can be used again."""
        found = [] if not reuse else [number for number, call in enumerate(self.calls) if _has(call, reuse)]
        return found[-1 - pick % len(found)] if found else None

    def _operand(self, kind: str, picks: tuple[int, ...], scope: str) -> Operand:
        """Resolve one operand; a list takes as many picks as its first one says."""
        if not kind.endswith("*"):
            return self._value(kind, picks[0], scope)
        length = 1 + picks[0] % 3
        return tuple(
            self._operand(kind[:-1], picks[1 + index :] + picks[: 1 + index], scope) for index in range(length)
        )

    def _value(self, kind: str, pick: int, scope: str) -> int:
        """Return the value that is `pick` back among those of the kind."""
        pool = self.values.setdefault(kind, [])
        room = self.inputs.count(kind) < _INPUTS_PER_KIND
        if kind in INPUT_SHAPES and (not pool or (pick == FRESH_INPUT and room)):
            self.inputs.append(kind)
            pool.insert(0, -len(self.inputs))
            return -len(self.inputs)
        if not pool:
            self.add(Descriptor(_MAKERS[kind], manner=Manner(scope)))
        return pool[-1 - pick % len(pool)]


def _call(operator: str, operands: tuple[Operand, ...], manner: Manner, earlier: int | None = None) -> Call:
    """Return a call that is written in some manner; `earlier` is the one whose module or weight it uses, if any."""
    return Call(
        operator,
        operands,
        "keyword" if manner.keyword and OPERATORS[operator].keyword else "positional",
        "tuple" if manner.as_tuple else "list",
        manner.scope,
        shares=earlier if manner.reuse == "share" else None,
        ties=earlier if manner.reuse == "tie" else None,
    )


def _has(call: Call, reuse: str) -> bool:
    """Whether a call has a module or parameters of its own to share, or a weight to tie to."""
    entry = OPERATORS[call.operator]
    if call.shares is not None:
        return False
    return entry.target in TIEABLE if reuse == "tie" else bool(entry.module or entry.parameters)


_NEAR = (0, 0, 0, 1, 0, 1, 2, 0, 3, FRESH_INPUT)

_PICKS = tuple((first, second, (first + second) % 3, first) for second in _NEAR for first in _NEAR)
"""Operand choices; those early in the table, which is where shrinking goes, are near."""

_MANNERS = tuple(
    Manner(scope, keyword, as_tuple, reuse)
    for reuse in ("",) * 14 + ("share", "tie")
    for keyword, as_tuple in (*((False, False),) * 9, (True, False), (False, True))
    for scope in ("", "", "", "", "", "a", "a.b", "b")
)
"""How a call is written and where it stands; the plain manner first."""

DrawnGraph: TypeAlias = "list[tuple[str, tuple[int, ...], Manner]]"
"""The fields of some descriptors."""


@functools.cache
def descriptors(
    max_calls: int, common: tuple[str, ...] = _COMMON, others: tuple[str, ...] = PLAIN_OPERATORS
) -> st.SearchStrategy[DrawnGraph]:
    """Draw the operators of a graph; those that make an operand come on top.

    Parameters
    ----------
    max_calls
        The most operators to draw.
    common
        The operators that are drawn as often as all others together.
    others
        All others.
    """
    names = common * (1 + len(others) // len(common)) + others
    # Three choices from tables are fast, and shrink well.
    one = st.tuples(st.sampled_from(names), st.sampled_from(_PICKS), st.sampled_from(_MANNERS))
    return st.lists(one, min_size=1, max_size=max_calls)


def resolve_graph(drawn: DrawnGraph, motifs: Sequence[Placed] = ()) -> Graph:
    """Return the graph that some descriptors describe, with the motifs that there is room for.

    A motif takes the place of as many descriptors as it has operators.  So a
    graph without it is a shorter choice, and shrinking prefers plain operators.
    """
    graph, waiting = Graph(), list(motifs)
    descriptors = [Descriptor(*fields) for fields in drawn]
    while descriptors:
        number = len(drawn) - len(descriptors)
        fitting = (m for m in waiting if _fits_at(m, number, len(drawn)))
        motif = next(fitting, None)
        if motif is None:
            graph.add(descriptors.pop(0))
            continue
        waiting.remove(motif)
        size = len(motif.steps)
        is_fed = motif.place.fed and len(descriptors) > size
        graph.add_steps(motif.steps, descriptors[:size], motif.place.open, is_fed)
        del descriptors[: size + is_fed]
    return graph


def _fits_at(motif: Placed, number: int, count: int) -> bool:
    """Whether a motif begins at a descriptor, of so many: where it wants to, or where there is just room."""
    last = count - len(motif.steps)
    return min(motif.place.before, last) <= number <= last


_RETURNED = ((), (0,), (1,), (2,), (0, 1), (1, 1), (3, 0), (7, 2, 1), (4, 3, 2, 1), (0, 5, 0, 6))

OUTPUTS = st.tuples(
    st.sampled_from((*("value",) * 20, *("tuple", "list", "dict", "nested", "none") * 5, "constant", "constant")),
    st.sampled_from(_RETURNED),
)
"""Draws what a graph returns, before it is resolved: a shape, and which values besides the last."""


def resolve_output(graph: Graph, drawn: tuple[str, tuple[int, ...]]) -> Tree:
    """Return the structure that a graph returns: its last value, and calls or inputs before it."""
    shape, picks = drawn
    last = len(graph.calls) - 1
    values = [*range(last, -1, -1), *(-1 - index for index in range(len(graph.inputs)))]
    chosen = [values[pick % len(values)] for pick in picks]
    match shape:
        case "value":
            return last
        case "dict":
            return ("dict", ("last", last), *((f"k{i}", v) for i, v in enumerate(chosen)))
        case "nested":
            return ("tuple", last, ("list", ("dict", ("k", ("tuple", *chosen)))), None)
        case "constant":
            return ("tuple", last, ("constant", 1), *chosen)
        case "none":
            return ("list", last, None, *chosen)
    return (shape, last, *chosen)
