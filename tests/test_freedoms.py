"""What no origin of a rule decides, an implementation may decide otherwise: no rule that gates finds fault with it."""

from __future__ import annotations

import functools

import pytest

from observance.conformance.claims import FX, PT2E
from observance.conformance.deviations.pin import import_rules
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import MUST, RULES

from .freedoms import FREEDOMS, OF_ANNOTATED, Freedom, all_at_once

import_rules()

CASES = 12
"""How many cases each freedom meets."""


@functools.cache
def honest(profile: str) -> Judge:
    """Return a judge of the reference, whose cases all freedoms of a profile share."""
    return Judge(resolve("reference", profile), CASES, start=3)


def alarms(freedom: Freedom, profile: str) -> list[str]:
    """Return what the rules that gate find broken where a freedom is taken."""
    judge = Judge(freedom.implementation(profile), CASES, start=3)
    judge.corpus, judge.standard = honest(profile).corpus, honest(profile).standard
    rules = [rule for rule in RULES.values() if rule.level == MUST and not rule.own]
    return [
        f"{rule.id} at {finding.place}: {finding.expected}, and not {finding.found}; {finding.because}"
        for case in judge.corpus
        for rule in rules
        if rule.is_for(case)
        for finding in judge.findings(rule, case)
        if finding.broken
    ]


@pytest.mark.parametrize("name", FREEDOMS)
def test_a_freedom_raises_no_alarm(name: str) -> None:
    assert alarms(FREEDOMS[name], "") == []


@pytest.mark.parametrize("profile", [PT2E, FX])
def test_all_freedoms_together_raise_no_alarm_on_annotated_graphs(profile: str) -> None:
    assert alarms(all_at_once(OF_ANNOTATED), profile) == []


@pytest.mark.parametrize("name", ["own_errors", "talkative", "other_names", "unread_unobserved"])
def test_a_freedom_raises_no_alarm_on_wrong_and_rare_calls(name: str) -> None:
    judge = Judge(FREEDOMS[name].implementation(), CASES)
    rules = [rule for rule in RULES.values() if rule.level == MUST and rule.id.startswith("REFUSALS")]
    found = [(rule.id, one) for rule in rules for case in rule.own for one in judge.findings(rule, case) if one.broken]
    assert found == []
