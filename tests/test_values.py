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
from observance.strategies.rare_values import KINDS

FLOATS, WHOLE, MASK, SMALL = torch.rand(2, 4, 4), torch.randint(4, (2, 4)), torch.rand(2, 4) > 0.5, torch.rand(2, 4)
"""Floats, integers, bools, and floats of the shape of these two: `x`, `i`, `b` and `z` below."""

EXPRESSIONS = [
    *(expression for expressions in KINDS.values() for expression in expressions),
    *("x.shape", "x.dtype", "x.device", "i.fill_(1.0)"),
    *("d['x'] + 1", "d['ids'] + 1", "d['deep'][0]", "d['deep'][1]", "pair.left", "pair.right", "pair[1]"),
    "pair[0:1][0]",
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
