"""Drawing modules of their own kind: standalone, custom and non-traceable ones.

What is drawn is a plan, which says what kind of module there is to be, and
choices.  A plan may have operators of its own, such as a custom module and its
second call, in place of the last ones that are drawn; the rest is resolved when
the graph is known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from hypothesis import strategies as st

from .case import Case, Declared, Entry, Mapping, QConfig, operand_values, tree_values
from .declared_source import calls_of, kinds_of_values, taken
from .graphs import DrawnGraph, Manner
from .layout import block_tree, join, member, owner, scopes
from .operators import FLOAT_KINDS, OPERATORS
from .training import Manner as TrainingManner

_PLAIN, _KEYWORD, _TWICE = Manner(), Manner(keyword=True), Manner(reuse="share")
_IN_A, _IN_AB = Manner("a"), Manner("a.b")
_LAST, _SAME, _BOTH = (0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0)


def _operators(*names: str, manner: Manner = _PLAIN) -> DrawnGraph:
    """Return the descriptors of some operators, each of which reads the newest values."""
    return [(name, _LAST, manner) for name in names]


PLANS: dict[str, tuple[DrawnGraph, ...]] = {
    "block": (
        [],
        [],
        _operators("linear", "relu", "linear", manner=_IN_A) + _operators("linear"),
        _operators("linear") + _operators("linear", manner=_IN_A) + _operators("sigmoid", "linear"),
        _operators("linear", manner=_IN_A) + _operators("linear", manner=_IN_AB) + _operators("linear"),
        [*_operators("linear", "relu", manner=_IN_A), ("gate", _BOTH, _PLAIN)],
    ),
    "module": (
        _operators("scale", "linear"),
        [*_operators("linear", "gate", "linear"), ("gate", _SAME, _TWICE)],
        [*_operators("linear"), ("gate", _SAME, _KEYWORD), *_operators("linear")],
        [*_operators("scale"), ("scale", _LAST, _TWICE)],
    ),
    "custom": (
        _operators("gate", "linear"),
        _operators("linear", "scale", "linear"),
        [*_operators("scale"), ("scale", _LAST, _TWICE)],
        [*_operators("linear"), ("gate", _SAME, _KEYWORD), ("gate", _LAST, _TWICE)],
    ),
    "lstm": (
        _operators("lstm"),
        _operators("lstm", "lstm_output", "linear"),
        _operators("lstm", "lstm_states", "hidden_state", "linear_state"),
        _operators("lstm", "lstm_states", "memory_state", "linear_state", "state_add", "linear"),
        _operators("linear", "lstm", "lstm_states", "lstm_again", "lstm_output", "linear"),
        _operators("lstm", "lstm_output", "linear", "lstm_output", "linear"),
        _operators("lstm", "lstm_states", "hidden_state", "lstm_states", "memory_state", "linear_state"),
        _operators("lstm", "lstm_output", "lstm_states", "hidden_state", "memory_state", "state_cat", "linear"),
        [*_operators("lstm", "lstm_output"), ("lstm", _LAST, _TWICE), *_operators("lstm_output", "linear")],
    ),
    "attention": (
        _operators("attention", "attention_output", "linear"),
        _operators("linear", "attention", "attention_output"),
    ),
}
"""The operators that each plan may have; where there is room for fewer, it has the first ones."""

_NESTED, _SEVERAL = 4, 5
"""The plans for a submodule with one inside, and for one that gives several values."""

_CUSTOM = {"custom": ("Gate", "Scale"), "lstm": ("nn.LSTM",), "attention": ("nn.MultiheadAttention",)}
"""The classes that each plan declares to be custom ones."""

_PLANS = (
    *((("none", ()),) * 120),
    *(("block", ("standalone", number)) for number in (0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5)),
    *(("block", (kind, number)) for kind in ("prepared", "non_traceable") for number in (0, 2)),
    *(("module", ("standalone", number)) for number in (0, 1, 2, 2, 3)),
    ("module", ("non_traceable", 0)),
    ("module", ("non_traceable", 1)),
    *(("custom", ("", number)) for number in range(len(PLANS["custom"]))),
    *(("lstm", ("", number)) for number in range(len(PLANS["lstm"]))),
    *(("attention", ("", number)) for number in range(len(PLANS["attention"]))),
    ("attention", ("", 0)),
    *((("itself", ()),) * 2),
)

_INPUTS = ("none", "none", "first", "all", "last")
_OWN = ("parent", "parent", "global", "other", "default", "typed", "off")
_BACKENDS = (None,) * 8 + ("native", "qnnpack", "executorch")


@dataclass(frozen=True)
class Choices:
    """How a module is declared: by which of its names, with which inputs quantized, with which configs."""

    by_class: bool = False
    inputs: str = "none"
    output: bool = False
    mapping: str = "parent"


_CHOICES = tuple(
    Choices(by_class, inputs, output, mapping)
    for mapping, inputs, output, by_class in product(_OWN, _INPUTS, (False, True), (False, False, True))
)

DrawnDeclared: TypeAlias = "tuple[tuple[str, tuple[str, int] | tuple[()]], Choices, Choices, str | None, int]"
"""A plan, how one and another module are declared, a backend, and which of the candidates it is."""

DECLARED = st.tuples(
    st.sampled_from(_PLANS),
    st.sampled_from(_CHOICES),
    st.sampled_from(_CHOICES),
    st.sampled_from(_BACKENDS),
    st.integers(0, 15),
)
"""Draws which modules are of their own kind, before it is resolved."""


def planned(operators: DrawnGraph, drawn: DrawnDeclared) -> DrawnGraph:
    """Return drawn operators with those of a plan in place of the last ones.

    There are as many as before: a graph does not grow by a plan, and so it does
    not shrink to one.
    """
    plan, detail = drawn[0]
    own = PLANS[plan][detail[1]][: len(operators)] if detail else []
    return operators[: len(operators) - len(own)] + own


def untrained(drawn: DrawnDeclared, manner: TrainingManner) -> TrainingManner:
    """Return the manner in which a case is prepared: for training only if all that is in it can be.

    What is observed by a class of its own, or is prepared already, is not drawn for training.  Where something is
    fused inside of a module, hooks of its parts are lost: they are not drawn there.
    """
    plan, detail = drawn[0]
    if plan == "none":
        return manner
    is_prepared_here = detail[:1] in (("standalone",), ("non_traceable",))
    return dataclasses.replace(manner, hooked=False) if is_prepared_here else TrainingManner()


def apart_from_own(drawn: DrawnDeclared, chains: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the chains of targets of which a backend may make patterns.

    No pattern goes through a module of its own kind, and none is made of what takes
    a part of its output: what is said of one that would is not worth drawing.
    """
    plan = drawn[0][0]
    own = set(_CUSTOM["custom" if plan == "module" else plan]) if plan in (*_CUSTOM, "module") else set()
    apart = [chain for chain in chains if len(chain) == 1 or not own.intersection(chain)]
    return [chain for chain in apart if plan != "lstm" or "operator.getitem" not in chain]


def is_plain(drawn: DrawnDeclared) -> bool:
    """Whether no module is to be declared."""
    return drawn[0][0] == "none"


def resolve_declared(drawn: DrawnDeclared, case: Case, palette: Sequence[str | QConfig]) -> Case:
    """Return the case with the modules declared that the plan says, as far as there are any."""
    (plan, detail), one, other, backend, pick = drawn
    if is_plain(drawn):
        return case
    if plan == "itself":
        output = case.output if pick < 6 else len(case.calls) - 1
        return dataclasses.replace(case, is_standalone=True, output=output)
    if plan in ("custom", "lstm", "attention"):
        return dataclasses.replace(_positional(case), declared=tuple(Declared("custom", one) for one in _CUSTOM[plan]))
    kind, number = detail or ("", 0)
    names = (
        blocks(case, any_output=kind == "standalone" and number in (0, _SEVERAL))
        if plan == "block"
        else own_modules(case)
    )
    if not names:
        return case
    nesting = [outer for outer in names if any(inner.startswith(f"{outer}.") for inner in names)]
    names = nesting or names if number == _NESTED else names
    name = names[pick % len(names)]
    declared = [_declared(kind, name, one, case, palette, backend)]
    within = [inner for inner in blocks(case, any_output=False) if inner.startswith(f"{name}.")]
    if kind == "standalone" and within:
        declared.append(_declared("standalone", within[0], other, case, palette, None))
    return dataclasses.replace(case, declared=tuple(declared))


def _positional(case: Case) -> Case:
    """Return the case with LSTMs called by position: the observed class names its parameters in its own way."""
    calls = [
        dataclasses.replace(call, spelling="positional") if OPERATORS[call.operator].target == "nn.LSTM" else call
        for call in case.calls
    ]
    return dataclasses.replace(case, calls=tuple(calls))


def _declared(
    kind: str, name: str, how: Choices, case: Case, palette: Sequence[str | QConfig], backend: str | None
) -> Declared:
    """Return one declared module."""
    if kind == "non_traceable":
        return Declared(kind, name, how.by_class)
    kinds = kinds_of_values(case)
    floats = [index for index, value in enumerate(taken(case, name)) if kinds[value] in FLOAT_KINDS]
    inputs = {"none": [], "first": floats[:1], "last": floats[-1:], "all": floats}[how.inputs]
    if kind == "prepared":  # by torch, which serves not all qconfigs
        safe = None if how.mapping == "off" else Mapping(None, (Entry("global", "default_qconfig"),))
        return Declared(kind, name, mapping=safe, quantized_inputs=tuple(inputs), quantized_output=how.output)
    mapping = _own_mapping(how.mapping, case, name, palette)
    return Declared(kind, name, how.by_class, mapping, backend, tuple(inputs), how.output)


def _own_mapping(form: str, case: Case, name: str, palette: Sequence[str | QConfig]) -> Mapping | None:
    """Return the mapping of a standalone module, or None if it has its parent's."""
    first = Entry("global", palette[0])
    match form:
        case "parent":
            return None
        case "default":
            return Mapping("x86")
        case "off":
            return Mapping(None, ())
        case "other":
            return Mapping(None, (Entry("global", palette[-1]),))
        case "typed":
            target = OPERATORS[case.calls[calls_of(case, name)[0]].operator].target
            return Mapping(None, (first, Entry("object_type", None, target=target)))
    return Mapping(None, (first,))


def blocks(case: Case, any_output: bool) -> list[str]:
    """Return the submodules that can be of their own kind: they share nothing, and give one float tensor.

    With `any_output` they may give several values.
    """
    found = []
    pending = block_tree(case).blocks()
    kinds = kinds_of_values(case)
    while pending:
        block = pending.pop(0)
        pending += block.blocks()
        gives = _given(case, block.calls())
        one_float = len(gives) == 1 and kinds[gives[0]] in FLOAT_KINDS
        several = any_output and len(gives) > 1
        if (one_float or several) and taken(case, block.path) and not _shares(case, block.calls()):
            found.append(block.path)
    return found


def _given(case: Case, inside: Sequence[int]) -> list[int]:
    """Return the values that a submodule gives; its last one if nothing outside reads any."""
    outside = [call for number, call in enumerate(case.calls) if number not in inside]
    read = {v for call in outside for operand in call.operands for v in operand_values(operand)}
    return sorted(set(inside) & (read | set(tree_values(case.output)))) or [max(inside)]


def _shares(case: Case, inside: Sequence[int]) -> bool:
    """Whether a module of a submodule is called outside as well, or one from outside is called in it."""
    return any((owner(case, number) in inside) != (number in inside) for number in range(len(case.calls)))


def own_modules(case: Case) -> list[str]:
    """Return the names of the modules that cases define themselves."""
    places = scopes(case)
    return [
        join(places[number], member(case, number))
        for number, call in enumerate(case.calls)
        if call.operator in ("gate", "scale") and call.shares is None
    ]
