"""What torch's `prepare` does with wrong calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.ao.quantization import MinMaxObserver
from torch.fx import Graph

from observance.conformance.variants import Change
from observance.reference import refusals
from observance.reference.entry import RefusalError

from .register import Deviation

Decision = Callable[..., Any]


def _ignores_indexes(original: Decision, name: str, indexes: Any, count: int) -> None:
    """Take no notice of the index of an input or output that is not there."""


def _takes_scopes(original: Decision, name: str, value: Any, *rest: Any) -> None:
    """Find out what the scopes are where the first one is looked up."""
    if name == "node_name_to_scope" and value is None:
        raise TypeError("None has no items")
    original(name, value, *rest)


def _takes_configs(original: Decision, config: Any, kind: type, name: str) -> Any:
    """Find out what a config is where its first attribute is read; the qconfig mapping is looked at before."""
    if name != "qconfig_mapping" and not isinstance(config, (kind, dict)):
        raise AttributeError("there is no such attribute")
    return original(config, kind, name)


def _has_no_words(original: Decision, config: Any, kind: type, name: str) -> Any:
    """Refuse what is no qconfig mapping without a word."""
    if name == "qconfig_mapping" and not isinstance(config, (kind, dict)):
        raise AssertionError
    return original(config, kind, name)


def _takes_qconfigs(original: Decision, node: Any, qconfig: Any) -> None:
    """Find out what a qconfig is where its first attribute is read."""
    try:
        original(node, qconfig)
    except RefusalError:
        raise AttributeError("there is no such attribute") from None


def _takes_constructors(original: Decision, constructor: Any) -> Any:
    """Find out what a constructor is when it is called, and what it constructs when that is asked for its dtype."""
    try:
        return original(constructor)
    except RefusalError:
        if isinstance(constructor, nn.Module):  # a qconfig refuses these when it is copied
            raise
        raise TypeError("it cannot be used like this") from None


def _refuses_late(original: Decision, graph: Graph, modules: Any) -> None:
    """Refuse a constant at the output when the graph has been changed already."""
    try:
        original(graph, modules)
    except RefusalError:
        returned = [node.args for node in graph.nodes if node.op == "output"]
        if next(refusals.constants(returned), None) is not None:
            first, model = next(iter(graph.nodes)), graph.owning_module
            assert model is not None
            model.add_submodule("activation_post_process_0", MinMaxObserver())
            with graph.inserting_after(first):
                graph.call_module("activation_post_process_0", (first,))
        raise


INDEXES = (Change("refusals.refuse_indexes", _ignores_indexes),)
ARGUMENTS = (
    Change("refusals.refuse_type", _takes_scopes),
    Change("entry._as_object", _takes_configs),
)
QCONFIGS = (
    Change("qconfigs.refuse_other", _takes_qconfigs),
    Change("dtypes.spec_of", _takes_constructors),
)
WORDLESS = (Change("entry._as_object", _has_no_words),)
LATE = (Change("refusals.refuse_graph", _refuses_late),)

ENTRIES = (
    Deviation(
        "indexes-of-nothing-ignored",
        ("REFUSALS-1",),
        "insert_observers_for_model asks of each input and output whether its number is among the indexes; an index "
        "that is too large, negative or no number is never met, and what it was to say is lost",
        "PrepareCustomConfig.set_input_quantized_indexes: the indexes of the inputs of the graph",
        INDEXES,
    ),
    Deviation(
        "configs-not-looked-at",
        ("REFUSALS-3",),
        "prepare looks only at the type of the qconfig mapping; of another config, and of the scopes, the first use "
        "fails, with an AttributeError or a TypeError that does not name them",
        "prepare: 'qconfig_mapping must be a QConfigMapping' names the culprit",
        ARGUMENTS,
    ),
    Deviation(
        "qconfigs-not-looked-at",
        ("REFUSALS-3",),
        "_add_module_to_qconfig_obs_ctr and get_qconfig_dtypes fail at their first use of what is no qconfig, or of "
        "what constructs no observer; the error names neither the qconfig nor what it is for",
        "QConfig: needs to contain observer classes or a callable that returns instances on invocation",
        QCONFIGS,
    ),
    Deviation(
        "assertion-without-words",
        ("REFUSALS-3",),
        "the assertion that qconfig_mapping is a QConfigMapping has no message",
        "pytorch/pytorch#165420: assertions become exceptions with a message",
        WORDLESS,
        last="2.9",
    ),
    Deviation(
        "refused-half-way",
        ("REFUSALS-4",),
        "_maybe_insert_observers_before_graph_output refuses a constant when the observers of all other nodes are in "
        "the caller's graph already, and leaves them there",
        "prepare: a call that raises has returned nothing",
        LATE,
    ),
)
"""The entries of the chapter *refusals*."""
