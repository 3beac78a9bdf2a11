"""What a quantizer and a backend config must keep alike: what moves values shares, and fixed parameters fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from torch.fx import Node

from observance.conformance.observation import Seen, edge_of
from observance.conformance.roles import RANGES, moved, operator_of
from observance.conformance.rules import Finding, judged
from observance.conformance.trials import Trial


def sharing(trial: Trial, quantized: Iterable[Node], kinds: Collection[str]) -> Iterator[Finding]:
    """Yield, for each quantized operator of some kinds, which only move values, whether it shares with its inputs."""
    if trial.seen is None:
        return
    modules = dict(trial.outcome.arguments.model.named_modules())
    for node in quantized:
        outside = _seen_on(trial, node)
        for operand in moved(node, kinds, modules):
            chain = trial.seen.edges.get(edge_of(operand), ())
            if chain and len(outside) == 1:
                mine, theirs = outside[0], chain[-1]
                because = f"{node.name} moves the values of {operand.value.name}, and both are observed"
                texts = f"#{mine.group}, as on {node.name}", f"#{theirs.group}"
                yield judged(mine.group == theirs.group, f"{operand.value.name} -> {node.name}", *texts, because)


def ranges(trial: Trial) -> Iterator[Finding]:
    """Yield, for each operator with a known range and fixed parameters, whether these hold it, but for a step."""
    if trial.seen is None:
        return
    modules = dict(trial.outcome.arguments.model.named_modules())
    for node in trial.outcome.float_graph.nodes:
        span = RANGES.get(operator_of(node, modules))
        for one in _seen_on(trial, node) if span else ():
            found = _held(one)
            if found is not None and span is not None:
                low, high, step = found
                texts = f"{span[0]}..{span[1]}", f"{low}..{high}"
                because = f"{node.name} gives values in that range"
                yield judged(fits(span, low, high, step), f"the output of {node.name}", *texts, because)


def fits(span: tuple[float, float], low: float, high: float, step: float) -> bool:
    """Whether a range is between the least and the largest value that parameters hold, but for one step at its end."""
    return low <= span[0] + step / 2 and high >= span[1] - step * 1.5


def _seen_on(trial: Trial, value: Node) -> list[Seen]:
    """Return the observers that stand first on a value."""
    assert trial.seen is not None
    return list({chain[0].group: chain[0] for chain in trial.seen.values.get(value.name, ()) if chain}.values())


def _held(one: Seen) -> tuple[float, float, float] | None:
    """Return the least and the largest value that an observer with fixed parameters holds, and the step; or None."""
    settings: dict[str, Any] = dict(one.settings)
    if "FixedQParams" not in str(settings["class"]):
        return None
    inner: dict[str, Any] = settings | dict(settings.get("activation_post_process", ()))
    (scale,), (zero,) = inner["scale"], inner["zero_point"]
    return (inner["quant_min"] - zero) * scale, (inner["quant_max"] - zero) * scale, scale
