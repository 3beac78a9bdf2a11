"""Every rule is tripped by the saboteur that was made for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from observance.conformance import corpus
from observance.conformance.brought import Configuring, Quantizing
from observance.conformance.claims import BACKEND_CONFIG, FX, PT2E, QUANTIZER, Claims
from observance.conformance.implementations import Implementation, resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import MUST, RULES, Rule, import_rules
from observance.conformance.variants import varied
from observance.strategies import Case

from .saboteurs import SABOTEURS
from .saboteurs.brought import BROUGHT, Sound, sound

import_rules()

SOUND: dict[str, Callable[..., Any]] = {QUANTIZER: Sound, BACKEND_CONFIG: sound}
"""What is brought, and breaks no rule."""

CASES = {"": 1_500, PT2E: 400, FX: 400, QUANTIZER: 120, BACKEND_CONFIG: 400}
"""How many cases a saboteur of each profile meets at most."""


@functools.cache
def honest(profile: str) -> Judge:
    """Return a judge of the reference, whose corpus all saboteurs of a profile share."""
    if profile in SOUND:
        return Judge(brought("sound", profile, SOUND[profile]), CASES[profile], start=1)
    return Judge(resolve("reference", profile), CASES[profile], start=1)


def brought(name: str, profile: str, make: Callable[..., Any]) -> Implementation:
    """Return what is brought in place of a `prepare` as an implementation of that name."""
    claims = Claims(None, None, name, "1")
    if profile == QUANTIZER:
        return Implementation(name, "1", Quantizing(make), "quantizer", claims)
    return Implementation(name, "1", Configuring(make), "backend_config", claims)


def judge_of(rule: str) -> Judge:
    """Return a judge of the saboteur of a rule, which knows what the reference does with the cases of all others."""
    profile = next(profile for profile in CASES if profile in RULES[rule].profiles)
    made = brought("saboteur", profile, BROUGHT[rule]) if rule in BROUGHT else None
    judge = Judge(made or varied("saboteur", SABOTEURS[rule], profile), CASES[profile], start=1)
    judge.standard = honest(profile).standard
    return judge


def cases_for(rule: str) -> Sequence[Case]:
    """Return the cases that its saboteur is to meet: those that a rule brings or that are recorded for it, or drawn."""
    recorded = [case for case in corpus.recorded() if rule in corpus.tells(case)]
    return RULES[rule].own or recorded or honest(judge_of(rule).profile).corpus


def test_every_rule_has_a_saboteur_and_every_saboteur_a_rule() -> None:
    assert not set(SABOTEURS) & set(BROUGHT)
    assert set(SABOTEURS) | set(BROUGHT) == set(RULES)


@pytest.mark.parametrize("rule", [rule for rule in sorted(BROUGHT) if RULES[rule].level == MUST])
def test_the_rule_lets_pass_what_is_sound(rule: str) -> None:
    judge = honest(next(iter(RULES[rule].profiles)))
    found = [finding for case in judge.corpus for finding in judge.findings(RULES[rule], case)]
    assert not [finding for finding in found if finding.broken]
    assert found, f"{rule} has met nothing that could break it"


@pytest.mark.parametrize("rule", sorted({*SABOTEURS, *BROUGHT}))
def test_the_rule_catches_its_saboteur(rule: str) -> None:
    judge, cases = judge_of(rule), cases_for(rule)
    case = next((case for case in cases if is_broken(judge, rule, case)), None)
    assert case, f"{rule} met {len(cases)} cases and let its saboteur pass"
    assert not is_broken(honest(judge.profile), rule, case), f"{rule} is broken by what is sound as well"


def is_broken(judge: Judge, rule: str, case: Case) -> bool:
    """Whether a case breaks a rule."""
    return any(finding.broken for finding in judge.findings(RULES[rule], case))


def main() -> None:
    """Print, for each rule, its saboteur, after how many cases it is caught, and all rules that catch it there."""
    for rule in sorted({*SABOTEURS, *BROUGHT}):
        judge = judge_of(rule)
        cases = RULES[rule].own or honest(judge.profile).corpus
        broken = (any(f.broken for f in judge.findings(RULES[rule], case)) for case in cases)
        tried = 1 + next(number for number, caught in enumerate(broken) if caught)
        others = [name for name, other in RULES.items() if _catches(judge, other, cases[tried - 1])]
        decisions = ", ".join(change.decision for change in SABOTEURS.get(rule, ())) or BROUGHT[rule].__name__
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
