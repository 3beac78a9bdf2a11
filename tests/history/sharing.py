"""What was reported of the chapter *sharing*: observers that should have been one, or were too few or too many."""

from __future__ import annotations

from typing import Any

import torch

from observance.conformance.deviations import torch_sharing
from observance.reference.plan import Slot
from observance.strategies.case import Backend, Constraint, DTypes, Entry, Pattern

from .models import everywhere, model, op
from .registry import Decision, enter, reported

_TWO_LAYERS = (op("linear", -1), op("linear", -2))

_HALF = Constraint("torch.float16")
_HALF_POOLING = Backend(
    (Pattern(("nn.MaxPool1d",), "OUTPUT_SHARE_OBSERVER_WITH_INPUT", (DTypes(input=_HALF, output=_HALF),)),)
)


@reported(
    54813,
    2021,
    "The tensors that cat joins were observed one by one, so that each had to be requantized.",
    "SHARING-1",
    model(op("cat", (-1, -2)), inputs="tt"),
    "sharing.sources",
)
def the_first_alone(original: Decision, site: Any, match: Any) -> list[Slot]:
    """Share with the first input alone."""
    found: list[Slot] = original(site, match)
    return found[:1]


@reported(
    106760,
    2023,
    "The inputs of cat kept the observers of the layers that give them.",
    "SHARING-1",
    model(*_TWO_LAYERS, op("cat", (0, 1)), inputs="tt"),
    "sharing._joined",
)
def leaves_makers_alone(original: Decision, site: Any, last: Any, found: list[Slot], rule: str) -> Any:
    """Share with observers that stand for the reader's sake, and with the first one, but not with those of makers."""
    makers = site.outputs.values()
    return original(site, last, [slot for n, slot in enumerate(found) if n == 0 or slot not in makers], rule)


@reported(
    129038,
    2024,
    "Where cat reads one value twice, that value's observer was to share with itself, without end.",
    "ENTRY-1",
    model(op("linear", -1), op("cat", (0, 0))),
    "sharing._joined",
)
def shares_with_itself(original: Decision, site: Any, last: Any, found: list[Slot], rule: str) -> Any:
    """Follow who shares with whom, and never come to an end where an observer is there twice."""
    if len(set(found)) < len(found):
        raise RecursionError("an observer shares with itself")
    return original(site, last, found, rule)


enter(
    111172,
    2023,
    "That one value shares with a second, and the second with a third, did not make the third share with the first.",
    "SHARING-3",
    model(op("hardtanh", -2), op("cat", (-1, 0)), inputs="tt", output=("tuple", 0, 1)),
    *torch_sharing.NOT_CLOSED,
    still="sharing-not-closed",
)


@reported(
    4421,
    2026,
    "A value could not share with one that comes later in the graph: prepare failed.",
    "ENTRY-1",
    model(*_TWO_LAYERS, op("cat", (1, 0)), inputs="tt"),
    "sharing._joined",
    repository="pytorch/ao",
)
def wants_the_anchor_first(original: Decision, site: Any, last: Any, found: list[Slot], rule: str) -> Any:
    """Fail where what others share with is not the first to be decided."""
    order = [site.plan.slots.index(slot) for slot in found]
    assert not order or order[0] == min(order), "there is no observer to share yet"
    return original(site, last, found, rule)


@reported(
    53330,
    2021,
    "Operators that pass values on were taken for such with fixed parameters, and had observers of their own.",
    "SHARING-1",
    model(op("linear", -1), op("max_pool1d", 0)),
    "sharing.output_slot",
)
def own_observers_for_all(original: Decision, site: Any, quantized: Any, spec: Any) -> Slot:
    """Give every output an observer of its own."""
    return Slot(quantized.match.last, None, spec, "", "the fault")


@reported(
    53585,
    2021,
    "Of operators that pass values on, only those for integers counted as static; those for float16 stayed float.",
    "SHARING-1",
    model(op("max_pool1d", -1), qconfigs="float16_static_qconfig", backend=_HALF_POOLING),
    "sharing.shares_with_inputs",
)
def half_is_not_shared(original: Decision, quantized: Any) -> bool:
    """Take float16 for a dtype that is not static."""
    return bool(original(quantized)) and quantized.ask.activation_dtype is not torch.float16


@reported(
    61687,
    2021,
    "An operator that passes values on had an observed input, and an output that was not observed at all.",
    "PLACEMENT-5",
    model(op("linear", -1), op("max_pool1d", 0)),
    "sharing.output_slot",
)
def passes_on_unobserved(original: Decision, site: Any, quantized: Any, spec: Any) -> Slot | None:
    """Observe no output that would share."""
    slot: Slot = original(site, quantized, spec)
    return None if slot is not None and slot.rule == "SHARING-1" else slot


@reported(
    61859,
    2021,
    "What comes of a tensor and a number was not observed, although its kernel keeps the tensor's parameters.",
    "PLACEMENT-5",
    model(op("linear", -1), op("operator_add_number", 0)),
    "sharing.output_slot",
)
def numbers_give_floats(original: Decision, site: Any, quantized: Any, spec: Any) -> Slot | None:
    """Observe no output of arithmetic with a number."""
    numbers = [argument for argument in quantized.match.root.args if isinstance(argument, (int, float))]
    slot: Slot | None = original(site, quantized, spec)
    return None if numbers else slot


@reported(
    73054,
    2022,
    "Pooling of an input that is declared as quantized lost the observer of its output.",
    "PLACEMENT-5",
    model(op("avg_pool1d", -1), quantized_inputs=(0,)),
    "sharing.is_outside",
)
def nothing_is_outside(original: Decision, site: Any, match: Any) -> bool:
    """Look for the input's observer in this graph in every case."""
    return False


@reported(
    73738,
    2022,
    "An observer that stands for the input's own one had a dtype of its own, which disagrees with the input's.",
    "SHARING-4",
    model(
        op("linear", -1),
        op("hardtanh", 0),
        qconfigs=everywhere(
            "default_qconfig", Entry("object_type", "default_reuse_input_qconfig", target="nn.Hardtanh")
        ),
    ),
    "sharing.output_slot",
)
def reuses_by_name_alone(original: Decision, site: Any, quantized: Any, spec: Any) -> Any:
    """Put what only stands for the input's observer into the graph."""
    if quantized.ask.reuse:
        return Slot(quantized.match.last, None, spec, "", "the fault")
    return original(site, quantized, spec)
