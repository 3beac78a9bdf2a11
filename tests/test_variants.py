"""The reference with some of its decisions replaced: what deviations and saboteurs are made of."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from observance.conformance.deviations import load, torch_qat
from observance.conformance.differences import differences
from observance.conformance.hearing import reference_with
from observance.conformance.implementations import resolve
from observance.conformance.outcomes import run
from observance.conformance.variants import Change, changed, variant
from observance.reference import placement, site
from observance.reference.devices import device_of
from observance.strategies import build
from observance.strategies.case import Call, Case, Entry, Mapping

from .saboteurs import SABOTEURS

LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(None, (Entry("global", "default_qconfig"),)))

EVERYTHING = [change for changes in SABOTEURS.values() for change in changes] + list(load("torch").changes)


def answers(*words: str) -> Callable[..., Any]:
    """A decision that says what it is and then asks the one that it replaces."""

    def instead(original: Callable[..., Any], *args: Any) -> list[str]:
        before = original(*args) if len(words) > 1 else []
        return [words[0], *(before if isinstance(before, list) else [])]

    return instead


def test_a_decision_is_replaced_while_the_context_lasts() -> None:
    original = placement.fitting
    with changed([Change("placement.fitting", lambda original, *args: args)]):
        handed: Any = placement.fitting(*[None] * 4)  # type: ignore[arg-type]
    assert handed == (None,) * 4
    assert placement.fitting is original


def test_the_decision_that_is_replaced_is_handed_over() -> None:
    with changed([Change("placement.dtype_of", lambda original, *args: original)]):
        handed: Any = placement.dtype_of(None, None)  # type: ignore[arg-type]
    assert handed is placement.dtype_of


def test_a_method_stays_a_method() -> None:
    seen: list[Any] = []
    groups = site.Groups()
    with changed([Change("site.Groups.join", lambda original, *args: seen.append(args))]):
        groups.join("first", "other")  # type: ignore[arg-type]
    assert seen == [(groups, "first", "other")]


def test_of_several_changes_of_one_decision_the_last_is_outermost() -> None:
    inner, outer = answers("inner"), answers("outer", "and what is below")
    with changed([Change("placement.why_not", inner), Change("placement.why_not", outer)]):
        found: Any = placement.why_not()  # type: ignore[call-arg]
    assert found == ["outer", "inner"]


def test_an_error_in_a_decision_leaves_the_reference_as_it_was() -> None:
    before = run(resolve("reference"), LINEAR).observation

    def fails(original: Any, *args: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), changed([Change("placement.place", fails)]):
        placement.place(None)  # type: ignore[arg-type]
    after = run(resolve("reference"), LINEAR).observation
    assert before is not None
    assert after is not None
    assert differences(before, after) == []


def test_a_change_that_cannot_be_made_undoes_those_before_it() -> None:
    original = placement.fitting
    changes = [Change("placement.fitting", answers("changed")), Change("placement.absent", answers("absent"))]
    with pytest.raises(AttributeError, match=r"the reference makes no decision 'placement\.absent'"), changed(changes):
        pass
    assert placement.fitting is original


@pytest.mark.parametrize("decision", ["absent.place", "sharing.Absent.join", "site.Groups.absent"])
def test_a_decision_that_is_not_there_is_an_error(decision: str) -> None:
    with pytest.raises((ImportError, AttributeError)), changed([Change(decision, answers("changed"))]):
        pass


def test_a_variant_is_a_prepare_that_decides_as_the_changes_say() -> None:
    found = variant([Change("placement.place", lambda original, site: None)])
    reference = resolve("reference")
    bare, observed = (run(each, LINEAR).observation for each in (replace(reference, function=found), reference))
    assert bare is not None
    assert observed is not None
    assert not any(bare.edges.values())
    assert any(observed.edges.values())


def test_a_variant_without_changes_is_the_reference() -> None:
    mine = run(replace(resolve("reference"), function=variant([])), LINEAR).observation
    theirs = run(resolve("reference"), LINEAR).observation
    assert mine is not None
    assert theirs is not None
    assert differences(mine, theirs) == []


@pytest.mark.parametrize("decision", sorted({change.decision for change in EVERYTHING}))
def test_what_deviations_and_saboteurs_change_is_a_decision_of_the_reference(decision: str) -> None:
    chapter, name = decision.split(".")[0], decision.split(".")[-1]
    assert importlib.import_module(f"observance.reference.{chapter}").__doc__
    with changed([Change(decision, answers(name))]):
        pass


def test_a_call_that_was_refused_leaves_nothing_behind_for_the_next() -> None:
    on_meta = replace(LINEAR, device="meta")
    register = load("torch").active()
    first = run(reference_with(register), on_meta)
    model = build(on_meta).model
    torch_qat._LEFT.update(model.modules())  # as a call does that swaps modules, and is refused after that
    again = torch_qat._with_nothing_left(lambda: torch_qat._on_cpu_then(device_of, model))
    assert again == torch.device("meta")
    second = run(reference_with(register), on_meta)
    assert (type(first.error), first.observation) == (type(second.error), second.observation)
