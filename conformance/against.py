"""What `--against` asks for: the implementation held against a record, or against another implementation."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from torch.fx import GraphModule

from observance.conformance.implementations import Implementation, resolve
from observance.conformance.isolation import Apart
from observance.conformance.judge import Judge
from observance.conformance.needs import is_claimed
from observance.conformance.records.changes import Change, changes
from observance.conformance.records.comparing import Cause, Comparison, compare, save_smallest
from observance.conformance.records.files import Record, entry, read, record
from observance.conformance.rules import RULES
from observance.strategies import Case, build

SHRUNK = 3
"""So many causes have a smaller case looked for."""

ENDING = ".jsonl"
"""How the name of a record ends."""


def baseline_of(what: str) -> Record | Implementation:
    """Return what is held against: the record in a file, or an implementation as `--impl` names it.

    Raises
    ------
    UsageError
        If it is neither.
    """
    return read(what) if what.endswith(ENDING) or Path(what).is_file() else resolve(what)


def compared(judge: Judge, baseline: Record | Implementation) -> Comparison:
    """Return how a judge's implementation differs, and save the smallest case of each cause.

    With a record its cases are tried, and with an implementation those that are written by hand, and drawn ones, of
    which smaller ones are looked for.
    """
    if isinstance(baseline, Record):
        tried = list(baseline.entries)
        found = compare(baseline, record(judge.implementation, tried, "", judge.progress, judge.apart.limits))
    else:
        both = (baseline, judge.implementation)
        tried = [case for case in (*judge.corpus, *_by_hand(judge)) if all(is_claimed(case, one) for one in both)]
        theirs, mine = (record(one, tried, "", judge.progress, judge.apart.limits) for one in both)
        found = _shrunk(judge, baseline, compare(theirs, mine))
    if found.causes:
        save_smallest(found, judge.folder)
    return found


def _by_hand(judge: Judge) -> list[Case]:
    """Return the cases that rules bring, unless one case is to be tried in place of all: nobody would draw them.

    One with a model that is not traced has no places at which two results could differ.
    """
    if judge.only is not None or judge.effort.is_brief:
        return []
    rules = [rule for rule in RULES.values() if judge.profile in rule.profiles]
    brought = dict.fromkeys(case for rule in rules for case in rule.own)
    return [case for case in brought if isinstance(build(case).model, GraphModule)]


def _shrunk(judge: Judge, baseline: Implementation, found: Comparison) -> Comparison:
    """Return the comparison with smaller cases for the first of its causes."""
    if judge.only is not None:
        return found
    smaller = tuple(_smaller(judge, baseline, cause) for cause in found.causes[:SHRUNK])
    return replace(found, causes=(*smaller, *found.causes[SHRUNK:]))


def _smaller(judge: Judge, baseline: Implementation, cause: Cause) -> Cause:
    """Return a cause with the smallest case that could be found to show it, if a drawn one does."""
    key = cause.kind, cause.what, cause.around
    first = next((case for case in judge.corpus if case in cause.seen), None)
    if first is None:
        return cause
    limits = judge.apart.limits
    with closing(Apart(baseline, limits)) as theirs, closing(Apart(judge.implementation, limits)) as mine:

        def shown(case: Case) -> list[Change]:
            return [change for change in changes(theirs.ask(entry, case), mine.ask(entry, case)) if change.cause == key]

        best = judge.smaller(first, lambda case: is_claimed(case, baseline) and bool(shown(case)), "differs")
        return cause if best in cause.seen else replace(cause, seen={best: shown(best), **cause.seen})
