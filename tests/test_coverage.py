"""Every row of the scope has its code, its reach, its rules and its saboteurs, and the table says so."""

from __future__ import annotations

import re

import pytest

from observance.conformance.rules import RULES, import_rules
from observance.strategies.features import FEATURES
from observance.strategies.features_annotations import ANNOTATED_FEATURES

from . import coverage_table
from .coverage_rows import FIXED_CASES, ROWS, Row

import_rules()

_COUNTS = re.compile(r": \d+|of \d+ drawn|in \d+ cases")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_names_what_is_there_and_leaves_nothing_empty(row: Row) -> None:
    assert coverage_table.problems(row) == []


def test_every_feature_that_a_row_names_is_reached() -> None:
    reached = coverage_table.counts()
    named = {name for row in ROWS for name in row.features if name != FIXED_CASES}
    assert [name for name in sorted(named) if not reached[name]] == []


def test_every_rule_and_every_feature_is_in_some_row() -> None:
    assert set(RULES) - {name for row in ROWS for name in row.rules} == set()
    assert {*FEATURES, *ANNOTATED_FEATURES} - {name for row in ROWS for name in row.features} == set()


def test_the_table_is_up_to_date() -> None:
    # The counts are those of one release of Hypothesis; all else must be the same to the letter.
    reached = coverage_table.counts()
    written = coverage_table.PATH.read_text(encoding="utf-8")
    expected = coverage_table.text(reached)
    assert _COUNTS.sub("", written) == _COUNTS.sub("", expected), "run `python -m tests.coverage_table`"
