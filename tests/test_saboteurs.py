"""Every rule is tripped by the saboteur that was made for it."""

from __future__ import annotations

import functools

import pytest

from observance.conformance.deviations.pin import import_rules
from observance.conformance.implementations import Claims, Implementation
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES
from observance.conformance.variants import variant

from .saboteurs import SABOTEURS

import_rules()

CASES = 1_500


@functools.cache
def honest() -> Judge:
    """Return a judge of the reference, whose corpus all saboteurs share."""
    from observance.conformance.implementations import resolve

    return Judge(resolve("reference"), CASES, start=1)


def judge_of(rule: str) -> Judge:
    """Return a judge of the saboteur of a rule."""
    function = variant(SABOTEURS[rule])
    made = Implementation("saboteur", "1", function, "prepare", Claims(None, None, "saboteur", "1"))
    judge = Judge(made, CASES, start=1)
    judge.corpus = honest().corpus
    judge.standard = honest().standard
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
    """Print, for each rule, its saboteur, the case that shows it, and all rules that catch it there."""
    for rule in sorted(SABOTEURS):
        judge = judge_of(rule)
        cases = RULES[rule].own or judge.corpus
        caught = [case for case in cases if any(f.broken for f in judge.findings(RULES[rule], case))]
        case = min(caught, key=lambda found: len(found.calls))
        others = [name for name, other in RULES.items() if any(f.broken for f in judge.findings(other, case))]
        decisions = ", ".join(change.decision for change in SABOTEURS[rule])
        print(f"{rule:13} {decisions:32} {len(caught):4} of {len(cases)} cases; at {case.digest}: {others}")


if __name__ == "__main__":
    main()
