"""`prepare`, chapter by chapter: the table of contents of this specification.

`plan` reads and decides; `rewrite` obeys.  A call that is refused is refused
while planning, so nothing is left half done.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.ao.quantization import QConfig, QConfigMapping
from torch.ao.quantization.backend_config import BackendConfig, ObservationType
from torch.fx import Graph, GraphModule, Node

from . import (
    backends,
    declared,
    devices,
    dtypes,
    entry,
    equalization,
    modules,
    patterns,
    placement,
    qat,
    qconfigs,
    refusals,
    state,
    values,
)
from .dtypes import Values
from .entry import Configs, once_for_native
from .graphs import operands
from .patterns import Match
from .plan import Plan
from .rewrite import rewrite
from .site import Quantized, Site, Standalone
from .values import Shape


def prepare(
    model: GraphModule,
    qconfig_mapping: QConfigMapping | dict[str, Any],
    is_qat: bool,
    node_name_to_scope: Mapping[str, tuple[str, Any]],
    example_inputs: tuple[Any, ...],
    prepare_custom_config: Any = None,
    _equalization_config: Any = None,
    backend_config: BackendConfig | dict[str, Any] | None = None,
    is_standalone_module: bool = False,
) -> GraphModule:
    """Return a copy of a traced model with observers.

    Parameters
    ----------
    model
        The traced model.  It is left as it is; the result has its parameters and
        buffers, in modules of its own.
    qconfig_mapping
        Which part is quantized how.
    is_qat
        Whether the model is prepared for training: modules are swapped then.
    node_name_to_scope
        For each node's name, the path and the type of the module it stands in.
    example_inputs
        Inputs of the model, by position; their dtypes tell which are float tensors.  Callers
        pass the only input without a tuple, and some that are not read: both are served.
    is_standalone_module
        Whether the model is a standalone module, which returns one value and
        whose quantized inputs its parent observes.
    prepare_custom_config, backend_config
        As in the user-facing API; None stands for an empty and for the native one.
    _equalization_config
        Which part is equalized how: a mapping of equalization qconfigs.

    Returns
    -------
    GraphModule
        A new model that computes what `model` computes, but for what fake quantizers round.

    Raises
    ------
    RefusalError
        If an argument is of a wrong type, or asks for what cannot be served.
    """
    configs = entry.read_configs(qconfig_mapping, prepare_custom_config, backend_config, is_qat, _equalization_config)
    refusals.refuse_misuse(model, is_qat, node_name_to_scope, example_inputs, configs)
    decided = plan(model, configs, node_name_to_scope, example_inputs)
    if is_standalone_module:
        modules.refuse_structure(model.graph)
    for text in decided.warnings:
        warnings.warn(text, stacklevel=2)
    prepared = rewrite(model, decided)
    positions = role_positions(configs.backend)
    return state.save(prepared, model, decided, configs, node_name_to_scope, positions, is_qat, is_standalone_module)


def plan(
    model: GraphModule,
    configs: Configs,
    node_name_to_scope: Mapping[str, tuple[str, Any]],
    example_inputs: tuple[Any, ...],
) -> Plan:
    """Decide everything about a traced model and change nothing.

    Raises
    ------
    RefusalError
        As `prepare` does.
    """
    site = survey(model, configs, node_name_to_scope, example_inputs)
    place(site)
    return site.plan


def place(site: Site) -> None:
    """Give every observer its place: those of quantization, then those of equalization.

    Raises
    ------
    RefusalError
        If an annotation asks for what cannot be served.
    """
    placement.place(site)
    equalization.place(site)
    declared.say_what_is_missing(site)


def survey(
    model: GraphModule,
    configs: Configs,
    node_name_to_scope: Mapping[str, tuple[str, Any]],
    example_inputs: tuple[Any, ...],
    device: torch.device | None = None,
) -> Site:
    """Find out who asks for what, before any observer has a place.

    Parameters
    ----------
    model, configs, node_name_to_scope, example_inputs
        As `prepare` takes them.
    device
        The device of the enclosing model: a standalone module without parameters and buffers is taken to be on it
        (DEVICES-1).

    Raises
    ------
    RefusalError
        As `prepare` does.
    """
    graph, called = model.graph, dict(model.named_modules(remove_duplicate=False))
    refusals.refuse_graph(graph, called)
    mapping, equalizing = (
        qconfigs.with_fused_types(graph, called, given) for given in (configs.qconfigs, configs.equalization)
    )
    assigned = qconfigs.assign(graph, called, qat.with_trained_types(mapping, configs), node_name_to_scope)
    own = modules.own_matches(graph, called, configs)
    swapped = qat.swaps(graph, called, {node: asked for node, asked in assigned.items() if node not in own}, configs)
    called |= swapped
    matches = patterns.find(graph, called, configs.backend, own)
    known = read_values(graph, matches, values.as_told(graph, values.classify(graph, called, example_inputs)))
    result = Plan(qconfigs=assigned, swapped=swapped, device=devices.device_of(model) or device)
    reader = backends.Reader(called, role_positions(configs.backend))
    standalone = survey_standalone(result, own, called, configs)
    quantized: dict[Node, Quantized] = {}
    for match in dict.fromkeys(matches.values()):
        if match is not own.get(match.last) or match.last not in standalone:
            quantized |= select(result, match, assigned, known, reader)
    modules.swap(result, [quantized[node] for node in own if node in quantized], called, configs.custom)
    quantized = modules.operators(quantized, result)
    result.equalization = qconfigs.select(graph, called, equalizing, node_name_to_scope)
    equalized = equalization.select(result.equalization, called)
    inputs, outputs = quantized_inputs(graph, configs), declared.quantized_outputs(graph, configs)
    elsewhere = quantized_elsewhere(result, inputs, standalone, quantized)
    return Site(
        *(result, graph, known, quantized, inputs, reader.positions, assigned, matches),
        *(elsewhere, standalone, equalized, outputs),
        is_qat=configs.is_qat,
    )


def survey_standalone(
    result: Plan, own: Mapping[Node, Match], called: Mapping[str, nn.Module], configs: Configs
) -> dict[Node, Standalone]:
    """Plan the standalone modules, each once however often it is called (MODULES-1); return their calls.

    Raises
    ------
    RefusalError
        As `prepare` does.
    """
    calls: dict[Node, Standalone] = {}
    for node, match in own.items():
        name, qconfig = str(node.target), result.qconfigs[node]
        if not modules.is_standalone(name, called[name], configs.custom):
            continue
        one = result.standalone.get(name) or settled(name, called[name], qconfig, configs, result.device)
        asks = None if qconfig is None else Quantized(match, result.asks.of(qconfig), match.config.observation_type)
        result.standalone[name] = one
        result.decide(node, "pattern", "MODULES-1", "it is prepared by itself")
        calls[node] = replace(one, asks=asks)
        if asks is not None:
            result.observed.add(node)
    for one in result.standalone.values():
        result.warnings += one.site.plan.warnings if one.site else []
    return calls


def settled(
    name: str, module: nn.Module, qconfig: QConfig | None, configs: Configs, device: torch.device | None
) -> Standalone:
    """Plan a standalone module of a model on a device; what is prepared already stays as it is (MODULES-5).

    Raises
    ------
    RefusalError
        As `prepare` does.
    """
    inside = modules.inside(name, module, qconfig, configs)
    if inside.is_prepared:
        return Standalone(None, inside, None)
    modules.refuse_structure(inside.model.graph)
    site = survey(inside.model, inside.configs, inside.scopes, inside.example_inputs, device)
    place(site)
    return Standalone(None, inside, site)


def quantized_elsewhere(
    result: Plan,
    inputs: Collection[Node],
    standalone: Mapping[Node, Standalone],
    quantized: Mapping[Node, Quantized],
) -> dict[Node, torch.dtype | None]:
    """Return the dtype of the values that are quantized where no observer of this graph does it.

    These are declared graph inputs, the declared outputs of standalone modules
    (MODULES-4), and the parts of a custom LSTM's output (MODULES-9).
    """
    known: dict[Node, torch.dtype | None] = dict.fromkeys(inputs, torch.quint8)
    for node, call in standalone.items():
        dtype = modules.output_dtype(call.inside, call.asks)
        if dtype is not None:
            known[node] = dtype
    known |= {node: quantized[lstm].ask.activation_dtype for node, (lstm, _) in result.parts.items()}
    return known


def read_values(graph: Graph, matches: Mapping[Node, Match], shapes: Mapping[Node, Shape]) -> Values:
    """Return what is known of the graph's values, from their kinds and from how they are read."""
    known = Values(shapes, frozenset())
    shares = ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT
    passes_on = {node for node, match in matches.items() if patterns.observation_type(match, known) is shares}
    return Values(shapes, dtypes.never_observed(graph, passes_on))


def select(
    result: Plan,
    match: Match,
    assigned: Mapping[Node, QConfig | None],
    known: Values,
    reader: backends.Reader,
) -> dict[Node, Quantized]:
    """Return how a match is quantized, for each of its nodes; nothing if it stays float.

    A pattern has the qconfig of its last node, and stays float if any part of it
    is switched off.
    """
    qconfig = assigned[match.last]
    if qconfig is None or any(assigned[node] is None for node in match.nodes):
        result.decide(match.last, "pattern", "QCONFIGS-4", "a part of it is switched off")
        return {}
    if not takes_and_gives_tensors(match, known):
        result.decide(match.last, "pattern", "DTYPES-1", "it takes or gives no tensor")
        return {}
    ask = replace(result.asks.of(qconfig), gives_tensor=known.is_tensor(match.last))
    verdict = backends.judge(match, ask, reader)
    result.warnings += verdict.warnings
    rule = "BACKENDS-2" if verdict.warnings else "BACKENDS-1"
    result.decide(match.last, "pattern", rule, verdict.reason)
    if not verdict.supported:
        return {}
    result.observed.update(match.nodes)
    quantized = Quantized(match, ask, patterns.observation_type(match, known))
    return dict.fromkeys(match.nodes, quantized)


def takes_and_gives_tensors(match: Match, known: Values) -> bool:
    """Whether a pattern, or its root, computes tensors from tensors: what does not asks for nothing."""
    takes = any(known.is_tensor(operand.value) for operand in operands(match.root))
    return takes and (known.is_tensor(match.root) or known.is_tensor(match.last))


def quantized_inputs(graph: Graph, configs: Configs) -> frozenset[Node]:
    """Return the graph inputs that are declared as quantized (SHARING-5)."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    declared = configs.custom.input_quantized_indexes
    return frozenset(node for index, node in enumerate(inputs) if index in declared)


@once_for_native
def role_positions(backend: BackendConfig) -> dict[Any, Mapping[str, int]]:
    """Return, for each function that the backend names, where its weight and bias stand."""
    return {
        config.pattern: config.to_dict().get("input_type_to_index", {})
        for config in backend.configs
        if config.pattern is not None and not isinstance(config.pattern, (tuple, type, str))
    }
