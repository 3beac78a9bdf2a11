"""What models compute, and whether it is the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from observance.strategies import Case, build


def same(one: Any, other: Any) -> bool:
    """Whether two results are the same bit for bit; on the meta device there are no bits, but there is a shape."""
    if isinstance(one, Tensor):
        alike = isinstance(other, Tensor) and (one.dtype, one.device) == (other.dtype, other.device)
        return alike and (one.shape == other.shape if one.is_meta else torch.equal(one, other))
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
