"""Why there is an observer, or none: every edge has its reasons, and they speak of what the reference really does.

The golden text stands in `golden/explained.txt`; after a change that is meant, write it anew with::

    OBSERVANCE_WRITE_GOLDEN=1 pytest tests/test_explaining.py
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from pathlib import Path

import pytest
from hypothesis import assume, given

from observance.conformance.claims import PT2E
from observance.conformance.command.explaining import Explanation, Story, explain, explain_annotated
from observance.conformance.command.telling import explanation_text
from observance.conformance.implementations import resolve
from observance.conformance.outcomes import is_fusible, run
from observance.conformance.rules import RULES, import_rules
from observance.reference import RefusalError, annotations, place, survey
from observance.reference.entry import read_configs
from observance.strategies import Case, build, cases
from observance.strategies.annotations import annotated_cases
from observance.strategies.case import Call, Declared, Entry, Mapping

import_rules()

GOLDEN = Path(__file__).parent / "golden" / "explained.txt"
STATIC = Mapping(None, (Entry("global", "default_qconfig"),))
TRAINED = Mapping(None, (Entry("global", "default_qat_qconfig"),))

LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, STATIC)
MIXED = Case(
    ("t", "t"),
    (
        Call("linear", (-1,)),
        Call("relu", (0,)),
        Call("cat_narrow", ((1, -2),)),
        Call("torch_sin_tt", (2,)),
    ),
    ("tuple", 3, 2),
    STATIC,
)


def explained(case: Case) -> Explanation:
    """The explanation of a case, which the reference must not refuse."""
    given = build(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of configs that are dicts
        configs = read_configs(
            given.qconfig_mapping, given.custom_config, given.backend_config, given.is_qat, given.equalization
        )
    site = survey(given.model, configs, given.scopes, given.example_inputs)
    place(site)
    return explain(site)


def story(explanation: Explanation, edge: str) -> Story:
    """The story of one edge."""
    (found,) = (story for story in explanation.stories if story.edge == edge)
    return found


def rules_at(explanation: Explanation, edge: str) -> list[str]:
    """The rules that say why there is an observer on an edge, or none."""
    return [reason.rule for reason in story(explanation, edge).reasons]


def test_the_text_of_an_explanation_is_the_golden_one() -> None:
    found = explanation_text("mixed", explained(MIXED), RULES)
    if os.environ.get("OBSERVANCE_WRITE_GOLDEN"):
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")


@given(cases())
def test_every_edge_and_every_shared_object_has_a_reason_that_is_a_rule(case: Case) -> None:
    try:
        explanation = explained(case)
    except RefusalError:
        assume(False)
    for one in explanation.everything():
        assert all(story.reasons for story in one.stories)
        assert all(rules for _, rules in one.groups)
    assert set(explanation.rules()) <= set(RULES)


@given(cases())
def test_the_observers_that_are_explained_are_those_that_the_reference_puts_there(case: Case) -> None:
    assume(is_fusible(case, prefused=False))
    outcome = run(resolve("reference"), case)
    assume(outcome.observation is not None and case.device == "cpu")
    seen, pairs = outcome.observation, set()
    for one in explained(case).stories:
        (edge,) = (e for e in seen.edges if (e.reader, e.keys) == (one.operand.node.name, one.operand.keys))
        chain = seen.chain(edge)
        assert [place.kind.partition("(")[0] for place in one.chain] == [s.kind.partition("(")[0] for s in chain]
        pairs |= {(place.group, there.group) for place, there in zip(one.chain, chain, strict=True)}
    mine, theirs = zip(*pairs, strict=True) if pairs else ((), ())
    assert len(set(mine)) == len(set(theirs)) == len(pairs), "what is one object is told as another"


def test_an_edge_inside_a_pattern_has_no_observer_for_the_sake_of_the_pattern() -> None:
    assert rules_at(explained(MIXED), "linear_0 -> relu_1 (argument 0)") == ["PATTERNS-1"]


def test_what_is_switched_off_is_told_as_switched_off() -> None:
    off = dataclasses.replace(LINEAR, mapping=Mapping(None, (*STATIC.entries, Entry("name", None, "linear_0"))))
    explanation = explained(off)
    assert not story(explanation, "x0 -> linear_0 (argument 0)").chain
    assert "QCONFIGS-4" in rules_at(explanation, "x0 -> linear_0 (argument 0)")
    assert "QCONFIGS-4" in rules_at(explanation, "linear_0 -> output (argument 0)")


def test_an_observer_that_nothing_reads_is_told() -> None:
    dead_end = Case(("t",), (Call("linear", (-1,)), Call("hardswish", (-1,))), 0, STATIC)
    ((place, reason),) = explained(dead_end).unread
    assert place.slot.value.name == "hardswish_1"
    assert reason.rule == "PLACEMENT-4"


def test_a_module_that_is_swapped_for_training_is_told_with_what_observes_its_weight() -> None:
    (swap,) = explained(dataclasses.replace(LINEAR, mapping=TRAINED, is_qat=True)).swaps
    assert (swap.name, swap.becomes, swap.reason.rule) == (
        "linear_0",
        "torch.ao.nn.qat.modules.linear.Linear",
        "QAT-1",
    )
    ((inside, reason),) = swap.inside
    assert inside.startswith("weight_fake_quant is ")
    assert reason.rule == "QAT-2"


def test_a_standalone_module_is_explained_by_itself() -> None:
    calls = (Call("linear", (-1,)), Call("linear", (0,), scope="a"))
    case = Case(("t",), calls, 1, STATIC, declared=(Declared("standalone", "a"),))
    explanation = explained(case)
    ((name, inner),) = explanation.inner
    assert name == "a"
    assert any(story.chain for story in inner.stories)
    assert "Inside a, where observers have numbers of their own, every edge" in explanation_text(
        "x", explanation, RULES
    )


@pytest.mark.parametrize("case", [LINEAR, MIXED], ids=["linear", "mixed"])
def test_every_rule_that_is_named_is_quoted_once(case: Case) -> None:
    explanation = explained(case)
    quoted = explanation_text("x", explanation, RULES).partition("The rules\n")[2]
    assert sorted(line.split()[0] for line in quoted.splitlines() if not line.startswith("      ")) == sorted(
        explanation.rules()
    )


@given(annotated_cases())
def test_every_edge_of_an_annotated_graph_has_a_reason_and_the_observers_that_are_there(case: Case) -> None:
    outcome = run(resolve("reference", PT2E), case)
    assume(outcome.observation is not None)
    model = build(case).model
    explanation = explain_annotated(model.graph, annotations.plan(model, case.is_qat))
    seen = outcome.observation
    assert seen is not None
    found = {story.edge: [place.kind.partition("(")[0] for place in story.chain] for story in explanation.stories}
    assert found == {str(edge): [s.kind.partition("(")[0] for s in seen.chain(edge)] for edge in seen.edges}
    assert all(reason.rule in RULES for story in explanation.stories for reason in story.reasons)
    assert all(story.reasons for story in explanation.stories)
    assert all(set(rules) <= set(RULES) and rules for _, rules in explanation.groups)
