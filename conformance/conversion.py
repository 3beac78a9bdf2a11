"""The next step after `prepare`: converting, and holding two converted models against each other."""

from __future__ import annotations

import copy
import functools
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.ao.nn import quantizable
from torch.ao.quantization.quantize_fx import convert_fx
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from observance.conformance import forward
from observance.conformance.outcomes import Outcome


def calibrated(outcome: Outcome) -> GraphModule | Exception:
    """Return a copy of a prepared model that has seen the example inputs once, or what they raised."""
    model = uncalibrated(outcome)
    result = forward.run(model, outcome.arguments.example_inputs)
    return result if isinstance(result, Exception) else model


def uncalibrated(outcome: Outcome) -> GraphModule:
    """Return a copy of a prepared model."""
    assert outcome.prepared is not None, "there is a prepared model"
    return copy.deepcopy(outcome.prepared)


def converted(model: GraphModule | Exception, outcome: Outcome) -> GraphModule | Exception:
    """Convert a prepared model of an outcome.

    Returns
    -------
    GraphModule or Exception
        The quantized model, or what was raised on the way.
    """
    if isinstance(model, Exception):
        return model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            quantized: GraphModule = convert_fx(model.eval(), backend_config=outcome.arguments.backend_config)
        except Exception as error:  # conversion raises what it likes
            return error
    return quantized


@dataclass(frozen=True)
class Step:
    """One node of a graph, without names: what it does, for a reader, and all that it does it with."""

    title: str
    content: str


def difference(expected: GraphModule, found: GraphModule) -> tuple[str, str] | None:
    """Return the first step that only one of two graphs takes, for each of them; None if there is none.

    Names, and the order of what does not depend on each other, do not count.
    """
    numbers: dict[str, int] = {}
    mine, theirs = (_steps(model, numbers) for model in (expected, found))
    missing, added = (_first_beyond(*pair) for pair in ((mine, theirs), (theirs, mine)))
    return None if missing == added == "nothing more" else (missing, added)


def _first_beyond(steps: list[Step], others: list[Step]) -> str:
    """Return the title of the first step that the others do not have."""
    left = Counter(step.content for step in others)
    for step in steps:
        if not left[step.content]:
            return step.title
        left[step.content] -= 1
    return "nothing more"


def _steps(model: GraphModule, numbers: dict[str, int]) -> list[Step]:
    """Return the steps of a graph, in order; `numbers` numbers all contents that were met, in any graph."""
    met: dict[Node, int] = {}
    found = []
    inputs = [node for node in model.graph.nodes if node.op == "placeholder"]  # between which anything may stand
    for node in model.graph.nodes:
        title, used = (f"input {inputs.index(node)}", "") if node.op == "placeholder" else _used(model, node)
        arguments = map_arg((node.args, dict(sorted(node.kwargs.items()))), lambda value: f"%{met[value]}")
        step = Step(title, f"{node.op} {title} {used} {arguments}")
        met[node] = numbers.setdefault(step.content, len(numbers))
        found.append(step)
    return found


def _used(model: GraphModule, node: Node) -> tuple[str, str]:
    """Return what a node calls or reads, for a reader and in full."""
    if node.op in ("call_module", "get_attr"):
        value: Any = functools.reduce(getattr, str(node.target).split("."), model)
        if isinstance(value, GraphModule):  # a standalone module, which has names of its own
            return "a standalone module", " ".join(sorted(step.content for step in _steps(value, {})))
        if isinstance(value, torch.nn.Module):
            return _told(value), _text(_stored(value))
        return f"a {type(value).__name__} of {_size(value)}", _text(value)
    target = node.target
    return (target if isinstance(target, str) else f"{target.__module__}.{target.__qualname__}"), ""


def _stored(module: torch.nn.Module) -> dict[str, Any]:
    """Return what a module stores, but for what is drawn at random and never read.

    Quantizable attention is made as attention of floats is, and has layers in place of its weights.
    """
    drawn = ("in_proj_weight", "in_proj_bias") if isinstance(module, quantizable.MultiheadAttention) else ()
    return {name: value for name, value in module.state_dict().items() if name not in drawn}


def _told(module: torch.nn.Module) -> str:
    """Return a module in words; its class, if its own words fail."""
    try:
        return repr(module)
    except Exception:  # some quantized modules cannot be printed
        return type(module).__name__


def _size(value: Any) -> str:
    """Return how large a stored value is, and of which dtype, as far as it tells."""
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, torch.Tensor) else "packed weights"


def _text(value: Any) -> str:
    """Return all that is stored in a value, as text."""
    if isinstance(value, torch.Tensor) and value.is_quantized:
        return f"{value.dtype} {value.qscheme()} {value.int_repr().tolist()} {_scales(value)}"
    if isinstance(value, torch.Tensor):
        return f"{value.dtype} {value.tolist()}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_text(part)}' for name, part in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, torch.ScriptObject):  # the packed weights of a quantized kernel
        return _text(value.unpack() if hasattr(value, "unpack") else value.__getstate__())
    return repr(value)


def _scales(value: torch.Tensor) -> str:
    """Return the scales and zero points of a quantized tensor."""
    if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return f"{value.q_scale()} {value.q_zero_point()}"
    return f"{value.q_per_channel_scales().tolist()} {value.q_per_channel_zero_points().tolist()}"
