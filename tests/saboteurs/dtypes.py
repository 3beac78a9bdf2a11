"""The saboteurs of the chapter *dtypes*."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch.ao.quantization import MinMaxObserver

from observance.conformance.variants import Change
from observance.reference import dtypes
from observance.reference.graphs import Operand
from observance.reference.plan import Slot
from observance.reference.specs import spec_of
from observance.reference.values import Kind

from .registry import SABOTEURS, Saboteur, breaks


@breaks("DTYPES-1", "values.classify")
def everything_is_float(original: Saboteur, *args: Any) -> Any:
    """Take every value for a float tensor."""
    return dict.fromkeys(original(*args), Kind.FLOAT)


@breaks("DTYPES-2", "placement.place_output")
def observes_dynamic_outputs(original: Saboteur, site: Any, quantized: Any) -> None:
    """Observe what a dynamic operator gives."""
    original(site, quantized)
    spec, last = quantized.ask.activation, quantized.match.last
    if spec is not None and spec.is_dynamic and spec.is_observed:
        site.outputs[last] = Slot(last, None, spec, "DTYPES-2", "sabotage")
        site.plan.slots.append(site.outputs[last])


def _spec_for(role: str, part: str) -> Saboteur:
    """Return a choice of specs that takes another part of the qconfig for a role."""

    def choose(original: Saboteur, operand: Operand, ask: Any, positions: Any) -> Any:
        if dtypes.role(operand, positions) == role:
            return getattr(ask, part)
        return original(operand, ask, positions)

    return choose


SABOTEURS["DTYPES-3"] = (Change("dtypes.spec_for", _spec_for("weight", "activation")),)


SABOTEURS["DTYPES-4"] = (Change("dtypes.spec_for", _spec_for("bias", "activation")),)


SABOTEURS["DTYPES-5"] = (Change("dtypes.spec_for", _spec_for("weight", "weight")),)


@breaks("DTYPES-6", "dtypes.ask_of")
def other_settings(original: Saboteur, qconfig: Any) -> Any:
    """Observe activations with an eps of its own."""
    ask = original(qconfig)
    if ask.activation is None or type(ask.activation.instance) is not MinMaxObserver:
        return ask
    settings = {"dtype": ask.activation.dtype, "qscheme": ask.activation.instance.qscheme}
    return dataclasses.replace(ask, activation=spec_of(MinMaxObserver.with_args(eps=0.5, **settings)))


@breaks("DTYPES-7", "placement.place_input")
def observes_float_inputs(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Observe the inputs of operators whose weights alone are quantized."""
    spec = quantized.ask.activation
    if spec is None or not spec.is_observed:
        ask = dataclasses.replace(quantized.ask, activation=spec_of(MinMaxObserver))
        quantized = dataclasses.replace(quantized, ask=ask)
    original(site, operand, quantized)


@breaks("DTYPES-8", "dtypes.is_first_argument")
def all_are_first(original: Saboteur, operand: Operand, positions: Any) -> bool:
    """Quantize every argument dynamically."""
    return True


@breaks("DTYPES-9", "placement.why_not")
def inserts_placeholders(original: Saboteur, site: Any, operand: Operand, spec: Any, quantized: Any) -> Any:
    """Put an observer into the graph for a float dtype too."""
    if spec is not None and not spec.is_observed:
        return None
    return original(site, operand, spec, quantized)
