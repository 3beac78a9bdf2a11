"""Chapter *modules*: modules that are a match of their own.

A standalone module is prepared by itself (MODULES-1), with its own configs or
its parent's (MODULES-2); the parent observes those of its inputs that are
declared as quantized (MODULES-3), and never its output (MODULES-4).  A custom
module is observed like an operator, and swapped for the class that observes
inside (MODULES-6).  A custom LSTM's output is taken apart: a dequant stub stands on each
part, and who reads a part reads its stub (MODULES-9).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import QConfig, QConfigMapping, QuantType
from torch.ao.quantization.backend_config import BackendPatternConfig, DTypeConfig, ObservationType
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.ao.quantization.fx.fuse import fuse
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.fx import Graph, GraphModule, Node

from . import entry
from .dtypes import Ask
from .entry import Configs, RefusalError
from .graphs import output_of
from .patterns import Match
from .plan import Plan
from .qat import with_qconfig
from .site import Inside, Quantized
from .specs import OBSERVED_DTYPES
from .state import KEY

Path = tuple[int, ...]
"""Which part of a nested value: the indexes that lead to it."""

PARTS: tuple[Path, ...] = ((), (0,), (1,), (1, 0), (1, 1))
"""All parts of what an LSTM returns, the whole included."""


def own_matches(graph: Graph, modules: Mapping[str, nn.Module], configs: Configs) -> dict[Node, Match]:
    """Return a match for each call of a standalone or custom module: the module alone, whatever the backend says.

    That its class has one for training does not matter either (QAT-1).
    """
    found, custom = {}, configs.custom
    for node in graph.nodes:
        module = modules[str(node.target)] if node.op == "call_module" else None
        if module is not None and (is_standalone(str(node.target), module, custom) or is_custom(module, custom)):
            found[node] = Match(_any_dtype(), (node,), node, node)
    return found


def _any_dtype() -> BackendPatternConfig:
    """Return the config of a module that no backend has a say in."""
    config = BackendPatternConfig().add_dtype_config(DTypeConfig())
    return config.set_observation_type(ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT)


def is_standalone(name: str, module: nn.Module, custom: PrepareCustomConfig) -> bool:
    """Whether a module is standalone: by its name, by its class, or because it is prepared as one already."""
    by_name = name in custom.standalone_module_names
    return by_name or type(module) in custom.standalone_module_classes or is_prepared(module)


def is_prepared(module: nn.Module) -> bool:
    """Whether a module was prepared as a standalone one before (MODULES-5)."""
    record = module.meta.get(KEY) if isinstance(module, GraphModule) else None
    return record is not None and bool(record.is_observed_standalone_module)


def is_custom(module: nn.Module, custom: PrepareCustomConfig) -> bool:
    """Whether a module's class has an observed class, for whatever kind of quantization."""
    return any(type(module) in classes for classes in custom.float_to_observed_mapping.values())


def inside(name: str, module: nn.Module, qconfig: QConfig | None, parent: Configs) -> Inside:
    """Return how a standalone module is prepared.

    A config by name goes before one by class.  Without a qconfig mapping of its
    own it has the qconfig that it has in its parent, without a backend config
    its parent's (MODULES-2).

    Raises
    ------
    RefusalError
        If it cannot be traced, or torch cannot fuse what the backend says.
    """
    if is_prepared(module):
        return _prepared(module, parent)
    custom = parent.custom
    own = custom.standalone_module_names.get(name) or custom.standalone_module_classes[type(module)]
    mapping = QConfigMapping().set_global(qconfig) if own.qconfig_mapping is None else own.qconfig_mapping
    backend = parent.backend if own.backend_config is None else own.backend_config
    configs = entry.read_configs(mapping, own.prepare_custom_config, backend, parent.is_qat)
    try:
        model, scopes = traced(module, configs)
    except Exception as error:  # tracing and fusing run what the user and the backend say
        raise RefusalError(
            f"standalone module {name!r} cannot be traced and fused ({error}); declare another"
        ) from error
    return Inside(
        model,
        scopes,
        configs,
        own.example_inputs,
        frozenset(configs.custom.input_quantized_indexes),
        0 in configs.custom.output_quantized_indexes,
        inherits=own.qconfig_mapping is None,
    )


def _prepared(module: nn.Module, parent: Configs) -> Inside:
    """Return a standalone module that is prepared already: it says itself which inputs are quantized."""
    assert isinstance(module, GraphModule)
    record = module.meta[KEY]
    inputs = frozenset(record.standalone_module_input_quantized_idxs or ())
    has_output = 0 in (record.standalone_module_output_quantized_idxs or ())
    return Inside(module, {}, parent, (), inputs, has_output, is_prepared=True)


def traced(
    module: nn.Module, configs: Configs, leaves: tuple[list[str], list[Any]] | None = None
) -> tuple[GraphModule, Mapping[str, tuple[str, Any]]]:
    """Return a module's graph, fused as the backend says, and the scope of each node.

    Parameters
    ----------
    module, configs
        The module, and the configs by which it is traced and fused.
    leaves
        The names and the classes of the modules that are leaves of the graph; those that are not traceable, if it is
        None: standalone and custom modules inside a standalone one are no leaves of its graph, for their configs
        count where the graph begins.
    """
    custom = configs.custom
    names, classes = leaves or (custom.non_traceable_module_names, custom.non_traceable_module_classes)
    tracer = QuantizationTracer(list(names), list(classes))
    tracer.record_stack_traces = False  # they take most of the time of tracing, and decide nothing
    model = GraphModule(module, without_eager_observers(module, tracer.trace(module)))
    return fuse(model, configs.is_qat, None, configs.backend), tracer.node_name_to_scope


def without_eager_observers(module: nn.Module, graph: Graph) -> Graph:
    """Return a graph without what eager mode would observe the results of a `FloatFunctional` by."""
    for node in list(graph.nodes):
        owner, _, name = str(node.target).rpartition(".")
        if node.op != "call_module" or name != "activation_post_process":
            continue
        if isinstance(module.get_submodule(owner), FloatFunctional):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return graph


def refuse_structure(graph: Graph) -> None:
    """Refuse a standalone module that returns anything but one value (MODULES-7).

    Raises
    ------
    RefusalError
        If it does.
    """
    returned = output_of(graph).args[0]
    if not isinstance(returned, Node):
        raise RefusalError(
            f"a standalone module returns one value, and this one returns {returned!r}; "
            "let it return one tensor, or do not declare it as standalone"
        )


def output_dtype(inside: Inside, asks: Quantized | None) -> torch.dtype | None:
    """Return the dtype of a standalone module's output, if its parent takes it for quantized (MODULES-4).

    A module that is switched off in its parent gives a float value.
    """
    return torch.quint8 if inside.has_quantized_output and asks is not None else None


def swap(result: Plan, own: Iterable[Quantized], called: Mapping[str, nn.Module], custom: PrepareCustomConfig) -> None:
    """Decide which custom modules are swapped, each once (MODULES-6), and which are taken apart (MODULES-9).

    The observed module is made of one that says the qconfig of its last call.

    Raises
    ------
    RefusalError
        If there is no observed class for a module, or it refuses the module.
    """
    for quantized in own:
        node, name = quantized.match.last, str(quantized.match.last.target)
        kind = observed_class(name, called[name], quantized.ask, custom)
        if kind is None:
            continue
        if name not in result.custom:
            last = [call for call in result.qconfigs if call.op == "call_module" and call.target == name][-1]
            result.custom[name] = observed(name, called[name], kind, result.qconfigs[last])
        if isinstance(called[name], nn.LSTM):
            take_apart(result, node)


def observed(name: str, module: nn.Module, kind: Any, qconfig: QConfig | None) -> nn.Module:
    """Return the observed module for a custom one.

    Raises
    ------
    RefusalError
        If the observed class refuses.
    """
    try:
        made: nn.Module = kind.from_float(with_qconfig(module, qconfig))
    except Exception as error:  # a user's class raises what it likes
        raise RefusalError(
            f"custom module {name!r} cannot become a {kind.__module__}.{kind.__name__} ({error}); "
            "give it a qconfig that suits this class, or None"
        ) from error
    return made


def observed_class(name: str, module: nn.Module, ask: Ask, custom: PrepareCustomConfig) -> Any | None:
    """Return the class that a custom module is swapped for.

    Returns
    -------
    type or None
        None where its activations are not quantized statically: custom modules
        are for static quantization.

    Raises
    ------
    RefusalError
        If there is no class for what its qconfig asks for.
    """
    activation = ask.activation
    if activation is None or not activation.is_observed or activation.is_dynamic:
        return None
    mode = quant_type(ask)
    found = None if mode is None else custom.float_to_observed_mapping.get(mode, {}).get(type(module))
    if found is None:
        raise RefusalError(
            f"custom module {name!r} has no observed class for the dtypes that its qconfig asks for; "
            "give float_to_observed_mapping one, or the module a qconfig for static quantization"
        )
    return found


def quant_type(ask: Ask) -> QuantType | None:
    """Return the kind of quantization of statically observed activations: by the two dtypes, if they go together."""
    dtypes = [spec.dtype if spec is not None else None for spec in (ask.activation, ask.weight)]
    half = [dtype is torch.float16 for dtype in dtypes]
    if half == [True, True]:
        return QuantType.STATIC
    if half[1] or dtypes[1] not in OBSERVED_DTYPES | {torch.quint4x2}:
        return None
    return QuantType.WEIGHT_ONLY if half[0] else QuantType.STATIC


def operators(quantized: Mapping[Node, Quantized], result: Plan) -> dict[Node, Quantized]:
    """Return what is quantized without the nodes that take a part of a custom LSTM's output: these are no operators."""
    return {node: one for node, one in quantized.items() if not result.parts.get(node, (node, ()))[1]}


def take_apart(result: Plan, lstm: Node) -> None:
    """Let the parts of a custom LSTM's output be read behind dequant stubs, at each of its calls (MODULES-9)."""
    result.parts |= {part: (lstm, path) for part, path in parts(lstm).items()}


def parts(lstm: Node) -> dict[Node, Path]:
    """Return the custom LSTM and all nodes that take a part of its output, each with the part (MODULES-9)."""
    found: dict[Node, Path] = {lstm: ()}
    for node in lstm.graph.nodes:
        if node.op != "call_function" or node.target is not operator.getitem or node.args[0] not in found:
            continue
        path = (*found[node.args[0]], node.args[1])
        if path in PARTS:
            found[node] = path
    return found


def dequantize(root: nn.Module, lstm: Node) -> dict[Path, Node]:
    """Take the output of an LSTM apart, put a dequant stub on each part, and put it together again.

    Returns
    -------
    dict
        For each part, the node to read it from.
    """
    graph = lstm.graph
    with graph.inserting_after(lstm):
        output = _dequantized(root, graph.call_function(operator.getitem, (lstm, 0)))
    with graph.inserting_after(output):
        states = graph.call_function(operator.getitem, (lstm, 1))
    last: Node = states
    read: dict[Path, Node] = {(0,): output}
    for index in (0, 1):
        with graph.inserting_after(last):
            part = graph.call_function(operator.getitem, (states, index))
        read[1, index] = last = _dequantized(root, part)
    with graph.inserting_after(last):
        read[1,] = graph.call_function(tuple, ([read[1, 0], read[1, 1]],))
    with graph.inserting_after(read[1,]):
        read[()] = graph.call_function(tuple, ([output, read[1,]],))
    return read


def _dequantized(root: nn.Module, part: Node) -> Node:
    """Put a dequant stub behind a node and return the stub's."""
    number = 0
    while hasattr(root, f"dequant_stub_{number}"):
        number += 1
    root.add_module(f"dequant_stub_{number}", torch.ao.quantization.DeQuantStub())
    with part.graph.inserting_after(part):
        return part.graph.call_module(f"dequant_stub_{number}", (part,))
