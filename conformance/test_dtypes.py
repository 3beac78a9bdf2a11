"""Chapter *dtypes*: which dtype each value is to have, and who asks for which observer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from observance.conformance.observation import describe, edge_of
from observance.conformance.rules import MUST, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial
from observance.reference import dtypes
from observance.reference.placement import is_never_observed
from observance.reference.specs import Spec


@rule("DTYPES-1", MUST, "_DO_NOT_OBS_DTYPE_LIST: int, float, bool, None")
def test_only_float_tensors_are_observed(trial: Trial) -> Iterator[Finding]:
    """An observer stands on float tensors alone: never on integers, bools, sizes or tuples."""
    if trial.seen is None or trial.float_values is None:
        return
    for name, value in trial.float_values.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            continue
        found = trial.seen.on(name)
        kind = str(value.dtype) if isinstance(value, torch.Tensor) else type(value).__name__
        because = f"{name} is a {kind}, which has no range to observe"
        yield judged(not found, name, "no observer", found, because)


@rule(
    "DTYPES-2", MUST, "_get_target_activation_dtype_for_node: dynamic: the output activation is in fp32", ("dynamic",)
)
def test_the_output_of_a_dynamic_operator_is_float(trial: Trial) -> Iterator[Finding]:
    """A dynamically quantized operator gives a float value: nobody observes it on its behalf."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node, quantized in site.quantized.items():
        spec = quantized.ask.activation
        if node is not quantized.match.last or spec is None or not spec.is_dynamic:
            continue
        if any(reader in site.quantized or reader in site.standalone for reader in site.plan.readers(node)):
            continue
        found = seen.on(node.name)
        because = f"{node.name} is quantized dynamically, and nothing quantized reads it"
        yield judged(not found, node.name, "no observer", found, because)


@rule("DTYPES-3", MUST, "_get_arg_as_input_act_obs_or_fq: a weight is observed by qconfig.weight")
def test_a_weight_stands_behind_the_weight_observer(trial: Trial) -> Iterator[Finding]:
    """A functional's weight that is float is observed by exactly what the qconfig says for weights."""
    yield from _role_findings(trial, "weight")


@rule("DTYPES-4", MUST, "DTypeConfig.bias_dtype: in native's configs it is float16 beside float16, and else float")
def test_a_bias_is_observed_only_where_everything_is_float16(trial: Trial) -> Iterator[Finding]:
    """A functional's bias is observed as float16 where all else is static float16, and else not at all."""
    yield from _role_findings(trial, "bias")


def _role_findings(trial: Trial, role: str) -> Iterator[Finding]:
    """Yield what stands on parameters that are read in a role, against what is asked for there."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for operand, quantized in trial.quantized_roots():
        if dtypes.role(operand, site.positions) != role or operand.value.op != "get_attr":
            continue
        if quantized.ask.reuse or operand.node in _unobserved(trial):
            continue
        spec = dtypes.spec_for(operand, quantized.ask, site.positions)
        if spec is not None and spec.is_dynamic:  # nothing says whether such a weight is observed
            continue
        wanted = describe(spec.settings) if spec is not None and spec.is_observed else "no observer"
        found = " then ".join(s.kind for s in seen.edges[edge_of(operand)]) or "no observer"
        because = f"{operand.value.name} is the {role} of {operand.node.name}, which asks for {wanted}"
        yield judged(found == wanted, edge_of(operand), wanted, found, because)


def _unobserved(trial: Trial) -> set[object]:
    """Return the nodes of patterns that the backend wants never to be observed."""
    site = trial.site
    return {n for n, q in site.quantized.items() if is_never_observed(q)} if site else set()


@rule("DTYPES-5", MUST, "NON_QUANTIZABLE_WEIGHT_OPS: norms, whose kernels take float weights")
def test_the_weight_of_a_norm_is_not_observed(trial: Trial) -> Iterator[Finding]:
    """Functional layer, group and instance norms have a float weight."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for operand, _ in trial.quantized_roots():
        norm = operand.node.target in dtypes.NORMS
        if norm and dtypes.role(operand, site.positions) == "weight":
            found = ", ".join(s.kind for s in seen.edges[edge_of(operand)])
            because = f"{operand.node.name} is a norm: it takes its weight as float"
            yield judged(not found, edge_of(operand), "no observer", found, because)


@rule("DTYPES-6", MUST, "QConfig: observer classes for activations and weights respectively")
def test_every_observer_was_asked_for(trial: Trial) -> Iterator[Finding]:
    """Each observer is, setting for setting, what some qconfig of the mapping asks for."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    asked = {spec.settings for q in site.assigned.values() if q for spec in _asks(q) if spec}
    for value, chains in seen.values.items():
        for observer in {chain[-1] for chain in chains}:
            because = f"no part of the model has a qconfig that asks for {observer.kind}"
            known = observer.settings in asked
            yield judged(known, value, "an observer of some qconfig", observer.kind, because)


def _asks(qconfig: Any) -> list[Spec | None]:
    """Return all that a qconfig may ask for: for activations, weights, and the bias."""
    ask = dtypes.ask_of(qconfig)
    return [ask.activation, ask.weight, ask.bias]


@rule("DTYPES-7", MUST, "default_weight_only_qconfig: for quantizing weights only", ("weight-only",))
def test_an_operator_that_asks_for_float_activations_has_no_activation_observer(
    trial: Trial,
) -> Iterator[Finding]:
    """Where a qconfig leaves activations float, its operator's input is not observed on its behalf."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for operand, quantized in trial.quantized_roots():
        spec = quantized.ask.activation
        if (spec is not None and spec.is_observed) or operand.value.op != "placeholder":
            continue
        if dtypes.role(operand, site.positions) != "activation":
            continue
        found = ", ".join(s.kind for s in seen.edges[edge_of(operand)])
        because = f"{operand.node.name} asks for a float input, and {operand.value.name} is one"
        yield judged(not found, edge_of(operand), "no observer", found, because)


@rule("DTYPES-8", MUST, "_needs_obs_or_fq: only the first argument is quantized dynamically", ("dynamic",))
def test_a_dynamic_observer_stands_on_first_arguments_alone(trial: Trial) -> Iterator[Finding]:
    """A dynamic operator has its dynamic observer on its first argument and on no other."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for operand, quantized in trial.quantized_roots():
        spec = quantized.ask.activation
        if spec is None or not spec.is_dynamic or operand.node in _unobserved(trial):
            continue
        if dtypes.role(operand, site.positions) != "activation":
            continue
        chain = seen.edges[edge_of(operand)]
        is_first = dtypes.is_first_argument(operand, site.positions)
        wanted = is_first and spec.is_observed and site.values.is_observable(operand.value)
        got = bool(chain) and chain[-1].settings == spec.settings
        place = "the first argument" if is_first else "not the first argument"
        because = f"{operand.value.name} is {place} of {operand.node.name}, which is dynamic"
        words = "no dynamic observer" if not wanted else str(spec)
        yield judged(got == wanted, edge_of(operand), words, "otherwise", because)


@rule("DTYPES-9", MUST, "_needs_obs_or_fq: the requested dtype decides, and what is not specified is float")
def test_a_qconfig_that_observes_nothing_is_served(trial: Trial) -> Iterator[Finding]:
    """An observer that only holds a float dtype's place is never put into the graph."""
    if trial.seen is None:
        return
    for value, chains in trial.seen.values.items():
        for observer in {seen for chain in chains for seen in chain}:
            dtype = dict(observer.settings).get("dtype")
            because = "it says that the value stays float"
            if dtype in (torch.float32, None):
                yield broken(value, "no observer", observer.kind, because)
            else:
                yield kept(value)
