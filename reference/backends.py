"""Chapter *backends*: whether the backend supports what is asked for.

A pattern is quantized only where one of its dtype configs agrees with the
qconfig on input, weight, bias and output at once (BACKENDS-1), constraints
included (BACKENDS-2); else it stays float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.ao.quantization import FakeQuantizeBase, FixedQParamsFakeQuantize, FixedQParamsObserver
from torch.ao.quantization.backend_config import BackendPatternConfig, DTypeConfig, DTypeWithConstraints

from . import dtypes, qconfigs
from .dtypes import Ask
from .graphs import operands
from .patterns import Match
from .specs import Spec


@dataclass(frozen=True)
class Verdict:
    """Whether a match is quantized, why, and what is said aloud about it."""

    supported: bool
    reason: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """What is needed to tell the role of an input.

    ``modules`` are the model's, by name; ``positions`` says, for each function
    that the backend names, where its weight and its bias stand.  ``verdicts`` has
    those that are given, by what they are about: most operators of a model are alike.
    """

    modules: Mapping[str, nn.Module]
    positions: Mapping[Any, Mapping[str, int]]
    verdicts: dict[Any, Verdict] = field(default_factory=dict)

    def roles(self, match: Match) -> frozenset[str]:
        """Return the roles that a pattern's inputs play, a module's parameters included."""
        found = {dtypes.role(operand, self.positions) for operand in operands(match.root)}
        if match.root.op == "call_module":
            found |= roles_of_module(self.modules[str(match.root.target)])
        return frozenset(found)


def judge(match: Match, ask: Ask, reader: Reader) -> Verdict:
    """Return whether one of the pattern's dtype configs serves what is asked for."""
    asked = (match.config, ask, reader.roles(match))
    if asked not in reader.verdicts:
        reader.verdicts[asked] = verdict_on(*asked)
    return reader.verdicts[asked]


def verdict_on(pattern: BackendPatternConfig, ask: Ask, roles: frozenset[str]) -> Verdict:
    """Return whether one of a pattern's dtype configs serves what is asked for by inputs that play these roles."""
    said: list[str] = []
    for config in pattern.dtype_configs:
        broken = objections(config, ask, roles)
        said += [text for text in broken if text.startswith(ALOUD)]
        if not broken:
            return Verdict(True, "a dtype config agrees")
    reason = "no dtype config of the backend agrees with the qconfig"
    return Verdict(False, reason, tuple(dict.fromkeys(said)))


def roles_of_module(module: nn.Module) -> set[str]:
    """Return ``weight`` and ``bias`` as far as a module, or a part of a fused one, has parameters that are these."""
    parts = [module, *qconfigs.parts_of(module)]
    names = [name for part in parts for name, parameter in part._parameters.items() if parameter is not None]
    return {word for word in ("weight", "bias") if any(name.startswith(word) for name in names)}


def objections(config: DTypeConfig, ask: Ask, roles: frozenset[str]) -> list[str]:
    """Return what speaks against a dtype config; nothing if it serves.

    The first disagreement is enough: a constraint is looked at only where the
    dtype agrees.
    """
    checks = [_output_objections]
    if "bias" in roles:
        checks.insert(0, _bias_objections)
    if "weight" in roles:
        checks.insert(0, _weight_objections)
    if "activation" in roles:
        checks.insert(0, _input_objections)
    for check in checks:
        if found := check(config, ask):
            return found
    return []


def _input_objections(config: DTypeConfig, ask: Ask) -> list[str]:
    """Return what speaks against the input: its dtype, being dynamic or not, a constraint."""
    if config.input_dtype is None:
        return []
    dynamic = ask.activation is not None and ask.activation.is_dynamic
    if config.input_dtype != ask.activation_dtype or bool(config.is_dynamic) != dynamic:
        return ["the input's dtype differs"]
    return broken_constraints(ask.activation, config.input_dtype_with_constraints, "activation")


def _weight_objections(config: DTypeConfig, ask: Ask) -> list[str]:
    """Return what speaks against the weight."""
    if config.weight_dtype is None:
        return []
    if config.weight_dtype != (ask.weight.dtype if ask.weight else torch.float32):
        return ["the weight's dtype differs"]
    return broken_constraints(ask.weight, config.weight_dtype_with_constraints, "weight")


def _bias_objections(config: DTypeConfig, ask: Ask) -> list[str]:
    """Return what speaks against the bias."""
    asked = ask.bias.dtype if ask.bias else torch.float32
    agrees = config.bias_dtype is None or config.bias_dtype == asked
    return [] if agrees else ["the bias's dtype differs"]


def _output_objections(config: DTypeConfig, ask: Ask) -> list[str]:
    """Return what speaks against the output."""
    if config.output_dtype is None:
        return []
    if config.output_dtype != ask.output_dtype:
        return ["the output's dtype differs"]
    if ask.activation is None or ask.activation.dtype != config.output_dtype:
        return []
    return broken_constraints(ask.activation, config.output_dtype_with_constraints, "activation")


ALOUD = "QConfig "
"""How the warnings begin that speak of a constraint."""


def broken_constraints(spec: Spec | None, constraint: DTypeWithConstraints, name: str) -> list[str]:
    """Return the constraints that an observer breaks, each as a sentence for a warning.

    Parameters
    ----------
    spec
        What is asked for.
    constraint
        The backend's bounds: of the range of quantized values, of the smallest
        scale, and the exact scale and zero point of an operator that has fixed ones.
    name
        ``activation`` or ``weight``.
    """
    if spec is None:
        return []
    observer: Any = spec.instance
    if isinstance(observer, FakeQuantizeBase):
        observer = getattr(observer, "activation_post_process", observer)
    sentences = (
        _broken_range(observer, constraint),
        _broken_scale(observer, constraint),
        _broken_parameters(spec.instance, observer, constraint),
    )
    return [f"{ALOUD}{name} {sentence}" for sentence in sentences if sentence]


def _broken_range(observer: Any, constraint: DTypeWithConstraints) -> str | None:
    """Check that the range of quantized values lies within the backend's bounds."""
    low, high = constraint.quant_min_lower_bound, constraint.quant_max_upper_bound
    if low is None and high is None:
        return None
    own_low, own_high = getattr(observer, "quant_min", None), getattr(observer, "quant_max", None)
    if own_low is None or own_high is None:
        return "must say quant_min and quant_max, so it is ignored"
    if (low is not None and own_low < low) or (high is not None and own_high > high):
        return f"has the range ({own_low}, {own_high}) beyond ({low}, {high}), so it is ignored"
    return None


def _broken_scale(observer: Any, constraint: DTypeWithConstraints) -> str | None:
    """Check that the smallest scale is not below the backend's bound."""
    bound = constraint.scale_min_lower_bound
    if bound is None:
        return None
    own = getattr(observer, "eps", None)
    if own is None:
        return "must say eps, so it is ignored"
    return f"has eps {float(own)} below {bound}, so it is ignored" if own < bound else None


def _broken_parameters(instance: Any, observer: Any, constraint: DTypeWithConstraints) -> str | None:
    """Check that fixed parameters are those of the backend's operator, each by itself."""
    scale, zero_point = constraint.scale_exact_match, constraint.zero_point_exact_match
    if scale is None and zero_point is None:
        return None
    if not isinstance(instance, (FixedQParamsObserver, FixedQParamsFakeQuantize)):
        return "must be an observer with fixed parameters for this operator, so it is ignored"
    if scale is not None and float(observer.scale) != scale:
        return f"must have the scale {scale}, so it is ignored"
    if zero_point is not None and int(observer.zero_point) != zero_point:
        return f"must have the zero point {zero_point}, so it is ignored"
    return None
