"""What was told as a failure of torch and is a known deviation: the smallest case of each, found by drawing long."""

from __future__ import annotations

import pytest
import torch

from observance.conformance.deviations import load
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, import_rules
from observance.strategies import Case
from observance.strategies.case import Call, Declared, Entry, Mapping

import_rules()

A_LAYER_OF_A_BLOCK_THAT_IS_OFF = Case(
    ("t",),
    (Call("linear", (-1,), scope="a"), Call("relu", (0,), scope="a")),
    1,
    Mapping(
        None,
        (
            Entry("object_type", "default_qconfig", target="nn.Linear"),
            Entry("object_type", None, target="block:a"),
        ),
    ),
    declared=(Declared("standalone", "a"),),
)
"""A standalone module whose class is switched off, and not that of the layer inside."""

EVERYTHING = Mapping(None, (Entry("global", "default_qconfig"),))

PARTS_THAT_WERE_OFF_BEFORE = Case(
    ("t",),
    (Call("fused_LinearReLU", (-1,), scope="a"),),
    0,
    EVERYTHING,
    declared=(Declared("standalone", "a", mapping=EVERYTHING),),
    is_qat=True,
)
"""A standalone module with a mapping of its own, and a fused module inside, in training."""

A_NAME_THAT_IS_A_WORD = Case(
    ("t",),
    (Call("qat_Conv1d", (-1,), scope="a"),),
    0,
    EVERYTHING,
    declared=(Declared("non_traceable", "a"),),
    quantized_outputs=(0,),
)
"""An output that is called ``a``, as is a word of a warning that fake quantizers give when they are made."""

PARTS_OF_AN_ORDERED_CALL = Case(
    ("t",),
    (Call("attention", (-1, -1)),),
    0,
    Mapping(None, (*EVERYTHING.entries, Entry("order", "float16_static_qconfig", target="nn.MultiheadAttention"))),
)
"""A module with parts, whose call has a qconfig by its order: what is propagated to the parts cannot be pickled."""

ONCE_TOLD = [
    ("DECLARED-1", A_NAME_THAT_IS_A_WORD),
    ("EFFECTS-12", PARTS_OF_AN_ORDERED_CALL),
    ("EFFECTS-12", A_LAYER_OF_A_BLOCK_THAT_IS_OFF),
    ("QAT-8", PARTS_THAT_WERE_OFF_BEFORE),
]


@pytest.mark.parametrize(("name", "case"), ONCE_TOLD)
def test_what_was_once_a_false_alarm_is_excused_by_the_register(name: str, case: Case) -> None:
    judge = Judge(resolve("torch"), 1, load("torch").at(torch.__version__))
    broken = [finding for finding in judge.findings(RULES[name], case) if finding.broken]
    assert broken, "torch does it no longer: the case shows nothing"
    assert judge.undeviating(RULES[name], case, broken) == []
