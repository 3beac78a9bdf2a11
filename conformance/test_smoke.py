"""The smoke tier: whether the implementation can be called at all.

If one of these fails, the adapter is broken, and nothing can be said of the
implementation: all other rules are blocked.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from observance.strategies.case import Call, Case, Entry, Mapping

SMALLEST = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(None, (Entry("global", None),)))
"""One linear layer, and nothing to quantize."""


def test_smoke_the_smallest_model_is_prepared_and_runs(judge: Any) -> None:
    """One linear layer without a qconfig comes back as a GraphModule that computes the same."""
    outcome = judge.calls.fresh(SMALLEST)
    problem = outcome.misshapen
    if outcome.error is not None:
        problem = f"it raised {type(outcome.error).__name__}: {outcome.error}"
    elif problem is None and outcome.prepared is not None:
        with torch.no_grad():
            wanted = outcome.arguments.float_model(*outcome.arguments.example_inputs)
            found = outcome.prepared(*outcome.arguments.example_inputs)
        problem = None if torch.equal(wanted, found) else "the prepared model computes another result"
    if problem:
        judge.blocked = f"the smoke tier failed: {problem}"
        pytest.fail(
            f"{judge.implementation.name} cannot be called as {judge.implementation.shape}: {problem}. "
            "Mend the adapter first; the other rules are blocked.",
            pytrace=False,
        )
