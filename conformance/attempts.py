"""A call that may be wrong: what is said of it, and whether it leaves the model as it was."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.fx import GraphModule

from observance.conformance.implementations import Implementation
from observance.conformance.outcomes import call
from observance.strategies import Case, build


@dataclass(frozen=True)
class Attempt:
    """What came of a call.

    ``error`` is what it raised; ``said`` are the text of the error and of all
    warnings; ``left`` is whether the model is after the call what it was before.
    """

    error: Exception | None
    said: tuple[str, ...]
    left: bool


@functools.lru_cache(maxsize=256)
def attempt(implementation: Implementation, case: Case) -> Attempt:
    """Make the call of a case."""
    arguments = build(case)
    before = looks(arguments.model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call(implementation, arguments)
            error = None
        except Exception as raised:  # whatever it raises is an answer
            error = raised
    texts = [str(warning.message) for warning in caught]
    said = (f"{type(error).__name__}: {error}", *texts) if error is not None else tuple(texts)
    return Attempt(error, said, looks(arguments.model) == before)


def looks(model: Any) -> tuple[Any, ...]:
    """Return what a model is: its graph, its modules, and its parameters and buffers, which are compared as objects."""
    if not isinstance(model, nn.Module):
        return (model,)
    nodes = [node.format_node() for node in model.graph.nodes] if isinstance(model, GraphModule) else []
    modules = [(name, type(module)) for name, module in model.named_modules(remove_duplicate=False)]
    held = [(name, id(part)) for name, part in (*model.named_parameters(), *model.named_buffers())]
    return nodes, modules, held
