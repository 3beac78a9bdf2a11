"""The register of known deviations is kept honest: each entry must still be there."""

from __future__ import annotations

from typing import Any

import pytest

from observance.conformance.hearing import Hearing


def test_a_known_deviation_still_breaks_its_rules(judge: Any, deviation: Any) -> None:
    """The pinned case of a known deviation still breaks its rules, and does so because of it."""
    if judge.blocked:
        pytest.skip(f"blocked: {judge.blocked}")
    holding = judge.apart.ask(Hearing.still_deviates, deviation.id)
    if holding:
        pytest.fail(
            f"{deviation.id}: its pinned case breaks {', '.join(holding)} no longer. If the cause is "
            f"mended, give the entry a last version; else pin another case.",
            pytrace=False,
        )
