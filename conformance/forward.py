"""What models compute, and whether it is the same."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr
from typing import Any

import torch
from torch import nn
from torch.ao.quantization import FakeQuantizeBase
from torch.fx import Node

from observance.conformance.raised import as_exceptions


def run(model: nn.Module, inputs: Iterable[Any]) -> Any:
    """Return what a model computes, or the exception that it raises; the same random numbers each time."""
    torch.manual_seed(0)
    copies = copy.deepcopy(tuple(inputs))
    try:
        # A graph module tells the world where it failed; here it is told by whoever asked.
        with torch.no_grad(), warnings.catch_warnings(), redirect_stderr(io.StringIO()), as_exceptions():
            warnings.simplefilter("ignore")  # of observers that have seen nothing, and of deprecated dtypes
            return model(*copies)
    except Exception as error:  # a model that does not run is a result, too
        return error


def draws(node: Node, model: nn.Module) -> bool:
    """Whether a node draws random numbers: all do from one source, so that the order of two such nodes counts."""
    if node.op == "call_module":
        parts = model.get_submodule(str(node.target)).modules()
        return any(part.training and "dropout" in type(part).__name__.lower() for part in parts)
    is_training = node.kwargs.get("training", node.args[2] if len(node.args) > 2 else True)
    return is_training is not False and "dropout" in getattr(node.target, "__name__", str(node.target))


def has_quantizable(model: nn.Module) -> bool:
    """Whether a model has observed modules of torch's own, which compute in steps and cannot be pickled."""
    return any(type(module).__module__.startswith("torch.ao.nn.quantizable") for module in model.modules())


def has_fakes(model: nn.Module) -> bool:
    """Whether a model has fake quantizers, which round what passes through."""
    return any(isinstance(module, FakeQuantizeBase) for module in model.modules())


def equal(mine: Any, theirs: Any) -> bool:
    """Whether two returned structures are equal, bit for bit."""
    return _alike(mine, theirs, torch.equal)


def close(mine: Any, theirs: Any) -> bool:
    """Whether two returned structures are equal but for rounding."""
    return _alike(mine, theirs, lambda a, b: a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-4))


def _alike(mine: Any, theirs: Any, same: Callable[[torch.Tensor, torch.Tensor], bool]) -> bool:
    """Whether two returned structures are alike, and their tensors are the same."""
    if isinstance(mine, torch.Tensor):
        alike = isinstance(theirs, torch.Tensor) and mine.dtype == theirs.dtype
        return alike and same(_plain(mine), _plain(theirs))
    if isinstance(mine, dict):
        alike = isinstance(theirs, dict) and list(mine) == list(theirs)
        return alike and all(_alike(mine[k], theirs[k], same) for k in mine)
    if isinstance(mine, (list, tuple)):
        alike = type(mine) is type(theirs) and len(mine) == len(theirs)
        return alike and all(_alike(*pair, same) for pair in zip(mine, theirs, strict=True))
    return bool(mine == theirs)


def _plain(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor that can be compared: not quantized, and without numbers that differ from themselves.

    One on the device ``meta`` has no numbers at all, only a shape.
    """
    if value.is_meta:
        return torch.zeros_like(value, device="cpu")
    return torch.nan_to_num(value.dequantize() if value.is_quantized else value)
