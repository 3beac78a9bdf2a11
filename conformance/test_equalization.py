"""Chapter *equalization*: a second kind of slot, in front of linear layers and convolutions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from torch.fx import Node

from observance.conformance.observation import Edge, edge_of
from observance.conformance.outcomes import Outcome
from observance.conformance.rules import MUST, UPSTREAM, Finding, judged, rule
from observance.conformance.trials import Trial, same_placement
from observance.reference import equalization
from observance.reference.placement import is_never_observed
from observance.reference.site import Site
from observance.reference.specs import Spec, is_equalizer

_CLAIM = ("equalization",)


def _layers(site: Site) -> Iterator[Node]:
    """Yield the quantized layers that are to be equalized, those in branches included."""
    for node in site.equalized:
        quantized = site.quantized.get(node)
        if quantized is not None and node is quantized.match.root and not is_never_observed(quantized):
            yield node


def _wanted(site: Site) -> dict[Edge, Spec]:
    """Return what equalization observer is asked for at each edge that is to have one."""
    return {
        edge_of(operand): spec
        for node in _layers(site)
        if not equalization.branch(site, node)
        for operand in equalization.places(site, node)
        if (spec := equalization.spec_for(site, operand, site.equalized[node])) is not None
    }


@rule("EQUALIZATION-1", MUST, "_maybe_insert_input_equalization_observers_for_node: observers that it needs", _CLAIM)
def test_a_layer_that_is_to_be_equalized_reads_through_equalization_observers(trial: Trial) -> Iterator[Finding]:
    """The input of a quantized linear layer or convolution, and its weight where that is an argument,
    stand behind exactly the observers that its equalization qconfig asks for.
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for edge, spec in _wanted(site).items():
        chain = seen.equalized.get(edge, ())
        found = " then ".join(one.kind for one in seen.chain(edge)) or "no observer"
        because = f"{edge.reader} has an equalization qconfig that asks for {spec} there"
        yield judged(any(one.settings == spec.settings for one in chain), edge, spec, found, because)


@rule("EQUALIZATION-2", MUST, "node_supports_equalization: nn.Linear/F.linear and nn.Conv/F.conv layers", _CLAIM)
def test_nothing_else_is_equalized(trial: Trial) -> Iterator[Finding]:
    """Only what a quantized linear layer or convolution reads has an equalization observer, and only where
    its equalization qconfig asks for one: never a bias, or a number that the graph computes.
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    wanted = _wanted(site)
    # Whichever of several nodes an observer is said to stand on, that take the same part of an LSTM's output.
    read = set(seen.equalized.values())
    concerned = {node.name for node in site.equalized}
    for edge in seen.edges:
        chain = seen.equalized.get(edge, ())
        if chain or edge.reader in concerned:
            found = " then ".join(one.kind for one in chain)
            because = f"{edge.reader} is not to be equalized there"
            yield judged(not chain or edge in wanted, edge, "no equalization observer", found, because)
    for value, chains in seen.equalizers.items():
        unread = [chain for chain in chains if chain not in read]
        found = ", ".join(chain[-1].kind for chain in unread)
        yield judged(not unread, value, "no equalization observer that nothing reads", found, "it equalizes nothing")


def _branched(site: Site) -> Iterator[tuple[Node, str]]:
    """Yield the layers that are not equalized because another quantized operator reads their input, each with why."""
    for node in _layers(site):
        others = equalization.branch(site, node)
        if others:
            yield node, f"{others[0].name} reads the input of {node.name} too, and is quantized"


@rule(
    "EQUALIZATION-3", MUST, "insert_observers_for_model: in a quantized branch we will not apply equalization", _CLAIM
)
def test_a_quantized_branch_is_not_equalized(trial: Trial) -> Iterator[Finding]:
    """A layer whose input another quantized operator reads as well is not equalized."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node, because in _branched(site):
        there = [edge for edge in seen.equalized if edge.reader == node.name]
        yield judged(not there, node.name, "no equalization observer", "one", because)


@rule(
    "EQUALIZATION-8",
    UPSTREAM,
    "_maybe_insert_input_equalization_observers_for_node: Cannot equalize, a warning",
    _CLAIM,
)
def test_a_branch_that_is_not_equalized_is_said_aloud(trial: Trial) -> Iterator[Finding]:
    """Where a layer is not equalized because another quantized operator reads its input, a warning names it."""
    if trial.surveyed is None:
        return
    for node, because in _branched(trial.surveyed[0]):
        said = trial.outcome.names_aloud(node.name)
        yield judged(said, f"the warning about {node.name}", "a warning that names it", "none", because)


@rule("EQUALIZATION-4", MUST, "maybe_get_next_input_eq_obs: x -> inp_obs1 -> eq_obs1 -> linear1", _CLAIM)
def test_an_equalization_observer_stands_next_to_its_layer(trial: Trial) -> Iterator[Finding]:
    """There is one equalization observer at most between a value and its reader, and it comes last,
    behind what observes the value for quantization.
    """
    if trial.seen is None:
        return
    for edge, chain in trial.seen.equalized.items():
        found = " then ".join(one.kind for one in chain)
        because = "it is to see what the layer reads"
        yield judged(chain[:-1] == trial.seen.edges[edge], edge, "the equalization observer last", found, because)


@rule("EQUALIZATION-5", UPSTREAM, "_insert_obs_or_fq: the prefix ends in _equalization_process_", _CLAIM)
def test_equalization_observers_have_the_customary_names(trial: Trial) -> Iterator[Finding]:
    """An equalization observer is an attribute of the model named ``<node>_equalization_process_N``, after
    the node that it reads.
    """
    if trial.outcome.prepared is None or trial.seen is None:
        return
    for node in trial.outcome.prepared.graph.nodes:
        if node.op == "call_module" and is_equalizer(trial.outcome.prepared.get_submodule(str(node.target))):
            prefix = f"{node.args[0].name}_equalization_process_"
            holds = re.fullmatch(rf"{re.escape(prefix)}\d+", str(node.target)) is not None
            yield judged(holds, node.name, f"{prefix}N", node.target, "tools find observers by this name")


@rule(
    "EQUALIZATION-6",
    MUST,
    "maybe_get_next_input_eq_obs: an equalization observer stands behind the observer",
    _CLAIM,
    True,
)
def test_equalization_changes_no_other_observer(trial: Trial) -> Iterator[Finding]:
    """With and without equalization, all other observers are the same."""
    if trial.case.equalization is None or trial.expected.error is not None:
        return
    without = trial.again(equalization=None)
    yield from same_placement(_plain(trial.outcome), without, "equalization comes on top of quantization")


def _plain(outcome: Outcome) -> Outcome:
    """Return an outcome in which equalization observers are not seen."""
    if outcome.observation is None:
        return outcome
    return dataclasses.replace(
        outcome, observation=dataclasses.replace(outcome.observation, equalized={}, equalizers={})
    )


@rule("EQUALIZATION-7", MUST, "EqualizationQConfig: observers are instantiated for each of the layers", _CLAIM)
def test_every_place_has_an_equalization_observer_of_its_own(trial: Trial) -> Iterator[Finding]:
    """No two layers have one equalization observer: each layer's input and weight are scaled for that layer.

    A layer that is called twice is one layer, and may have one for the inputs of both calls.
    """
    if trial.seen is None:
        return
    layers = {node.name: str(node.target) for node in trial.outcome.float_graph.nodes if node.op == "call_module"}
    read: dict[int, set[str]] = {}
    for edge, chain in trial.seen.equalized.items():
        read.setdefault(chain[-1].group, set()).add(layers.get(edge.reader, str(edge)))
    for edge, chain in trial.seen.equalized.items():
        found = len(read[chain[-1].group])
        words = f"one that {found} layers have"
        yield judged(found == 1, edge, "an observer of its own", words, "its scale is that layer's")
