"""Chapter *state*: what a prepared model remembers, so that it can be converted."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from torch.fx import Graph, GraphModule, Node

from observance.conformance import forward
from observance.conformance.claims import PT2E
from observance.conformance.conversion import converted, difference, uncalibrated
from observance.conformance.derived import dynamically
from observance.conformance.differences import differences
from observance.conformance.observation import Chain
from observance.conformance.recorded import (
    ABSENT,
    Meaning,
    by_node,
    custom_entries,
    is_derived,
    mapping_entries,
    meaning_of,
    missing_fields,
    record_of,
)
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial
from observance.reference.annotations import KEY
from observance.reference.entry import read_configs
from observance.reference.specs import is_observer

CALLS = ("call_module", "call_function", "call_method")


@rule(
    "STATE-1",
    MUST,
    "_is_observed_module: convert takes what prepare has produced, and tells it by its meta",
    ("convert",),
)
def test_the_prepared_model_has_a_record(trial: Trial) -> Iterator[Finding]:
    """The prepared model's ``meta["_observed_graph_module_attrs"]`` has every field that conversion reads."""
    prepared = trial.outcome.prepared
    if prepared is not None:
        missing = missing_fields(record_of(prepared))
        found = f"no {', '.join(missing)}" if missing else ""
        because = "conversion reads there how the model was prepared"
        yield judged(not missing, "the record", "all fields", found, because)


def _records(trial: Trial) -> tuple[Any, Any] | None:
    """Return the implementation's record and the reference's; None unless both are whole and can be aligned."""
    mine, theirs = record_of(trial.outcome.prepared), record_of(trial.expected.prepared)
    if mine is None or theirs is None or trial.seen is None or missing_fields(mine):
        return None
    return mine, theirs


def _compared(trial: Trial, field: str, ops: Iterable[str], because: str) -> Iterator[Finding]:
    """Compare the qconfigs in a field that goes by nodes with the reference's, for nodes of some kinds."""
    records = _records(trial)
    if records is None or trial.seen is None or trial.expected.observation is None or _is_elsewhere(trial):
        return
    mine = by_node(getattr(records[0], field), trial.seen.names)
    theirs = by_node(getattr(records[1], field), trial.expected.observation.names)
    for name in _names(trial.outcome.float_graph, ops):
        expected, found = (_entry(qconfigs, name) for qconfigs in (theirs, mine))
        yield judged(expected == found, f"{field}, {name}", expected[0], found[0], because)


def _is_elsewhere(trial: Trial) -> bool:
    """Whether the model is where the constructors of a module's qconfig may lawfully know its device."""
    return trial.case.device == "meta"


def _entry(qconfigs: dict[str, Any], name: str) -> Meaning:
    """Return what a node's entry means."""
    return meaning_of(qconfigs[name]) if name in qconfigs else ABSENT


def _names(graph: Graph, ops: Iterable[str]) -> list[str]:
    """Return the names of the nodes of some kinds, in the order of the graph."""
    return [node.name for node in graph.nodes if node.op in ops]


@rule("STATE-2", MUST, "convert_fx: each qconfig must be the one given to prepare, or None", ("convert",))
def test_the_record_has_the_qconfig_of_every_operator(trial: Trial) -> Iterator[Finding]:
    """In ``node_name_to_qconfig``, every node that calls something has the qconfig that selects it, or None.

    It says nothing of a case in which who asks for what is a choice that nothing promises (see STATE-8).
    """
    if trial.site is not None:
        because = "conversion looks there whether, and how, the node is to be quantized"
        yield from _compared(trial, "node_name_to_qconfig", CALLS, because)


@rule("STATE-3", MUST, "prepare: node_name_to_scope maps a node's name to where it stands", ("convert",))
def test_the_record_has_the_scope_of_every_node(trial: Trial) -> Iterator[Finding]:
    """In ``node_name_to_scope`` every node has the scope that the caller gave."""
    records, given = _records(trial), trial.outcome.arguments.scopes
    if records is None or trial.seen is None:
        return
    scopes = by_node(records[0].node_name_to_scope, trial.seen.names)
    for name in trial.seen.names:
        if name in given:
            because = "converted modules are put where their node stands"
            yield judged(scopes.get(name) == given[name], f"scope of {name}", given[name], scopes.get(name), because)


@rule("STATE-4", MUST, "prepare: the mapping is deep-copied; convert compares its own mapping with it", ("convert",))
def test_the_record_has_the_configs_that_were_given(trial: Trial) -> Iterator[Finding]:
    """The record's ``qconfig_mapping`` and ``prepare_custom_config`` are objects that say what the caller's say.

    The mapping is a copy: the caller may change his own afterwards. It may have more entries: conversion looks up
    those of the mapping that it is given.
    """
    records, given = _records(trial), trial.outcome.arguments
    if records is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of configs that are dicts
        configs = read_configs(given.qconfig_mapping, given.custom_config, given.backend_config)
    record = records[0]
    because = "conversion holds the caller's next mapping against this one"
    yield from _entries(mapping_entries(configs.qconfigs), mapping_entries(record.qconfig_mapping), because)
    because = "conversion reads there which inputs and outputs are quantized"
    found = custom_entries(record.prepare_custom_config)
    wanted = custom_entries(configs.custom)
    yield from _entries(wanted, {name: entry for name, entry in found.items() if name in wanted}, because)
    apart = record.qconfig_mapping is not given.qconfig_mapping
    because = "what the caller does with his mapping later must not reach the prepared model"
    yield judged(apart, "the mapping", "a copy", "the caller's object", because)


def _entries(expected: dict[str, Meaning], found: dict[str, Meaning], because: str) -> Iterator[Finding]:
    """Compare two configs entry by entry, those aside that preparing may derive from others."""
    for name, mine in expected.items():
        theirs = found.get(name, ABSENT)
        if not is_derived(name):
            yield judged(mine == theirs, name, mine[0], theirs[0], because)


@rule("STATE-5", MUST, "prepare: attributes related to standalone modules, in model.meta", ("convert",))
def test_the_record_says_what_kind_of_preparation_it_was(trial: Trial) -> Iterator[Finding]:
    """The record's ``is_qat`` and its three fields of a standalone module say what the caller asked for."""
    records = _records(trial)
    if records is None:
        return
    for field in (
        "is_qat",
        "is_observed_standalone_module",
        "standalone_module_input_quantized_idxs",
        "standalone_module_output_quantized_idxs",
    ):
        # To have no indexes, and to have none that could be asked for, is one.
        found, expected = (getattr(record, field) or None for record in records)
        because = "conversion treats standalone modules, and models that were trained, in ways of their own"
        yield judged(found == expected, field, expected, found, because)


@rule("STATE-6", MUST, "prepare: record names for the set of observed node", ("convert",))
def test_the_record_has_the_names_of_what_is_observed(trial: Trial) -> Iterator[Finding]:
    """In ``observed_node_names`` stand the nodes of every pattern that is quantized, and no others.

    Conversion looks up the nodes that call modules; of the others it says nothing.
    """
    records = _records(trial)
    if records is None or trial.seen is None or trial.site is None:
        return
    observed = {node.name for node in trial.site.plan.observed}
    for name in _names(trial.outcome.float_graph, ("call_module",)):
        found = trial.seen.names[name] in records[0].observed_node_names
        said = [str(d) for d in trial.site.plan.decisions if d.node.name == name and d.place == "pattern"]
        words = ("not among them", "among them")
        because = "; ".join(said) or "conversion swaps the modules of observed nodes, and no others"
        yield judged(found == (name in observed), name, words[name in observed], words[found], because)


@rule("STATE-7", UPSTREAM, "convert_weighted_module: reads module.qconfig", ("convert",))
def test_the_called_modules_have_their_qconfig(trial: Trial) -> Iterator[Finding]:
    """Every module that is called has its node's qconfig as an attribute; the modules inside have one, too."""
    mine, theirs = trial.outcome.prepared, trial.expected.prepared
    if mine is None or theirs is None or trial.seen is None or trial.expected.observation is None:
        return
    if _is_elsewhere(trial):
        return
    for node in trial.outcome.float_graph.nodes:
        if node.op != "call_module":
            continue
        found = _marks(mine, trial.seen.names[node.name])
        expected = _marks(theirs, trial.expected.observation.names[node.name])
        for path, meaning in expected.items():
            if meaning == ABSENT:
                continue
            other = found.get(path, ABSENT)
            # Nobody asks which one the modules inside have, and torch's depends on how the mapping selects.
            same = other != ABSENT if path else other == meaning
            because = "conversion asks the module itself how its weight is to be quantized"
            yield judged(same, f"{node.name}{path}", meaning[0], other[0], because)


def _marks(prepared: GraphModule, name: str) -> dict[str, Meaning]:
    """Return the qconfig of the module that a node calls, and of those inside, by their paths."""
    target = next(str(node.target) for node in prepared.graph.nodes if node.name == name)
    called = prepared.get_submodule(target)
    return {
        f", {path}" if path else "": meaning_of(vars(part)["qconfig"]) if "qconfig" in vars(part) else ABSENT
        for path, part in called.named_modules()
        if not path or not is_observer(part)  # which a module that was swapped for training has inside
    }


@rule("STATE-8", UPSTREAM, "_generate_node_name_to_qconfig: every node has an entry", ("convert",))
def test_the_record_has_an_entry_for_every_node(trial: Trial) -> Iterator[Finding]:
    """Parameters have their module's qconfig, graph inputs and outputs None, and each node an equalization qconfig.

    Where who asks for what is a choice that nothing promises, it is torch's.
    """
    ops = ("get_attr", "placeholder", "output") + (() if trial.site else CALLS)
    yield from _compared(trial, "node_name_to_qconfig", ops, "torch enters all nodes")
    every = ("placeholder", *CALLS, "get_attr", "output")
    yield from _compared(trial, "equalization_node_name_to_qconfig", every, "torch enters all nodes")


@rule("STATE-9", MUST, "convert_fx: graph_module is a prepared and calibrated model", ("convert",), True)
def test_the_prepared_model_can_be_converted(trial: Trial) -> Iterator[Finding]:
    """Calibrated with one forward pass, a deep copy of the model is converted wherever the reference's is."""
    if trial.conversions is None:
        return
    mine, theirs = trial.conversions
    if isinstance(theirs, GraphModule):
        error = "" if isinstance(mine, GraphModule) else type(mine).__name__
        because = f"the reference's model is converted; here it fails: {mine}" if error else ""
        yield judged(not error, "the conversion", "a quantized model", error, because)


@rule("STATE-10", MUST, "convert_fx: the state that prepare leaves says how to convert", ("convert",), True)
def test_the_prepared_model_becomes_the_same_quantized_model(trial: Trial) -> Iterator[Finding]:
    """With the reference's observers in place, the converted model is the reference's, names aside.

    It has the same steps, with the same modules, scales and zero points, and computes the same.
    """
    seen, standard = trial.outcome.observation, trial.expected.observation
    if trial.conversions is None or seen is None or standard is None or differences(standard, seen):
        return
    mine, theirs = trial.conversions
    if not isinstance(mine, GraphModule) or not isinstance(theirs, GraphModule):
        return
    found = difference(theirs, mine)
    because = "both have the same observers, which have seen the same values"
    if found is not None:
        yield broken("the quantized model", *found, because)
        return
    yield kept("the quantized model")
    results = [forward.run(model, trial.outcome.arguments.example_inputs) for model in (theirs, mine)]
    if not isinstance(results[0], Exception):
        same = forward.equal(*results)
        yield judged(same, "its forward pass", "the reference's result", "another", because)


@rule(
    "STATE-11",
    MUST,
    "Introduction to Quantization: dynamic and weight-only need no calibration",
    ("convert", "dynamic"),
    True,
)
def test_what_is_quantized_dynamically_needs_no_calibration(trial: Trial) -> Iterator[Finding]:
    """A model that observes nothing but parameters statically becomes the reference's quantized model uncalibrated."""
    case = dynamically(trial.case)
    if case is None:
        return
    mine, theirs = trial.calls.outcome(case), trial.standard.outcome(case)
    if mine.observation is None or theirs.observation is None or differences(theirs.observation, mine.observation):
        return
    parameters = set(_names(mine.float_graph, ("get_attr",)))
    static = {value for value, chains in theirs.observation.values.items() if any(map(_is_static, chains))}
    if not static or not static <= parameters:
        return
    expected, found = (converted(uncalibrated(outcome), outcome) for outcome in (theirs, mine))
    if isinstance(expected, GraphModule) and isinstance(found, GraphModule):
        apart = difference(expected, found)
        because = "conversion looks at the weights itself, where the nodes' meta says that they stand"
        yield broken("the quantized model", *apart, because) if apart else kept("the quantized model")


def _is_static(chain: Chain) -> bool:
    """Whether one of some observers is static."""
    return any(not dict(seen.settings).get("is_dynamic") for seen in chain)


@rule("STATE-12", MUST, "convert_pt2e: a calibrated model becomes a quantized one", ("convert",), profiles=(PT2E,))
def test_the_annotations_of_the_result_name_its_own_nodes(trial: Trial) -> Iterator[Finding]:
    """An annotation that stands in the prepared graph names nodes of that graph, and none of the graph that was given.

    Conversion looks there for what is read, and fails where that is to be quantized dynamically.
    """
    prepared = trial.outcome.prepared
    for node in prepared.graph.nodes if prepared is not None else ():
        note = node.meta.get(KEY)
        for value in note.input_qspec_map if note is not None else ():
            if isinstance(value, Node):
                because = f"conversion looks among the readers of {value.name} for {node.name}"
                texts = "a node of the prepared graph", "a node of another graph"
                yield judged(value.graph is node.graph, f"{value.name} -> {node.name}", *texts, because)
