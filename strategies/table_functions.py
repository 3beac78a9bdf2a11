"""The functions and methods of the operator table that compute on float tensors."""

from __future__ import annotations

from .entries import Operator, aten, call, function, in_place, in_place_on_clone, method, weighted

WEIGHTED = (
    weighted("F.linear", "t", (4, 4), (4,)),
    call(
        "F_linear_plain",
        "F.linear",
        "t -> t",
        "F.linear({0}, {p0})",
        "F.linear({0}, weight={p0})",
        parameters=((4, 4),),
    ),
    call("F_linear_computed", "F.linear", "d d -> d", "F.linear({0}, {1})", "F.linear({0}, weight={1})"),
    weighted("F.conv1d", "t", (4, 4, 1), (4,)),
    weighted("F.conv2d", "u", (2, 2, 1, 1), (2,)),
    weighted("F.conv3d", "v", (2, 2, 1, 1, 1), (2,)),
    weighted("F.conv_transpose1d", "t", (4, 4, 1), (4,)),
    weighted("F.conv_transpose2d", "u", (2, 2, 1, 1), (2,)),
    weighted("F.conv_transpose3d", "v", (2, 2, 1, 1, 1), (2,)),
    call(
        "F_layer_norm",
        "F.layer_norm",
        "t -> t",
        "F.layer_norm({0}, (4,), {p0}, {p1})",
        "F.layer_norm(input={0}, normalized_shape=(4,), weight={p0}, bias={p1})",
        parameters=((4,), (4,)),
    ),
    call(
        "F_group_norm",
        "F.group_norm",
        "t -> t",
        "F.group_norm({0}, 2, {p0}, {p1})",
        "F.group_norm(input={0}, num_groups=2, weight={p0}, bias={p1})",
        parameters=((4,), (4,)),
    ),
    call(
        "F_instance_norm",
        "F.instance_norm",
        "u -> u",
        "F.instance_norm({0}, None, None, {p0}, {p1})",
        "F.instance_norm(input={0}, weight={p0}, bias={p1})",
        parameters=((2,), (2,)),
    ),
    call(
        "F_embedding",
        "F.embedding",
        "i -> t",
        "F.embedding({0}, {p0})",
        "F.embedding(input={0}, weight={p0})",
        parameters=((4, 4),),
    ),
    call(
        "parameter",
        "torch.add",
        "d -> d",
        "torch.add({0}, {p0})",
        "torch.add({0}, other={p0})",
        parameters=((4, 4),),
    ),
)
"""Functions that read parameters."""


def _binary(target: str, family: str | None) -> tuple[Operator, ...]:
    """Return the entries of an arithmetic function: two tensors, or one and a number."""
    name, pair = target.replace(".", "_"), f"{target}({{0}}, {{1}})"
    spelled = second = None
    if not target.startswith("operator."):
        spelled, second = f"{target}(input={{0}}, other={{1}})", f"{target}(input={{0}}, other=2)"
    return (
        call(name, target, "t t -> t", pair, spelled, family=family),
        call(f"{name}_wide", target, "u u -> u", pair, spelled),
        call(f"{name}_number", target, "t -> t", f"{target}({{0}}, 2)", second),
        call(f"{name}_size", target, "t n -> t", pair, spelled),
        call(f"{name}_mask", target, "t b -> t", pair, spelled),
    )


ARITHMETIC = (
    *_binary("operator.add", "add"),
    *_binary("operator.mul", "mul"),
    *_binary("torch.add", "add"),
    *_binary("torch.mul", "mul"),
    call("add_method", ".add", "t t -> t", "{0}.add({1})", "{0}.add(other={1})"),
    call("sub", "operator.sub", "t t -> t", "operator.sub({0}, {1})"),
    call("torch_sub", "torch.sub", "t t -> t", "torch.sub({0}, {1})", "torch.sub(input={0}, other={1})"),
    call("number_first", "operator.add", "t -> t", "operator.add(2, {0})"),
    call("matmul", "torch.matmul", "t t -> t", "torch.matmul({0}, {1})", "torch.matmul(input={0}, other={1})"),
    # What are matrices to torch are a weight, an input and a bias to some backend configs.
    call(
        "addmm",
        "torch.addmm",
        "d d d -> d",
        "torch.addmm({0}, {1}, {2})",
        "torch.addmm(input={0}, mat1={1}, mat2={2})",
    ),
)
"""Functions of two operands."""

FUNCTIONS = (
    function("F.relu", "tt"),
    function("F.relu", "uu"),
    function("F.relu", "vv"),
    function("torch.relu", "tt", family="relu"),
    method("relu", "tt", family="relu"),
    function("F.elu", "tt"),
    function("F.leaky_relu", "tt"),
    function("F.hardswish", "tt"),
    function("F.hardsigmoid", "tt"),
    function("F.hardtanh", "tt"),
    function("F.relu6", "tt"),
    function("F.gelu", "tt"),
    function("F.softmax", "tt", ", -1", "input={0}, dim=-1"),
    function("F.dropout", "tt", ", 0.5, False", "input={0}, p=0.5, training=False"),
    function("F.interpolate", "tt", ", 4", "input={0}, size=4"),
    function("F.pad", "tt", ", (0, 0)", "input={0}, pad=(0, 0)"),
    function("F.max_pool1d", "tt", ", 1", "input={0}, kernel_size=1"),
    function("F.max_pool2d", "uu", ", 1", "input={0}, kernel_size=1"),
    function("F.max_pool3d", "vv", ", 1", "input={0}, kernel_size=1"),
    function("F.avg_pool1d", "tt", ", 1", "input={0}, kernel_size=1"),
    function("F.avg_pool2d", "uu", ", 1", "input={0}, kernel_size=1"),
    function("F.avg_pool3d", "vv", ", 1", "input={0}, kernel_size=1"),
    function("F.adaptive_avg_pool1d", "tt", ", 4", "input={0}, output_size=4"),
    function("F.adaptive_avg_pool2d", "uu", ", 4", "input={0}, output_size=4"),
    function("F.adaptive_avg_pool3d", "vv", ", (1, 4, 4)", "input={0}, output_size=(1, 4, 4)"),
    function("F.pixel_shuffle", "uu", ", 1", "input={0}, upscale_factor=1"),
    function("F.pixel_unshuffle", "uu", ", 1", "input={0}, downscale_factor=1"),
    function("torch.sigmoid", "tt", family="sigmoid"),
    method("sigmoid", "tt", family="sigmoid"),
    function("torch.tanh", "tt", family="tanh"),
    method("tanh", "tt", family="tanh"),
    function("torch.clamp", "tt", ", -1, 1", "input={0}, min=-1, max=1", family="clamp"),
    method("clamp", "tt", "-1, 1", "min=-1, max=1", family="clamp"),
    function("torch.transpose", "tt", ", 1, 2", "input={0}, dim0=1, dim1=2", family="transpose"),
    method("transpose", "tt", "1, 2", "dim0=1, dim1=2", family="transpose"),
    function("torch.flatten", "ut", ", 0, 1", "input={0}, start_dim=0, end_dim=1"),
    function("torch.squeeze", "ut", ", 0", "input={0}, dim=0", family="squeeze"),
    method("squeeze", "ut", "0", "dim=0", family="squeeze"),
    function("torch.squeeze", "vu", ", 2", "input={0}, dim=2"),
    function("torch.unsqueeze", "tu", ", 0", "input={0}, dim=0", family="unsqueeze"),
    method("unsqueeze", "tu", "0", "dim=0", family="unsqueeze"),
    function("torch.unsqueeze", "uv", ", 2", "input={0}, dim=2"),
    function("torch.mean", "td", ", 0", "input={0}, dim=0", family="mean"),
    method("mean", "td", "0", "dim=0", family="mean"),
    function("torch.narrow", "tt", ", 0, 0, 2", "input={0}, dim=0, start=0, length=2"),
    function("torch.repeat_interleave", "tt", ", 1, 0", "input={0}, repeats=1, dim=0", family="repeat_interleave"),
    method("repeat_interleave", "tt", "1, 0", "repeats=1, dim=0", family="repeat_interleave"),
    function("torch.permute", "tt", ", (0, 2, 1)", "input={0}, dims=(0, 2, 1)"),
    function("torch.permute_copy", "tt", ", (0, 2, 1)", "input={0}, dims=(0, 2, 1)"),
    function("torch.sin", "tt"),
    method("contiguous", "tt"),
    method("detach", "tt"),
    method("permute", "tt", "0, 2, 1", "dims=(0, 2, 1)"),
    method("repeat", "tt", "1, 1, 1"),
    method("view", "tt", "2, 4, 4"),
    method("reshape", "tt", "2, 4, 4"),
    method("reshape", "uu", "1, 2, 4, 4"),
    method("cos", "tt"),
    call("transposed", "getattr", "t -> t", "{0}.mT"),
    call("item", "operator.getitem", "t -> d", "operator.getitem({0}, 0)"),
    call(
        "pair",
        "torch.stack",
        "d d -> t",
        "torch.stack([{0}, {1}], 0)",
        "torch.stack(tensors=[{0}, {1}], dim=0)",
    ),
)
"""Functions and methods of one tensor."""

IN_PLACE = (
    in_place("relu_"),
    in_place("sigmoid_"),
    in_place("tanh_"),
    function("F.hardtanh_", "tt", mutates=True),
    function("F.leaky_relu_", "tt", mutates=True),
    in_place_on_clone("detach_", "tt"),
    in_place_on_clone("resize_", "tt", "2, 4, 4"),
    in_place_on_clone("squeeze_", "ut", "0"),
    in_place_on_clone("unsqueeze_", "tu", "0"),
)
"""Functions and methods that write into a tensor."""

# Tracing computes what is made of buffers alone, once and for all: what is to be written to in the graph meets a value.
BUFFERED = (
    aten("buffer_read", "torch.ops.aten.add.Tensor({p0}, {0})"),
    aten("buffer_added_to", "torch.ops.aten.add_.Tensor({p0}, {0})"),
    aten("buffer_overwritten", "torch.ops.aten.copy_.default({p0}, {0})"),
    aten("buffer_and_value", "torch.ops.aten.add_.Tensor({0}.clone(), {p0})"),
    aten("buffer_and_input", "torch.ops.aten.add_.Tensor(torch.add({p0}, {0}), {0})"),
    aten("buffer_twice", "torch.ops.aten.mul_.Tensor(torch.ops.aten.add_.Tensor({p0}, {p1}).view(4, 4), {0})"),
    aten("buffer_alone", "torch.ops.aten.relu_.default(torch.ops.aten.add_.Tensor({p0}, {p1})).add({0})"),
    aten("buffer_viewed", "torch.ops.aten.view.default(torch.ops.aten.add_.Tensor({p0}, {p1}), [4, 4]).add({0})"),
    aten("parameter_written", "torch.ops.aten.add_.Tensor({p0}.detach(), {0})", buffers=0),
    aten("value_written", "torch.ops.aten.relu_.default({0})", buffers=0, mutates=True),
)
"""Operators as export writes them, which read a buffer or write to it, or to what is none: for annotated graphs."""
