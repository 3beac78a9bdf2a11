"""The smoke tier: whether the implementation can be called at all.

If one of these fails, the adapter is broken, and nothing can be said of the
implementation: all other rules are blocked.
"""

from __future__ import annotations

from typing import Any

import pytest

from observance.conformance.smoke import problem


def test_smoke_the_smallest_model_is_prepared_and_runs(judge: Any) -> None:
    """One linear layer without a qconfig comes back as a GraphModule that computes the same."""
    found = judge.apart.ask(problem)
    if found:
        judge.blocked = f"the smoke tier failed: {found}"
        pytest.fail(
            f"{judge.implementation.name} cannot be called as {judge.implementation.shape}: {found}. "
            "Mend the adapter first; the other rules are blocked.",
            pytrace=False,
        )
