"""What an operator of the table is, and short ways to write one.

Every value has one of a few kinds, and every kind one shape, so that any
operator may follow any other whose kind fits:

=====  ==========================================================
``t``  float tensor of shape (2, 4, 4)
``u``  float tensor of shape (1, 2, 4, 4)
``v``  float tensor of shape (1, 2, 1, 4, 4)
``d``  float tensor of shape (4, 4)
``b``  bool tensor of shape (2, 4, 4)
``i``  int64 tensor of shape (2, 4), every element below 4
``n``  Python int
``z``  ``torch.Size``
``m``  tuple of two ``t``
``r``  what ``nn.LSTM`` returns: a ``t``, then a ``s``
``s``  the states of an LSTM: a tuple of two ``w``
``w``  float tensor of shape (1, 4, 4)
``g``  what ``nn.GRU`` returns: a ``t``, then a ``w``
``a``  what ``nn.MultiheadAttention`` returns: a ``t``, then weights
``c``  tuple of two ``d``
=====  ==========================================================

``t*`` is a list of one or more ``t``, ``t**`` a list of such lists.
"""

from __future__ import annotations

from dataclasses import dataclass

INPUT_SHAPES = {
    "t": (2, 4, 4),
    "u": (1, 2, 4, 4),
    "v": (1, 2, 1, 4, 4),
    "d": (4, 4),
    "b": (2, 4, 4),
    "i": (2, 4),
}
"""Shapes of the kinds that can be inputs of a graph."""

FLOAT_KINDS = frozenset("tuvdw")
"""Kinds whose values are float tensors: the only ones that may be observed."""


@dataclass(frozen=True)
class Operator:
    """One entry of the table.

    In ``positional`` and ``keyword``, ``{0}``, ``{1}``, ... are the operands,
    ``{m}`` is the module and ``{p0}``, ``{p1}``, ... are the parameters, of the
    shapes ``parameters``.  Operators of one ``family`` compute the same from the
    same operands; ``mutates`` marks one that writes into its first operand, and
    ``buffers`` says how many of the parameters, the first ones, are buffers.
    """

    name: str
    target: str
    takes: tuple[str, ...]
    gives: str
    positional: str
    keyword: str | None = None
    module: str | None = None
    parameters: tuple[tuple[int, ...], ...] = ()
    family: str | None = None
    mutates: bool = False
    buffers: int = 0


def module(name: str, kinds: str, constructor: str, rest: str = "", mutates: bool = False) -> Operator:
    """Return an entry for a module that takes one tensor; `rest` follows the call."""
    target, call = constructor.partition("(")[0], "{m}({0})" + rest
    keyword = "{m}(input={0})" + rest
    return Operator(name, target, (kinds[0],), kinds[-1], call, keyword, constructor, mutates=mutates)


def function(
    target: str,
    kinds: str,
    rest: str = "",
    keyword: str = "input={0}",
    family: str | None = None,
    mutates: bool = False,
) -> Operator:
    """Return an entry for a function of one tensor and constants, `rest` and `keyword`."""
    name, positional = f"{target}_{kinds}".replace(".", "_"), f"{target}({{0}}{rest})"
    spelled = f"{target}({keyword})"
    return Operator(name, target, (kinds[0],), kinds[-1], positional, spelled, family=family, mutates=mutates)


def method(name: str, kinds: str, rest: str = "", keyword: str | None = None, family: str | None = None) -> Operator:
    """Return an entry for a method of one tensor; `rest` and `keyword` are its arguments."""
    spelled = None if keyword is None else f"{{0}}.{name}({keyword})"
    positional = f"{{0}}.{name}({rest})"
    return Operator(f"{name}_method_{kinds}", f".{name}", (kinds[0],), kinds[-1], positional, spelled, family=family)


def in_place(name: str) -> Operator:
    """Return an entry for a method that writes into its tensor."""
    return Operator(f"{name}in_place", f".{name}", ("t",), "t", f"{{0}}.{name}()", mutates=True)


def in_place_on_clone(name: str, kinds: str, rest: str = "") -> Operator:
    """Return an entry for a method that changes its tensor's shape or its history.

    It works on a clone: a value keeps its kind, and a view cannot be detached.
    """
    positional = f"{{0}}.clone().{name}({rest})"
    return Operator(f"{name}in_place", f".{name}", (kinds[0],), kinds[-1], positional)


def weighted(target: str, kind: str, *parameters: tuple[int, ...]) -> Operator:
    """Return an entry for a function of one tensor, a weight and perhaps a bias."""
    roles = ("weight", "bias")[: len(parameters)]
    positional = ", ".join(["{0}", *(f"{{p{index}}}" for index in range(len(roles)))])
    keyword = ", ".join(["input={0}", *(f"{role}={{p{index}}}" for index, role in enumerate(roles))])
    name = target.replace(".", "_")
    return Operator(name, target, (kind,), kind, f"{target}({positional})", f"{target}({keyword})", None, parameters)


def call(
    name: str,
    target: str,
    kinds: str,
    positional: str,
    keyword: str | None = None,
    module: str | None = None,
    parameters: tuple[tuple[int, ...], ...] = (),
    family: str | None = None,
) -> Operator:
    """Return an entry for a call of any form; `kinds` are "what it takes -> what it gives"."""
    takes, _, gives = kinds.partition(" -> ")
    return Operator(name, target, tuple(takes.split()), gives, positional, keyword, module, parameters, family)


def aten(name: str, expression: str, buffers: int = 1, mutates: bool = False) -> Operator:
    """Return an entry for an operator of ATen that reads buffers, or parameters, and may write to them."""
    parameters = ((4, 4),) * ("{p0}" in expression) + ((4, 4),) * ("{p1}" in expression)
    target = "torch.ops.aten." + expression.partition("aten.")[2].partition("(")[0]
    return Operator(name, target, ("d",), "d", expression, parameters=parameters, mutates=mutates, buffers=buffers)
