"""What was reported of the chapter *patterns*: operators that run as one, and were not taken as one."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F

from observance.conformance.deviations import torch_placement

from .models import model, op
from .registry import Decision, enter, reported

_ADDED = (op("conv2d", -1), op("relu_wide", -1), op("operator_add_wide", 0, 1))

enter(
    96288,
    2023,
    "The other operand of a convolution with addition was swallowed by the pattern, and had no observer of its own.",
    "PATTERNS-5",
    model(*_ADDED, inputs="u", backend="onednn"),
    *torch_placement.EXTRA_INPUTS,
    still="extra-inputs-swallowed",
)

enter(
    97120,
    2023,
    "Of two convolutions with addition in a row only the later one was found: it took the earlier one's last operator.",
    "PATTERNS-5",
    model(
        *_ADDED,
        op("relu_wide", 2),
        op("conv2d", -1),
        op("operator_add_wide", 4, 3),
        inputs="u",
        backend="onednn",
    ),
    *torch_placement.EXTRA_INPUTS,
    still="extra-inputs-swallowed",
)


def _apart(inner: Any, outer: Any) -> Decision:
    """Return a way to fit patterns that does not know one of two operators."""

    def does_not_fit(original: Decision, node: Any, pattern: Any, modules: Any, uses: Any) -> Any:
        """Miss a pattern of two operators."""
        return None if pattern == (outer, inner) else original(node, pattern, modules, uses)

    return does_not_fit


@reported(
    71780,
    2022,
    "Addition by the operator + and torch.relu behind it were observed one by one, and not as one operator.",
    "PATTERNS-1",
    model(op("operator_add", -1, -2), op("torch_relu_tt", 0), inputs="tt"),
    "patterns.fit",
)
def misses_plus_and_relu(original: Decision, node: Any, pattern: Any, modules: Any, uses: Any) -> Any:
    """Miss the pattern of + and torch.relu."""
    return _apart(operator.add, torch.relu)(original, node, pattern, modules, uses)


@reported(
    50975,
    2021,
    "A functional linear layer and the relu behind it were observed one by one.",
    "PATTERNS-1",
    model(op("F_linear", -1), op("F_relu_tt", 0)),
    "patterns.fit",
)
def misses_functional_linear(original: Decision, node: Any, pattern: Any, modules: Any, uses: Any) -> Any:
    """Miss the pattern of two functions."""
    return _apart(F.linear, F.relu)(original, node, pattern, modules, uses)
