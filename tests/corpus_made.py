"""Makes the recorded corpus: cases that are drawn, and of those the ones that cover all of `prepare` and give every
saboteur away.

    python -m tests.corpus_made

The first ones are those that tell: for each rule a case that gives its saboteur away, then the cases of the known
deviations and those on which something went wrong upstream. The others are chosen one by one, each for what it
adds: every operator and every feature is met `LEAST` times, and any two features that meet in what is drawn meet here.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import torch

from observance.conformance import corpus
from observance.conformance.corpus import Entry
from observance.conformance.deviations import load
from observance.conformance.deviations.pin import import_rules
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES
from observance.conformance.variants import varied
from observance.strategies import Case
from observance.strategies.features import features

from .history import REPORTS
from .saboteurs import SABOTEURS

SIZE = 1_800
"""How many cases the corpus has."""

LEAST = 40
"""How often each feature and each operator is met, if what is drawn has it as often."""

SEEDS, DRAWN = (1, 2), 3_000
"""The cases from which it is chosen: so many of each seed."""


def pool() -> list[Case]:
    """Return the cases to choose from, each once, in the order of drawing."""
    drawn = (Judge(resolve("reference"), DRAWN, start=seed).corpus for seed in SEEDS)
    return list(dict.fromkeys(case for cases in drawn for case in cases))


def telling(cases: Sequence[Case]) -> dict[Case, list[str]]:
    """Return for each rule that sees drawn cases one that gives its saboteur away, with all rules that it is for."""
    found: dict[Case, list[str]] = {}
    standard = Judge(resolve("reference"), 1).standard
    for name in sorted(SABOTEURS):
        if RULES[name].own:
            continue
        judge = Judge(varied("saboteur", SABOTEURS[name]), 1)
        judge.standard = standard
        told = (case for case in itertools.chain(found, cases) if _is_told(judge, name, case))
        found.setdefault(next(told), []).append(name)
        print(f"{name}: told", file=sys.stderr, flush=True)
    return found


def _is_told(judge: Judge, name: str, case: Case) -> bool:
    """Whether a rule finds what is wrong in a case."""
    return any(finding.broken for finding in judge.findings(RULES[name], case))


def known() -> Iterator[Case]:
    """Yield the cases on which an implementation is known to err, or to have erred."""
    pinned = (entry.pinned for entry in load("torch").entries)
    for case in itertools.chain(pinned, (report.case for report in REPORTS)):
        if not case.written:
            yield case


def parts(case: Case) -> set[str]:
    """Return what is counted in a case: its features, and its operators."""
    return {*features(case), *(f"operator {call.operator}" for call in case.calls)}


def chosen(cases: Iterable[Case], given: Sequence[Case], size: int) -> list[Case]:
    """Return further cases, so many that there are `size`, each for what it adds to those that are given."""
    met: Counter[str] = Counter()
    pairs: set[tuple[str, str]] = set()
    for case in given:
        met.update(parts(case))
        pairs.update(itertools.combinations(features(case), 2))
    left = {case: (parts(case), set(itertools.combinations(features(case), 2))) for case in cases if case not in given}
    found: list[Case] = []
    while len(given) + len(found) < size and left:
        # What is rare counts most, and a small case most of all: it is cheap to judge and easy to read.
        best = max(left, key=lambda case: _worth(case, *left[case], met, pairs))
        met.update(left[best][0])
        pairs |= left.pop(best)[1]
        found.append(best)
    return found


def _worth(
    case: Case, has: set[str], together: set[tuple[str, str]], met: Counter[str], pairs: set[tuple[str, str]]
) -> float:
    """Return how much a case adds to what is met, for its size."""
    lacking = sum(1 / (1 + met[part]) for part in has if met[part] < LEAST)
    return (len(together - pairs) + 5 * lacking + 0.1) / (2 + len(case.calls))


def main() -> None:
    """Make the corpus and write it."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    import_rules()
    drawn = pool()
    told = telling(drawn)
    first = list(dict.fromkeys([*told, *known()]))
    entries = [Entry(case, tuple(told.get(case, ()))) for case in [*first, *chosen(drawn, first, SIZE)]]
    corpus.write(entries, corpus.FILE)
    print(f"{len(entries)} cases, of which {len(told)} tell {len(SABOTEURS)} saboteurs", file=sys.stderr)


if __name__ == "__main__":
    main()
