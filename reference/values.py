"""What kind of value each node gives, as far as the graph tells: the base of *dtypes*.

Only float tensors are observed (DTYPES-1).  A graph carries no dtypes, so they
are told from the example inputs, from parameters and buffers, and from what the
operators do.  Where nothing tells, a value counts as a float tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import reduce
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, Node
from torch.fx.node import map_aggregate

from .graphs import name_of, operands


class Kind(Enum):
    """A value that is not a tuple: a float tensor, any other tensor, or no tensor."""

    FLOAT = "float tensor"
    OTHER = "tensor of integers or bools"
    PLAIN = "no tensor"


Shape = Kind | tuple[Any, ...]
"""The kind of a value; a tuple of kinds for an operator with several outputs."""


def _names(text: str) -> frozenset[str]:
    """Return the names in a text."""
    return frozenset(text.split())


_QUERIES = _names(
    """
    size dim ndim ndimension numel nelement shape dtype device item tolist stride
    is_floating_point is_complex is_contiguous element_size get_device
    """
)
_PREDICATES = _names(
    """
    gt ge lt le eq ne greater less greater_equal less_equal equal not_equal logical_not
    logical_and logical_or logical_xor isnan isinf isfinite bool long int short argmax argmin
    argsort nonzero any all
    """
)
_PRESERVING = _names(
    """
    view reshape flatten unflatten squeeze squeeze_ unsqueeze unsqueeze_ transpose t permute
    contiguous detach detach_ clone repeat repeat_interleave expand expand_as narrow select
    index_select gather roll flip cat concat stack clamp clamp_ relu relu_ masked_fill
    masked_fill_ where add add_ sub mul mul_ neg abs floordiv max min maximum minimum sum
    pixel_shuffle pixel_unshuffle max_pool1d max_pool2d max_pool3d Identity Dropout Flatten ReLU
    bitwise_and bitwise_or bitwise_not and_ or_ invert xor
    """
)
_CONSTRUCTORS = _names(
    """
    zeros ones full rand randn empty tensor as_tensor zeros_like ones_like
    """
)
_INTEGER_CONSTRUCTORS = _names(
    """
    arange randint randperm
    """
)
_LIKE = _names(
    """
    zeros_like ones_like
    """
)
_INFERRED: dict[str, tuple[int | str, ...]] = {
    "arange": (0, 1, 2, "start", "end", "step"),
    "full": (1, "fill_value"),
    "tensor": (0, "data"),
    "as_tensor": (0, "data"),
}
"""The arguments from which constructors infer the dtype, where none is given."""

_SPLITTERS = _names(
    """
    chunk split tensor_split unbind split_with_sizes hsplit vsplit
    """
)
_RANKERS = _names(
    """
    topk sort kthvalue mode
    """
)
_RECURRENT: dict[type, tuple[Any, ...]] = {
    nn.LSTM: (Kind.FLOAT, (Kind.FLOAT, Kind.FLOAT)),
    nn.GRU: (Kind.FLOAT, Kind.FLOAT),
    nn.RNN: (Kind.FLOAT, Kind.FLOAT),
    nn.LSTMCell: (Kind.FLOAT, Kind.FLOAT),
    nn.MultiheadAttention: (Kind.FLOAT, Kind.FLOAT),
}


def classify(graph: Graph, modules: Mapping[str, nn.Module], example_inputs: Any) -> dict[Node, Shape]:
    """Return the kind of every node's value.

    Parameters
    ----------
    graph, modules
        The graph, and the modules that it calls, by name.
    example_inputs
        Inputs by position, or the first one alone; those that are missing count as float tensors, and those that
        are too many for nothing.
    """
    shapes: dict[Node, Shape] = {}
    given = iter(example_inputs if isinstance(example_inputs, (list, tuple)) else (example_inputs,))
    for node in graph.nodes:
        if node.op == "placeholder":
            shapes[node] = of_example(next(given, None))
        elif node.op == "get_attr":
            shapes[node] = of_example(_attribute(graph, str(node.target)))
        elif node.op != "output":
            shapes[node] = of_call(node, modules, shapes)
    return shapes


def as_told(graph: Graph, shapes: Mapping[Node, Shape]) -> dict[Node, Shape]:
    """Return the kinds of values, as the nodes tell them where they do (DECLARED-2).

    A node may carry what it gives in ``meta["val"]``: a fake tensor, or else
    what is no tensor.
    """
    told = {node: of_told(node.meta["val"]) for node in graph.nodes if "val" in node.meta and node.op != "output"}
    return {**shapes, **told}


def says_no_tensor(node: Node) -> bool:
    """Whether a node carries what it gives, and that is no tensor."""
    return "val" in node.meta and not isinstance(node.meta["val"], torch.Tensor)


def of_told(value: Any) -> Kind:
    """Return the kind of a value that a node carries: what is no tensor itself is none, a tuple of tensors included."""
    return of_tensor(value) if isinstance(value, torch.Tensor) else Kind.PLAIN


def of_tensor(tensor: torch.Tensor) -> Kind:
    """Return the kind of a tensor."""
    return Kind.FLOAT if tensor.is_floating_point() else Kind.OTHER


def of_example(value: Any) -> Shape:
    """Return the kind of a value that is at hand; None says nothing, so it is a float tensor."""
    match value:
        case None:
            return Kind.FLOAT
        case torch.Tensor():
            return of_tensor(value)
        case torch.Size() | bool() | int() | float() | str():
            return Kind.PLAIN
        case list() | tuple():
            return tuple(of_example(part) for part in value)
    return Kind.PLAIN


def _attribute(graph: Graph, path: str) -> Any:
    """Return the parameter or buffer that a get_attr node reads."""
    return reduce(lambda owner, name: getattr(owner, name, None), path.split("."), graph.owning_module)


def of_call(node: Node, modules: Mapping[str, nn.Module], shapes: Mapping[Node, Shape]) -> Shape:
    """Return the kind of what a call gives."""
    read = [shapes[operand.value] for operand in operands(node)]
    if node.op == "call_module":
        kind = type(modules[str(node.target)])
        if kind in _RECURRENT:
            return _RECURRENT[kind]
        name = kind.__name__
    else:
        name = name_of(node.target)
    if name == "getitem":
        return _item(node, read)
    if name == "getattr":
        return Kind.PLAIN if node.args[1] in _QUERIES else _joined(node, read)
    if name in _QUERIES:
        return Kind.PLAIN
    if name in _CONSTRUCTORS or name in _INTEGER_CONSTRUCTORS:
        return _constructed(node, name, read)
    if all(shape is Kind.PLAIN for shape in read):
        return Kind.FLOAT if node.op == "call_module" else Kind.PLAIN
    if name in _PREDICATES:
        return Kind.OTHER
    if name in _SPLITTERS:
        return (_joined(node, read),) * _MANY
    if name in _RANKERS:
        return (_joined(node, read), Kind.OTHER)
    return _joined(node, read) if name in _PRESERVING else Kind.FLOAT


_MANY = 64
"""How many parts are told apart in what a splitting operator returns."""


def _joined(node: Node, read: list[Shape]) -> Shape:
    """Return the kind of what is computed from several values without a change of type."""
    flat = [kind for shape in read for kind in _flat(shape)]
    has_float_literal = any(isinstance(argument, float) for argument in node.args)
    arithmetic = name_of(node.target) in ("add", "sub", "mul")
    if Kind.FLOAT in flat or (has_float_literal and arithmetic):
        return Kind.FLOAT
    return Kind.OTHER if Kind.OTHER in flat else Kind.PLAIN


def _flat(shape: Shape) -> list[Kind]:
    """Return all kinds in a shape."""
    return [shape] if isinstance(shape, Kind) else [kind for part in shape for kind in _flat(part)]


def _item(node: Node, read: list[Shape]) -> Shape:
    """Return the kind of an item of a value: of a tuple's part, of a tensor's, of a size's."""
    shape = read[0] if read else Kind.FLOAT
    if isinstance(shape, Kind):
        return shape
    index = node.args[1] if len(node.args) > 1 else None
    if isinstance(index, slice):
        return shape
    if isinstance(index, int) and -len(shape) <= index < len(shape):
        part: Shape = shape[index]
        return part
    return shape[0] if shape else Kind.PLAIN


def _constructed(node: Node, name: str, read: list[Shape]) -> Shape:
    """Return the kind of a new tensor: as its ``dtype`` says, else what it is like, or the numbers it is made from."""
    dtype = node.kwargs.get("dtype")
    if isinstance(dtype, torch.dtype):
        return Kind.FLOAT if dtype.is_floating_point else Kind.OTHER
    if name in _LIKE:
        return _joined(node, read)
    numbers = _numbers(node, name)
    if name in _INTEGER_CONSTRUCTORS:
        return Kind.FLOAT if any(isinstance(number, float) for number in numbers) else Kind.OTHER
    return Kind.OTHER if numbers and all(isinstance(number, int) for number in numbers) else Kind.FLOAT


def _numbers(node: Node, name: str) -> list[Any]:
    """Return the numbers from which a constructor infers a dtype; none of one that does not."""
    found: list[Any] = []
    given: dict[int | str, Any] = dict(enumerate(node.args)) | dict(node.kwargs.items())
    map_aggregate(tuple(given[key] for key in _INFERRED.get(name, ()) if key in given), found.append)
    return found
