"""The table of operators that graphs are drawn from.

A new operator is one entry.  An entry says what it is in torch (`target`), the
kinds of value that it takes and gives, and how it is written, once with
positional and once with keyword arguments.

Every value has one of a few kinds, and every kind one shape, so that any
operator may follow any other whose kind fits:

=====  ==========================================================
``t``  float tensor of shape (2, 4, 4)
``u``  float tensor of shape (1, 2, 4, 4)
``d``  float tensor of shape (4, 4)
``b``  bool tensor of shape (2, 4, 4)
``i``  int64 tensor of shape (2, 4), every element below 4
``n``  Python int
``z``  ``torch.Size``
``m``  tuple of two ``t``
``r``  what ``nn.LSTM`` returns: a ``t`` and a tuple of two hidden states
``c``  tuple of two ``d``
=====  ==========================================================

``t*`` is a list of one or more ``t``, ``t**`` a list of such lists.
"""

from __future__ import annotations

from dataclasses import dataclass

INPUT_SHAPES = {"t": (2, 4, 4), "u": (1, 2, 4, 4), "d": (4, 4), "b": (2, 4, 4), "i": (2, 4)}
"""Shapes of the kinds that can be inputs of a graph."""

FLOAT_KINDS = frozenset("tud")
"""Kinds whose values are float tensors: the only ones that may be observed."""


@dataclass(frozen=True)
class Operator:
    """One entry of the table.

    In ``positional`` and ``keyword``, ``{0}``, ``{1}``, ... are the operands,
    ``{m}`` is the module and ``{p0}``, ``{p1}``, ... are the parameters, of the
    shapes ``parameters``.  Operators of one ``family`` compute the same from the
    same operands; ``mutates`` marks one that writes into its first operand.
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


def _module(name: str, kinds: str, constructor: str) -> Operator:
    """Return an entry for a module that takes and gives one tensor."""
    target = constructor.partition("(")[0]
    takes, gives = (kinds[0],), kinds[-1]
    return Operator(name, target, takes, gives, "{m}({0})", "{m}(input={0})", constructor)


def _function(
    target: str, kinds: str, rest: str = "", keyword: str = "input={0}", family: str | None = None
) -> Operator:
    """Return an entry for a function of one tensor and constants, `rest` and `keyword`."""
    positional = f"{target}({{0}}{rest})"
    name = f"{target}_{kinds}".replace(".", "_")
    return Operator(name, target, (kinds[0],), kinds[-1], positional, f"{target}({keyword})", family=family)


def _method(name: str, kinds: str, rest: str = "", keyword: str | None = None, family: str | None = None) -> Operator:
    """Return an entry for a method of one tensor; `rest` and `keyword` are its arguments."""
    spelled = None if keyword is None else f"{{0}}.{name}({keyword})"
    return Operator(
        f"{name}_method_{kinds}",
        f".{name}",
        (kinds[0],),
        kinds[-1],
        f"{{0}}.{name}({rest})",
        spelled,
        family=family,
    )


_MODULES = (
    _module("linear", "tt", "nn.Linear(4, 4)"),
    _module("linear_plain", "tt", "nn.Linear(4, 4, bias=False)"),
    _module("linear_flat", "dd", "nn.Linear(4, 4)"),
    _module("relu", "tt", "nn.ReLU()"),
    _module("relu_wide", "uu", "nn.ReLU()"),
    _module("conv1d", "tt", "nn.Conv1d(4, 4, 1)"),
    _module("conv2d", "uu", "nn.Conv2d(2, 2, 1)"),
    _module("conv3d", "uu", "nn.Conv3d(1, 1, 1)"),
    _module("conv_transpose1d", "tt", "nn.ConvTranspose1d(4, 4, 1)"),
    _module("conv_transpose2d", "uu", "nn.ConvTranspose2d(2, 2, 1)"),
    _module("batch_norm1d", "tt", "nn.BatchNorm1d(4)"),
    _module("batch_norm2d", "uu", "nn.BatchNorm2d(2)"),
    _module("layer_norm", "tt", "nn.LayerNorm(4)"),
    _module("instance_norm2d", "uu", "nn.InstanceNorm2d(2)"),
    _module("hardtanh", "tt", "nn.Hardtanh()"),
    _module("relu6", "tt", "nn.ReLU6()"),
    _module("identity", "tt", "nn.Identity()"),
    _module("hardswish", "tt", "nn.Hardswish()"),
    _module("elu", "tt", "nn.ELU()"),
    _module("leaky_relu", "tt", "nn.LeakyReLU()"),
    _module("prelu", "tt", "nn.PReLU()"),
    _module("dropout", "tt", "nn.Dropout(0.5)"),
    _module("sigmoid", "tt", "nn.Sigmoid()"),
    _module("hardsigmoid", "tt", "nn.Hardsigmoid()"),
    _module("tanh", "tt", "nn.Tanh()"),
    _module("softmax", "tt", "nn.Softmax(-1)"),
    _module("gelu", "tt", "nn.GELU()"),
    _module("max_pool1d", "tt", "nn.MaxPool1d(1)"),
    _module("avg_pool1d", "tt", "nn.AvgPool1d(1)"),
    _module("max_pool2d", "uu", "nn.MaxPool2d(1)"),
    _module("avg_pool2d", "uu", "nn.AvgPool2d(1)"),
    _module("adaptive_avg_pool2d", "uu", "nn.AdaptiveAvgPool2d(4)"),
    _module("pixel_shuffle", "uu", "nn.PixelShuffle(1)"),
    _module("embedding", "it", "nn.Embedding(4, 4)"),
    Operator("gru_cell", "nn.GRUCell", ("d", "d"), "d", "{m}({0}, {1})", None, "nn.GRUCell(4, 4)"),
    Operator(
        "lstm_cell",
        "nn.LSTMCell",
        ("d", "d", "d"),
        "c",
        "{m}({0}, ({1}, {2}))",
        None,
        "nn.LSTMCell(4, 4)",
    ),
    Operator("lstm", "nn.LSTM", ("t",), "r", "{m}({0})", None, "nn.LSTM(4, 4)"),
)

_WEIGHTED = (
    Operator(
        "F_linear",
        "F.linear",
        ("t",),
        "t",
        "F.linear({0}, {p0}, {p1})",
        "F.linear(input={0}, weight={p0}, bias={p1})",
        parameters=((4, 4), (4,)),
    ),
    Operator(
        "F_linear_plain",
        "F.linear",
        ("t",),
        "t",
        "F.linear({0}, {p0})",
        "F.linear({0}, weight={p0})",
        parameters=((4, 4),),
    ),
    Operator(
        "F_linear_computed",
        "F.linear",
        ("d", "d"),
        "d",
        "F.linear({0}, {1})",
        "F.linear({0}, weight={1})",
    ),
    Operator(
        "F_conv1d",
        "F.conv1d",
        ("t",),
        "t",
        "F.conv1d({0}, {p0}, {p1})",
        "F.conv1d(input={0}, weight={p0}, bias={p1})",
        parameters=((4, 4, 1), (4,)),
    ),
    Operator(
        "F_conv2d",
        "F.conv2d",
        ("u",),
        "u",
        "F.conv2d({0}, {p0}, {p1})",
        "F.conv2d(input={0}, weight={p0}, bias={p1})",
        parameters=((2, 2, 1, 1), (2,)),
    ),
    Operator(
        "F_conv_transpose1d",
        "F.conv_transpose1d",
        ("t",),
        "t",
        "F.conv_transpose1d({0}, {p0}, {p1})",
        "F.conv_transpose1d(input={0}, weight={p0}, bias={p1})",
        parameters=((4, 4, 1), (4,)),
    ),
    Operator(
        "F_layer_norm",
        "F.layer_norm",
        ("t",),
        "t",
        "F.layer_norm({0}, (4,), {p0}, {p1})",
        "F.layer_norm(input={0}, normalized_shape=(4,), weight={p0}, bias={p1})",
        parameters=((4,), (4,)),
    ),
    Operator(
        "F_group_norm",
        "F.group_norm",
        ("t",),
        "t",
        "F.group_norm({0}, 2, {p0}, {p1})",
        None,
        parameters=((4,), (4,)),
    ),
    Operator(
        "parameter",
        "torch.add",
        ("d",),
        "d",
        "torch.add({0}, {p0})",
        "torch.add({0}, other={p0})",
        parameters=((4, 4),),
    ),
)


def _binary(target: str, family: str) -> tuple[Operator, ...]:
    """Return the entries of an arithmetic function: two tensors, or one and a number."""
    name = target.replace(".", "_")
    if target.startswith("operator."):
        spelled = second = None
    else:
        spelled, second = f"{target}(input={{0}}, other={{1}})", f"{target}(input={{0}}, other=2)"
    pair = f"{target}({{0}}, {{1}})"
    return (
        Operator(name, target, ("t", "t"), "t", pair, spelled, family=family),
        Operator(f"{name}_wide", target, ("u", "u"), "u", pair, spelled),
        Operator(f"{name}_number", target, ("t",), "t", f"{target}({{0}}, 2)", second),
        Operator(f"{name}_size", target, ("t", "n"), "t", pair, spelled),
        Operator(f"{name}_mask", target, ("t", "b"), "t", pair, spelled),
    )


_ARITHMETIC = (
    *_binary("operator.add", "add"),
    *_binary("operator.mul", "mul"),
    *_binary("torch.add", "add"),
    *_binary("torch.mul", "mul"),
    Operator("add_method", ".add", ("t", "t"), "t", "{0}.add({1})", "{0}.add(other={1})"),
    Operator("sub", "operator.sub", ("t", "t"), "t", "operator.sub({0}, {1})"),
    Operator("number_first", "operator.add", ("t",), "t", "operator.add(2, {0})"),
    Operator(
        "matmul",
        "torch.matmul",
        ("t", "t"),
        "t",
        "torch.matmul({0}, {1})",
        "torch.matmul(input={0}, other={1})",
    ),
)

_LISTS = (
    Operator(
        "cat",
        "torch.cat",
        ("t*",),
        "t",
        "torch.cat({0}, 0)[:2]",
        "torch.cat(tensors={0}, dim=0)[:2]",
    ),
    Operator(
        "cat_narrow",
        "torch.cat",
        ("t*",),
        "t",
        "torch.narrow(torch.cat({0}, 0), 0, 0, 2)",
        "torch.narrow(torch.cat(tensors={0}, dim=0), 0, 0, 2)",
    ),
    Operator(
        "stack",
        "torch.stack",
        ("t*",),
        "t",
        "torch.mean(torch.stack({0}, 0), 0)",
        "torch.mean(torch.stack(tensors={0}, dim=0), 0)",
    ),
    Operator("fold", "fold", ("t**",), "t", "fold({0})", "fold(groups={0})"),
    Operator("where", "torch.where", ("b", "t", "t"), "t", "torch.where({0}, {1}, {2})"),
)

_FUNCTIONS = (
    _function("F.relu", "tt"),
    _function("F.relu", "uu"),
    _function("torch.relu", "tt", family="relu"),
    _method("relu", "tt", family="relu"),
    _function("F.elu", "tt"),
    _function("F.leaky_relu", "tt"),
    _function("F.hardswish", "tt"),
    _function("F.hardsigmoid", "tt"),
    _function("F.hardtanh", "tt"),
    _function("F.relu6", "tt"),
    _function("F.gelu", "tt"),
    _function("F.softmax", "tt", ", -1", "input={0}, dim=-1"),
    _function("F.dropout", "tt", ", 0.5, False", "input={0}, p=0.5, training=False"),
    _function("F.interpolate", "tt", ", 4", "input={0}, size=4"),
    _function("F.max_pool1d", "tt", ", 1", "input={0}, kernel_size=1"),
    _function("F.avg_pool1d", "tt", ", 1", "input={0}, kernel_size=1"),
    _function("F.adaptive_avg_pool2d", "uu", ", 4", "input={0}, output_size=4"),
    _function("F.pixel_shuffle", "uu", ", 1", "input={0}, upscale_factor=1"),
    _function("torch.sigmoid", "tt", family="sigmoid"),
    _method("sigmoid", "tt", family="sigmoid"),
    _function("torch.tanh", "tt", family="tanh"),
    _method("tanh", "tt", family="tanh"),
    _function("torch.clamp", "tt", ", -1, 1", "input={0}, min=-1, max=1", family="clamp"),
    _method("clamp", "tt", "-1, 1", "min=-1, max=1", family="clamp"),
    _function("torch.transpose", "tt", ", 1, 2", "input={0}, dim0=1, dim1=2", family="transpose"),
    _method("transpose", "tt", "1, 2", "dim0=1, dim1=2", family="transpose"),
    _function("torch.flatten", "ut", ", 0, 1", "input={0}, start_dim=0, end_dim=1"),
    _function("torch.squeeze", "ut", ", 0", "input={0}, dim=0", family="squeeze"),
    _method("squeeze", "ut", "0", "dim=0", family="squeeze"),
    _function("torch.unsqueeze", "tu", ", 0", "input={0}, dim=0", family="unsqueeze"),
    _method("unsqueeze", "tu", "0", "dim=0", family="unsqueeze"),
    _function("torch.mean", "td", ", 0", "input={0}, dim=0", family="mean"),
    _method("mean", "td", "0", "dim=0", family="mean"),
    _function("torch.narrow", "tt", ", 0, 0, 2", "input={0}, dim=0, start=0, length=2"),
    _function("torch.repeat_interleave", "tt", ", 1", "input={0}, repeats=1"),
    _function("torch.sin", "tt"),
    _method("contiguous", "tt"),
    _method("detach", "tt"),
    _method("permute", "tt", "0, 2, 1", "dims=(0, 2, 1)"),
    _method("repeat", "tt", "1, 1, 1"),
    _method("view", "tt", "2, 4, 4"),
    _method("reshape", "tt", "2, 4, 4"),
    _method("reshape", "uu", "1, 2, 4, 4"),
    _method("cos", "tt"),
    Operator("item", "operator.getitem", ("t",), "d", "operator.getitem({0}, 0)"),
    Operator(
        "pair",
        "torch.stack",
        ("d", "d"),
        "t",
        "torch.stack([{0}, {1}], 0)",
        "torch.stack(tensors=[{0}, {1}], dim=0)",
    ),
    Operator("relu_in_place", ".relu_", ("t",), "t", "{0}.relu_()", mutates=True),
)

_SHAPES = (
    Operator("size", ".size", ("t",), "n", "{0}.size(0)", "{0}.size(dim=0)"),
    Operator("sizes", ".size", ("t",), "z", "{0}.size()"),
    Operator("shape", "getattr", ("t",), "z", "{0}.shape"),
    Operator("dim", ".dim", ("t",), "n", "{0}.dim()"),
    Operator("numel", ".numel", ("t",), "n", "{0}.numel()"),
    Operator("shape_item", "operator.getitem", ("z",), "n", "operator.getitem({0}, 0)"),
    Operator("size_add", "operator.add", ("n", "n"), "n", "operator.add({0}, {1})"),
    Operator("size_mul", "operator.mul", ("n",), "n", "operator.mul({0}, 2)"),
    Operator("size_div", "operator.floordiv", ("n",), "n", "operator.floordiv({0}, 1)"),
    Operator("view_as_size", ".view", ("t", "z"), "t", "{0}.view({1})", "{0}.view(size={1})"),
    Operator("reshape_as_size", ".reshape", ("t", "z"), "t", "{0}.reshape({1})"),
    Operator(
        "constant",
        ".new_full",
        ("t", "z"),
        "t",
        "{0}.new_full({1}, 1.0)",
        "{0}.new_full(size={1}, fill_value=1.0)",
    ),
)

_MASKS = (
    Operator("greater", "operator.gt", ("t",), "b", "operator.gt({0}, 0)"),
    Operator("mask_not", "torch.logical_not", ("b",), "b", "torch.logical_not({0})"),
    _method("view", "bb", "2, 4, 4"),
    _method("transpose", "bb", "1, 2", "dim0=1, dim1=2"),
    Operator("mask_cat", "torch.cat", ("b*",), "b", "torch.cat({0}, 0)[:2]"),
    Operator(
        "masked_fill",
        ".masked_fill",
        ("t", "b"),
        "t",
        "{0}.masked_fill({1}, 0.0)",
        "{0}.masked_fill(mask={1}, value=0.0)",
    ),
)

_MULTI = (
    Operator("chunk", "torch.chunk", ("t",), "m", "torch.chunk(torch.cat([{0}, {0}], 0), 2, 0)"),
    Operator("split", ".split", ("t",), "m", "{0}.repeat(2, 1, 1).split(2, 0)"),
    Operator("part", "operator.getitem", ("m",), "t", "operator.getitem({0}, 1)"),
    Operator("lstm_output", "operator.getitem", ("r",), "t", "operator.getitem({0}, 0)"),
    Operator("cell_state", "operator.getitem", ("c",), "d", "operator.getitem({0}, 1)"),
)

OPERATORS: dict[str, Operator] = {
    entry.name: entry
    for entry in (
        *_MODULES,
        *_WEIGHTED,
        *_ARITHMETIC,
        *_LISTS,
        *_FUNCTIONS,
        *_SHAPES,
        *_MASKS,
        *_MULTI,
    )
}
"""All operators, by name."""
