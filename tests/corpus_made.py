"""Makes the recorded corpus: cases that are drawn, and of those the ones that cover all of `prepare` and give every
saboteur away.

    python -m tests.corpus_made
    python -m tests.corpus_made more

With ``more``, what is recorded stays, and cases are added for rules that no recorded case tells yet, and for operators
and features that none of its profile has.  Made anew, the corpus has no cases for faults:
`benchmarks/faults/distil.py` adds them.

The first cases are those that tell: for each rule a small case that gives its saboteur away, then the cases of the
known deviations and those on which something went wrong upstream. The others are chosen one by one, each for what it
adds: every operator and every feature is met `LEAST` times, and any two features that meet in what is drawn meet here,
first among the cases that everybody claims, then among all.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch

from observance.conformance import corpus
from observance.conformance.claims import FX, PT2E, SHIPPED_REGISTERS, Claims
from observance.conformance.corpus import Entry
from observance.conformance.deviations import load
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.needs import is_claimed
from observance.conformance.rules import MUST, RULES, import_rules
from observance.strategies import Case
from observance.strategies.features import features
from observance.strategies.features_annotations import annotated_features

from .history import REPORTS
from .saboteurs import SABOTEURS
from .test_saboteurs import honest, is_broken, judge_of

SIZE, PLAIN = 1_500, 400
"""How many cases with qconfigs alone the corpus has, and how many of them at least everybody claims."""

ANNOTATED = {PT2E: 300, FX: 200}
"""How many annotated cases it has, by profile."""

LEAST = 40
"""How often each feature and each operator is met, if what is drawn has it as often."""

SEED, DRAWN, ANNOTATED_DRAWN = 2, 1_500, 600
"""The cases from which it is chosen, beside those on which the saboteurs are tried."""

NARROW = Claims(frozenset({"static", "dynamic", "weight-only"}), None, "narrow", "1")
"""The claims of somebody who has just begun, for whom no rule should be vacuous either."""


import_rules()

SEEN = {name for name in SABOTEURS if not RULES[name].own}
"""The rules that see drawn cases."""


def pool() -> list[Case]:
    """Return the cases to choose from, each once, in the order of drawing."""
    plain = [*honest("").corpus, *Judge(resolve("reference"), DRAWN, start=SEED).corpus]
    annotated = [
        case
        for profile in ANNOTATED
        for case in (*honest(profile).corpus, *Judge(resolve("reference", profile), ANNOTATED_DRAWN, start=SEED).corpus)
    ]
    return list(dict.fromkeys([*plain, *annotated]))


def is_plain(case: Case) -> bool:
    """Whether a case has only what everybody claims."""
    return is_claimed(case, replace(resolve("reference"), claims=NARROW))


def of_profile(profile: str, cases: Iterable[Case]) -> Iterator[Case]:
    """Yield those of some cases that are of a profile."""
    return (case for case in cases if case.profile == profile)


def telling(cases: Sequence[Case], rules: Iterable[str]) -> dict[Case, list[str]]:
    """Return for each of some rules a case that gives its saboteur away, with all rules that it is for.

    Of models with qconfigs it is small, and one in which torch is right: where torch errs, so does who has begun with
    torch's `prepare`, and what a call does besides is not seen.  Where no drawn case is such, it is the first of some.
    """
    found: dict[Case, list[str]] = {}
    for name in sorted(rules):
        judge = judge_of(name)
        judge.corpus = honest(judge.profile).corpus
        is_told = functools.partial(_is_told, judge, name)
        plain = () if judge.profile else judge.corpus
        common = next((case for case in plain if is_told(case) and is_common(case)), None)
        if common is None:
            case = next(filter(is_told, cases))
        else:
            case = judge.smaller(common, lambda tried, told=is_told: told(tried) and is_common(tried), f"tells {name}")
        found.setdefault(case, []).append(name)
        print(f"{name}: told by {len(case.calls)} calls", file=sys.stderr, flush=True)
    return found


def _is_told(judge: Judge, name: str, case: Case) -> bool:
    """Whether a rule finds in a case what is wrong with a saboteur, and nothing wrong with the reference."""
    if case.profile != judge.profile or not RULES[name].is_for(case):
        return False
    return is_broken(judge, name, case) and not is_broken(honest(judge.profile), name, case)


@functools.cache
def is_common(case: Case) -> bool:
    """Whether torch breaks no rule that every case is held against."""
    judge = Judge(resolve("torch"), 1)
    held = (rule for rule in RULES.values() if rule.level == MUST and not rule.costly and rule.is_for(case))
    return not any(finding.broken for rule in held for finding in judge.findings(rule, case))


def known() -> Iterator[Case]:
    """Yield the cases on which an implementation is known to err, or to have erred."""
    pinned = (entry.pinned for name in SHIPPED_REGISTERS for entry in load(name).entries)
    for case in itertools.chain(pinned, (report.case for report in REPORTS)):
        if not case.written:
            yield case


@functools.cache
def parts(case: Case) -> frozenset[str]:
    """Return what is counted in a case: its features, and its operators."""
    return frozenset({*_features(case), *(f"operator {call.operator}" for call in case.calls)})


def _features(case: Case) -> list[str]:
    """Return the features of a case; of an annotated one, those of its annotations."""
    return annotated_features(case) if case.profile else features(case)


def chosen(cases: Iterable[Case], given: Sequence[Case], size: int) -> list[Case]:
    """Return further cases, so many that there are `size`, each for what it adds to those that are given."""
    met: Counter[str] = Counter()
    pairs: set[tuple[str, str]] = set()
    found: list[Case] = []
    met_in = frozenset(given)
    for case in given:
        _enter(case, met, pairs)
    # What a case adds becomes less and never more: one that is still worth most when it is looked at again is the best.
    others = (case for case in cases if case not in met_in)
    left = [(-_worth(case, met, pairs), number, case) for number, case in enumerate(others)]
    heapq.heapify(left)
    while len(given) + len(found) < size and left:
        _, number, case = left[0]
        worth = -_worth(case, met, pairs), number
        if worth > min((entry[:2] for entry in left[1:3]), default=worth):
            heapq.heapreplace(left, (*worth, case))
        else:
            heapq.heappop(left)
            _enter(case, met, pairs)
            found.append(case)
    return found


def _enter(case: Case, met: Counter[str], pairs: set[tuple[str, str]]) -> None:
    """Count what a case has."""
    met.update(parts(case))
    pairs.update(_together(case))


@functools.cache
def _together(case: Case) -> frozenset[tuple[str, str]]:
    """Return the pairs of features that meet in a case."""
    return frozenset(itertools.combinations(_features(case), 2))


def _worth(case: Case, met: Counter[str], pairs: set[tuple[str, str]]) -> float:
    """Return how much a case adds to what is met, for its size: a small case is cheap to judge and easy to read."""
    lacking = sum(1 / (1 + met[part]) for part in parts(case) if met[part] < LEAST)  # what is rare counts most
    return (len(_together(case) - pairs) + 5 * lacking + 0.1) / (2 + len(case.calls))


def made() -> list[Entry]:
    """Return the entries of a new corpus."""
    drawn = pool()
    plain = [case for case in drawn if is_plain(case)]
    told = telling([*known(), *drawn], SEEN)
    cases = list(dict.fromkeys([*told, *known()]))
    cases += chosen(plain, cases, len(cases) + PLAIN)
    for profile, size in ANNOTATED.items():
        cases += chosen(of_profile(profile, drawn), cases, len(cases) + size)
    cases += chosen(of_profile("", drawn), cases, SIZE + sum(ANNOTATED.values()))
    return [Entry(case, tuple(told.get(case, ()))) for case in cases]


def extended(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of a corpus with more of them, so that every rule is told, and nothing drawn is unmet."""
    lacking = SEEN - {rule for entry in entries for rule in entry.tells}
    recorded, drawn = [entry.case for entry in entries], pool()
    told = telling([*recorded, *known(), *drawn], lacking) if lacking else {}
    kept = [replace(entry, tells=(*entry.tells, *told.pop(entry.case, ()))) for entry in entries]
    new = [*(Entry(case, tuple(rules)) for case, rules in told.items()), *kept]
    for profile, size in {"": SIZE, **ANNOTATED}.items():
        there = list(of_profile(profile, (entry.case for entry in new)))
        candidates = list(of_profile(profile, drawn))
        unmet = frozenset().union(*map(parts, candidates)).difference(*map(parts, there))
        new += [Entry(case, ()) for case in chosen(candidates, there, max(size, len(there) + len(unmet)))]
    return new


def main(arguments: Sequence[str]) -> None:
    """Make the corpus, or make it larger, and write it."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    entries = extended(corpus.read(corpus.FILE)) if arguments == ["more"] else made()
    corpus.write(entries, corpus.FILE)
    print(f"{len(entries)} cases", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
