"""Wrong calls: what the reference says of them, and what the suite sees."""

from __future__ import annotations

import re
from typing import Any

import pytest

from observance.conformance.attempts import attempt, looks
from observance.conformance.claims import Claims
from observance.conformance.implementations import Implementation, resolve
from observance.conformance.outcomes import Calls, call
from observance.conformance.rules import RULES, import_rules
from observance.conformance.trials import Trial
from observance.reference import RefusalError
from observance.strategies import Case, build, script
from observance.strategies.misuses import ALOUD, MISUSES, PLAIN, REFUSED, SERVED
from observance.strategies.written import written_case

import_rules()

REFERENCE = resolve("reference")
WRONG = [misuse.name for misuse in MISUSES.values() if misuse.demand in (REFUSED, ALOUD)]


@pytest.mark.parametrize("name", WRONG)
def test_the_reference_refuses_with_the_name_of_the_culprit_and_changes_nothing(name: str) -> None:
    given = build(written_case(name))
    before = looks(given.model)
    with pytest.raises(RefusalError) as refused:
        call(REFERENCE, given)
    assert re.search(MISUSES[name].culprit, str(refused.value))
    assert looks(given.model) == before


@pytest.mark.parametrize("name", [misuse.name for misuse in MISUSES.values() if misuse.demand == SERVED])
def test_the_reference_serves_what_only_looks_wrong(name: str) -> None:
    assert attempt(REFERENCE, written_case(name)).error is None


def test_a_plain_call_is_plain() -> None:
    answer = attempt(REFERENCE, written_case(PLAIN))
    assert answer.error is None
    assert not answer.said
    assert answer.left


@pytest.mark.parametrize("name", MISUSES)
def test_a_misuse_is_one_line_and_one_script(name: str) -> None:
    case = written_case(name)
    assert Case.from_json(case.to_json()) == case
    compile(script(case), "script", "exec")


def test_the_script_of_a_misuse_makes_the_wrong_call() -> None:
    code = compile(script(written_case("a qconfig for the qconfig mapping")), "script", "exec")
    with pytest.raises(AssertionError):
        exec(code, {"__name__": "__main__"})


def test_a_model_that_is_left_changed_is_seen() -> None:
    def spoils(model: Any, *rest: Any, **configs: Any) -> None:
        model.graph.placeholder("more")
        raise ValueError("no")

    made = Implementation("spoils", "1", spoils, "prepare", Claims(None, None, "spoils", "1"))
    answer = attempt(made, written_case(PLAIN))
    assert answer.said == ("ValueError: no",)
    assert not answer.left


def test_every_wrong_call_has_a_culprit() -> None:
    assert all(misuse.culprit for misuse in MISUSES.values() if misuse.demand in (REFUSED, ALOUD))


def test_the_reference_says_that_a_graph_has_no_output() -> None:
    answer = attempt(REFERENCE, written_case("a graph without an output"))
    assert isinstance(answer.error, RefusalError)
    assert "output" in answer.said[0]


def test_a_graph_without_an_output_is_not_served_without_its_observers() -> None:
    def forgets(model: Any, *rest: Any, **configs: Any) -> Any:
        return model

    made = Implementation("forgets", "1", forgets, "prepare", Claims(None, None, "forgets", "1"))
    case = written_case("a graph without an output")
    found = RULES["REFUSALS-5"].check(Trial(case, Calls(made), Calls(REFERENCE)))
    told = [(finding.place, finding.because) for finding in found if finding.broken]
    assert told[0][0] == "x0 -> linear (argument 0)"
    assert "a graph without an output" in told[0][1]
