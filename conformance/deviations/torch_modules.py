"""How torch's `prepare` treats modules of their own kind, and where that goes wrong."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.ao.quantization import MinMaxObserver
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig, StandaloneModuleConfigEntry
from torch.fx import Graph, GraphModule, Node

from observance.conformance.variants import Change
from observance.reference import modules, placement, rewrite
from observance.reference.entry import Configs, RefusalError
from observance.reference.graphs import Operand, operands
from observance.reference.patterns import Match
from observance.reference.plan import Plan, Slot
from observance.reference.site import Inside, Quantized, Site, Standalone
from observance.reference.state import KEY

from .register import Deviation

Decision = Callable[..., Any]

prepare = importlib.import_module("observance.reference.prepare")  # the package gives this name to its function


def _as_qconfig_says(original: Decision, inside: Inside, asks: Quantized | None) -> torch.dtype | None:
    """Believe that a standalone module gives what its parent's qconfig asks for, whatever it declares."""
    return None if asks is None else asks.ask.activation_dtype


def _positions_only(original: Decision, inside: Inside, operand: Operand) -> bool:
    """Observe no input that is passed by keyword."""
    return isinstance(operand.keys[0], int) and bool(original(inside, operand))


def _first_place(original: Decision, inside: Inside, operand: Operand) -> bool:
    """Take a value that is passed at several places for what stands at the first one."""
    for index, argument in enumerate(operand.node.args):
        if argument is operand.value:
            return index in inside.quantized_inputs
    return bool(original(inside, operand))


def _classes_forgotten(original: Decision, name: str, module: nn.Module, qconfig: Any, parent: Configs) -> Inside:
    """Forget which inputs are declared where the module is declared by its class, or not at all."""
    found: Inside = original(name, module, qconfig, parent)
    if name in parent.custom.standalone_module_names:
        return found
    return dataclasses.replace(found, quantized_inputs=frozenset())


def _by_any_observer(original: Decision, site: Site, node: Node) -> None:
    """Observe a declared input by whatever the qconfig constructs, and compare with quint8 alone."""
    call = site.standalone[node]
    for operand in operands(node):
        spec = call.asks.ask.activation if call.asks and call.inside.declares(operand) else None
        if spec is None or placement.dtype_of(site, operand.value) is torch.quint8:
            continue
        slot = _same_class(site, operand.value, spec)
        if slot is None:
            slot = Slot(operand.value, site.outputs.get(operand.value), spec, "MODULES-3", "it is declared")
            site.plan.slots.append(slot)
            site.inputs.setdefault(operand.value, {})[spec, slot.below] = slot
        site.plan.read(operand, slot)


def _same_class(site: Site, value: Node, spec: Any) -> Slot | None:
    """Return an observer on a value that has the class that is asked for, and is for quint8."""
    for slot in site.inputs.get(value, {}).values():
        found = site.groups.leader(slot).spec
        if type(found.instance) is type(spec.instance) and found.dtype is torch.quint8:
            return slot
    return None


def _prepares_again(
    original: Decision, result: Any, own: Any, called: Mapping[str, nn.Module], configs: Configs
) -> dict[Node, Standalone]:
    """Prepare a standalone module once more at each further call, the prepared one."""
    calls: dict[Node, Standalone] = original(result, own, called, configs)
    seen: set[str] = set()
    for node in calls:
        name = str(node.target)
        if name in seen:
            prepared = rewrite.finished(result.standalone[name])
            result.standalone[name] = _again(name, prepared, result.qconfigs[node], configs)
        seen.add(name)
    return {
        node: dataclasses.replace(result.standalone[str(node.target)], asks=call.asks, inside=call.inside)
        for node, call in calls.items()
    }


def _again(name: str, prepared: nn.Module, qconfig: Any, configs: Configs) -> Standalone:
    """Prepare a standalone module that is prepared already; a config by class does not find it."""
    assert isinstance(prepared, GraphModule)
    plain = GraphModule(prepared, prepared.graph)
    plain.meta.pop(KEY, None)
    custom = PrepareCustomConfig()
    default = StandaloneModuleConfigEntry(None, (), None, None)
    custom.standalone_module_names[name] = configs.custom.standalone_module_names.get(name, default)
    try:
        found: Standalone = prepare.settled(name, plain, qconfig, dataclasses.replace(configs, custom=custom), None)
    except RefusalError as refusal:
        raise refusal.__cause__ or refusal from None
    return found


def _prepares_prepared(
    original: Decision, name: str, module: nn.Module, qconfig: Any, configs: Configs, device: Any
) -> Standalone:
    """Prepare what is prepared already."""
    if modules.is_prepared(module):
        return _again(name, module, qconfig, configs)
    found: Standalone = original(name, module, qconfig, configs, device)
    return found


def _refuses_late(original: Decision, result: Plan, own: Any, called: Any, custom: Any) -> None:
    """Refuse a custom module when observers are in the caller's graph already."""
    quantized = list(own)
    try:
        original(result, quantized, called, custom)
    except RefusalError:
        for one in quantized[:1]:
            _leave_observer(one.match.last, isinstance(called[str(one.match.last.target)], nn.LSTM))
        raise


def _leave_observer(node: Node, is_lstm: bool) -> None:
    """Put an observer, or what takes an output apart, behind a module in the caller's graph."""
    model = node.graph.owning_module
    assert model is not None
    name = "activation_post_process_0"
    model.add_submodule(name, MinMaxObserver())
    with node.graph.inserting_after(node):
        node.graph.call_module(name, (node,))
        if is_lstm:
            node.graph.call_function(tuple, (node,))


_PLANNED: list[Plan] = []
"""The newest plan, for what is refused after it was made."""


def _remembers_plan(original: Decision, *args: Any) -> Plan:
    """Remember what was planned."""
    plan: Plan = original(*args)
    _PLANNED[:] = [plan]
    return plan


def _refuses_structure_late(original: Decision, graph: Graph) -> None:
    """Refuse a standalone module that returns several values when its observers are in the graph already."""
    try:
        original(graph)
    except RefusalError:
        model = graph.owning_module
        slots = [slot for plan in _PLANNED for slot in plan.slots if slot.value.graph is graph]
        for number, slot in enumerate(slots if model is not None else ()):
            model.add_submodule(f"activation_post_process_{number}", slot.spec.make())  # type: ignore[union-attr]
            with graph.inserting_after(slot.value):
                graph.call_module(f"activation_post_process_{number}", (slot.value,))
        raise


def _trips_over_tuples(original: Decision, graph: Any, called: Any, mapping: Any, scopes: Any) -> Any:
    """Fail at a node that an earlier call has put into the graph."""
    left = [node.name for node in graph.nodes if node.target is tuple and node.name not in scopes]
    if left:
        raise KeyError(left[0])
    return original(graph, called, mapping, scopes)


def _through_own(original: Decision, graph: Any, called: Any, backend: Any, own: Mapping[Node, Match]) -> Any:
    """Match patterns that go through modules of their own kind, and take these out of them again.

    The graph notes the last node of the pattern that each of these was in.
    """
    found: dict[Node, Match] = {}
    graph.taken_out = {}
    for node, match in original(graph, called, backend, {}).items():
        rest = tuple(part for part in match.nodes if part not in own)
        if node not in own:
            found[node] = match if rest == match.nodes else dataclasses.replace(match, nodes=rest)
            graph.taken_out |= dict.fromkeys(set(match.nodes) - set(rest), match.last)
    return found | dict(own)


def _observes_taken_out(original: Decision, site: Site, node: Node) -> None:
    """Observe the output of a standalone module that is in a quantized pattern, as of any node of it."""
    original(site, node)
    asks, graph = site.standalone[node].asks, node.graph
    quantized = site.quantized.get(graph.taken_out.get(node))  # type: ignore[attr-defined]
    if asks is not None and quantized is not None:
        placement.place_output(site, dataclasses.replace(asks, ask=quantized.ask))


OUTPUT_BELIEVED = (Change("modules.output_dtype", _as_qconfig_says),)
INPUTS_BY_KEYWORD = (Change("site.Inside.declares", _positions_only),)
INPUTS_BY_VALUE = (Change("site.Inside.declares", _first_place),)
INPUTS_BY_CLASS = (Change("modules.inside", _classes_forgotten),)
INPUTS_BY_ANYTHING = (Change("placement.place_standalone", _by_any_observer),)
PREPARED_AGAIN = (
    Change("prepare.survey_standalone", _prepares_again),
    Change("prepare.settled", _prepares_prepared),
)
REFUSED_LATE = (
    Change("modules.swap", _refuses_late),
    Change("qconfigs.assign", _trips_over_tuples),
    Change("prepare.plan", _remembers_plan),
    Change("modules.refuse_structure", _refuses_structure_late),
)
THROUGH_OWN = (
    Change("patterns.find", _through_own),
    Change("placement.place_standalone", _observes_taken_out),
)
ENTRIES = (
    Deviation(
        "standalone-output-believed-quantized",
        ("PLACEMENT-1", "PLACEMENT-5"),
        "_get_output_act_obs_or_fq gives the parent's qconfig for a standalone module too: its output counts as "
        "quantized although its own config does not say so, and is float inside",
        "prepare: how a standalone module is observed is specified by its output_quantized_idxs",
        OUTPUT_BELIEVED,
    ),
    Deviation(
        "standalone-inputs-by-keyword",
        ("MODULES-3", "PLACEMENT-5", "PLACEMENT-6"),
        "an input of a standalone module that is passed by keyword has no index, and so is not observed",
        "PrepareCustomConfig.set_input_quantized_indexes: the inputs of the graph that should be quantized",
        INPUTS_BY_KEYWORD,
    ),
    Deviation(
        "standalone-inputs-by-value",
        ("MODULES-3", "PLACEMENT-5"),
        "the index of an input is looked up by its value: one that is passed twice has the first place twice",
        "PrepareCustomConfig.set_input_quantized_indexes: the inputs of the graph that should be quantized",
        INPUTS_BY_VALUE,
    ),
    Deviation(
        "standalone-inputs-by-class",
        ("MODULES-2", "MODULES-3", "PLACEMENT-5"),
        "_get_standalone_module_configs looks up the class of the module after it was replaced by a GraphModule: "
        "the inputs of a module that is declared by its class are not observed",
        "PrepareCustomConfig.set_standalone_module_class: the same as by name",
        INPUTS_BY_CLASS,
    ),
    Deviation(
        "standalone-inputs-by-any-observer",
        ("DTYPES-9", "PLACEMENT-13"),
        "the input of a standalone module is compared with quint8 and observed by whatever its parent's qconfig "
        "constructs: placeholders for float, dynamic observers at any place, and one upon another of its dtype",
        "_needs_obs_or_fq: no observer where the dtype is the same; only the first argument is dynamic",
        INPUTS_BY_ANYTHING,
    ),
    Deviation(
        "standalone-modules-prepared-again",
        ("ENTRY-1", "MODULES-5"),
        "_run_prepare_fx_on_standalone_modules prepares a standalone module at each of its calls, and one that is "
        "prepared already: tracing the observers inside fails",
        "a standalone module is quantized separately as one unit",
        PREPARED_AGAIN,
    ),
    Deviation(
        "patterns-through-own-modules",
        ("BACKENDS-1", "PLACEMENT-5"),
        "_find_matches matches patterns first and takes standalone and custom modules out of them again: what is "
        "left of a pattern is observed as its first or its last part",
        "_find_matches: add custom module instances to the match result; each node is in one match",
        THROUGH_OWN,
    ),
    Deviation(
        "custom-modules-refused-late",
        ("EFFECTS-10",),
        "_swap_custom_module_to_observed refuses a qconfig for which there is no observed class, and prepare a "
        "standalone model that returns several values, when observers are in the caller's graph already",
        "a call that is refused leaves what it was given as it was",
        REFUSED_LATE,
    ),
)
"""The entries of the chapter *modules*."""
