"""What was reported of the chapter *modules*: standalone and custom modules, and the custom LSTM."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import nn
from torch.ao.quantization.backend_config import get_native_backend_config

from observance.conformance.variants import Change
from observance.reference.values import Kind
from observance.strategies.case import Backend, Declared

from .models import model, op
from .registry import Decision, enter, reported


@reported(
    91905,
    2023,
    "A custom module that is called twice was to be swapped twice, and the second time it was no float module.",
    "ENTRY-1",
    model(op("scale", -1), op("scale", 0, shares=0), declared=(Declared("custom", "Scale"),)),
    "modules.swap",
)
def swaps_at_each_call(original: Decision, result: Any, own: Any, called: Any, custom: Any) -> None:
    """Swap a custom module once more at each of its calls."""
    own = list(own)
    names = [quantized.match.last.target for quantized in own]
    assert len(set(names)) == len(names), "this is no float module"
    original(result, own, called, custom)


def _takes_nothing_apart(original: Decision, result: Any, lstm: Any) -> None:
    """Let the parts of an LSTM's output be read as they are."""


def _lstms_give_tensors(original: Decision, node: Any, modules: Any, shapes: Any) -> Any:
    """Take what an LSTM gives for one float tensor."""
    is_lstm = node.op == "call_module" and isinstance(modules[node.target], nn.LSTM)
    return Kind.FLOAT if is_lstm else original(node, modules, shapes)


enter(
    85068,
    2022,
    "A custom LSTM was observed as if it gave one tensor; it gives a tuple with a tuple inside.",
    "DTYPES-1 MODULES-9",
    model(op("lstm", -1), op("lstm_output", 0), op("linear", 1), declared=(Declared("custom", "nn.LSTM"),)),
    Change("modules.take_apart", _takes_nothing_apart),
    Change("values.of_call", _lstms_give_tensors),
)


@reported(
    70277,
    2021,
    "A standalone module without a backend config of its own did not have that of its parent.",
    "MODULES-1",
    model(op("linear", -1, scope="a"), backend=Backend(()), declared=(Declared("standalone", "a"),)),
    "modules.inside",
)
def native_inside(original: Decision, name: str, module: Any, qconfig: Any, parent: Any) -> Any:
    """Prepare standalone modules for the native backend."""
    return original(name, module, qconfig, dataclasses.replace(parent, backend=get_native_backend_config()))
