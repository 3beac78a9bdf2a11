"""What models compute, and whether it is the same."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from contextlib import redirect_stderr
from typing import Any

import torch
from torch import nn


def run(model: nn.Module, inputs: Iterable[torch.Tensor]) -> Any:
    """Return what a model computes, or the exception that it raises; the same random numbers each time."""
    torch.manual_seed(0)
    copies = [value.clone() for value in inputs]
    try:
        # A graph module tells the world where it failed; here it is told by whoever asked.
        with torch.no_grad(), warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")  # of observers that have seen nothing, and of deprecated dtypes
            return model(*copies)
    except Exception as error:  # a model that does not run is a result, too
        return error


def equal(mine: Any, theirs: Any) -> bool:
    """Whether two returned structures are equal, bit for bit."""
    if isinstance(mine, torch.Tensor):
        same = isinstance(theirs, torch.Tensor) and mine.dtype == theirs.dtype
        return same and torch.equal(_plain(mine), _plain(theirs))
    if isinstance(mine, dict):
        return isinstance(theirs, dict) and list(mine) == list(theirs) and all(equal(mine[k], theirs[k]) for k in mine)
    if isinstance(mine, (list, tuple)):
        alike = type(mine) is type(theirs) and len(mine) == len(theirs)
        return alike and all(equal(*pair) for pair in zip(mine, theirs, strict=True))
    return bool(mine == theirs)


def _plain(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor that can be compared: not quantized, and without numbers that differ from themselves."""
    return torch.nan_to_num(value.dequantize() if value.is_quantized else value)
