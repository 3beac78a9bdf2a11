"""Chapter *quantizers*: what a quantizer must keep, whatever backend it is for.

A vendor brings it with ``--quantizer``. The reference does as it asks, and the rules look at what it asked for and at
what came of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch.fx import Graph, GraphModule, Node

from observance.conformance import production, vendors
from observance.conformance.brought import InvalidError
from observance.conformance.claims import QUANTIZER
from observance.conformance.observation import describe, edge_of
from observance.conformance.outcomes import arguments_of, copy_graph
from observance.conformance.probes import asked_of, part_of, places_of
from observance.conformance.roles import PICKING, RESHAPING, is_bias, is_float, operator_of
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial
from observance.conformance.usage import told
from observance.reference import RefusalError
from observance.reference.annotations import KEY, read, words
from observance.reference.graphs import operands
from observance.strategies import Arguments

_QUANTIZER = (QUANTIZER,)


def _annotated(trial: Trial) -> GraphModule | None:
    """Return the graph that the quantizer has annotated, if it could."""
    failed = trial.outcome.error is not None and not isinstance(trial.outcome.error, RefusalError)
    return None if failed else trial.outcome.arguments.model


def _unannotated(trial: Trial) -> GraphModule:
    """Return a new graph of the case, as it is when the quantizer begins to annotate it."""
    given = arguments_of(trial.case)
    quantizing: Any = trial.calls.implementation.function
    transformed: GraphModule = quantizing.quantizer(given.is_qat).transform_for_annotation(given.model)
    return transformed


@rule("QUANTIZERS-1", MUST, "prepare_pt2e: prepare a model for post training quantization", profiles=_QUANTIZER)
def test_every_valid_graph_is_accepted(trial: Trial) -> Iterator[Finding]:
    """A quantizer annotates every exported graph, and writes nothing where it has nothing to say.

    Its `validate` may raise an exception where its backend does not support the graph: that is what it is for.
    """
    error = trial.outcome.error
    # What cannot be served is the affair of QUANTIZERS-2.
    if trial.expected.error is None and not isinstance(error, (InvalidError, RefusalError)):
        text = "accepted" if error is None else told(error)
        yield judged(error is None, "the call", "accepted", text, "the graph is valid, and is refused")


@rule(
    "QUANTIZERS-2", MUST, "SharedQuantizationSpec, DerivedQuantizationSpec: other edges and nodes", profiles=_QUANTIZER
)
def test_what_is_annotated_can_be_served(trial: Trial) -> Iterator[Finding]:
    """No place shares with, or is derived from, what asks for no observer, or from itself."""
    if (model := _annotated(trial)) is not None and any(KEY in node.meta for node in model.graph.nodes):
        error = trial.outcome.error
        yield judged(error is None, "the call", "observers for all places", str(error), "the reference refuses it")


@rule("QUANTIZERS-3", MUST, "Quantizer.annotate: annotate nodes in the graph", costly=True, profiles=_QUANTIZER)
def test_annotating_changes_nothing_but_annotations(trial: Trial) -> Iterator[Finding]:
    """What the graph computes is after `annotate` what it was; what changes a graph is `transform_for_annotation`.

    Nodes that nothing reads may be gone. A second quantizer, made alike, annotates the same places.
    """
    if _annotated(trial) is None:
        return
    model, again, function = _unannotated(trial), _unannotated(trial), trial.calls.implementation.function
    before = _computed(model.graph)
    asked = asked_of(function, model, trial.case.is_qat)
    yield judged(_computed(model.graph) == before, "the graph", "as it was", "changed", "annotate is for annotations")
    first, second = (places_of(found) for found in (asked, asked_of(function, again, trial.case.is_qat)))
    because = "two quantizers that are made alike annotate two copies of one graph"
    yield judged(first == second, "the annotations", _listed(first), _listed(second), because)


def _computed(graph: Graph) -> str:
    """Return what a graph computes, as code, without what nothing reads."""
    return str(_alive(graph).python_code("self").src)


def _alive(graph: Graph) -> Graph:
    """Return a copy of a graph, its nodes under the same names, without what nothing reads."""
    copy = copy_graph(graph)
    copy.eliminate_dead_code()
    return copy


def _listed(places: set[tuple[str, ...]]) -> str:
    """Return places in words."""
    return ", ".join(sorted(" -> ".join(place) for place in places)) or "none"


@rule("QUANTIZERS-4", MUST, "QuantizationAnnotation.input_qspec_map: how inputs are quantized", profiles=_QUANTIZER)
def test_an_annotation_speaks_of_the_inputs_of_its_node(trial: Trial) -> Iterator[Finding]:
    """Each key of an `input_qspec_map` is a value that the node reads: anything else is left out in silence."""
    model = _annotated(trial)
    for node in model.graph.nodes if model is not None else ():
        for value in node.meta[KEY].input_qspec_map if KEY in node.meta else ():
            name = value.name if isinstance(value, Node) else repr(value)
            reads = value in node.all_input_nodes
            yield judged(reads, f"{name} -> {node.name}", "an input", "none", f"{node.name} does not read {name}")


@rule("QUANTIZERS-5", UPSTREAM, "OUTPUT_SHARE_OBSERVER_WITH_INPUT: e.g. torch.cat, maxpool", profiles=_QUANTIZER)
def test_a_concatenation_and_a_maxpool_share_with_their_inputs(trial: Trial) -> Iterator[Finding]:
    """Where one is quantized, one observer is on its output and on all that it reads.

    It is quantized if its output is annotated with a spec, and an input is.
    """
    yield from vendors.sharing(trial, _quantized(trial), PICKING)


def _quantized(trial: Trial) -> list[Node]:
    """Return the nodes whose output is annotated with a spec, and an input is."""
    nodes = trial.outcome.arguments.model.graph.nodes
    return [node for node in nodes if _is_annotated(node) and node.meta[KEY].output_qspec]


@rule("QUANTIZERS-6", MUST, "How to write a Quantizer: patterns are annotated as one", costly=True, profiles=_QUANTIZER)
def test_nothing_is_observed_inside_what_is_fused(trial: Trial) -> Iterator[Finding]:
    """Two operators that a quantizer takes as one when they stand alone have no observer between them anywhere.

    It takes them as one if both are annotated, the inputs of the first with specs, and what is between them with none.
    The second reads nothing else that is computed, and nobody else reads the first.
    """
    model = _annotated(trial) if trial.outcome.error is None else None
    for first in model.graph.nodes if model is not None else ():
        second = next(iter(first.users), None)
        if second is None or not _is_pair(first, second) or not _is_annotated(first):
            continue
        assert model is not None
        part = part_of(model, (first, second))
        asked = asked_of(trial.calls.implementation.function, part, trial.case.is_qat)
        one, other = (next(n for n in part.graph.nodes if n.name == node.name) for node in (first, second))
        fused = all(KEY in node.meta for node in (one, other)) and _is_annotated(one)
        if asked and fused and one not in asked and (one, other) not in asked:
            found = read(model.graph)
            between = [words(where) for where in (first, (first, second)) if where in found]
            because = f"{first.name} and {second.name} are annotated as one where they stand alone"
            yield judged(not between, f"{first.name} -> {second.name}", "no observer", ", ".join(between), because)


def _is_annotated(node: Node) -> bool:
    """Whether an input of a node is annotated with a spec."""
    return KEY in node.meta and any(node.meta[KEY].input_qspec_map.values())


def _is_pair(first: Node, second: Node) -> bool:
    """Whether a second operator reads a first one, and nothing else that is computed, and nobody else reads that."""
    calls = first.op == "call_function" and second.op == "call_function"
    return calls and len(first.users) == 1 and [v for v in second.all_input_nodes if v.op != "get_attr"] == [first]


@rule("QUANTIZERS-7", MUST, "FixedQParamsQuantizationSpec: a fixed scale and zero_point", profiles=_QUANTIZER)
def test_fixed_parameters_hold_the_whole_range_of_an_operator(trial: Trial) -> Iterator[Finding]:
    """Where the output of an operator with a known range has fixed parameters, the range fits, but for one step."""
    yield from vendors.ranges(trial)


@rule("QUANTIZERS-8", MUST, "How to write a Quantizer: the bias is derived from input and weight", profiles=_QUANTIZER)
def test_a_bias_is_left_float_or_is_wide(trial: Trial) -> Iterator[Finding]:
    """A bias has no observer, or one for floats or for 32 bits or more: narrower ones do not hold a sum of products."""
    model = _annotated(trial)
    if model is None or trial.seen is None:
        return
    biases = [operand for node in model.graph.nodes for operand in operands(node) if is_bias(operand)]
    for operand in biases:
        for one in trial.seen.edges.get(edge_of(operand), ()):
            dtype = str(dict(one.settings).get("dtype"))
            wide = any(kind in dtype for kind in ("int32", "int64", "float"))
            place = f"{operand.value.name} -> {operand.node.name}"
            yield judged(wide, place, "32 bits or floats", describe(one.settings), "it is a bias")


@rule(
    "QUANTIZERS-9",
    MUST,
    "Quantization-aware training: models the effects of quantization during training",
    needs=("qat",),
    costly=True,
    profiles=_QUANTIZER,
)
def test_training_and_calibration_have_observers_at_the_same_places(trial: Trial) -> Iterator[Finding]:
    """On one graph, a quantizer for training annotates the places that one for calibration annotates.

    Graphs with batch norms are left out: for calibration they are folded before anything is annotated. So are nodes
    that nothing reads, which may be gone.
    """
    if (model := _annotated(trial)) is None or _has_batch_norm(model.graph):
        return
    function = trial.calls.implementation.function
    case = replace(trial.case, is_qat=False, training=False)
    given = [replace(arguments_of(case), is_qat=is_qat) for is_qat in (False, True)]
    try:
        calibrated, trained = (places_of(read(function(arguments).model.graph)) for arguments in given)
    except Exception:  # it is the vendor's; whether it may fail is QUANTIZERS-1's affair, and QUANTIZERS-2's
        return
    because = "what is trained is what will be quantized"
    living = {node.name for node in _alive(model.graph).nodes}
    for place in sorted(place for place in calibrated | trained if living.issuperset(place)):
        one, other = ("observed" if place in found else "not observed" for found in (calibrated, trained))
        yield judged(one == other, " -> ".join(place), one, other, because)


def _has_batch_norm(graph: Graph) -> bool:
    """Whether a graph has a batch norm."""
    return any("batchnorm" in operator_of(node) for node in graph.nodes)


@rule("QUANTIZERS-10", MUST, "Quantizer.annotate: nodes in the graph", costly=True, profiles=_QUANTIZER)
def test_an_operator_may_read_one_value_twice(trial: Trial) -> Iterator[Finding]:
    """An operator is annotated that reads one value twice if it is annotated where it reads two values.

    If both inputs are annotated there, the one input is here, and so is the output.
    """
    model = _annotated(trial)
    for node in model.graph.nodes if model is not None else ():
        values = [value for value in node.all_input_nodes if value.op != "get_attr" and is_float(value)]
        if node.op != "call_function" or len(values) != 2 or not _is_alike(*values):
            continue
        assert model is not None
        function, is_qat = trial.calls.implementation.function, trial.case.is_qat
        two = places_of(asked_of(function, part_of(model, [node]), is_qat))
        if not {(value.name, node.name) for value in values} <= two:
            continue
        part = part_of(model, [node], {values[1]: values[0]})
        one = places_of(asked_of(function, part, is_qat))
        wanted = {place for place in two if values[1].name not in place}  # the value itself, too, is gone
        because = f"{node.name} reads one value twice; where it reads two, both are annotated"
        yield judged(wanted == one, f"{node.name} of one value", _listed(wanted), _listed(one), because)


def _is_alike(one: Node, other: Node) -> bool:
    """Whether two values have the same form."""
    first, second = one.meta["val"], other.meta["val"]
    return bool(first.shape == second.shape and first.dtype == second.dtype)


@rule("QUANTIZERS-11", MUST, "QuantizationSpec: how to quantize a tensor", profiles=_QUANTIZER)
def test_only_tensors_of_floats_are_annotated(trial: Trial) -> Iterator[Finding]:
    """No spec is on a value that is an integer or a boolean tensor, or no tensor: there is nothing to quantize."""
    model = _annotated(trial)
    if model is None or trial.outcome.error is not None:
        return
    for where in read(model.graph):
        value = where if isinstance(where, Node) else where[0]
        stored = value.meta.get("val")
        text = str(getattr(stored, "dtype", type(stored).__name__))
        yield judged(is_float(value), words(where), "a tensor of floats", text, f"{words(where)} has a spec")


@rule("QUANTIZERS-12", UPSTREAM, "prepare_pt2e: what obeys annotations in production", profiles=_QUANTIZER)
def test_production_makes_of_the_annotations_what_they_say(trial: Trial) -> Iterator[Finding]:
    """Prepared by torchao, the graph has the observers of the reference; what torchao is known to do otherwise counts.

    Without torchao nothing is tried.
    """
    if trial.outcome.prepared is None or trial.seen is None or not production.is_there():
        return
    if not any(trial.seen.edges.values()):
        return
    found = production.differences_from(trial.outcome, _as_annotated(trial))
    for place, expected, text in found:
        yield broken(place, expected, text, "torchao does otherwise than the annotations say")
    if not found:
        yield kept("the graph")


def _as_annotated(trial: Trial) -> Arguments:
    """Return new arguments with the quantizer's annotations: production changes what it is given."""
    annotated: Arguments = trial.calls.implementation.function(arguments_of(trial.case))
    return annotated


@rule(
    "QUANTIZERS-13", MUST, "convert_pt2e: a calibrated model becomes a quantized one", costly=True, profiles=_QUANTIZER
)
def test_what_is_annotated_converts_and_runs(trial: Trial) -> Iterator[Finding]:
    """Prepared and converted by torchao, the graph runs, if it does so where nothing is annotated.

    Without torchao nothing is tried; neither is a graph that torchao does not prepare, which is QUANTIZERS-12's affair,
    nor one with a batch norm, which is to be folded on the way.
    """
    model = _annotated(trial)
    if model is None or trial.outcome.prepared is None or not production.is_there():
        return
    if not read(model.graph) or _has_batch_norm(model.graph):
        return
    found = production.quantized(_as_annotated(trial))
    if isinstance(found, GraphModule):
        yield kept("the quantized model")
    elif not isinstance(found, production.NotPreparedError):
        control = production.quantized(replace(trial.outcome.arguments, model=_unannotated(trial)))
        because = "without annotations it converts and runs"
        if isinstance(control, GraphModule):
            yield broken("the quantized model", "it runs", told(found), because)


@rule("QUANTIZERS-14", UPSTREAM, "get_native_backend_config: e.g. reshape, transpose", profiles=_QUANTIZER)
def test_what_only_reshapes_shares_with_its_input(trial: Trial) -> Iterator[Finding]:
    """Where an operator is quantized that gives its input in another form, or a part of it, one observer is on both."""
    yield from vendors.sharing(trial, _quantized(trial), RESHAPING)
