"""What no origin of a rule decides, an implementation may decide otherwise: no rule that gates finds fault with it."""

from __future__ import annotations

import functools

import pytest

from observance.conformance.claims import FX, PT2E
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import MUST, RULES, import_rules

from .freedoms import FREEDOMS, OF_ANNOTATED, Freedom, all_at_once

import_rules()

TOGETHER, ALONE = 24, 2
"""How many cases all freedoms together meet, and each by itself: that is for whoever looks for the one at fault."""

NAMES = {"": tuple(FREEDOMS), PT2E: OF_ANNOTATED, FX: OF_ANNOTATED}
"""The freedoms that say something of a profile's cases."""


@functools.cache
def honest(profile: str, count: int) -> Judge:
    """Return a judge of the reference, whose cases all freedoms of a profile share."""
    return Judge(resolve("reference", profile), count, start=3)


def alarms(freedom: Freedom, profile: str, count: int) -> list[str]:
    """Return what the rules that gate find broken where a freedom is taken."""
    judge, standard = Judge(freedom.implementation(profile), count, start=3), honest(profile, count)
    judge.corpus, judge.standard = standard.corpus, standard.standard
    rules = [rule for rule in RULES.values() if rule.level == MUST and not rule.own]
    return [
        f"{rule.id} at {finding.place}: {finding.expected}, and not {finding.found}; {finding.because}"
        for case in judge.corpus
        for rule in rules
        if rule.is_for(case)
        for finding in judge.findings(rule, case)
        if finding.broken
    ]


@pytest.mark.parametrize("profile", NAMES)
def test_all_freedoms_together_raise_no_alarm(profile: str) -> None:
    assert alarms(all_at_once(NAMES[profile]), profile, TOGETHER) == []


@pytest.mark.parametrize("name", FREEDOMS)
def test_a_freedom_raises_no_alarm(name: str) -> None:
    assert alarms(FREEDOMS[name], "", ALONE) == []


@pytest.mark.parametrize("name", ["own_errors", "talkative", "other_names", "unread_unobserved"])
def test_a_freedom_raises_no_alarm_on_wrong_and_rare_calls(name: str) -> None:
    judge = Judge(FREEDOMS[name].implementation(), 1)
    rules = [
        rule for rule in RULES.values() if rule.level == MUST and rule.id.startswith("REFUSALS") and "" in rule.profiles
    ]
    found = [(rule.id, one) for rule in rules for case in rule.own for one in judge.findings(rule, case) if one.broken]
    assert found == []
