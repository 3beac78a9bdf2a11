"""`prepare`, chapter by chapter: the table of contents of this specification.

`plan` reads and decides; `rewrite` obeys.  A call that is refused is refused
while planning, so nothing is left half done.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch.ao.quantization import QConfig, QConfigMapping
from torch.ao.quantization.backend_config import BackendConfig, ObservationType
from torch.fx import Graph, GraphModule, Node

from . import backends, declared, devices, dtypes, entry, equalization, patterns, placement, qconfigs, values
from .dtypes import Values
from .entry import Configs
from .graphs import operands
from .patterns import Match
from .plan import Plan
from .rewrite import rewrite
from .site import Quantized, Site
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
        The traced model.  It is left as it is; the result has its modules.
    qconfig_mapping
        Which part is quantized how.
    is_qat, is_standalone_module
        Must be False: the rest is not specified here.
    node_name_to_scope
        For each node's name, the path and the type of the module it stands in.
    example_inputs
        Inputs of the model, by position; their dtypes tell which are float tensors.
    prepare_custom_config, backend_config
        As in the user-facing API; None stands for an empty and for the native one.
    _equalization_config
        Which part is equalized how: a mapping of equalization qconfigs.

    Returns
    -------
    GraphModule
        A new model that computes what `model` computes.

    Raises
    ------
    RefusalError
        If an argument is of a wrong type, or asks for what cannot be served.
    """
    configs = entry.read_configs(qconfig_mapping, prepare_custom_config, backend_config, _equalization_config)
    entry.refuse_unspecified(is_qat, is_standalone_module, configs.custom)
    decided = plan(model, configs, node_name_to_scope, example_inputs)
    for text in decided.warnings:
        warnings.warn(text, stacklevel=2)
    return rewrite(model, decided)


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
    """Give every observer its place: those of quantization, then those of equalization."""
    placement.place(site)
    equalization.place(site)
    declared.say_what_is_missing(site)


def survey(
    model: GraphModule,
    configs: Configs,
    node_name_to_scope: Mapping[str, tuple[str, Any]],
    example_inputs: tuple[Any, ...],
) -> Site:
    """Find out who asks for what, before any observer has a place.

    Raises
    ------
    RefusalError
        As `prepare` does.
    """
    graph, modules = model.graph, dict(model.named_modules(remove_duplicate=False))
    declared.refuse_unknown_outputs(graph)
    assigned = qconfigs.assign(graph, modules, configs.qconfigs, node_name_to_scope)
    matches = patterns.find(graph, modules, configs.backend)
    told = values.as_told(graph, values.classify(graph, modules, example_inputs))
    known = read_values(graph, matches, told)
    result = Plan(device=devices.device_of(model))
    reader = backends.Reader(modules, role_positions(configs.backend))
    quantized: dict[Node, Quantized] = {}
    for match in dict.fromkeys(matches.values()):
        quantized |= select(result, match, assigned, known, reader)
    equalized = equalization.select(qconfigs.assign(graph, modules, configs.equalization, node_name_to_scope), modules)
    inputs, outputs = quantized_inputs(graph, configs), declared.quantized_outputs(graph, configs)
    return Site(result, graph, known, quantized, inputs, reader.positions, assigned, matches, equalized, outputs)


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
    ask = dtypes.ask_of(qconfig)
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
    """Whether a pattern computes tensors from tensors: what does not asks for nothing."""
    takes = any(known.is_tensor(operand.value) for operand in operands(match.root))
    return takes and known.is_tensor(match.last)


def quantized_inputs(graph: Graph, configs: Configs) -> frozenset[Node]:
    """Return the graph inputs that are declared as quantized (SHARING-5)."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    declared = configs.custom.input_quantized_indexes
    return frozenset(inputs[index] for index in declared if index < len(inputs))


def role_positions(backend: BackendConfig) -> dict[Any, Mapping[str, int]]:
    """Return, for each function that the backend names, where its weight and bias stand."""
    return {
        config.pattern: config.to_dict().get("input_type_to_index", {})
        for config in backend.configs
        if config.pattern is not None and not isinstance(config.pattern, (tuple, type, str))
    }
