"""The operators of the table that take or give something else than one float tensor."""

from __future__ import annotations

from .entries import call, method

LISTS = (
    call("cat", "torch.cat", "t* -> t", "torch.cat({0}, 0)[:2]", "torch.cat(tensors={0}, dim=0)[:2]"),
    call(
        "cat_narrow",
        "torch.cat",
        "t* -> t",
        "torch.narrow(torch.cat({0}, 0), 0, 0, 2)",
        "torch.narrow(torch.cat(tensors={0}, dim=0), 0, 0, 2)",
    ),
    call("concat", "torch.concat", "t* -> t", "torch.concat({0}, 0)[:2]", "torch.concat(tensors={0}, dim=0)[:2]"),
    call(
        "concatenate",
        "torch.concatenate",
        "t* -> t",
        "torch.concatenate({0}, 0)[:2]",
        "torch.concatenate(tensors={0}, dim=0)[:2]",
    ),
    call(
        "stack",
        "torch.stack",
        "t* -> t",
        "torch.mean(torch.stack({0}, 0), 0)",
        "torch.mean(torch.stack(tensors={0}, dim=0), 0)",
    ),
    call("fold", "fold", "t** -> t", "fold({0})", "fold(groups={0})"),
)
"""Operators that take a list, or a list of lists."""

SHAPES = (
    call("size", ".size", "t -> n", "{0}.size(0)", "{0}.size(dim=0)"),
    call("sizes", ".size", "t -> z", "{0}.size()"),
    call("shape", "getattr", "t -> z", "{0}.shape"),
    call("dim", ".dim", "t -> n", "{0}.dim()"),
    call("numel", ".numel", "t -> n", "{0}.numel()"),
    call("shape_item", "operator.getitem", "z -> n", "operator.getitem({0}, 0)"),
    call("size_add", "operator.add", "n n -> n", "operator.add({0}, {1})"),
    call("size_mul", "operator.mul", "n -> n", "operator.mul({0}, 2)"),
    call("size_div", "operator.floordiv", "n -> n", "operator.floordiv({0}, 1)"),
    call("view_as_size", ".view", "t z -> t", "{0}.view({1})", "{0}.view(size={1})"),
    # Sizes in a tuple, as most models write it: what is never observed is to be found inside of it, too.
    call("reshape_as_size", ".reshape", "t z -> t", "{0}.reshape(({1}[0], 4, 4))", "{0}.reshape(shape={1})"),
    call("constant", ".new_full", "t z -> t", "{0}.new_full({1}, 1.0)", "{0}.new_full(size={1}, fill_value=1.0)"),
)
"""Shape arithmetic."""

MASKS = (
    call("greater", "operator.gt", "t -> b", "operator.gt({0}, 0)"),
    call("mask_not", "torch.logical_not", "b -> b", "torch.logical_not({0})", "torch.logical_not(input={0})"),
    method("view", "bb", "2, 4, 4"),
    method("transpose", "bb", "1, 2", "dim0=1, dim1=2"),
    call("mask_cat", "torch.cat", "b* -> b", "torch.cat({0}, 0)[:2]", "torch.cat(tensors={0}, dim=0)[:2]"),
    call(
        "masked_fill",
        ".masked_fill",
        "t b -> t",
        "{0}.masked_fill({1}, 0.0)",
        "{0}.masked_fill(mask={1}, value=0.0)",
    ),
    call(
        "where",
        "torch.where",
        "b t t -> t",
        "torch.where({0}, {1}, {2})",
        "torch.where(condition={0}, input={1}, other={2})",
    ),
)
"""Operators on bool tensors."""

INTEGERS = (
    call(
        "rounded",
        ".to",
        "t -> i",
        "{0}.mean(1).clamp(0, 3).to(torch.long)",
        "{0}.mean(1).clamp(0, 3).to(dtype=torch.long)",
    ),
    call("where_greatest", "torch.max", "t -> i", "torch.max({0}, 1)[1]", "torch.max(input={0}, dim=1)[1]"),
    call("rank", ".sort", "t -> i", "{0}.sort(1).indices[0, :2]", "{0}.sort(dim=1).indices[0, :2]"),
    call("ids_mod", "operator.mod", "i -> i", "operator.mod({0}, 2)"),
    call("ids_pad", "F.pad", "i -> i", "F.pad({0}, (0, 0))", "F.pad(input={0}, pad=(0, 0))"),
    call("ids_add", "operator.add", "i i -> i", "operator.mod(operator.add({0}, {1}), 4)"),
    call("counted", "torch.cumsum", "b -> i", "torch.cumsum({0}, 1)[:, 0]", "torch.cumsum(input={0}, dim=1)[:, 0]"),
    call("ids_filled", ".new_full", "i n -> i", "{0}.new_full((2, 4), {1}).clamp(0, 3)"),
    call(
        "ids_scaled",
        "torch.mul",
        "i -> d",
        "torch.mul({0}, 0.5).repeat(2, 1)",
        "torch.mul(input={0}, other=0.5).repeat(2, 1)",
    ),
    call("mask_as_float", ".to", "b t -> t", "{0}.to({1}.dtype)", "{0}.to(dtype={1}.dtype)"),
)
"""Operators that give integers, or make floats of them."""

MULTI = (
    call(
        "chunk",
        "torch.chunk",
        "t -> m",
        "torch.chunk(torch.cat([{0}, {0}], 0), 2, 0)",
        "torch.chunk(input=torch.cat([{0}, {0}], 0), chunks=2, dim=0)",
    ),
    call("split", ".split", "t -> m", "{0}.repeat(2, 1, 1).split(2, 0)", "{0}.repeat(2, 1, 1).split(2, dim=0)"),
    call("part", "operator.getitem", "m -> t", "operator.getitem({0}, 1)"),
    call("lstm_output", "operator.getitem", "r -> t", "operator.getitem({0}, 0)"),
    call("lstm_states", "operator.getitem", "r -> s", "operator.getitem({0}, 1)"),
    call("hidden_state", "operator.getitem", "s -> w", "operator.getitem({0}, 0)"),
    call("memory_state", "operator.getitem", "s -> w", "operator.getitem({0}, 1)"),
    call("gru_output", "operator.getitem", "g -> t", "operator.getitem({0}, 0)"),
    call("attention_output", "operator.getitem", "a -> t", "operator.getitem({0}, 0)"),
    call("state_cat", "torch.cat", "w w -> t", "torch.cat([{0}, {1}], 0)", "torch.cat(tensors=[{0}, {1}], dim=0)"),
    call("state_add", "operator.add", "t w -> t", "operator.add({0}, {1})"),
    call("cell_state", "operator.getitem", "c -> d", "operator.getitem({0}, 1)"),
)
"""Operators with several outputs, and those that take one of them."""
