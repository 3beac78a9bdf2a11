"""Chapter *modules*: modules that are a match of their own."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.fx import Node

from observance.conformance.alone import prepared_alone
from observance.conformance.derived import by_other_name, with_class_overridden
from observance.conformance.differences import describe_callee, path_words, read_differences, same_but_for_mode
from observance.conformance.observation import Edge, Settings, callee_of, edge_of
from observance.conformance.recorded import record_of
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial, same_placement
from observance.reference import dtypes, modules
from observance.reference.graphs import Operand, operands, output_of
from observance.reference.modules import Path
from observance.reference.site import Site, Standalone

STANDALONE, CUSTOM = ("standalone-modules",), ("custom-modules",)

_LEAVES: tuple[Path, ...] = ((0,), (1, 0), (1, 1))
"""The parts of an LSTM's output that are tensors."""


@rule("MODULES-1", MUST, "set_standalone_module_name: it is quantized separately as one unit", STANDALONE, True)
def test_a_standalone_module_is_prepared_by_itself(trial: Trial) -> Iterator[Finding]:
    """Inside a standalone module the observers, and the modules that are swapped for training, are those of this
    module, prepared alone with the same configs.
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node, call in site.standalone.items():
        if call.site is None:
            continue
        alone = prepared_alone(trial, node)
        if alone is None:
            continue
        because = f"{node.name} calls a standalone module, which is prepared by itself"
        if node.name not in seen.inside:
            yield broken(node.name, "a prepared module", describe_callee(seen.callees[node.name]), because)
            continue
        found = read_differences(alone, seen.inside[node.name])
        for difference in found:
            yield broken(f"inside {node.name}: {difference.place}", difference.expected, difference.found, because)
        if not found:
            yield kept(node.name)


@rule(
    "MODULES-2", MUST, "_get_standalone_module_configs: name config has precedence over type config", STANDALONE, True
)
def test_a_class_stands_for_its_modules_unless_one_is_named(trial: Trial) -> Iterator[Finding]:
    """A module is declared by its name or by its class alike, and a config by name goes before one by class."""
    other = by_other_name(trial.case)
    if other is not None:
        because = "it is the one module of its class"
        yield from same_placement(trial.outcome, trial.calls.outcome(other), because)
    more = with_class_overridden(trial.case)
    if more is not None:
        because = "its class is declared as well, and its name goes before its class"
        yield from same_placement(trial.outcome, trial.calls.outcome(more), because)


def _asked(site: Site) -> Iterator[tuple[Standalone, Operand]]:
    """Yield the operands of standalone modules that are float tensors and observed for nobody else's sake."""
    for node, call in site.standalone.items():
        for operand in operands(node):
            if site.values.is_observable(operand.value) and operand.value not in site.elsewhere:
                yield call, operand


@rule("MODULES-3", MUST, "set_input_quantized_indexes: the inputs that should be quantized", STANDALONE)
def test_the_declared_inputs_of_a_standalone_module_are_observed_outside(trial: Trial) -> Iterator[Finding]:
    """An input that a standalone module declares as quantized is observed by its parent, for its parent's qconfig;
    another is observed for nobody's sake but its maker's.
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for call, operand in _asked(site):
        edge, node = edge_of(operand), operand.node
        found = " then ".join(s.kind for s in seen.edges[edge]) or "no observer"
        spec = call.asks.ask.activation if call.asks else None
        if call.asks is not None and call.inside.declares(operand):
            static = spec is not None and spec.dtype is torch.quint8 and not spec.is_dynamic
            dtype = dict(seen.edges[edge][-1].settings).get("dtype") if seen.edges[edge] else None
            if static and not call.asks.ask.reuse:
                because = f"{node.name} declares this input as quantized, and its parent observes it"
                yield judged(dtype is torch.quint8, edge, spec, found, because)
        elif operand.value not in site.quantized:
            because = f"{node.name} declares this input as float, and {operand.value.name} is float"
            yield judged(not seen.edges[edge], edge, "no observer", found, because)


@rule("MODULES-4", MUST, "_maybe_insert_output_observer_for_node: standalone modules have theirs inside", STANDALONE)
def test_the_output_of_a_standalone_module_is_observed_inside(trial: Trial) -> Iterator[Finding]:
    """What a standalone module gives is not observed on its behalf, nor for a reader of the dtype that it declares."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node, call in site.standalone.items():
        declared = call.asks is not None and call.inside.has_quantized_output
        if any(_needs_it(site, reader, declared) for reader in node.users):
            continue
        found = seen.on(node.name)
        reason = "it is declared as quantized" if declared else "nothing quantized reads it"
        because = f"{node.name} gives it, what observes it is inside, and {reason}"
        yield judged(not found, node.name, "no observer", found, because)


def _needs_it(site: Site, reader: Node, is_quint8: bool) -> bool:
    """Whether a reader may ask for an observer on what a standalone module gives."""
    if reader in site.standalone:
        return not is_quint8
    asked = site.quantized.get(reader)
    if asked is None:
        return False
    spec = asked.ask.activation
    same = spec is not None and spec.dtype is torch.quint8 and not spec.is_dynamic
    return not (is_quint8 and same)


@rule("MODULES-5", MUST, "_find_matches: a module that is observed as a standalone one is a match as well", STANDALONE)
def test_what_is_prepared_already_stays_as_it_is(trial: Trial) -> Iterator[Finding]:
    """A module that was prepared as a standalone one before is called as it is."""
    if trial.expected.error is not None:
        return
    for node in _calls(trial):
        module = trial.expected.arguments.model.get_submodule(str(node.target))
        if not modules.is_prepared(module):
            continue
        because = f"{node.target} is prepared already"
        if trial.outcome.error is not None:
            name = type(trial.outcome.error).__name__
            yield broken(node.name, "the module as it was", name, f"{because}, but {trial.outcome.error}")
        elif trial.seen is not None:
            yield _same_module(node.name, module, trial.seen.callees[node.name], because)


def _calls(trial: Trial) -> list[Node]:
    """Return the nodes that call modules, of a case that declares any."""
    graph = trial.expected.arguments.model.graph
    return [node for node in graph.nodes if node.op == "call_module"] if trial.case.declared else []


def _same_module(place: str, module: nn.Module, found: Settings, because: str) -> Finding:
    """Return the finding that a called module is of the class, and observes inside by what, another does.

    What observers have seen meanwhile does not count.
    """
    expected, seen = describe_callee(callee_of(module)), describe_callee(found)
    return judged(expected == seen, place, expected, seen, because)


def _customs(trial: Trial) -> Iterator[tuple[Node, nn.Module | None, Settings]]:
    """Yield the nodes that call custom modules, the observed module that each is swapped for, and what it calls."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    kinds = {one.name.rpartition(".")[2] for one in trial.case.declared if one.kind == "custom"}
    for node in _calls(trial):
        module = trial.expected.arguments.model.get_submodule(str(node.target))
        if type(module).__name__ in kinds:
            yield node, site.plan.custom.get(str(node.target)), seen.callees[node.name]


@rule("MODULES-6", MUST, "set_float_to_observed_mapping: from a float to an observed module class", CUSTOM)
def test_a_custom_module_is_swapped_for_its_observed_class(trial: Trial) -> Iterator[Finding]:
    """A custom module that is quantized statically is swapped for its observed class, all others are not."""
    for node, swapped, callee in _customs(trial):
        module = trial.expected.arguments.model.get_submodule(str(node.target))
        expected, found = dict(callee_of(swapped or module))["class"], dict(callee)["class"]
        because = f"{node.target} is a custom module and is {'' if swapped else 'not '}quantized statically"
        yield judged(expected == found, node.name, expected, found, because)


@rule("MODULES-7", MUST, "_swap_custom_module_to_observed: the float module has its qconfig as an attribute", CUSTOM)
def test_an_observed_class_is_told_the_qconfig(trial: Trial) -> Iterator[Finding]:
    """The observed module is made of a float module that says its qconfig."""
    for node, swapped, callee in _customs(trial):
        if swapped is not None:
            because = f"{node.target} observes inside by what its qconfig says"
            expected = callee_of(swapped)
            same = same_but_for_mode(expected, callee)  # its class decides its mode
            yield judged(same, node.name, describe_callee(expected), describe_callee(callee), because)


@rule(
    "MODULES-8", MUST, "insert_observers_for_model: no duplicate custom module swaps for nodes with one target", CUSTOM
)
def test_a_custom_module_is_swapped_once_however_often_it_is_called(trial: Trial) -> Iterator[Finding]:
    """As many observed modules are made as custom modules are swapped, and not as they are called."""
    prepared = trial.outcome.prepared
    targets: dict[type, set[str]] = {}
    for node, swapped, _ in _customs(trial):
        if swapped is not None and prepared is not None:
            targets.setdefault(type(prepared.get_submodule(str(node.target))), set()).add(str(node.target))
    for kind, names in targets.items():
        if (made := getattr(kind, "count", None)) is not None:
            because = f"{', '.join(sorted(names))} are of this class, however often they are called"
            yield judged(made == len(names), f"the {kind.__name__}s", len(names), made, because)


@rule(
    "MODULES-9", MUST, "_insert_dequant_stubs_for_custom_module_lstm_output: a stub after each internal output", CUSTOM
)
def test_the_parts_of_an_lstm_are_read_behind_dequant_stubs(trial: Trial) -> Iterator[Finding]:
    """Each part of a custom LSTM's output has a dequant stub, and all that is read of it is read behind these."""
    for edge, path in _part_edges(trial):
        assert trial.seen is not None, "edges are told from it"
        wanted = frozenset(leaf for leaf in _LEAVES if leaf[: len(path)] == path)
        found = trial.seen.dequantized.get(edge, frozenset())
        because = f"{edge.value} is a part of what a custom LSTM gives, which is quantized"
        yield judged(found == wanted, edge, path_words(wanted), path_words(found), because)
    for lstm in _lstms(trial):
        assert trial.seen is not None, "LSTMs are told from it"
        stubs = trial.seen.stubs.get(lstm.name, frozenset())
        because = f"{lstm.name} is a custom LSTM"
        yield judged(stubs == frozenset(_LEAVES), lstm.name, path_words(frozenset(_LEAVES)), path_words(stubs), because)


def _lstms(trial: Trial) -> list[Node]:
    """Return the calls of custom LSTMs whose output is taken apart."""
    if trial.surveyed is None:
        return []
    return list(dict.fromkeys(lstm for lstm, _ in trial.surveyed[0].plan.parts.values()))


def _part_edges(trial: Trial) -> Iterator[tuple[Edge, Path]]:
    """Yield the edges at which a part of a custom LSTM's output is read by what takes no part, each with the part."""
    if trial.surveyed is None:
        return
    parts = trial.surveyed[0].plan.parts
    for node in trial.surveyed[0].graph.nodes:
        for operand in operands(node):
            if operand.value in parts and not (node in parts and parts[node][1]):
                yield edge_of(operand), parts[operand.value][1]


@rule("MODULES-10", MUST, "_maybe_get_custom_module_lstm_from_node_arg: its outputs need no observer again", CUSTOM)
def test_what_reads_a_custom_lstm_does_not_observe_it_again(trial: Trial) -> Iterator[Finding]:
    """A part of a custom LSTM's output is not observed for a reader of the LSTM's dtype."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for operand, quantized in trial.quantized_roots():
        part = site.plan.parts.get(operand.value)
        if part is None or operand.node in site.plan.parts:
            continue
        asked, dtype = quantized.ask.activation, site.quantized[part[0]].ask.activation_dtype
        if asked is None or asked.is_dynamic or asked.dtype is not dtype or not _is_activation(site, operand):
            continue
        edge = edge_of(operand)
        found = " then ".join(s.kind for s in seen.edges[edge])
        because = f"{part[0].name} gives it, as a {dtype}, which is what {operand.node.name} asks for"
        yield judged(not found, edge, "no observer", found, because)


def _is_activation(site: Site, operand: Operand) -> bool:
    """Whether an operand is no weight and no bias."""
    return dtypes.role(operand, site.positions) == "activation"


@rule("MODULES-11", UPSTREAM, "_reroute_tuple_getitem_pattern: consumers read what was put in", CUSTOM)
def test_a_reader_of_a_part_reads_its_stub(trial: Trial) -> Iterator[Finding]:
    """Who reads a part of a custom LSTM's output reads the stub itself, and not an item of the tuple around it."""
    for edge, path in _part_edges(trial):
        assert trial.seen is not None, "edges are told from it"
        if path and trial.seen.dequantized.get(edge):
            because = "conversion looks for a stub right in front of its reader"
            yield judged(edge not in trial.seen.detours, edge, "a stub", "an item of a tuple", because)


@rule("MODULES-12", MUST, "set_non_traceable_module_names: modules that are not symbolically traceable")
def test_a_module_that_is_not_traced_is_left_alone(trial: Trial) -> Iterator[Finding]:
    """A module that is not to be traced is called as it is: nothing is prepared inside."""
    declared = [one for one in trial.case.declared if one.kind == "non_traceable"]
    if trial.surveyed is None or not declared:
        return
    seen = trial.surveyed[1]
    for node in _calls(trial):
        if node.target != declared[0].name or node.name not in seen.callees:
            continue
        module = trial.expected.arguments.model.get_submodule(str(node.target))
        because = f"{node.target} is not to be traced, so it cannot be prepared"
        yield _same_module(node.name, module, seen.callees[node.name], because)


@rule("MODULES-13", MUST, "prepare: attributes related to standalone modules, in model.meta", STANDALONE)
def test_a_standalone_module_says_how_it_was_declared(trial: Trial) -> Iterator[Finding]:
    """The record of a standalone module says that it is one, and which of its inputs and outputs are quantized."""
    if trial.surveyed is None or trial.outcome.prepared is None:
        return
    for node, call in trial.surveyed[0].standalone.items():
        if call.site is None or node.name not in trial.surveyed[1].inside:
            continue
        record = record_of(trial.outcome.prepared.get_submodule(str(node.target)))  # type: ignore[arg-type]
        custom = call.inside.configs.custom
        wanted = {
            "is_observed_standalone_module": True,
            "standalone_module_input_quantized_idxs": custom.input_quantized_indexes,
            "standalone_module_output_quantized_idxs": custom.output_quantized_indexes,
        }
        for name, value in wanted.items():
            because = f"{node.target} was prepared as a standalone module, and conversion asks it"
            found = getattr(record, name, None)
            yield judged(found == value, f"{name} of {node.name}", value, found, because)


@rule("MODULES-14", UPSTREAM, "prepare: standalone module only supports returning simple value currently", STANDALONE)
def test_a_standalone_module_returns_one_value(trial: Trial) -> Iterator[Finding]:
    """A standalone module that returns anything but one value is refused, however it is declared."""
    graphs = [inner.graph for inner in trial.expected.inner.values()]
    if trial.case.is_standalone:
        graphs.append(trial.expected.float_graph)
    for graph in graphs:
        returned = output_of(graph).args[0]
        refused = trial.outcome.error is not None
        if not isinstance(returned, Node):
            because = f"its parent could not tell what is quantized of {returned!r}"
            yield judged(refused, "the call", "refused", "accepted", because)
