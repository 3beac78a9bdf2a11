"""Write docs/coverage.md: each row of the scope against its code, its reach, its rules and its saboteurs.

    python -m tests.coverage_table

The rows are in `coverage_rows`; how often cases reach a feature is counted on
the first cases that the strategies draw.
"""

from __future__ import annotations

import functools
import importlib
from collections import Counter
from pathlib import Path

import observance.reference
from observance.conformance.claims import FX, PT2E
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, import_rules
from observance.strategies.features import FEATURES, features
from observance.strategies.features_annotations import ANNOTATED_FEATURES, annotated_features

from .coverage_rows import EVERY_CASE, FIXED_CASES, ROWS, Row
from .saboteurs import SABOTEURS
from .saboteurs.brought import BROUGHT

CASES, ANNOTATED_CASES = 1000, 250
"""How many cases are counted, and how many annotated ones."""

PATH = Path(__file__).resolve().parents[1] / "docs" / "coverage.md"

_HEAD = """\
<!-- Written by `python -m tests.coverage_table`. Change tests/coverage_rows.py, and write it again. -->

# What is covered

Each row is one capability of `prepare`. It is covered when the reference implements it, the strategies reach it, a rule
states it, and a saboteur (the reference with one decision made wrongly) is caught by that rule. The rows of chapter I
are about annotated graphs, which are drawn by themselves, in two profiles: their reach is counted in {annotated} cases
of each.

*Reference* names functions of `reference/`; *reach* says in how many of {cases} drawn cases a feature is; *rules* are
those of the [rule book](rules.md), of which `PLACEMENT-5` compares every case with the reference, edge by edge;
*saboteurs* names the decisions of the reference that the saboteurs of these rules change, or the quantizers and
configs that are broken on purpose (`tests/saboteurs/`), and see exported graphs, and models with qconfigs.

| row | capability | reference | reach | rules | saboteurs |
|---|---|---|---|---|---|
"""


@functools.cache
def counts() -> Counter[str]:
    """Return in how many cases each feature is."""
    import_rules()
    drawn = Judge(resolve("reference"), CASES).corpus
    found = Counter(name for case in drawn for name in features(case))
    found[EVERY_CASE] = len(drawn)
    for profile in (PT2E, FX):
        annotated = Judge(resolve("reference", profile), ANNOTATED_CASES).corpus
        found.update(name for case in annotated for name in annotated_features(case))
    return found


def problems(row: Row) -> list[str]:
    """Return what a row names that is not there; nothing if all is."""
    missing = [name for name in row.reference if not _is_function(name)]
    missing += [name for name in row.features if name not in (*FEATURES, *ANNOTATED_FEATURES, EVERY_CASE, FIXED_CASES)]
    missing += [name for name in row.rules if name not in RULES or name not in SABOTEURS | BROUGHT]
    empty = [kind for kind in ("reference", "features", "rules") if not getattr(row, kind)]
    return [*(f"{name} is not there" for name in missing), *(f"no {kind}" for kind in empty)]


def _is_function(name: str) -> bool:
    """Whether the reference has a function or a class of this name, such as ``placement.place``."""
    chapter, _, function = name.partition(".")
    try:
        return hasattr(importlib.import_module(f"{observance.reference.__name__}.{chapter}"), function)
    except ImportError:
        return False


def text(reached: Counter[str]) -> str:
    """Return the whole document."""
    return (
        _HEAD.format(cases=reached[EVERY_CASE], annotated=ANNOTATED_CASES)
        + "\n".join(_line(row, reached) for row in ROWS)
        + "\n"
    )


def _line(row: Row, reached: Counter[str]) -> str:
    """Return the line of one row."""
    reference = ", ".join(f"`{name}`" for name in row.reference)
    reach = ", ".join(name if name == FIXED_CASES else f"{name}: {reached[name]}" for name in row.features)
    rules = ", ".join(f"[{name}](rules.md#{name.lower()})" for name in row.rules)
    saboteurs = ", ".join(f"`{name}`" for name in dict.fromkeys(name for rule in row.rules for name in _broken(rule)))
    return f"| {row.id} | {row.capability} | {reference} | {reach} | {rules} | {saboteurs} |"


def _broken(rule: str) -> list[str]:
    """Return what the saboteur of a rule breaks: decisions, or, where one is brought, what that is called."""
    return [BROUGHT[rule].__name__] if rule in BROUGHT else [change.decision for change in SABOTEURS[rule]]


if __name__ == "__main__":
    PATH.write_text(text(counts()), encoding="utf-8")
