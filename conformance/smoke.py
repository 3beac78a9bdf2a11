"""Whether an implementation can be called at all: the smallest model is prepared and runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from observance.conformance.claims import QUANTIZER
from observance.conformance.isolation import DiedError
from observance.conformance.outcomes import Outcome
from observance.conformance.raised import as_exceptions
from observance.conformance.usage import printable, told
from observance.strategies.case import Call, Case, Entry, Mapping

if TYPE_CHECKING:
    from observance.conformance.hearing import Hearing

SMALLEST = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(None, (Entry("global", None),)))
"""One linear layer, and nothing to quantize."""


def problem(judge: Hearing) -> str | None:
    """Return what is wrong with the result for the smallest model, or None."""
    exported = judge.profile == QUANTIZER
    outcome = judge.calls.fresh(replace(SMALLEST, profile=judge.profile, exported=True) if exported else SMALLEST)
    if isinstance(outcome.error, DiedError):
        return f"it raised {told(outcome.error)} (if it needs threads that its import starts, add --in-process)"
    if outcome.error is not None:
        return f"it raised {told(outcome.error)}"
    if outcome.misshapen is None and outcome.prepared is not None:
        return _forward_problem(outcome, exported and _has_fake_quantizers(outcome.prepared))
    return outcome.misshapen and printable(outcome.misshapen)


def _has_fake_quantizers(model: nn.Module) -> bool:
    """Whether a model rounds as it computes: a quantizer may ask for that, even where nothing is trained."""
    return any(hasattr(module, "fake_quant_enabled") for module in model.modules())


def _forward_problem(outcome: Outcome, may_round: bool) -> str | None:
    """Return what is wrong with the result of the prepared model, or None; one that may round gives what it likes."""
    assert outcome.prepared is not None
    inputs = outcome.arguments.example_inputs
    with torch.no_grad():
        wanted = outcome.arguments.float_model(*inputs)
        try:
            with as_exceptions():
                found = outcome.prepared(*inputs)
        except Exception as error:  # whatever it raises, it does not run
            return f"the prepared model does not run: {told(error)}"
    same = isinstance(found, torch.Tensor) and (may_round or torch.equal(wanted, found))
    return None if same else "the prepared model computes another result"
