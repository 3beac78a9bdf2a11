"""Drawing graphs: a list of small descriptors, made into calls that always fit.

A descriptor says which operator, and for each operand "how many values back".
The operand is resolved among the values so far of the kind that the operator
takes; where there is none, the graph gets an input of that kind, or an operator
that makes one.  So every list of descriptors is a valid graph, and leaving
descriptors out shrinks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from .case import Call, Operand, Tree
from .operators import INPUT_SHAPES, OPERATORS, Operator

FRESH_INPUT = 7
"""The operand choice that asks for one more graph input, if there is room."""

_INPUTS_PER_KIND = 3

_MAKERS = {"n": "size", "z": "sizes", "m": "chunk", "r": "lstm", "c": "lstm_cell"}
"""What makes a value of a kind that cannot be an input."""

_TIEABLE = ("nn.Linear", "nn.Conv1d", "nn.Conv2d", "nn.Embedding")

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
    "fold",
)
"""The operators that meet in patterns; drawn as often as all others together."""


@dataclass(frozen=True)
class Descriptor:
    """One operator to be, before its operands are resolved."""

    operator: str
    picks: tuple[int, ...] = (0, 0, 0, 0)
    keyword: bool = False
    as_tuple: bool = False
    scope: str = ""
    reuse: str = ""


@dataclass
class Graph:
    """Calls under construction, and the values so far by kind."""

    inputs: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    values: dict[str, list[int]] = field(default_factory=dict)

    def add(self, descriptor: Descriptor) -> None:
        """Resolve a descriptor and append its call."""
        entry = OPERATORS[descriptor.operator]
        picks = descriptor.picks
        operands = tuple(
            self._operand(kind, picks[index:] + picks[:index], descriptor.scope)
            for index, kind in enumerate(entry.takes)
        )
        shares, ties = self._reuse(entry, descriptor.reuse)
        call = Call(
            entry.name,
            operands,
            "keyword" if descriptor.keyword and entry.keyword else "positional",
            "tuple" if descriptor.as_tuple else "list",
            descriptor.scope,
            shares,
            ties,
        )
        self.calls.append(call)
        self.values.setdefault(entry.gives, []).append(len(self.calls) - 1)

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
            self.add(Descriptor(_MAKERS[kind], scope=scope))
        return pool[-1 - pick % len(pool)]

    def _reuse(self, entry: Operator, reuse: str) -> tuple[int | None, int | None]:
        """Return the earlier call to share with, and the one to tie the weight to."""
        if not reuse or not (entry.module or entry.parameters):
            return None, None
        earlier = [
            number for number, call in enumerate(self.calls) if call.operator == entry.name and call.shares is None
        ]
        if not earlier:
            return None, None
        if reuse == "share":
            return earlier[-1], None
        return None, earlier[-1] if entry.target in _TIEABLE else None


_NAMES = _COMMON * (1 + len(OPERATORS) // len(_COMMON)) + tuple(OPERATORS)

_NEAR = (0, 0, 0, 1, 0, 1, 2, 0, 3, FRESH_INPUT)

_PICKS = tuple((first, second, (first + second) % 3, first) for second in _NEAR for first in _NEAR)
"""Operand choices; those early in the table, which is where shrinking goes, are near."""

_MANNERS = tuple(
    {"scope": scope, "keyword": keyword, "as_tuple": as_tuple, "reuse": reuse}
    for reuse in ("", "", "", "", "share", "tie")
    for keyword, as_tuple in ((False, False), (False, False), (True, False), (False, True))
    for scope in ("", "", "", "", "a", "a", "a.b", "b")
)
"""How a call is written and where it stands; the plain manner first."""


def descriptors() -> st.SearchStrategy[Descriptor]:
    """Draw one descriptor: three choices from tables, which is fast and shrinks well."""
    return st.builds(
        lambda name, picks, manner: Descriptor(name, picks, **manner),
        st.sampled_from(_NAMES),
        st.sampled_from(_PICKS),
        st.sampled_from(_MANNERS),
    )


def outputs() -> st.SearchStrategy[tuple[str, tuple[int, ...]]]:
    """Draw what the graph returns, before it is resolved: a shape and which values."""
    shapes = st.sampled_from(("value", "value", "value", "tuple", "list", "dict", "nested", "none"))
    return st.tuples(shapes, st.lists(st.integers(0, 7), max_size=4).map(tuple))


def resolve_output(graph: Graph, drawn: tuple[str, tuple[int, ...]]) -> Tree:
    """Return the structure that a graph returns."""
    shape, picks = drawn
    total = len(graph.calls)
    last = total - 1
    chosen = [total - 1 - pick % total for pick in picks]
    match shape:
        case "value":
            return last
        case "dict":
            return ("dict", ("last", last), *((f"k{i}", v) for i, v in enumerate(chosen)))
        case "nested":
            return ("tuple", last, ("list", ("dict", ("k", ("tuple", *chosen)))), None)
        case "none":
            return ("list", last, None, *chosen)
    return (shape, last, *chosen)
