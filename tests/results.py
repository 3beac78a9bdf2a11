"""What models compute, and whether it is the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from observance.strategies import Case, build


def same(one: Any, other: Any) -> bool:
    """Whether two results are the same bit for bit."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, (tuple, list)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def compute(case: Case) -> Any:
    """What the float model of a case computes."""
    arguments = build(case)
    return run(arguments.float_model, arguments.example_inputs)


def run(model: nn.Module, inputs: tuple[Any, ...]) -> Any:
    """What a model computes from some inputs; the same each time, though it be in training mode and drop values."""
    torch.manual_seed(0)
    return model(*inputs)
