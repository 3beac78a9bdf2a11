"""What was reported of the chapter *placement*: observers that were missing, misplaced or double."""

from __future__ import annotations

from typing import Any

import torch

from observance.reference.graphs import Operand
from observance.reference.plan import Slot
from observance.strategies.case import Entry

from .models import by_type, everywhere, model, observing, op
from .registry import Decision, reported

_HISTOGRAM = observing("default_histogram_observer")

_TWO_READERS = model(
    op("linear", -1),
    op("linear", -1),
    output=("tuple", 0, 1),
    qconfigs=everywhere("default_qconfig", Entry("name", _HISTOGRAM, name="linear_1")),
)


@reported(
    53210,
    2021,
    "A quantized operator whose value nobody reads made prepare fail.",
    "ENTRY-1",
    model(op("linear", -1), op("linear", -1)),
    "placement.place_output",
)
def wants_a_reader(original: Decision, site: Any, quantized: Any) -> None:
    """Look for the first reader of an output, and fail where there is none."""
    next(iter(quantized.match.last.users))
    original(site, quantized)


@reported(
    53586,
    2021,
    "A value that two readers want quantized in two ways had one observer, which was right for the first of them.",
    "PLACEMENT-1",
    _TWO_READERS,
    "placement.fitting",
)
def the_first_fits_all(original: Decision, site: Any, value: Any, below: Any, spec: Any) -> Any:
    """Take whatever observer is on a value already."""
    return next(iter(site.inputs.get(value, {}).values()), None)


@reported(
    107899,
    2023,
    "The second of two layers that are quantized differently was looked up behind the first one's observer, "
    "and not behind the value that both read.",
    "PLACEMENT-2",
    _TWO_READERS,
    "placement.place_input",
)
def reads_behind_the_first(original: Decision, site: Any, operand: Operand, quantized: Any) -> None:
    """Let later readers of a value read it through the first one's observer, and put theirs on top."""
    first = next((slot for slot in site.plan.slots if slot.value is operand.value), None)
    original(site, operand, quantized)
    own = site.plan.read_at(operand)
    if first is not None and own is not None and own is not first:
        upper = Slot(own.value, first, own.spec, own.rule, own.reason)
        site.plan.slots[site.plan.slots.index(own)] = upper
        site.plan.read(operand, upper)


@reported(
    101941,
    2023,
    "The input of a pooling had no observer where the layer before it has a qconfig but gives a float value.",
    "PLACEMENT-1",
    model(
        op("linear", -1),
        op("max_pool1d", 0),
        qconfigs=by_type(("nn.Linear", "default_dynamic_qconfig"), ("nn.MaxPool1d", "default_qconfig")),
    ),
    "placement.dtype_of",
    still="dynamic-output-believed-quantized",
)
def asked_for_is_there(original: Decision, site: Any, value: Any) -> torch.dtype | None:
    """Believe that a value is quantized as its operator's qconfig says, whether it is observed or not."""
    asked = site.quantized.get(value)
    return original(site, value) if asked is None else asked.ask.activation_dtype  # type: ignore[no-any-return]


@reported(
    122734,
    2024,
    "A value that has an observer got another of the same dtype, because a reader's has fixed parameters.",
    "PLACEMENT-2",
    model(
        op("linear", -1),
        op("sigmoid", 0),
        qconfigs=everywhere(
            "default_qconfig",
            Entry("object_type", observing("default_fixed_qparams_range_0to1_observer"), target="nn.Sigmoid"),
        ),
    ),
    "placement.why_not",
)
def the_same_settings_or_none(original: Decision, site: Any, operand: Operand, spec: Any, quantized: Any) -> Any:
    """Observe a value again unless its observer has the same settings, whatever its dtype."""
    reason, behind = original(site, operand, spec, quantized), site.outputs.get(operand.value)
    already = reason is not None and reason.endswith("already")
    return None if already and behind is not None and behind.spec != spec else reason
