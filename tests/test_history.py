"""What went wrong upstream is told by a rule when the fault is put back, and by none without it."""

from __future__ import annotations

import functools

import pytest
import torch

from observance.conformance.claims import release
from observance.conformance.deviations import load
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, import_rules
from observance.conformance.variants import varied
from observance.strategies import Case

from . import history_table
from .history import REPORTS, Report

import_rules()

LEAST = 60

DEVIATIONS = {entry.id: entry for entry in load("torch").entries}

every_report = pytest.mark.parametrize(
    "report", REPORTS, ids=[f"{report.number}-{report.fault[0].decision}" for report in REPORTS]
)


@functools.cache
def judge_of(name: str) -> Judge:
    """Return a judge of an implementation."""
    return Judge(resolve(name), 1)


def told(judge: Judge, rules: tuple[str, ...], case: Case) -> list[str]:
    """Return the rules that are broken on a case."""
    return [name for name in rules if any(finding.broken for finding in judge.findings(RULES[name], case))]


def speaking(case: Case) -> tuple[str, ...]:
    """Return the rules that speak of a case: all for such cases, or those that bring it."""
    return tuple(name for name, rule in RULES.items() if (case in rule.own if rule.own else rule.is_for(case)))


@every_report
def test_the_rules_that_are_named_tell_the_fault(report: Report) -> None:
    assert told(Judge(varied("history", report.fault), 1), report.rules, report.case) == list(report.rules)


@every_report
def test_without_the_fault_no_rule_is_broken(report: Report) -> None:
    assert set(report.rules) <= set(speaking(report.case))
    assert told(judge_of("reference"), speaking(report.case), report.case) == []


@pytest.mark.skipif(release(torch.__version__)[:2] != (2, 13), reason="other releases may have more that is wrong")
@every_report
def test_torch_breaks_a_named_rule_where_it_still_has_the_fault_and_nowhere_else(report: Report) -> None:
    broken = told(judge_of("torch"), report.rules, report.case)
    assert bool(broken) == bool(report.still), broken


@every_report
def test_what_is_still_so_is_a_known_deviation_that_breaks_a_named_rule(report: Report) -> None:
    if report.still:
        assert told(Judge(varied("deviation", DEVIATIONS[report.still].changes), 1), report.rules, report.case)


def test_there_are_many_and_none_is_entered_twice() -> None:
    assert len({(report.repository, report.number) for report in REPORTS}) >= LEAST
    assert len({(report.number, report.sentence) for report in REPORTS}) == len(REPORTS)


def test_they_are_sentences_of_the_years_since_2021() -> None:
    assert all(report.year >= 2021 for report in REPORTS)
    assert all(report.sentence[0].isupper() and report.sentence.endswith(".") for report in REPORTS)


def test_the_table_is_up_to_date() -> None:
    written = history_table.PATH.read_text(encoding="utf-8")
    assert written == history_table.text(), "run `python -m tests.history_table`"
