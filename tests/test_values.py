"""What kind of value each node gives: told from the graph, and as it is when the graph is run."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.fx import GraphModule, Interpreter, Tracer

from observance.reference.values import Kind, Shape, classify, of_tensor

FLOATS, WHOLE, MASK, SMALL = torch.rand(2, 4, 4), torch.randint(4, (2, 4)), torch.rand(2, 4) > 0.5, torch.rand(2, 4)
"""Floats, integers, bools, and floats of the shape of these two: `x`, `i`, `b` and `z` below."""

EXPRESSIONS = [
    *("x + 1", "x.view(2, 16)", "x.mT", "F.relu(x)", "torch.cat([x, x])", "x.sum()", "x.clamp(0)", "x.detach()"),
    *("i + 1", "i * 0.5", "torch.mul(i, other=0.5)", "torch.add(i, i)", "i % 2", "i // 2", "i - 1", "-i", "abs(i)"),
    *("i / 2", "torch.div(i, 2, rounding_mode='floor')", "torch.div(i, 2)", "i ** 2", "i ** 0.5", "torch.sqrt(i)"),
    *("x.to(torch.long)", "x.to(dtype=torch.long)", "i.to(x)", "i.to(x.dtype)", "b.to(dtype=z.dtype)", "x.to('cpu')"),
    *("i.type_as(x)", "x.type(torch.int32)", "x.long()", "x.byte()", "i.float()", "b.double()", "x.half()", "x.bool()"),
    *("F.pad(i, (1, 1))", "F.pad(b, (1, 1))", "F.pad(x, (1, 1), value=0.5)", "i.masked_fill(b, 1)", "i.fill_(1.0)"),
    *("torch.cumsum(b, 1)", "torch.cumsum(x, 1)", "i.sum(dtype=torch.float)", "x.sum(dtype=torch.int)", "i.sum()"),
    *("x.new_zeros(2, 4, dtype=torch.long)", "x.new_zeros(2, 4)", "i.new_full((2,), 0.5)", "i.new_ones(2)"),
    *("torch.full((2, 4), x.size(0))", "torch.full((2, 4), x.size(0) / 2)", "torch.scalar_tensor(x.size(0))"),
    *("torch.full_like(i, 0.5)", "torch.zeros_like(x)", "torch.ones_like(b)", "torch.zeros_like(i, dtype=x.dtype)"),
    *("torch.arange(x.size(0))", "torch.arange(0.0, x.size(0))", "torch.linspace(0, 1, x.size(0))"),
    *("torch.zeros(x.size(0))", "torch.rand_like(x)", "torch.full((2,), fill_value=x.size(0))"),
    *("torch.topk(x, 2)[0]", "torch.topk(x, 2)[1]", "torch.topk(x, 2)[1:][0]", "torch.sort(x).indices", "x.sort()[0]"),
    *("torch.max(x, 1)[1]", "torch.max(x, 1)[0]", "torch.max(x, dim=1).indices", "torch.max(x)", "x.min(1).values"),
    *("torch.max(i, i)", "torch.maximum(x, x)", "x.median(-1)[1]", "torch.cummax(x, 0)[1]", "x.max(1, True)[-1]"),
    *("F.max_pool1d(x, 2, return_indices=True)[1]", "F.max_pool1d(x, 2)", "F.max_pool1d(x, 2, return_indices=True)[0]"),
    *("torch.where(b, i, 0.5)", "torch.where(b, z, z)", "torch.where(b, i, i)", "torch.where(b, i, 1)"),
    *("x > 0", "x.isnan()", "~b", "b & b", "b | b", "b ^ b", "torch.isclose(x, x)", "torch.any(b)", "x.ne(0)"),
    *("x.argmax(1)", "x.argsort()", "torch.bucketize(x, z[0])", "torch.count_nonzero(x)", "F.one_hot(i, 4)"),
    *(
        "x.chunk(2)[0]",
        "i.chunk(2)[1]",
        "i.split(1)[0]",
        "x.unbind()[-1]",
        "x.unbind()[0:2][1]",
        "i.tensor_split(2)[0]",
    ),
    *("i.expand_as(z)", "z.view_as(i)", "b.gather(1, i)", "x.gather(2, i.unsqueeze(1))", "i.index_select(0, i[0] * 0)"),
    *(
        "i.float() @ z.t()",
        "torch.matmul(x, x)",
        "F.embedding(i % 2, z)",
        "torch.clamp(i, 0.5)",
        "i.clamp(0, 2)",
        "i.roll(1)",
    ),
    *(
        "torch.mean(x, 0)",
        "x.std()",
        "torch.sigmoid(i)",
        "torch.exp(i)",
        "F.softmax(x, -1)",
        "i.sin()",
        "i.repeat(1, 2)",
    ),
    *(
        "x.size(0) + 1",
        "x.shape[0]",
        "x.dim()",
        "x.numel() // 2",
        "x.shape",
        "torch.equal(x, x)",
        "x.dtype",
        "x.device",
    ),
    *(
        "d['x'] + 1",
        "d['ids'] + 1",
        "d['deep'][0]",
        "d['deep'][1]",
        "pair.left",
        "pair.right",
        "pair[1]",
        "pair[0:1][0]",
    ),
]

Pair = namedtuple("Pair", "left right")


def _kind(value: Any) -> Shape:
    """Return the kind of a value that is at hand."""
    if isinstance(value, torch.Tensor):
        return of_tensor(value)
    return (
        tuple(map(_kind, value)) if isinstance(value, tuple) and not isinstance(value, torch.Size) else Kind.NO_TENSOR
    )


def _told_and_found(forward: Any, *inputs: Any) -> tuple[Shape, Shape]:
    """Return the kind of what a function returns: as it is told from its graph, and as it is."""
    root = forward if isinstance(forward, nn.Module) else nn.Module()
    module = GraphModule(root, Tracer().trace(forward))
    shapes = classify(module.graph, dict(module.named_modules()), inputs)
    returned = next(iter(reversed(module.graph.nodes))).args[0]
    return shapes[returned], _kind(Interpreter(module).run(*inputs))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_kind_of_a_value_is_what_it_is_when_the_graph_is_run(expression: str) -> None:
    names: dict[str, Any] = {"torch": torch, "F": F}
    exec(f"def forward(x, i, b, z, d, pair): return {expression}", names)
    inside, pair = {"x": FLOATS, "ids": WHOLE, "deep": [WHOLE, FLOATS]}, Pair(FLOATS, WHOLE)
    told, found = _told_and_found(names["forward"], FLOATS, WHOLE.clone(), MASK, SMALL, inside, pair)
    assert told == found


@pytest.mark.parametrize(
    "module",
    [nn.Linear(4, 4), nn.Identity(), nn.Flatten(), nn.MaxPool1d(2), nn.MaxPool1d(2, return_indices=True), nn.GRU(4, 4)],
    ids=str,
)
def test_the_kind_of_what_a_module_gives_is_what_it_is_when_it_is_run(module: nn.Module) -> None:
    told, found = _told_and_found(nn.Sequential(module), FLOATS)
    assert told == found


def test_a_module_that_hands_on_what_it_reads_gives_integers_for_integers() -> None:
    told, found = _told_and_found(nn.Sequential(nn.Identity(), nn.Flatten()), WHOLE)
    assert told == found == Kind.NOT_FLOAT


def test_a_function_of_which_nothing_is_known_gives_floats() -> None:
    told, _ = _told_and_found(lambda i: _own(i), WHOLE)
    assert told == Kind.FLOAT


def _own(value: Any) -> Any:
    """Compute something in a function that is no part of torch."""
    return value


torch.fx.wrap("_own")
