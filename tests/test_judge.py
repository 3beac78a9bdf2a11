"""What the judge takes for explained by a register, beyond one entry that does what is found."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from observance.conformance.deviations.register import Deviation, Register
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, import_rules
from observance.conformance.variants import Change, varied
from observance.strategies.case import Call, Case, Entry, Mapping

LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(None, (Entry("global", "default_qconfig"),)))


def fails_with(error: type[Exception] | Exception) -> Callable[..., Any]:
    """A decision that cannot be made."""

    def instead(*args: Any) -> Any:
        raise error

    return instead


EARLY = Deviation("early", ("ENTRY-1",), "", "", (Change("prepare.survey", fails_with(ValueError)),))
LATE = Deviation("late", ("ENTRY-1",), "", "", (Change("prepare.place", fails_with(LookupError)),))


def unexplained(refuses: Deviation, *entries: Deviation) -> list[str]:
    """What is found, and not explained, of an implementation that has one deviation."""
    import_rules()
    judge = Judge(varied("tried", refuses.changes), 1, Register("tried", entries))
    return [finding.found for finding in judge.unexplained(RULES["ENTRY-1"], LINEAR)]


def test_a_refusal_is_explained_by_the_entry_that_refuses_so_though_another_one_refuses_first() -> None:
    assert unexplained(LATE, EARLY, LATE) == []


def test_a_refusal_is_not_explained_by_an_entry_that_refuses_otherwise() -> None:
    assert unexplained(LATE, EARLY) == ["LookupError"]


def test_no_refusal_is_explained_by_an_entry_that_speaks_of_another_rule() -> None:
    other = Deviation("other", ("PLACEMENT-5",), "", "", LATE.changes)
    assert unexplained(LATE, EARLY, other) == ["LookupError"]


def test_a_reference_that_fails_is_told_and_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    import_rules()
    monkeypatch.setattr(import_module("observance.reference.prepare"), "place", fails_with(AttributeError("it fails")))
    judge = Judge(varied("tried", ()), 1, Register("tried", ()))
    with pytest.raises(AttributeError, match="it fails"):
        judge.unexplained(RULES["ENTRY-1"], LINEAR)
