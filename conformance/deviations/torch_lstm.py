"""What torch's `prepare` does with LSTMs that have an observed class of their user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.ao.nn import quantizable
from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference.plan import Plan

from .register import Deviation

Decision = Callable[..., Any]


def _knows_one_class(original: Decision, result: Plan, *rest: Any) -> dict[Node, torch.dtype | None]:
    """Know the output of a custom LSTM for quantized only if its observed class is that of torch."""
    known: dict[Node, torch.dtype | None] = original(result, *rest)
    others = [
        part
        for part, (lstm, _) in result.parts.items()
        if not isinstance(result.custom[str(lstm.target)], quantizable.LSTM)
    ]
    return {node: dtype for node, dtype in known.items() if node not in others}


ENTRIES = (
    Deviation(
        "lstm-known-by-one-class",
        ("REFUSALS-5",),
        "_is_custom_module_lstm asks for any nn.LSTM where it takes the output apart, and for a quantizable.LSTM where "
        "that is read: of an LSTM with another observed class, what is quantized is observed once more for each reader",
        "_maybe_get_custom_module_lstm_from_node_arg: an input observer for the consumer of a custom module LSTM would "
        "unnecessarily quantize the outputs again",
        (Change("prepare.quantized_elsewhere", _knows_one_class),),
    ),
)
"""The entries about LSTMs of a class of one's own."""
