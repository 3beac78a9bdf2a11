"""The saboteurs of the chapter *annotations*."""

from __future__ import annotations

from typing import Any

from torch.fx import Node

from observance.conformance.deviations import torchao
from observance.reference import annotations, dtypes, patterns
from observance.reference.annotations import KEY
from observance.reference.qspecs import kind_of
from observance.reference.site import Quantized

from .registry import SABOTEURS, Saboteur, breaks


@breaks("ANNOTATIONS-1", "annotations.place_input")
def no_list_is_looked_into(original: Saboteur, placing: Any, operand: Any) -> None:
    """Observe no edge that leads into a list."""
    if len(operand.keys) > 1:
        placing = type(placing)(placing.plan, {}, placing.buffers, placing.behind, placing.found, placing.first)
    original(placing, operand)


@breaks("ANNOTATIONS-2", "annotations.place_output")
def inputs_of_the_graph_are_left_out(original: Saboteur, placing: Any, node: Any, observer: Any) -> None:
    """Observe no graph input for all its readers."""
    if node.op != "placeholder":
        original(placing, node, observer)


@breaks("ANNOTATIONS-3", "annotations.place")
def parameters_are_observed_too(original: Saboteur, model: Any, observers: Any) -> Any:
    """Observe what reads an annotated value and is not annotated itself."""
    more = dict(observers)
    for where, observer in observers.items():
        if isinstance(where, tuple):
            more |= {(where[0], user): observer for user in where[0].users if (where[0], user) not in observers}
    return original(model, more)


@breaks("ANNOTATIONS-4", "annotations.share")
def what_is_said_last_is_forgotten(original: Saboteur, asked: Any) -> Any:
    """Let the last place that says that it shares have an observer of its own."""
    shared = [where for where, spec in asked.items() if kind_of(spec) == "shared"]
    wanted = dict(asked)
    if shared:
        wanted[shared[-1]] = annotations.followed(asked)[shared[-1]]
        asked[shared[-1]] = wanted[shared[-1]]
    return original(wanted)


@breaks("ANNOTATIONS-5", "annotations.allows_sharing")
def nothing_is_shared_unasked(original: Saboteur, where: Any) -> bool:
    """Share nothing unasked."""
    return False


@breaks("ANNOTATIONS-6", "annotations.allows_sharing")
def nobody_may_opt_out(original: Saboteur, where: Any) -> bool:
    """Let every edge share unasked."""
    return not isinstance(where, Node)


@breaks("ANNOTATIONS-7", "annotations.led_by_the_first")
def what_asks_alike_is_one(original: Saboteur, groups: Any, asked: Any) -> Any:
    """Let all places with equal specs share one observer, of whatever tensor they are."""
    first: dict[Any, Any] = {}
    for where, spec in asked.items():
        if kind_of(spec) == "plain":
            groups.join(first.setdefault(spec, where), where)
    return original(groups, asked)


@breaks("ANNOTATIONS-8", "qspecs.observer_of")
def fixed_parameters_are_not_trained(original: Saboteur, spec: Any, sources: Any, is_qat: bool) -> Any:
    """Give a place with fixed parameters an observer where a fake quantizer is wanted."""
    return original(spec, sources, False)


@breaks("ANNOTATIONS-9", "annotations.derived_from")
def derived_the_other_way_round(original: Saboteur, leader: Any, asked: Any, groups: Any) -> Any:
    """Take what something is derived from the other way round."""
    found = original(leader, asked, groups)
    return found[::-1] if len(set(found)) > 1 else found[:0]


SABOTEURS["ANNOTATIONS-10"] = torchao.REGISTER.entry("axis-of-fake-quantizers-lost").changes
SABOTEURS["ANNOTATIONS-11"] = torchao.REGISTER.entry("forward-references-fail").changes


@breaks("STATE-12", "annotations.readdress")
def annotations_name_the_graph_that_was_given(original: Saboteur, graph: Any) -> None:
    """Leave the annotations as they were copied."""


@breaks("REFUSALS-6", "qspecs.given")
def what_an_observer_brings_goes_first(original: Saboteur, spec: Any) -> dict[str, Any]:
    """Let the arguments that an observer brings go before what its spec says."""
    brought = getattr(getattr(spec, "observer_or_fake_quant_ctr", None), "p", None)
    return {name: value for name, value in original(spec).items() if name not in getattr(brought, "keywords", ())}


@breaks("ANNOTATIONS-12", "annotations.read")
def what_shares_with_nothing_is_passed_over(original: Saboteur, graph: Any) -> Any:
    """Leave a place without an observer that shares with what asks for none."""
    asked = original(graph)
    while lost := [w for w, spec in asked.items() if kind_of(spec) == "shared" and spec.edge_or_node not in asked]:
        for where in lost:
            del asked[where]
    return asked


@breaks("ANNOTATIONS-13", "annotations.is_tensor")
def parameters_are_left_alone(original: Saboteur, node: Any) -> bool:
    """Observe no value that is none of an operator and none of the graph's inputs."""
    return node.op != "get_attr" and original(node)


SABOTEURS["ANNOTATIONS-14"] = torchao.REGISTER.entry("annotations-refused-half-way").changes


@breaks("ANNOTATIONS-15", "annotations.place_input")
def tuples_are_observed(original: Saboteur, placing: Any, operand: Any) -> None:
    """Observe edges whose value is no tensor as well."""
    torchao.observes_tuples(original, placing, operand)


@breaks("ANNOTATIONS-16", "annotations.prepare")
def the_callback_comes_too_late(original: Saboteur, *args: Any, obs_or_fq_callback: Any = None) -> Any:
    """Call the callback when all is inserted."""
    prepared = original(*args)
    model, _, is_qat = args
    asked = annotations.read(model.graph)
    if obs_or_fq_callback is not None:
        obs_or_fq_callback(model, annotations.make(asked, annotations.share(asked), is_qat))
    return prepared


@breaks("ANNOTATIONS-17", "annotated.input_spec")
def what_is_left_out_is_asked_of_the_qconfig(original: Saboteur, site: Any, operand: Any, quantized: Any) -> Any:
    """Ask a node's qconfig for the inputs of which its annotation says nothing."""
    return original(site, operand, quantized) or dtypes.spec_for(operand, quantized.ask, site.positions)


@breaks("ANNOTATIONS-18", "annotated.reuses_input")
def nothing_is_reused(original: Saboteur, site: Any, node: Any, quantized: Any) -> bool:
    """Give every input an observer of its own, whatever the annotation says."""
    return bool(quantized.ask.reuse)


@breaks("ANNOTATIONS-19", "prepare.select")
def what_is_annotated_is_quantized(original: Saboteur, result: Any, match: Any, assigned: Any, *rest: Any) -> Any:
    """Quantize an annotated pattern that the backend does not support with its qconfig."""
    chosen = original(result, match, assigned, *rest)
    if chosen or KEY not in match.last.meta or any(assigned[node] is None for node in match.nodes):
        return chosen
    observation = patterns.observation_type(match, rest[0])
    return dict.fromkeys(match.nodes, Quantized(match, dtypes.ask_of(assigned[match.last]), observation))
