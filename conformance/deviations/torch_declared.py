"""How torch's `prepare` takes what is declared of values, by the config and by the nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from observance.conformance.variants import Change
from observance.reference.site import Site
from observance.reference.values import says_no_tensor

from .register import Deviation

Decision = Callable[..., Any]


def _silent(original: Decision, site: Site) -> None:
    """Say nothing of an output that is declared as quantized and not observed."""


def _knows_nothing(original: Decision, graph: Any, shapes: Any) -> Any:
    """Learn nothing from what the nodes carry."""
    return dict(shapes)


def _input_of_tensors(original: Decision, site: Site, operand: Any, quantized: Any) -> None:
    """Observe no input of a root that says it gives no tensor."""
    if not says_no_tensor(operand.node):
        original(site, operand, quantized)


def _output_of_tensors(original: Decision, site: Site, quantized: Any) -> None:
    """Observe no output that says it is no tensor."""
    if not says_no_tensor(quantized.match.last):
        original(site, quantized)


def _names_of_tensors(original: Decision, site: Site) -> None:
    """Do not record as observed what is skipped because no node of it gives a tensor."""
    original(site)
    for match in {quantized.match for quantized in site.quantized.values()}:
        if all(map(says_no_tensor, match.nodes)):
            site.plan.observed.difference_update(match.nodes)


OUTPUTS_IN_SILENCE = (Change("declared.say_what_is_missing", _silent),)
VALUES_OF_NODES_ALONE = (
    Change("values.as_told", _knows_nothing),
    Change("placement.place_input", _input_of_tensors),
    Change("placement.place_output", _output_of_tensors),
    Change("prepare.place", _names_of_tensors),
)

ENTRIES = (
    Deviation(
        "unobserved-outputs-in-silence",
        ("DECLARED-1",),
        "_maybe_insert_observers_before_graph_output compares a value's own two dtypes, which are the same, and "
        "never reads what is declared of the output: an output that is to be quantized and is not observed stays "
        "as it is, and nothing is said",
        "its docstring: if the output needs to be quantized and there are any nodes in the output which are not "
        "already observed, inserts observers for those nodes",
        OUTPUTS_IN_SILENCE,
    ),
    Deviation(
        "values-of-nodes-alone",
        ("DTYPES-1", "DECLARED-2", "PLACEMENT-5"),
        "what a node carries in meta['val'] is read where the node itself is looked at, and not where it is an "
        "argument: integers are observed on their readers' behalf although they say what they are",
        "prepare.py lists int, float, bool and None as the dtypes to add no observer to",
        VALUES_OF_NODES_ALONE,
    ),
)
"""The entries of the chapter *declared*."""
