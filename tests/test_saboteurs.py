"""Every rule is tripped by the saboteur that was made for it."""

from __future__ import annotations

import functools

import pytest

from observance.conformance.claims import FX, PT2E
from observance.conformance.deviations.pin import import_rules
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, Rule
from observance.conformance.variants import varied
from observance.strategies import Case

from .saboteurs import SABOTEURS

import_rules()

CASES = {"": 1_500, PT2E: 400, FX: 400}
"""How many cases a saboteur of each profile meets at most."""


@functools.cache
def honest(profile: str) -> Judge:
    """Return a judge of the reference, whose corpus all saboteurs of a profile share."""
    return Judge(resolve("reference", profile), CASES[profile], start=1)


def judge_of(rule: str) -> Judge:
    """Return a judge of the saboteur of a rule."""
    profile = next(profile for profile in CASES if profile in RULES[rule].profiles)
    judge = Judge(varied("saboteur", SABOTEURS[rule], profile), CASES[profile], start=1)
    judge.corpus = honest(profile).corpus
    judge.standard = honest(profile).standard
    return judge


def test_every_rule_has_a_saboteur_and_every_saboteur_a_rule() -> None:
    assert set(SABOTEURS) == set(RULES)


@pytest.mark.parametrize("rule", sorted(SABOTEURS))
def test_the_rule_catches_its_saboteur(rule: str) -> None:
    judge = judge_of(rule)
    cases = RULES[rule].own or judge.corpus
    caught = any(f.broken for case in cases for f in judge.findings(RULES[rule], case))
    assert caught, f"{rule} met {len(cases)} cases and let its saboteur pass"


def main() -> None:
    """Print, for each rule, its saboteur, after how many cases it is caught, and all rules that catch it there."""
    for rule in sorted(SABOTEURS):
        judge = judge_of(rule)
        cases = RULES[rule].own or judge.corpus
        broken = (any(f.broken for f in judge.findings(RULES[rule], case)) for case in cases)
        tried = 1 + next(number for number, caught in enumerate(broken) if caught)
        others = [name for name, other in RULES.items() if _catches(judge, other, cases[tried - 1])]
        decisions = ", ".join(change.decision for change in SABOTEURS[rule])
        print(f"{rule:15} {decisions:36} caught by case {tried:4} of {len(cases):4}; there by {' '.join(others)}")


def _catches(judge: Judge, rule: Rule, case: Case) -> bool:
    """Whether a rule is about a case, and broken by it."""
    if not (case in rule.own if rule.own or case.written else rule.is_for(case)):
        return False
    try:
        return any(finding.broken for finding in judge.findings(rule, case))
    except Exception:  # a rule that a broken result makes fail is told by its own test, as a failure
        return True


if __name__ == "__main__":
    main()
