"""Chapter *refusals*: calls that are wrong, and what is said of them.

A wrong call is refused before anything is decided, with the name of the culprit
and the cure; nothing is changed by then (REFUSALS-4).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node

from .entry import Configs, RefusalError


def refuse_misuse(model: Any, is_qat: Any, scopes: Any, example_inputs: Any, configs: Configs) -> None:
    """Refuse what no implementation could serve (REFUSALS-1, REFUSALS-2).

    Raises
    ------
    RefusalError
        If an argument is of a wrong type, or names what the model does not have.
    """
    refuse_types(model, is_qat, scopes, example_inputs)
    outputs = [node.args[0] for node in model.graph.nodes if node.op == "output"]
    inputs = sum(node.op == "placeholder" for node in model.graph.nodes)
    refuse_indexes("input_quantized_indexes", configs.custom.input_quantized_indexes, inputs)
    refuse_indexes("output_quantized_indexes", configs.custom.output_quantized_indexes, sum(map(_width, outputs)))
    refuse_expressions(configs.qconfigs.module_name_regex_qconfigs)


def refuse_types(model: Any, is_qat: Any, scopes: Any, example_inputs: Any) -> None:
    """Refuse arguments that are not what their annotations say; the configs are looked at in *entry*."""
    for name, value, kinds, cure in (
        ("model", model, GraphModule, "trace it, and pass the GraphModule"),
        ("is_qat", is_qat, bool, "pass True or False"),
        ("node_name_to_scope", scopes, Mapping, "pass the tracer's dict"),
        ("example_inputs", example_inputs, (tuple, list, Tensor), "pass a tuple of the inputs"),
    ):
        refuse_type(name, value, kinds, cure)


def refuse_type(name: str, value: Any, kinds: Any, cure: str) -> None:
    """Refuse an argument that is of none of some types."""
    if not isinstance(value, kinds):
        raise RefusalError(f"{name} is a {type(value).__name__}; {cure}")


def refuse_indexes(name: str, indexes: Any, count: int) -> None:
    """Refuse an index of an input or output that the model does not have, and what is no list of them."""
    if not isinstance(indexes, Collection):
        raise RefusalError(f"{name} is {indexes!r}; pass a list of indexes")
    for index in indexes:
        if not isinstance(index, int) or not 0 <= index < count:
            raise RefusalError(f"{name} has {index!r}, and the model has {count}, counted from 0; leave it out")


def refuse_expressions(patterns: Collection[str]) -> None:
    """Refuse a regular expression for module names that is none."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise RefusalError(f"the module name {pattern!r} is no regular expression ({error}); mend it") from error


def _width(returned: Any) -> int:
    """Return how many outputs a model has that returns this."""
    return len(returned) if isinstance(returned, (list, tuple)) else 1


def refuse_graph(graph: Graph, modules: Mapping[str, nn.Module]) -> None:
    """Refuse a graph that calls what is not there, returns neither values nor containers of them, or has no output."""
    for node in graph.nodes:
        if node.op == "call_module" and node.target not in modules:
            raise RefusalError(f"node {node.name!r} calls the module {node.target!r}, which the model does not have")
        if node.op == "output":
            for constant in constants(node.args):
                raise RefusalError(f"the graph's output holds the constant {constant!r}; return values alone")
    if not any(node.op == "output" for node in graph.nodes):
        raise RefusalError("the graph has no output; let it return what it computes")


def constants(returned: Any) -> Iterator[Any]:
    """Yield what is returned, in containers or not, and is neither a value nor None."""
    pending = [returned]
    while pending:
        match part := pending.pop():
            case list() | tuple():
                pending += part
            case dict():
                pending += part.values()
            case None | Node():
                pass
            case _:
                yield part
