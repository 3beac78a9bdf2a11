"""Chapter *configs*: what a backend config must keep, whatever backend it is for.

A vendor brings it with ``--backend-config``. The reference prepares for it, and the result is held against
torch's native config.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.ao.quantization.backend_config import BackendPatternConfig, DTypeWithConstraints

from observance.conformance.brought import Configuring
from observance.conformance.claims import BACKEND_CONFIG
from observance.conformance.observation import Edge, Observation
from observance.conformance.roles import PICKING, RANGES, RESHAPING
from observance.conformance.rules import MUST, UPSTREAM, Finding, judged, rule
from observance.conformance.trials import Trial
from observance.conformance.usage import printable, told
from observance.conformance.vendors import fits, sharing
from observance.strategies.motifs import pattern_of

_CONFIG = (BACKEND_CONFIG,)


@rule("CONFIGS-1", MUST, "prepare: prepare a model for quantization", profiles=_CONFIG)
def test_every_valid_model_is_accepted(trial: Trial) -> Iterator[Finding]:
    """A model that is prepared for torch's native config is prepared for this one."""
    if trial.expected.error is None:
        error = trial.outcome.error
        text = "a prepared model" if error is None else told(error)
        yield judged(error is None, "the call", "a prepared model", text, "torch's native config prepares it")


@rule("CONFIGS-2", UPSTREAM, "OUTPUT_SHARE_OBSERVER_WITH_INPUT: e.g. torch.cat, maxpool", profiles=_CONFIG)
def test_a_concatenation_and_a_maxpool_are_configured_to_share(trial: Trial) -> Iterator[Finding]:
    """Where one is quantized, one observer is on its output and on all that it reads."""
    yield from sharing(trial, () if trial.planned is None else trial.planned.quantized, PICKING)


@rule(
    "CONFIGS-3", MUST, "DTypeWithConstraints: scale_exact_match, zero_point_exact_match", costly=True, profiles=_CONFIG
)
def test_exact_parameters_hold_the_whole_range_of_an_operator(trial: Trial) -> Iterator[Finding]:
    """Where an entry of an operator with a known range demands an exact scale and zero point, the range fits them."""
    for entry in _entries(trial):
        pattern = pattern_of(entry)
        name = pattern if isinstance(pattern, str) else getattr(pattern, "__name__", "")
        span = RANGES.get(str(name).lower().replace("_", ""))
        for config in entry.dtype_configs if span else ():
            held = _held(config.output_dtype_with_constraints)
            if held is not None and span is not None:
                low, high, step = held
                because = f"{name} gives values in that range"
                texts = f"{span[0]}..{span[1]}", f"{low}..{high}"
                yield judged(fits(span, low, high, step), f"the entry of {name}", *texts, because)


def _entries(trial: Trial) -> list[BackendPatternConfig]:
    """Return the entries of the vendor's config."""
    function = trial.calls.implementation.function
    return function.make().configs if isinstance(function, Configuring) else []


def _held(bounds: DTypeWithConstraints) -> tuple[float, float, float] | None:
    """Return the least and the largest value that exact parameters hold, and the step; None if they are not exact."""
    scale, zero = bounds.scale_exact_match, bounds.zero_point_exact_match
    if scale is None or zero is None or bounds.dtype is None or bounds.dtype.is_floating_point:
        return None
    limits = torch.iinfo(bounds.dtype)
    least = limits.min if bounds.quant_min_lower_bound is None else bounds.quant_min_lower_bound
    most = limits.max if bounds.quant_max_upper_bound is None else bounds.quant_max_upper_bound
    return (least - zero) * scale, (most - zero) * scale, scale


@rule(
    "CONFIGS-4",
    MUST,
    "BackendPatternConfig.dtype_configs, DTypeWithConstraints: supported data types, and bounds",
    costly=True,
    profiles=_CONFIG,
)
def test_every_entry_of_a_backend_config_can_be_met(trial: Trial) -> Iterator[Finding]:
    """Each entry has a dtype config, or says how what it matches is fused, and no constraint in it has bounds between
    which there is nothing.

    An entry of several operators may have none: so that they stay float together.
    """
    for entry in _entries(trial):
        place = f"the entry of {printable(str(pattern_of(entry)), 200)}"
        there = bool(entry.dtype_configs) or entry.fuser_method is not None or isinstance(pattern_of(entry), tuple)
        yield judged(there, place, "a dtype config", "none", "without one nothing that it matches is ever quantized")
        for config in entry.dtype_configs:
            for name, wrong in _unmet(config):
                yield judged(
                    not wrong, f"{place}, {name}", "bounds that can be met", wrong, "nothing lies between them"
                )


def _unmet(config: Any) -> Iterator[tuple[str, str]]:
    """Yield for each constraint of a dtype config its name, and what cannot be met, or nothing."""
    for name in ("input", "output", "weight"):
        bounds = getattr(config, f"{name}_dtype_with_constraints")
        pairs = [
            (bounds.quant_min_lower_bound, bounds.quant_max_upper_bound),
            (bounds.scale_min_lower_bound, bounds.scale_max_upper_bound),
            (bounds.scale_min_lower_bound, bounds.scale_exact_match),
            (bounds.scale_exact_match, bounds.scale_max_upper_bound),
        ]
        wrong = [f"{least}..{most}" for least, most in pairs if None not in (least, most) and least > most]
        yield f"{name} dtype", ", ".join(wrong)


@rule(
    "CONFIGS-5",
    MUST,
    "Quantization-aware training: models the effects of quantization during training",
    needs=("qat",),
    costly=True,
    profiles=_CONFIG,
)
def test_a_backend_observes_in_training_where_it_observes_in_calibration(trial: Trial) -> Iterator[Finding]:
    """An edge has an observer when the model is to be trained if it has one when it is not.

    It is demanded of an edge of which it is true with torch's native config.
    """
    if not trial.case.is_qat or trial.seen is None:
        return
    case = replace(trial.case, is_qat=False, training=trial.case.training is not False)
    seen = [calls.outcome(one).observation for calls in (trial.standard, trial.calls) for one in (trial.case, case)]
    if any(one is None for one in seen):
        return
    trained, calibrated, mine, theirs = (_observed_edges(one) for one in seen if one is not None)
    because = "torch's native config observes it in both"
    for edge in sorted(trained & calibrated & (mine | theirs), key=str):
        one, other = ("observed" if edge in found else "not observed" for found in (theirs, mine))
        yield judged(one == other, edge, one, other, because)


def _observed_edges(seen: Observation) -> set[Edge]:
    """Return the edges that have an observer."""
    return {edge for edge, chain in seen.edges.items() if chain}


@rule(
    "CONFIGS-6",
    UPSTREAM,
    "BackendPatternConfig.set_qat_module: the module for quantization-aware training",
    needs=("qat",),
    profiles=_CONFIG,
)
def test_a_layer_that_is_quantized_has_a_class_for_its_training(trial: Trial) -> Iterator[Finding]:
    """A module that is quantized is swapped for training if it is with torch's native config."""
    if not trial.case.is_qat or trial.planned is None or trial.seen is None or trial.expected.observation is None:
        return
    quantized = {node.name for node in trial.planned.quantized}
    native = trial.expected.observation.callees
    for node, callee in trial.seen.callees.items():
        wanted = dict(native.get(node, ())).get("class")
        float_class = _float_class(trial, node)
        if node in quantized and wanted not in (None, float_class):
            found = dict(callee).get("class")
            because = f"{node} is quantized, and torch's native config has a class for its training"
            yield judged(found != float_class, f"the module of {node}", wanted, found, because)


def _float_class(trial: Trial, name: str) -> str | None:
    """Return the class of the module that a node of the float graph calls."""
    model, nodes = trial.outcome.arguments.model, trial.outcome.arguments.model.graph.nodes
    found = [model.get_submodule(str(node.target)) for node in nodes if node.name == name and node.op == "call_module"]
    return f"{type(found[0]).__module__}.{type(found[0]).__qualname__}" if found else None


@rule("CONFIGS-7", UPSTREAM, "get_native_backend_config: e.g. reshape, transpose", profiles=_CONFIG)
def test_what_only_reshapes_is_configured_to_share(trial: Trial) -> Iterator[Finding]:
    """Where an operator is quantized that gives its input in another form, or a part of it, one observer is on both."""
    yield from sharing(trial, () if trial.planned is None else trial.planned.quantized, RESHAPING)
