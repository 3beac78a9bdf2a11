"""Chapter *dtypes*: which dtype each value is to have, and who asks for which observer.

A qconfig's activation observer serves a pattern's input and its output; for a
dynamic qconfig it serves the input alone, and the output is float (DTYPES-2).
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch.ao.quantization import PlaceholderObserver, QConfig
from torch.ao.quantization.observer import NoopObserver, ReuseInputObserver
from torch.fx import Graph, Node

from .graphs import Operand, name_of, operands, parameter, position
from .specs import Spec, spec_of
from .values import Kind, Shape

FLOAT = torch.float32
"""The dtype of a value that nobody quantizes."""

NORMS = frozenset({F.layer_norm, F.group_norm, F.instance_norm})
"""Functions whose weight is never quantized (DTYPES-5): no kernel takes one."""

_NOT_TENSORS: dict[str, tuple[int | str, ...]] = {
    "masked_fill": (1, 2, "mask", "value"),
    "size": (1, "dim"),
    "unsqueeze": (1, "dim"),
    "unsqueeze_": (1, "dim"),
    "transpose": (1, 2, "dim0", "dim1"),
}
"""Methods, and the arguments of theirs that are masks, dimensions or numbers."""

_LIKE_METHODS = frozenset({torch.transpose, torch.unsqueeze})
"""Functions with the arguments of the methods of their names."""

_ALL_BUT_FIRST = frozenset({"permute", "repeat", "reshape", "view"})
"""Methods of which every argument but the tensor itself is a number or a size."""


@dataclass(frozen=True)
class Ask:
    """What a pattern asks for.

    ``activation`` is for its input and, unless dynamic, its output; ``weight``
    and ``bias`` are for the functional's arguments of these roles.  ``reuse``
    says that it asks for nothing of its own and takes its input's observer,
    ``gives_tensor`` that there is an output to ask something for.
    """

    activation: Spec | None
    weight: Spec | None
    bias: Spec | None
    reuse: bool
    gives_tensor: bool = True

    @property
    def activation_dtype(self) -> torch.dtype | None:
        """The dtype that activations are to have; float where nothing is asked for."""
        return FLOAT if self.activation is None else self.activation.dtype

    @property
    def output_dtype(self) -> torch.dtype | None:
        """The dtype of the output: that of a dynamically quantized operator is float; None if it is no tensor."""
        if not self.gives_tensor:
            return None
        if self.activation is not None and self.activation.is_dynamic:
            return FLOAT
        return self.activation_dtype


def ask_of(qconfig: QConfig) -> Ask:
    """Return what a qconfig asks for."""
    activation, weight = spec_of(qconfig.activation), spec_of(qconfig.weight)
    return Ask(activation, weight, bias_spec(activation, weight), reuses_input(activation, weight))


@dataclass
class Asks:
    """What qconfigs ask for, each found out once: to construct observers is most of what planning costs."""

    known: dict[int, tuple[QConfig, Ask]] = field(default_factory=dict)

    def of(self, qconfig: QConfig) -> Ask:
        """Return what a qconfig asks for."""
        if id(qconfig) not in self.known:
            self.known[id(qconfig)] = qconfig, ask_of(qconfig)
        return self.known[id(qconfig)][1]


def bias_spec(activation: Spec | None, weight: Spec | None) -> Spec | None:
    """Return what the bias is observed by: float16 where all else is, else float (DTYPES-4)."""
    half = (
        activation is not None
        and weight is not None
        and activation.dtype == weight.dtype == torch.float16
        and not activation.is_dynamic
    )
    return _placeholder(torch.float16 if half else FLOAT)


@functools.cache
def _placeholder(dtype: torch.dtype) -> Spec | None:
    """Return what asks for a dtype and nothing else: always the same."""
    return spec_of(PlaceholderObserver.with_args(dtype=dtype))


def reuses_input(activation: Spec | None, weight: Spec | None) -> bool:
    """Whether a qconfig says "reuse the input's observer", by what it asks for (SHARING-4)."""
    kinds = ((activation, ReuseInputObserver), (weight, NoopObserver))
    return all(spec is not None and isinstance(spec.instance, kind) for spec, kind in kinds)


@dataclass(frozen=True)
class Values:
    """What is known of the graph's values.

    ``shapes`` has the kind of each; ``never`` holds those that are read
    somewhere as a mask, a dimension or a number.
    """

    shapes: Mapping[Node, Shape]
    never: frozenset[Node]

    def is_observable(self, node: Node) -> bool:
        """Whether the value may be observed: only a float tensor may (DTYPES-1)."""
        return self.shapes[node] is Kind.FLOAT and node not in self.never

    def is_tensor(self, node: Node) -> bool:
        """Whether the value is a tensor, of whatever type."""
        return self.shapes[node] is not Kind.NO_TENSOR


def never_observed(graph: Graph, passes_on: Collection[Node]) -> frozenset[Node]:
    """Return the values that are read as a mask, a dimension or a number.

    The knowledge travels back through the nodes that pass their first operand's
    values on (DTYPES-1); but a number to fill in may be computed from float tensors.
    """
    read = [operand for node in graph.nodes for operand in operands(node) if is_never_tensor(operand)]
    filled_in = {operand.value for operand in read if _is_filled_in(operand)}
    never: set[Node] = set()
    pending = [operand.value for operand in read if not _is_filled_in(operand)]
    while pending:
        value = pending.pop()
        if value not in never:
            never.add(value)
            if value in passes_on:
                pending += [operand.value for operand in operands(value)[:1]]
    return frozenset(never | filled_in)


def _is_filled_in(operand: Operand) -> bool:
    """Whether an operand, which is never observed, is the value that a method fills in."""
    return operand.node.target == "masked_fill" and operand.keys[0] in (2, "value")


def is_never_tensor(operand: Operand) -> bool:
    """Whether an operand is, by its place, a mask, a dimension, a size or a number."""
    node, key = operand.node, operand.keys[0]
    if node.op != "call_method" and node.target not in _LIKE_METHODS:
        return False
    if node.target in _ALL_BUT_FIRST:
        return key != 0
    return key in _NOT_TENSORS.get(name_of(node.target), ())


def role(operand: Operand, positions: Mapping[Any, Mapping[str, int]]) -> str:
    """Return what an operand is to its operator: ``weight``, ``bias`` or ``activation``.

    The parameter that it is passed for says so, by its name or, in the backend's
    config, by its position.  It depends on the place alone, so that one value may
    have two roles in one operator.  The weight of a module is its own: all that it
    is called with are activations.

    Parameters
    ----------
    operand
        The operand.
    positions
        For each function that the backend knows, the positions of its weight and bias.
    """
    name = parameter(operand)
    if name in ("weight", "bias") and not _is_of_module(operand):
        return name
    if operand.node.op == "call_function":
        place = position(operand)
        for name, index in positions.get(operand.node.target, {}).items():
            if place == index and name in ("weight", "bias"):
                return name
    return "activation"


def _is_of_module(operand: Operand) -> bool:
    """Whether it is a module that reads an operand."""
    return operand.node.op == "call_module"


def spec_for(operand: Operand, ask: Ask, positions: Mapping[Any, Mapping[str, int]]) -> Spec | None:
    """Return what a pattern asks for at one of its root's operands (DTYPES-3)."""
    match role(operand, positions):
        case "weight":
            return None if operand.node.target in NORMS else ask.weight
        case "bias":
            return ask.bias
    return ask.activation


def is_first_argument(operand: Operand, positions: Mapping[Any, Mapping[str, int]]) -> bool:
    """Whether an operand is the operator's first argument: the one quantized dynamically.

    Of a module or a method that is called with keywords alone, whose parameters
    are not known, it is the first that is neither weight nor bias.
    """
    if len(operand.keys) > 1 or role(operand, positions) != "activation":
        return False
    place = position(operand)
    if operand.node.args or isinstance(place, int):
        return place == 0
    first = next((key for key in operand.node.kwargs if key not in ("weight", "bias")), None)
    return operand.keys[0] == first
