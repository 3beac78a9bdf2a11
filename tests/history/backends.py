"""What was reported of the chapter *backends*: what a backend demands, and was not held to."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch.ao.quantization.observer import default_fixed_qparams_range_0to1_observer

from observance.reference.specs import spec_of
from observance.strategies.case import Backend, Constraint, DTypes, Observer, Pattern, QConfig

from .models import everywhere, model, op
from .registry import Decision, reported


def _taking(target: str, **constraint: Any) -> Backend:
    """Return a backend that has one operator, and demands something of its input and its output."""
    demand = Constraint(**constraint)
    return Backend((Pattern((target,), "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT", (DTypes(demand, demand),)),))


_COARSE = _taking("nn.Hardswish", dtype="torch.quint8", scale_min=2**-10)

_SIGNED_QCONFIG = QConfig(Observer("MinMaxObserver", (("dtype", "torch.qint8"),)), Observer("default_weight_observer"))


@reported(
    80184,
    2022,
    "An operator whose kernel has fixed parameters was observed by whatever its qconfig has.",
    "BACKENDS-1",
    model(op("sigmoid", -1)),
    "backends._broken_parameters",
)
def any_parameters_will_do(original: Decision, instance: Any, observer: Any, constraint: Any) -> None:
    """Hold no qconfig to the fixed parameters of a backend's operator."""


@reported(
    85200,
    2022,
    "A qconfig whose range is beyond that of the backend's kernels was followed.",
    "BACKENDS-1",
    model(op("hardswish", -1), backend=_taking("nn.Hardswish", dtype="torch.quint8", quant_max=100, quant_min=0)),
    "backends._broken_range",
)
def any_range_will_do(original: Decision, observer: Any, constraint: Any) -> None:
    """Hold no qconfig to a backend's range."""


@reported(
    85200,
    2022,
    "A qconfig whose smallest scale is below that of the backend's kernels was followed.",
    "BACKENDS-1",
    model(op("hardswish", -1), backend=_COARSE),
    "backends._broken_scale",
)
def any_scale_will_do(original: Decision, observer: Any, constraint: Any) -> None:
    """Hold no qconfig to a backend's smallest scale."""


@reported(
    85851,
    2022,
    "A qconfig that the backend does not support was ignored, and nobody was told.",
    "BACKENDS-2",
    model(op("hardswish", -1), backend=_COARSE),
    "backends.judge",
)
def says_nothing(original: Decision, match: Any, ask: Any, reader: Any) -> Any:
    """Ignore a qconfig in silence."""
    return dataclasses.replace(original(match, ask, reader), warnings=())


@reported(
    65484,
    2021,
    "An operator with fixed parameters was observed as an unsigned byte, whatever dtype its qconfig has.",
    "DTYPES-6",
    model(op("sigmoid", -1), qconfigs=everywhere(_SIGNED_QCONFIG), backend=_taking("nn.Sigmoid", dtype="torch.qint8")),
    "placement.place_output",
)
def unsigned_in_every_case(original: Decision, site: Any, quantized: Any) -> None:
    """Observe an output by fixed parameters of an unsigned byte."""
    spec = spec_of(default_fixed_qparams_range_0to1_observer)
    original(site, dataclasses.replace(quantized, ask=dataclasses.replace(quantized.ask, activation=spec)))


@reported(
    88620,
    2022,
    "The backend's observer took the place of the qconfig's on the output of operators with fixed parameters.",
    "DTYPES-6",
    model(op("sigmoid", -1), backend=_taking("nn.Sigmoid", dtype="torch.quint8")),
    "placement.place_output",
)
def the_backend_knows_better(original: Decision, site: Any, quantized: Any) -> None:
    """Observe the output of a sigmoid by fixed parameters, whatever observer its qconfig has."""
    unsigned_in_every_case(original, site, quantized)
