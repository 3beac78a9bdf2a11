"""Rare calls about what a value is: items of containers, and operands of modules of one's own."""

from __future__ import annotations

import re

from .rarity import Rarity, calling, forward, instead, own_class, with_parts

_SCALED = (
    "class Scaled(nn.Module):",
    "    def forward(self, value, weight, bias):",
    "        return value * weight + bias",
    "",
    *instead("Scaled()"),
    *own_class("Scaled", "value, weight, bias"),
)
"""The lines that put a module of one's own in the layer's place, which takes a weight and a bias with each call."""


KINDS: dict[str, tuple[str, ...]] = {
    "passed on": (
        *("x + 1", "x.view(2, 16)", "x.mT", "F.relu(x)", "torch.cat([x, x])", "x.sum()", "x.clamp(0)", "x.detach()"),
        *("i.expand_as(z)", "z.view_as(i)", "i.roll(1)", "i.repeat(1, 2)"),
    ),
    "computed from integers": (
        *("i + 1", "i * 0.5", "torch.mul(i, other=0.5)", "torch.add(i, i)", "i % 2", "i // 2", "i - 1", "-i", "abs(i)"),
        *("i / 2", "torch.div(i, 2, rounding_mode='floor')", "torch.div(i, 2)", "i ** 2", "i ** 0.5", "torch.sqrt(i)"),
    ),
    "cast": (
        *("x.to(torch.long)", "x.to(dtype=torch.long)", "i.to(x)", "i.to(x.dtype)", "b.to(dtype=z.dtype)"),
        *("x.to('cpu')", "i.type_as(x)", "x.type(torch.int32)", "x.long()", "x.byte()", "i.float()", "b.double()"),
        *("x.half()", "x.bool()"),
    ),
    "filled, padded and added up": (
        *("F.pad(i, (1, 1))", "F.pad(b, (1, 1))", "F.pad(x, (1, 1), value=0.5)", "i.masked_fill(b, 1)"),
        *("torch.cumsum(b, 1)", "torch.cumsum(x, 1)", "i.sum(dtype=torch.float)", "x.sum(dtype=torch.int)", "i.sum()"),
    ),
    "made anew by a method": (
        *("x.new_zeros(2, 4, dtype=torch.long)", "x.new_zeros(2, 4)", "i.new_full((2,), 0.5)", "i.new_ones(2)"),
        *("torch.full_like(i, 0.5)", "torch.zeros_like(x)", "torch.ones_like(b)", "torch.zeros_like(i, dtype=x.dtype)"),
    ),
    "chosen, with indices": (
        *("torch.topk(x, 2)[0]", "torch.topk(x, 2)[1]", "torch.topk(x, 2)[1:][0]", "torch.sort(x).indices"),
        *("x.sort()[0]", "torch.max(x, 1)[1]", "torch.max(x, 1)[0]", "torch.max(x, dim=1).indices", "torch.max(x)"),
    ),
    "extreme, with indices": (
        *("x.min(1).values", "torch.max(i, i)", "torch.maximum(x, x)", "x.median(-1)[1]", "torch.cummax(x, 0)[1]"),
        *("x.max(1, True)[-1]", "F.max_pool1d(x, 2, return_indices=True)[1]", "F.max_pool1d(x, 2)"),
        "F.max_pool1d(x, 2, return_indices=True)[0]",
    ),
    "compared": (
        *("torch.where(b, i, 0.5)", "torch.where(b, z, z)", "torch.where(b, i, i)", "torch.where(b, i, 1)"),
        *("x > 0", "x.isnan()", "~b", "b & b", "b | b", "b ^ b", "torch.isclose(x, x)", "torch.any(b)", "x.ne(0)"),
        *("b.logical_and_(z)", "i.add_(1)", "torch.logical_or(x, x)"),
    ),
    "counted": (
        *("x.argmax(1)", "x.argsort()", "torch.bucketize(x, z[0])", "torch.count_nonzero(x)", "F.one_hot(i, 4)"),
        *("x.size(0) + 1", "x.shape[0]", "x.dim()", "x.numel() // 2", "torch.equal(x, x)"),
    ),
    "split": (
        *("x.chunk(2)[0]", "i.chunk(2)[1]", "i.split(1)[0]", "x.unbind()[-1]", "x.unbind()[0:2][1]"),
        *("i.tensor_split(2)[0]", "b.gather(1, i)", "x.gather(2, i.unsqueeze(1))", "i.index_select(0, i[0] * 0)"),
    ),
    "computed as floats": (
        *("i.float() @ z.t()", "torch.matmul(x, x)", "F.embedding(i % 2, z)", "torch.clamp(i, 0.5)", "i.clamp(0, 2)"),
        *("torch.mean(x, 0)", "x.std()", "torch.sigmoid(i)", "torch.exp(i)", "F.softmax(x, -1)", "i.sin()"),
    ),
    "made of a size": (
        *("torch.full((2, 4), x.size(0))", "torch.full((2, 4), x.size(0) / 2)", "torch.scalar_tensor(x.size(0))"),
        *("torch.arange(x.size(0))", "torch.arange(0.0, x.size(0))", "torch.linspace(0, 1, x.size(0))"),
        *("torch.zeros(x.size(0))", "torch.rand_like(x)", "torch.full((2,), fill_value=x.size(0))"),
        *("torch.arange(start=0.5, end=x.size(0))", "torch.arange(end=x.size(0))"),
        "torch.arange(0, x.size(0), step=0.5)",
    ),
}
"""Expressions that give tensors of several kinds, and numbers, by what is done in them: of floats ``x`` in three
dimensions, of integers ``i``, bools ``b`` and floats ``z`` in two."""

_GIVEN = ("z, b, i = x0, x0 > 0, (x0 > 0).long()", "x = x0.unsqueeze(2).repeat(1, 1, 4)")
"""The lines that make of the input what expressions are of."""


def _inputs(expression: str, *before: str) -> tuple[str, ...]:
    """Return the lines that give other example inputs."""
    return (*before, "x = given.example_inputs[0]", f"given.example_inputs = {expression}")


def _of_kinds(expressions: tuple[str, ...]) -> tuple[str, ...]:
    """Return a model that adds one to what each expression gives: what is no float tensor is not to be observed.

    Functions are called by a method, as torch 2.5 does not see of itself that a size or a dtype is traced.
    """
    called = (re.sub(r"^(torch\.\w+)\(", r"self.call(x, \1, ", expression) for expression in expressions)
    return calling(forward(*_GIVEN, f"return {', '.join(f'({expression}) + 1' for expression in called)}"))


RARE_VALUES = (
    *(Rarity(f"values of every kind, {done}", _of_kinds(expressions)) for done, expressions in KINDS.items()),
    *(
        Rarity(
            f"a module of one's own that takes a weight and a bias {how}",
            with_parts("self.linear = nn.Linear(4, 4)", f"return self.linear({arguments})"),
            _SCALED,
            ("custom-modules",),
        )
        for how, arguments in (
            ("by position", "x0, x0 + 1, x0 + 2"),
            ("by keyword", "x0, weight=x0 + 1, bias=x0 + 2"),
        )
    ),
    *(
        Rarity(f"an input that is {what}", with_parts("self.linear = nn.Linear(4, 4)", f"return {read}"), inputs)
        for what, read, inputs in (
            ("a dict", 'self.linear(x0["x"])', _inputs('({"x": x},)')),
            (
                "a dict of more than one kind of tensor",
                'self.linear(x0["x"]) + x0["n"]',
                _inputs('({"x": x, "n": x > 0},)'),
            ),
            ("a list of dicts", 'self.linear(x0[0]["x"])', _inputs('([{"x": x}],)')),
            (
                "a named tuple",
                "self.linear(x0.x)",
                _inputs("(Named(x),)", "import collections", "", 'Named = collections.namedtuple("Named", "x")'),
            ),
            (
                "an object",
                "self.linear(x0.x)",
                _inputs("(types.SimpleNamespace(x=x),)", "import types", ""),
            ),
        )
    ),
    Rarity(
        "a new tensor of ones and noughts",
        calling(
            with_parts(
                "self.linear = nn.Linear(4, 4)", "return self.linear(self.call(x0, torch.eye, x0.size(1))) + x0.sum()"
            )
        ),
    ),
)
