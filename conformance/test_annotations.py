"""Chapter *annotations*: observers go where a quantizer has written that they go."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch.fx import GraphModule, Node

from observance.conformance import forward
from observance.conformance.annotated import Annotated, Place, words
from observance.conformance.claims import FX, PT2E
from observance.conformance.differences import differences
from observance.conformance.lifecycle import program_of
from observance.conformance.observation import Observation, Seen, describe, edge_of, fixed_parameters
from observance.conformance.outcomes import arguments_of, prepared_or_error
from observance.conformance.replaying import Exchanged, takes_callback, varying
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial
from observance.reference.annotations import KEY, value_of
from observance.reference.graphs import Operand, operands
from observance.reference.qspecs import kind_of
from observance.reference.specs import is_observer

_PT2E, _FX, _BOTH = (PT2E,), (FX,), (PT2E, FX)


def _given(trial: Trial) -> tuple[Annotated, Observation] | None:
    """Return what the annotations ask for and what is there; None unless both are known."""
    if trial.annotated is None or trial.seen is None:
        return None
    return trial.annotated, trial.seen


def _observed(trial: Trial, of_value: bool) -> Iterator[Finding]:
    """Say whether the observers of edges, or of values, are those that their specs ask for."""
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    for where in asked.observed:
        if isinstance(where, tuple) is of_value or where not in asked.settled:
            continue
        wanted = asked.settings(where)
        for edge, found in asked.seen_at(seen, where):
            if edge is None and found is None:  # nobody reads it
                continue
            place = str(edge or f"the output of {words(where)}")
            because = f"{words(where)} is annotated"
            text = "no observer" if found is None else found.kind
            yield judged(found is not None and found.settings == wanted, place, describe(wanted), text, because)


@rule("ANNOTATIONS-1", MUST, "QuantizationAnnotation.input_qspec_map: how the inputs are quantized", profiles=_BOTH)
def test_an_annotated_edge_is_observed_as_its_spec_says(trial: Trial) -> Iterator[Finding]:
    """A reader reads an annotated input through an observer of the class and with the settings of the spec."""
    yield from _observed(trial, of_value=False)


@rule("ANNOTATIONS-2", MUST, "QuantizationAnnotation.output_qspec: how the output is quantized", profiles=_BOTH)
def test_an_annotated_output_is_observed_as_its_spec_says(trial: Trial) -> Iterator[Finding]:
    """All that read an annotated output read it through an observer of the class and with the settings of the spec."""
    yield from _observed(trial, of_value=True)


@rule("ANNOTATIONS-3", MUST, "Quantizer.annotate: annotations convey the desired way of quantization", profiles=_PT2E)
def test_what_is_not_annotated_is_not_observed(trial: Trial) -> Iterator[Finding]:
    """A reader reads a value through one observer for its annotated output, one for the annotated edge, and no more.

    What is no tensor, and a buffer where it is written to, has none.
    """
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    places = set(asked.observed)
    for (value, reader), found in asked.reads.items():
        for operand in found:
            edge = next(e for e in seen.edges if (e.reader, e.keys) == (reader.name, operand.keys))
            own = sum(where in places for where in (value, (value, reader)))
            because = f"{own} of the value and the edge are annotated"
            text = f"{len(seen.edges[edge])} observers"
            yield judged(len(seen.edges[edge]) <= own, edge, f"{own} observers at most", text, because)


def _objects(asked: Annotated, seen: Observation) -> dict[Place, Seen]:
    """Return the observer at each place where there is one and the same on all edges."""
    found = {}
    for where in asked.known:
        objects = {one.group: one for _, one in asked.seen_at(seen, where) if one is not None}
        if len(objects) == 1:
            (found[where],) = objects.values()
    return found


@rule("ANNOTATIONS-4", MUST, "SharedQuantizationSpec: the edge or node to share instances with", profiles=_BOTH)
def test_what_says_that_it_shares_has_one_object(trial: Trial) -> Iterator[Finding]:
    """A place that shares with another has the other's observer, and what shares with a member shares with all.

    In what order the places are named means nothing.
    """
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    members: dict[Place, list[tuple[Place, Seen]]] = {}
    for where, one in _objects(asked, seen).items():
        members.setdefault(asked.said.leader(where), []).append((where, one))
    for (first, mine), *others in members.values():
        for where, one in others:
            because = f"{words(where)} shares with {words(first)}, by what is said"
            yield judged(one.group == mine.group, words(where), f"#{mine.group}", f"#{one.group}", because)


@rule("ANNOTATIONS-5", MUST, "_get_edge_or_node_to_group_id: these are the same tensor", profiles=_BOTH)
def test_places_of_one_tensor_that_ask_for_the_same_share(trial: Trial) -> Iterator[Finding]:
    """An edge shares one observer with the other edges from its value, and with the value, that have an equal spec.

    It is demanded where all annotations in question allow it.
    """
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    objects = _objects(asked, seen)
    for (where, one), (other, two) in itertools.combinations(objects.items(), 2):
        if _is_one_tensor(where, other) and {where, other} <= asked.settled and _is_joined(asked, where, other):
            because = f"{words(where)} and {words(other)} are one tensor, and ask for the same"
            yield judged(one.group == two.group, words(other), f"#{one.group}", f"#{two.group}", because)


def _is_one_tensor(where: Place, other: Place) -> bool:
    """Whether two places have the same tensor."""
    return value_of(where) is value_of(other)


def _is_joined(asked: Annotated, where: Place, other: Place) -> bool:
    """Whether two places share, by what is said or unasked."""
    return asked.groups.leader(where) == asked.groups.leader(other)


@rule("ANNOTATIONS-6", MUST, "QuantizationAnnotation.allow_implicit_sharing: turns this off", profiles=_PT2E)
def test_who_opts_out_of_implicit_sharing_has_its_own_observer(trial: Trial) -> Iterator[Finding]:
    """Where none of the annotations in question allows it, places of one tensor share only if they say so."""
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    for (where, one), (other, two) in itertools.combinations(_objects(asked, seen).items(), 2):
        equal = asked.wanted[where] == asked.wanted[other]
        settled = equal and {where, other} <= asked.settled
        if settled and _is_one_tensor(where, other) and not _is_joined(asked, where, other):
            because = f"{words(where)} and {words(other)} ask for the same, and allow no sharing"
            yield judged(one.group != two.group, words(other), "its own", f"#{two.group} on both", because)


@rule("ANNOTATIONS-7", MUST, "_get_edge_or_node_to_group_id: the same group, the same instance", profiles=_BOTH)
def test_nothing_else_is_one_object(trial: Trial) -> Iterator[Finding]:
    """Two places have one observer only if what is said, and places of one tensor that ask alike, join them."""
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    owners: dict[int, Place] = {}
    for where, one in _objects(asked, seen).items():
        if where not in asked.settled:
            continue
        owner = owners.setdefault(one.group, where)
        because = f"nothing joins {words(where)} with {words(owner)}"
        yield judged(_is_joined(asked, owner, where), words(where), "its own", f"#{one.group} on both", because)


@rule("ANNOTATIONS-8", MUST, "FixedQParamsQuantizationSpec: scale and zero_point", profiles=_BOTH)
def test_fixed_parameters_are_kept(trial: Trial) -> Iterator[Finding]:
    """A place with fixed parameters has an observer with that scale and zero point: a fake quantizer for training."""
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    for where, one in _objects(asked, seen).items():
        spec = asked.wanted[where]
        if kind_of(spec) != "fixed" or where not in asked.settled:
            continue
        found = *fixed_parameters(one.settings), "FakeQuantize" in str(dict(one.settings)["class"])
        wanted = (float(spec.scale),), (float(spec.zero_point),), asked.is_qat
        because = f"{words(where)} is annotated with fixed parameters"
        alike = found[0] == wanted[0] and tuple(map(float, found[1] or ())) == wanted[1] and found[2] is wanted[2]
        yield judged(alike, words(where), wanted, found, because)


@rule("ANNOTATIONS-9", MUST, "DerivedQuantizationSpec: parameters are derived from other tensors", profiles=_BOTH)
def test_a_derived_observer_knows_those_that_it_is_derived_from(trial: Trial) -> Iterator[Finding]:
    """A derived observer holds the observers of the places that its spec names, in that order."""
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    objects = _objects(asked, seen)
    for where, one in objects.items():
        spec = asked.wanted[where]
        if kind_of(spec) != "derived" or where not in asked.settled:
            continue
        if all(source in objects for source in spec.derived_from):
            wanted = tuple(objects[source].group for source in spec.derived_from)
            because = f"{words(where)} is derived from {', '.join(map(words, spec.derived_from))}"
            yield judged(one.sources == wanted, words(where), wanted, one.sources, because)


@rule("ANNOTATIONS-10", MUST, "QuantizationSpec.ch_axis: how to quantize a tensor", profiles=_BOTH)
def test_the_axis_reaches_what_looks_at_channels(trial: Trial) -> Iterator[Finding]:
    """An observer of channels, one inside of a fake quantizer as well, looks along the axis of its spec."""
    if (given := _given(trial)) is None:
        return
    asked, seen = given
    for where, one in _objects(asked, seen).items():
        axis = getattr(asked.wanted[where], "ch_axis", None)
        found = _axis(dict(one.settings))
        if axis is not None and found is not None and where in asked.settled:
            yield judged(found == axis, words(where), f"axis {axis}", f"axis {found}", f"{words(where)} says so")


def _axis(settings: dict[str, object]) -> object:
    """Return along which axis an observer looks at channels, or the one inside of it; None if it does not."""
    inner = settings.get("activation_post_process")
    return _axis(dict(inner)) if isinstance(inner, tuple) else settings.get("ch_axis")


@rule("ANNOTATIONS-11", MUST, "QuantizationAnnotation: what it may say", profiles=_BOTH)
def test_annotations_that_can_be_served_are_not_refused(trial: Trial) -> Iterator[Finding]:
    """A graph whose annotations say for each place what observes it is prepared."""
    if trial.expected.error is None:
        error = trial.outcome.error
        name = "" if error is None else type(error).__name__
        because = f"each place has a spec, its own or one that it shares; here the graph is refused: {error}"
        yield judged(error is None, "the call", "a prepared model", name, because)


@rule("ANNOTATIONS-12", MUST, "_create_obs_or_fq_from_qspec: only refer to what has an observer", profiles=_BOTH)
def test_annotations_that_cannot_be_served_are_refused(trial: Trial) -> Iterator[Finding]:
    """A place that shares with, or is derived from, what has no observer is refused, and not passed over.

    So is one that shares with itself, however far around, and an annotated node that reads a value by keyword,
    unless an observer stands wherever a spec of that node asks for one.
    """
    if trial.expected.error is not None and not _is_observed_by_keyword(trial):
        because = f"the reference refuses: {trial.expected.error}"
        yield judged(trial.outcome.error is not None, "the call", "an error", "a prepared model", because)


def _is_observed_by_keyword(trial: Trial) -> bool:
    """Whether an annotated node reads a value by keyword, which the reference refuses, and all such are served."""
    seen, nodes = trial.seen, [node for node in trial.expected.arguments.model.graph.nodes if KEY in node.meta]
    read = [operand for node in nodes for operand in operands(node) if isinstance(operand.keys[0], str)]
    asked = [operand for operand in read if operand.node.meta[KEY].input_qspec_map.get(operand.value) is not None]
    return bool(read) and seen is not None and all(seen.edges.get(edge_of(operand)) for operand in asked)


@rule(
    "ANNOTATIONS-13",
    UPSTREAM,
    "_insert_obs_or_fq: where torch and torchao put what nothing is promised of",
    profiles=_BOTH,
)
def test_annotated_graphs_have_the_observers_of_the_reference(trial: Trial) -> Iterator[Finding]:
    """Edge by edge, the observers are those that the reference places, and the same ones are one object."""
    if trial.seen is None or trial.expected.observation is None:
        return
    found = differences(trial.expected.observation, trial.seen)
    for difference in found:
        because = "the reference decides otherwise"
        yield broken(difference.place, difference.expected, difference.found, because)
    if not found and any(trial.seen.edges.values()):
        yield kept("the graph")


@rule("ANNOTATIONS-14", MUST, "the scope of this suite: what is refused is left as it was", profiles=_BOTH)
def test_a_refused_graph_is_left_as_it_was(trial: Trial) -> Iterator[Finding]:
    """After a call that is rightly refused for its annotations, the graph and its modules are what they were."""
    if trial.expected.error is None or trial.outcome.error is None:
        return
    if trial.case.profile == FX and trial.standard.outcome(replace(trial.case, annotations=())).error is not None:
        return  # it is the qconfigs that cannot be served
    given = arguments_of(trial.case)
    before = program_of(given)
    prepared_or_error(trial.calls.implementation, given)
    for name, after in program_of(given).items():
        because = "nothing was prepared, so nothing may have changed"
        yield judged(before[name] == after, name, "as before the call", "changed", because)


@rule("ANNOTATIONS-15", MUST, "ObserverBase: observers pass their input through", profiles=_PT2E)
def test_the_prepared_graph_computes_what_the_graph_computes(trial: Trial) -> Iterator[Finding]:
    """The prepared graph's result is that of the graph, bit for bit.

    It is demanded where the reference's result can run: an observer may fail on what it is asked to look at, whoever
    placed it. A fake quantizer rounds, so nothing is said of a graph that has one.
    """
    mine, theirs = trial.outcome.prepared, trial.expected.prepared
    if mine is None or theirs is None or trial.case.is_qat:
        return
    inputs = trial.expected.arguments.example_inputs
    wanted = forward.run(arguments_of(trial.case).model, inputs)
    if isinstance(wanted, Exception) or isinstance(forward.run(copy.deepcopy(theirs), inputs), Exception):
        return
    found = forward.run(copy.deepcopy(mine), inputs)
    if isinstance(found, Exception):
        yield broken("the forward pass", "the graph's result", type(found).__name__, f"it fails: {found}")
    else:
        because = "an observer looks and changes nothing, but the results differ"
        same = forward.equal(wanted, found)
        yield judged(same, "the forward pass", "the graph's result", "another result", because)


@rule("ANNOTATIONS-16", MUST, "Quantizer.prepare_obs_or_fq_callback: may be modified by the callback", profiles=_PT2E)
def test_the_callback_may_exchange_observers(trial: Trial) -> Iterator[Finding]:
    """The callback is given the observer of every place, once, and what it puts in its stead is inserted.

    It is tried with implementations that take ``obs_or_fq_callback``.
    """
    asked, function = trial.annotated, trial.calls.implementation.function
    if asked is None or not asked.observed or not takes_callback(function):
        return
    given, seen = arguments_of(trial.case), Exchanged()
    prepared = prepared_or_error(varying(trial.calls.implementation, obs_or_fq_callback=seen), given)
    if not isinstance(prepared, GraphModule):
        return
    because = "the callback is called after the observers are made, and before they are inserted"
    yield judged(seen.calls == 1, "the callback", "1 call", f"{seen.calls} calls", because)
    names = set(map(words, asked.asked))
    yield judged(names <= seen.places, "the callback", "all places", ", ".join(sorted(names - seen.places)), because)
    called = [prepared.get_submodule(str(n.target)) for n in prepared.graph.nodes if n.op == "call_module"]
    others = [module for module in called if is_observer(module) and module not in seen.put]
    yield judged(not others, "the observers", "those of the callback", f"{len(others)} others", because)


def _unobserved(trial: Trial, edges: Iterable[Operand], because: str) -> Iterator[Finding]:
    """Say whether some operands are read as the value is for all its readers."""
    if (given := trial.surveyed) is None:
        return
    site, seen = given
    for operand in edges:
        own, edge = operand.value in site.outputs, edge_of(operand)
        found = len(seen.edges[edge])
        yield judged(found <= own, edge, f"{int(own)} observers at most", f"{found} observers", because)


def _annotated_nodes(trial: Trial, is_quantized: bool) -> list[Node]:
    """Return the annotated nodes that are, or are not, in a pattern that is quantized."""
    site = trial.site
    nodes = [] if site is None else [node for node in site.graph.nodes if KEY in node.meta]
    return [node for node in nodes if site is not None and (node in site.quantized) is is_quantized]


def _unread(trial: Trial, node: Node) -> list[Operand]:
    """Return the operands that read a value and are to read it as it is."""
    readers = [operand for reader in node.users for operand in operands(reader) if operand.value is node]
    return [operand for operand in readers if trial.site is not None and trial.site.plan.read_at(operand) is None]


@rule("ANNOTATIONS-17", MUST, "QuantizationAnnotation: how inputs or output are quantized", profiles=_FX)
def test_what_an_annotation_leaves_out_is_not_observed(trial: Trial) -> Iterator[Finding]:
    """Where a quantized operator is annotated, an input and an output without a spec have no observer of their own.

    Whatever its qconfig asks for: the annotation takes its place.
    """
    for node in _annotated_nodes(trial, is_quantized=True):
        note, because = node.meta[KEY], f"{node.name} is annotated, and asks for nothing there"
        silent = [operand for operand in operands(node) if note.input_qspec_map.get(operand.value) is None]
        yield from _unobserved(trial, silent, because)
        if note.output_qspec is None:
            yield from _unobserved(trial, _unread(trial, node), because)


@rule("ANNOTATIONS-18", UPSTREAM, "prepare: _reuse_input_obs_or_fq of an annotation", profiles=_FX)
def test_who_reuses_its_inputs_observers_has_none_for_them(trial: Trial) -> Iterator[Finding]:
    """An annotated operator that reuses its inputs' observers reads its inputs as they are, unless dynamically."""
    for node in _annotated_nodes(trial, is_quantized=True):
        if trial.site is None or not getattr(node.meta[KEY], "_reuse_input_obs_or_fq", False):
            continue
        specs = trial.site.notes.specs
        dynamic = [o for o in operands(node) if (spec := specs.get((o.value, node))) is not None and spec.is_dynamic]
        others = [operand for operand in operands(node) if operand not in dynamic]
        yield from _unobserved(trial, others, f"{node.name} is annotated, and reuses the observers of its inputs")


@rule("ANNOTATIONS-19", UPSTREAM, "insert_observers_for_model: skip where there is no qconfig", profiles=_FX)
def test_an_annotation_counts_only_where_a_qconfig_is_served(trial: Trial) -> Iterator[Finding]:
    """An annotated node that is in no quantized pattern is observed no more than one that has no annotation."""
    for node in _annotated_nodes(trial, is_quantized=False):
        because = f"{node.name} is in no pattern that is quantized"
        yield from _unobserved(trial, operands(node), because)
        yield from _unobserved(trial, _unread(trial, node), because)
