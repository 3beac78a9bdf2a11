"""The smoke tier: whether the implementation can be called at all.

If one of these fails, the adapter is broken, and nothing can be said of the
implementation: all other rules are blocked.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from observance.conformance.outcomes import Outcome
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
        problem = _forward_problem(outcome)
    if problem:
        judge.blocked = f"the smoke tier failed: {problem}"
        pytest.fail(
            f"{judge.implementation.name} cannot be called as {judge.implementation.shape}: {problem}. "
            "Mend the adapter first; the other rules are blocked.",
            pytrace=False,
        )


def _forward_problem(outcome: Outcome) -> str | None:
    """Return what is wrong with the result of the prepared model, or None."""
    assert outcome.prepared is not None
    inputs = outcome.arguments.example_inputs
    with torch.no_grad():
        wanted = outcome.arguments.float_model(*inputs)
        try:
            found = outcome.prepared(*inputs)
        except Exception as error:  # whatever it raises, it does not run
            return f"the prepared model does not run: {type(error).__name__}: {error}"
    same = isinstance(found, torch.Tensor) and torch.equal(wanted, found)
    return None if same else "the prepared model computes another result"
