"""Where torch's `prepare` puts equalization observers, and where that goes wrong."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.ao.quantization import ObserverBase, PlaceholderObserver, QConfig
from torch.ao.quantization.backend_config import ObservationType
from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference import backends, dtypes, equalization
from observance.reference.graphs import Operand, operands
from observance.reference.patterns import Match
from observance.reference.plan import Plan, Slot
from observance.reference.site import Quantized, Site
from observance.reference.specs import Spec, settings_of

from .register import Deviation

Decision = Callable[..., Any]

prepare: Any = importlib.import_module("observance.reference.prepare")
"""The module, which the function of the same name hides."""


def _positional_places(original: Decision, site: Site, node: Node) -> list[Operand]:
    """Equalize what is passed by position alone."""
    return [operand for operand in original(site, node) if isinstance(operand.keys[0], int)]


def _numbers_too(original: Decision, site: Site, node: Node) -> list[Operand]:
    """Equalize every value that is passed by position and is no bias, such as a number of groups."""
    found = original(site, node)
    return [operand for operand in operands(node) if operand in found or _is_positional(operand)]


def _is_positional(operand: Operand) -> bool:
    """Whether an operand is an argument by position itself, and no part of a list."""
    return len(operand.keys) == 1 and isinstance(operand.keys[0], int)


def _readers_with_qconfigs(original: Decision, site: Site, node: Node) -> list[Node]:
    """Take every other reader of the first positional argument that has a qconfig for a quantized one."""
    first = node.args[0] if node.args else None
    readers = first.users if isinstance(first, Node) else ()
    return [reader for reader in readers if reader is not node and site.assigned.get(reader) is not None]


def _readers_behind_observers(original: Decision, site: Site, node: Node) -> list[Node]:
    """Overlook the readers before the layer that read through what is no `ObserverBase`, such as a fake quantizer."""
    found = original(site, node)
    earlier = set(itertools.takewhile(lambda other: other is not node, site.graph.nodes)) if found else ()
    return [reader for reader in found if reader not in earlier or _is_seen(site, reader, node.args[0])]


def _is_seen(site: Site, reader: Node, value: Any) -> bool:
    """Whether one read of a value is direct, or through an `ObserverBase` that stands on it for its readers."""
    reads = [site.plan.read_at(operand) for operand in operands(reader) if operand.value is value]
    base = site.outputs.get(value)
    nearest = [_above(slot, base) for slot in reads]
    return any(slot is None or isinstance(slot.spec.instance, ObserverBase) for slot in nearest)


def _above(slot: Slot | None, base: Slot | None) -> Slot | None:
    """Return the lowest slot above another one; None if there is none."""
    while slot is not None and slot is not base and slot.below is not base:
        slot = slot.below
    return None if slot is base else slot


def _inserts_identities(original: Decision, site: Site, operand: Operand, asked: Any) -> Any:
    """Insert what an equalization qconfig constructs, even if it observes nothing."""
    spec = original(site, operand, asked)
    if spec is not None or dtypes.role(operand, site.positions) == "bias":
        return spec
    return Spec(None, False, settings_of(nn.Identity()), nn.Identity, nn.Identity())


def _outside_but_for_equalization(original: Decision, site: Site, match: Match) -> bool:
    """Take a graph input that is quantized outside for one of this graph if an equalization observer stands on it."""
    return bool(original(site, match)) and not _first_is_equalized(site, match.last)


def _first_is_equalized(site: Site, node: Node) -> bool:
    """Whether there is an equalization observer on the first positional argument of a layer."""
    first, asked = node.args[0] if node.args else None, site.equalized.get(node)
    if asked is None or not isinstance(first, Node) or equalization.branch(site, node):
        return False
    return equalization.spec_for(site, Operand(node, (0,), first), asked) is not None


FLOAT_QCONFIG = QConfig(
    PlaceholderObserver.with_args(dtype=torch.float32), PlaceholderObserver.with_args(dtype=torch.float32)
)
"""What torch gives a pattern that the backend does not support."""


def _looks_again(
    original: Decision, result: Plan, match: Match, assigned: Mapping[Node, Any], known: Any, reader: backends.Reader
) -> Any:
    """Take a pattern that stays float for a quantized one if the backend supports it with float values."""
    chosen = original(result, match, assigned, known, reader)
    if chosen or not prepare.takes_and_gives_tensors(match, known):
        return chosen
    ask = dtypes.ask_of(FLOAT_QCONFIG)
    nodes = [node for node in match.nodes if assigned.get(node) is not None]
    if not backends.judge(match, ask, reader).supported:
        return chosen
    # That it shares with its inputs is forgotten with its qconfig.
    return dict.fromkeys(nodes, Quantized(match, ask, ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT))


SECOND_LOOK = (Change("prepare.select", _looks_again),)
HIDDEN_INPUTS = (Change("sharing.is_outside", _outside_but_for_equalization),)
BY_POSITION = (Change("equalization.places", _positional_places),)
NUMBERS = (Change("equalization.places", _numbers_too),)
BRANCH_BY_QCONFIG = (Change("equalization.branch", _readers_with_qconfigs),)
BRANCH_BEHIND_OBSERVERS = (Change("equalization.branch", _readers_behind_observers),)
IDENTITIES = (Change("equalization.spec_for", _inserts_identities),)

ENTRIES = (
    Deviation(
        "equalization-by-position",
        ("EQUALIZATION-1", "PLACEMENT-5", "PLACEMENT-6"),
        "_maybe_insert_input_equalization_observers_for_node looks at node.args alone: what a layer takes by "
        "keyword is not equalized",
        "its docstring: if node needs to be equalized, find the input/weight observers it needs",
        BY_POSITION,
    ),
    Deviation(
        "numbers-equalized",
        ("REFUSALS-5",),
        "_maybe_insert_input_equalization_observers_for_node observes all of node.args that are no bias: also a "
        "stride, a padding or a number of groups that the graph computes, on which the prepared model fails",
        "its docstring: if node needs to be equalized, find the input/weight observers it needs",
        NUMBERS,
    ),
    Deviation(
        "branches-of-what-has-a-qconfig",
        ("EQUALIZATION-1", "PLACEMENT-5"),
        "a layer counts as part of a branch if anything else that reads its first positional argument has a "
        "qconfig, quantized or not",
        "insert_observers_for_model: a branch in which the two first layers are both being quantized",
        BRANCH_BY_QCONFIG,
    ),
    Deviation(
        "branches-behind-fake-quantizers-missed",
        ("EQUALIZATION-2", "EQUALIZATION-3", "PLACEMENT-5", "PLACEMENT-6"),
        "once the first layer of a branch reads through a fake quantizer, or through an equalization observer, the "
        "second one does not see it: its input is read by what is no ObserverBase, and by no layer",
        "insert_observers_for_model: if the two first layers of a branch are quantized, neither is equalized",
        BRANCH_BEHIND_OBSERVERS,
    ),
    Deviation(
        "half-equalization-inserts-identities",
        ("ENTRY-4",),
        "where an equalization qconfig has no observer for the input or the weight, the torch.nn.Identity that "
        "stands for none is put into the graph, under the name of an observer",
        "EqualizationQConfig: providing settings (observer classes) for inputs, outputs, and weights",
        IDENTITIES,
    ),
    Deviation(
        "float-patterns-equalized",
        ("EQUALIZATION-2", "PLACEMENT-5"),
        "a pattern that the backend does not support with its qconfig is made float and then looked at again: if "
        "the backend supports it with float values, it counts as observed, and is equalized",
        "DTypeConfig: these dtypes are matched against the ones specified in the user's QConfig; otherwise the "
        "pattern will not be quantized",
        SECOND_LOOK,
    ),
    Deviation(
        "equalization-hides-quantized-inputs",
        ("EQUALIZATION-6", "PLACEMENT-5"),
        "_is_observer_in_same_graph looks for a placeholder at node.args[0] and finds the equalization observer on "
        "it; so an operator that shares its input's observer, and whose input is quantized outside, loses the "
        "observer of its output once it is equalized",
        "its docstring: when the input is a placeholder, it is observed in a different place",
        HIDDEN_INPUTS,
    ),
)
"""The entries of the chapter *equalization*."""
