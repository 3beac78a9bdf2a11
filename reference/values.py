"""What kind of value each node gives, as far as the graph tells: the base of *dtypes*.

Only float tensors are observed (DTYPES-1).  A graph carries no dtypes, so they
are told from the example inputs, from parameters and buffers, and from what the
operators do.  Where nothing tells, a value counts as a float tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import reduce
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, Node
from torch.fx.node import map_aggregate

from .graphs import name_of, operands


class Kind(Enum):
    """A value that is no container: a float tensor, any other tensor, or no tensor."""

    FLOAT = "float tensor"
    NOT_FLOAT = "tensor of integers or bools"
    NO_TENSOR = "no tensor"


Shape = Kind | tuple[Any, ...] | Mapping[Any, Any]
"""The kind of a value; for a tuple, a list or a dict, a container of the same form that has the kinds of its items."""


def _names(text: str) -> frozenset[str]:
    """Return the names in a text."""
    return frozenset(text.split())


_QUERIES = _names(
    """
    size dim ndim ndimension numel nelement shape dtype device item tolist stride layout
    is_floating_point is_complex is_contiguous element_size get_device requires_grad grad_fn equal allclose
    """
)
_PREDICATES = _names(
    """
    gt ge lt le eq ne greater less greater_equal less_equal not_equal logical_not logical_and logical_or logical_xor
    isnan isinf isfinite isclose isin isposinf isneginf isreal signbit any all bool long int short byte char
    argmax argmin argsort argwhere nonzero count_nonzero bucketize searchsorted bincount multinomial one_hot
    """
)
"""What gives bools or integers, whatever it reads."""

_FRACTIONS = _names(
    """
    div divide true_divide truediv itruediv mean nanmean std var sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10
    log1p logsumexp sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh arcsin arccos arctan arctan2
    sigmoid logit erf erfc erfinv lgamma digamma deg2rad rad2deg softmax log_softmax float double half bfloat16
    """
)
"""What gives floats, whatever it reads; a division that rounds does not."""

_OF_FIRST = _names(
    """
    expand_as view_as reshape_as masked_fill index_fill fill nan_to_num pad constant_pad_nd interpolate
    new_zeros new_ones new_full new_empty new_tensor
    """
)
"""What gives the type of the first tensor that it reads, as all that works in place does."""

_CONSTRUCTORS = _names(
    """
    zeros ones full rand randn normal empty tensor as_tensor scalar_tensor linspace logspace eye
    hann_window hamming_window blackman_window bartlett_window kaiser_window
    zeros_like ones_like empty_like full_like rand_like randn_like
    """
)
_INTEGER_CONSTRUCTORS = _names(
    """
    arange randint randperm tril_indices triu_indices
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
    chunk split tensor_split unbind split_with_sizes hsplit vsplit dsplit
    """
)
_RANKERS = _names(
    """
    topk sort kthvalue mode cummax cummin
    """
)
_RANKERS_ALONG = _names(
    """
    max min median nanmedian
    """
)
"""What gives indices beside the values where a dimension is given, and one tensor where none is."""

_SEVERAL = _names(
    """
    std_mean var_mean aminmax meshgrid broadcast_tensors atleast_1d atleast_2d atleast_3d frexp slogdet qr svd eigh
    """
)
"""What gives a tuple of tensors, of which nothing more is told."""

_FIELDS = {"values": 0, "indices": 1}
"""Where what these operators give by name stands in their tuples."""

_TORCH = _names(
    """
    torch _operator math builtins
    """
)
"""The packages whose functions give integers for integers, but for what gives fractions."""

_RECURRENT: dict[type, tuple[Any, ...]] = {
    nn.LSTM: (Kind.FLOAT, (Kind.FLOAT, Kind.FLOAT)),
    nn.GRU: (Kind.FLOAT, Kind.FLOAT),
    nn.RNN: (Kind.FLOAT, Kind.FLOAT),
    nn.LSTMCell: (Kind.FLOAT, Kind.FLOAT),
    nn.MultiheadAttention: (Kind.FLOAT, Kind.FLOAT),
}
_PRESERVING_MODULES = (
    nn.Identity,
    nn.Dropout,
    nn.Flatten,
    nn.Unflatten,
    nn.ReLU,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
)


def classify(graph: Graph, modules: Mapping[str, nn.Module], example_inputs: Any) -> dict[Node, Shape]:
    """Return the kind of every node's value.

    Parameters
    ----------
    graph, modules
        The graph, and the modules that it calls, by name.
    example_inputs
        Inputs by position, or the first one alone.  One that is missing is what the graph has as its default, or else
        counts as a float tensor; those that are too many count for nothing.
    """
    shapes: dict[Node, Shape] = {}
    given = iter(example_inputs if isinstance(example_inputs, (list, tuple)) else (example_inputs,))
    for node in graph.nodes:
        if node.op == "placeholder":
            shapes[node] = of_example(_example(node, given))
        elif node.op == "get_attr":
            shapes[node] = of_example(_attribute(graph, str(node.target)))
        elif node.op != "output":
            shapes[node] = of_call(node, modules, shapes)
    return shapes


def _example(node: Node, given: Iterator[Any]) -> Any:
    """Return what a graph input is, or None if nothing tells: the next example, or all that are left, or its default.

    Examples are given by position: what takes whatever is given by keyword has none.
    """
    name = str(node.target)
    if name.startswith("*"):
        return None if name.startswith("**") else tuple(given) or None
    return next(given, node.args[0] if node.args else None)


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
    return of_tensor(value) if isinstance(value, torch.Tensor) else Kind.NO_TENSOR


def of_tensor(tensor: torch.Tensor) -> Kind:
    """Return the kind of a tensor."""
    return Kind.FLOAT if tensor.is_floating_point() else Kind.NOT_FLOAT


def of_example(value: Any) -> Shape:
    """Return the kind of a value that is at hand; what is of no known type says nothing, so it is a float tensor."""
    match value:
        case torch.Tensor():
            return of_tensor(value)
        case torch.Size() | bool() | int() | float() | complex() | str() | torch.dtype() | torch.device():
            return Kind.NO_TENSOR
        case dict():
            return {key: of_example(part) for key, part in value.items()}
        case list() | tuple():
            parts = tuple(of_example(part) for part in value)
            return value._make(parts) if isinstance(value, tuple) and hasattr(value, "_make") else parts
    return Kind.FLOAT


def _attribute(graph: Graph, path: str) -> Any:
    """Return the parameter or buffer that a get_attr node reads."""
    return reduce(lambda owner, name: getattr(owner, name, None), path.split("."), graph.owning_module)


def of_call(node: Node, modules: Mapping[str, nn.Module], shapes: Mapping[Node, Shape]) -> Shape:
    """Return the kind of what a call gives."""
    read = [shapes[operand.value] for operand in operands(node)]
    if node.op == "call_module":
        return _of_module(modules[str(node.target)], read)
    name = name_of(node.target)
    if name == "getitem":
        return _item(read[0] if read else Kind.FLOAT, node.args[1] if len(node.args) > 1 else None)
    if isinstance(node.target, type) and issubclass(node.target, tuple) and node.target is not torch.Size:
        return tuple(read)
    if name == "getattr":
        return _field(read[0] if read else Kind.FLOAT, str(node.args[1]))
    if name in _QUERIES:
        return Kind.NO_TENSOR
    told = _dtype_of(node, name, shapes)
    if told is not None:
        return told
    if name in _CONSTRUCTORS or name in _INTEGER_CONSTRUCTORS:
        return _constructed(node, name, shapes)
    if all(shape is Kind.NO_TENSOR for shape in read):
        return Kind.NO_TENSOR
    return _computed(node, name, read, shapes)


def _of_module(module: nn.Module, read: list[Shape]) -> Shape:
    """Return the kind of what a module gives: floats, but where it hands on what it reads."""
    if type(module) in _RECURRENT:
        return _RECURRENT[type(module)]
    if not isinstance(module, _PRESERVING_MODULES) or all(shape is Kind.NO_TENSOR for shape in read):
        return Kind.FLOAT
    return (_joined(read), Kind.NOT_FLOAT) if getattr(module, "return_indices", False) else _joined(read)


def _dtype_of(node: Node, name: str, shapes: Mapping[Node, Shape]) -> Kind | None:
    """Return the kind of the dtype that is an argument, or the dtype of another value; None if there is none."""
    for argument in (*node.args, *node.kwargs.values()):
        if isinstance(argument, torch.dtype):
            return Kind.FLOAT if argument.is_floating_point else Kind.NOT_FLOAT
        if isinstance(argument, Node) and argument.target is getattr and argument.args[1] == "dtype":
            return _joined([shapes[value] for value in argument.all_input_nodes])
    if name in ("to", "type_as"):
        given = [kind for kind in map(shapes.__getitem__, node.all_input_nodes[1:]) if kind is not Kind.NO_TENSOR]
        return _joined(given) if given else None
    return None


def _computed(node: Node, name: str, read: list[Shape], shapes: Mapping[Node, Shape]) -> Shape:
    """Return the kind of what a function or a method computes from what is, in part at least, tensors."""
    if name in _PREDICATES:
        return Kind.NOT_FLOAT
    works_in_place = name.endswith("_") and not name.endswith("__")
    if works_in_place or name in _OF_FIRST:
        first = node.args[0] if node.args else node.kwargs.get("input")
        return shapes[first] if isinstance(first, Node) else _joined(read)
    if name in _SPLITTERS or name in _SEVERAL:
        return (_joined(read),) * _MANY
    if _gives_indices(node, name):
        return (_joined(read), Kind.NOT_FLOAT)
    return Kind.FLOAT if _gives_fractions(node, name) else _joined(read)


_MANY = 64
"""How many parts are told apart in what a splitting operator returns."""


def _gives_indices(node: Node, name: str) -> bool:
    """Whether an operator gives where it found values, beside them."""
    along = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    is_along = name in _RANKERS_ALONG and isinstance(along, int)
    return is_along or name in _RANKERS or name.endswith("_with_indices") or node.kwargs.get("return_indices") is True


def _gives_fractions(node: Node, name: str) -> bool:
    """Whether a function gives floats even for integers: it divides, it reads a float number, or nothing is known."""
    if name in _FRACTIONS:
        return node.kwargs.get("rounding_mode") is None
    package = str(getattr(node.target, "__module__", None) or "torch").partition(".")[0]
    is_known = node.op == "call_method" or package in _TORCH
    return not is_known or any(isinstance(argument, float) for argument in (*node.args, *node.kwargs.values()))


def _joined(read: Iterable[Shape]) -> Kind:
    """Return the kind of what is computed from several values without a change of type."""
    flat = {kind for shape in read for kind in _flat(shape)}
    return next((kind for kind in (Kind.FLOAT, Kind.NOT_FLOAT) if kind in flat), Kind.NO_TENSOR)


def _flat(shape: Shape) -> Iterator[Kind]:
    """Yield all kinds in a shape."""
    if isinstance(shape, Kind):
        yield shape
    else:
        for part in shape.values() if isinstance(shape, Mapping) else shape:
            yield from _flat(part)


def _item(shape: Shape, index: Any) -> Shape:
    """Return the kind of an item of a value: of a container's, of a tensor's, of a size's."""
    if isinstance(shape, Kind):
        return shape
    try:
        part: Shape = shape[index]
    except (LookupError, TypeError):  # an index that the graph computes, or one of too many parts
        return next(_flat(shape), Kind.NO_TENSOR)
    return part


def _field(shape: Shape, name: str) -> Shape:
    """Return the kind of an attribute: of what a tensor says of itself, of a view of it, of a named tuple's part."""
    if name in _QUERIES:
        return Kind.NO_TENSOR
    if isinstance(shape, tuple):
        part: Shape = shape[_FIELDS[name]] if name in _FIELDS else getattr(shape, name, _joined([shape]))
        return part
    return _joined([shape])


def _constructed(node: Node, name: str, shapes: Mapping[Node, Shape]) -> Shape:
    """Return the kind of a new tensor to which no dtype is given: as what it is like, or what it is made from."""
    if name.endswith("_like"):
        return _joined(shapes[value] for value in node.all_input_nodes)
    numbers = _numbers(node, name)
    if name in _INTEGER_CONSTRUCTORS:
        return Kind.FLOAT if any(isinstance(number, float) for number in numbers) else Kind.NOT_FLOAT
    return Kind.NOT_FLOAT if numbers and all(_is_whole(number, shapes) for number in numbers) else Kind.FLOAT


def _is_whole(number: Any, shapes: Mapping[Node, Shape]) -> bool:
    """Whether a number is an integer; those that the graph computes are sizes, as far as nothing divides them."""
    if isinstance(number, Node):
        return shapes[number] is Kind.NO_TENSOR and not _gives_fractions(number, name_of(number.target))
    return isinstance(number, int)


def _numbers(node: Node, name: str) -> list[Any]:
    """Return the numbers from which a constructor infers a dtype; none of one that does not."""
    found: list[Any] = []
    given: dict[int | str, Any] = dict(enumerate(node.args)) | dict(node.kwargs.items())
    map_aggregate(tuple(given[key] for key in _INFERRED.get(name, ()) if key in given), found.append)
    return found
