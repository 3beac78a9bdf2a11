"""What operators are to a quantizer, by their names, whether they are modules, functions, methods or ATen's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.fx import Node

from observance.reference.graphs import Operand, name_of, operands

MOVING = frozenset(
    {
        *("cat", "concat", "concatenate", "chunk", "split", "narrow", "select", "slice", "repeat", "expand"),
        *("flatten", "reshape", "view", "permute", "transpose", "t", "squeeze", "unsqueeze", "contiguous"),
        *("maxpool1d", "maxpool2d", "maxpool3d", "pixelshuffle", "pixelunshuffle"),
    }
)
"""Operators that give values of their inputs and compute none: what comes out has the parameters of what went in."""

RANGES: Mapping[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
}
"""Operators whose outputs lie in a range whatever comes in."""

_BIASED = ("conv", "linear", "addmm")


def operator_of(node: Node, modules: Mapping[str, nn.Module] | None = None) -> str:
    """Return the bare name of what a node calls, without case, underscores, overload or the mark of in-place ones.

    Parameters
    ----------
    node
        The node.
    modules
        The modules of the graph, by name; without them, what a module does is not known.
    """
    if node.op not in ("call_function", "call_method", "call_module"):
        return ""
    if node.op == "call_module":
        name = type((modules or {}).get(str(node.target))).__name__
    elif isinstance(node.target, torch._ops.OpOverload):
        name = node.target._schema.name.partition("::")[2]
    else:
        name = name_of(node.target)
    return name.lower().replace("_", "")


def moved(node: Node, modules: Mapping[str, nn.Module] | None = None) -> list[Operand]:
    """Return the operands whose values a node gives on; none if it computes values."""
    if operator_of(node, modules) not in MOVING:
        return []
    return [operand for operand in operands(node) if operand.keys[0] == 0]


def is_bias(operand: Operand) -> bool:
    """Whether an operand is the bias of one of ATen's convolutions or linear layers."""
    target = operand.node.target
    if not isinstance(target, torch._ops.OpOverload) or not operator_of(operand.node).startswith(_BIASED):
        return False
    names = [argument.name for argument in target._schema.arguments]
    key = operand.keys[0]
    return (names[key] if isinstance(key, int) else key) == "bias"


def is_float(node: Node) -> bool:
    """Whether a node gives one tensor of floats, as what is stored in it says."""
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_floating_point()
