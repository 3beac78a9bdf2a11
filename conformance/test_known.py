"""The known failures are kept honest: each must still fail, and none may be known for longer than was agreed."""

from __future__ import annotations

import datetime
from typing import Any

import pytest


def test_a_known_failure_still_fails(judge: Any, known_failure: Any) -> None:
    """The pinned case of a known failure still breaks its rule, and its last date has not passed."""
    if judge.blocked:
        pytest.skip(f"blocked: {judge.blocked}")
    wrong = judge.known_failures.complaint(judge, known_failure, datetime.date.today())
    if wrong:
        pytest.fail(wrong, pytrace=False)
