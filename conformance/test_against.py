"""What `--against` asks for: whether observers stand where they stood, or where another implementation puts them."""

from __future__ import annotations

from typing import Any

import pytest


def test_observers_stand_where_they_stood(judge: Any, baseline: Any) -> None:
    """No observer has moved, appeared, vanished, changed, split or merged."""
    from observance.conformance.against import compared

    if judge.blocked:
        pytest.skip(f"blocked: {judge.blocked}")
    found = compared(judge, baseline)
    judge.notes.append(found.markdown())
    if found.causes:
        pytest.fail(found.text(judge.folder), pytrace=False)
    if not found.compared:
        pytest.skip("vacuous: there is no case that both have, and claim")
