"""What torch's `prepare` does again and again, and what that costs on a large model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference.graphs import Operand, operands
from observance.reference.site import Site

from .register import Deviation

Decision = Callable[..., Any]

_ENDS = ("placeholder", "get_attr", "call_module", "output")
"""Nodes of which torch knows at once whether they read a tensor."""


_ASKED = 4
"""How often each node is asked: where its pattern is looked at, and where the graph is."""


def _asks_by_recursion(original: Decision, graph: Any, *rest: Any) -> Any:
    """Ask what a node reads, from the last node back, by a function that calls itself."""
    known: dict[Node, bool] = {}

    def reads_a_tensor(node: Node) -> bool:
        if node not in known:
            known[node] = node.op in _ENDS or any(reads_a_tensor(operand.value) for operand in operands(node))
        return known[node]

    for node in reversed(graph.nodes):
        reads_a_tensor(node)
    return original(graph, *rest)


def _forgets_answers(original: Decision, graph: Any, *rest: Any) -> Any:
    """Ask at each node anew, and more than once, what all nodes before it read, until one reads a tensor."""
    for node in [*graph.nodes] * _ASKED:
        pending: list[Any] = [node]
        while pending:
            asked = pending.pop()
            if not isinstance(asked, Node) or asked.target == "size":
                continue
            if asked.op in _ENDS:
                break
            pending += asked.args
    return original(graph, *rest)


def _traces_back(original: Decision, site: Site, operand: Operand) -> Any:
    """Go the whole way back to an observer from each operator that shares one."""
    seen: Operand | None = operand
    while seen is not None and site.plan.read_at(seen) is None:
        seen = next(iter(operands(seen.value)), None)
    return original(site, operand)


def _walks_the_model(original: Decision, site: Site, node: Node, quantized: Any) -> None:
    """Go through all modules of the model and all observers at each node that is quantized."""
    for module in _modules(site):
        for _ in module.named_modules():
            pass
    original(site, node, quantized)


def _tries_all_names(original: Decision, site: Site, *rest: Any) -> None:
    """Try the names of observers from the first one on, until one is free."""
    for number in range(len(site.behind)):
        hasattr(_model(site), f"activation_post_process_{number}")
    original(site, *rest)


def _asks_for_the_device(original: Decision, site: Site, *rest: Any) -> None:
    """Ask all parameters of the model for their device whenever there is something to observe."""
    for module in _modules(site):
        for _ in module.parameters():
            pass
    original(site, *rest)


def _looks_at_all_readers(original: Decision, site: Site, operand: Operand, quantized: Any) -> None:
    """Look at all readers of a value from each of its readers."""
    for _ in operand.value.users:
        pass
    original(site, operand, quantized)


def _modules(site: Site) -> list[nn.Module]:
    """Return the model, and a module for each node before: those that are removed again stay in the model, too."""
    return [_model(site), *[nn.Identity()] * len(site.behind)]


def _model(site: Site) -> nn.Module:
    """Return the model whose graph is planned."""
    owner: nn.Module = site.graph.owning_module  # type: ignore[assignment]
    return owner


FORGETTING = (Change("values.classify", _forgets_answers),)
RECURSION = (Change("values.classify", _asks_by_recursion),)
TRACING = (Change("sharing.source", _traces_back),)
READERS = (Change("placement.place_input", _looks_at_all_readers),)
WALKING = (Change("placement.place_around", _walks_the_model),)
NAMES = (Change("placement.place_output", _tries_all_names),)
DEVICES = (
    Change("placement.place_input", _asks_for_the_device),
    Change("placement.place_output", _asks_for_the_device),
)

ENTRIES = (
    Deviation(
        "answers-about-tensors-forgotten",
        ("SCALE-2", "SCALE-3"),
        "all_node_args_have_no_tensors writes into its cache only 'if cache', and an empty dict is false: nothing is "
        "ever kept, and thirty steps of n = n + n are a billion calls",
        "pytorch/pytorch#55352: adding a cache for this function to speed up the computation",
        FORGETTING,
    ),
    Deviation(
        "tensors-asked-for-by-recursion",
        ("SCALE-1",),
        "all_node_args_have_no_tensors calls itself for what a node reads, and begins with the last node of the "
        "graph: some 950 functions or methods in a row are more than Python's limit",
        "all_node_args_have_no_tensors: 'remove this entire function and change to dtype inference without recursion'",
        RECURSION,
    ),
    Deviation(
        "traced-back-at-every-operator",
        ("SCALE-3",),
        "_maybe_make_input_output_share_observers goes back through all operators without an observer, from each of "
        "them anew, and gives up after 10,000",
        "prepare: nothing says that a way may be too long",
        TRACING,
    ),
    Deviation(
        "readers-looked-at-from-each-reader",
        ("SCALE-3",),
        "insert_observers_for_model looks at all other readers of a node's first argument to find a branch, also where "
        "nothing is equalized, and _maybe_insert_input_observer_for_arg_or_kwarg at all readers to find an observer",
        "prepare.py: TODO: this is looking into how the value is used in the future; we should remove this",
        READERS,
    ),
    Deviation(
        "model-walked-at-each-node",
        ("SCALE-4",),
        "insert_observers_for_model makes its dict of all modules again at each node that is observed",
        "prepare.py: named_modules is kept up by _insert_obs_or_fq",
        WALKING,
    ),
    Deviation(
        "names-tried-from-the-first",
        ("SCALE-4",),
        "get_new_attr_name_with_prefix tries the names of all observers that are there before it finds a free one",
        "prepare: nothing says that names are searched for",
        NAMES,
    ),
    Deviation(
        "devices-asked-at-each-observer",
        ("SCALE-4",),
        "_insert_obs_or_fq asks all parameters and buffers for their device at each observer",
        "pytorch/pytorch#162550: make prepare and convert faster by caching",
        DEVICES,
        last="2.9",
    ),
)
"""The entries of the chapter *scale*."""
