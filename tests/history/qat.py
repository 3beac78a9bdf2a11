"""What was reported of the chapter *qat*: modules that were swapped for training, or were not, against the mapping."""

from __future__ import annotations

from typing import Any

import torch.ao.nn.intrinsic as nni
from torch import nn

from observance.reference import qat
from observance.reference.patterns import operator_of
from observance.strategies.case import Declared

from .models import by_type, model, op
from .registry import Decision, reported


@reported(
    60555,
    2021,
    "A module that was swapped for training was looked up by its new type, for which the mapping has no qconfig.",
    "QAT-10",
    model(op("linear", -1), qconfigs=by_type(("nn.Linear", "default_qat_qconfig")), is_qat=True),
    "prepare.select",
)
def looks_again_after_swapping(original: Decision, result: Any, match: Any, assigned: Any, *rest: Any) -> Any:
    """Give what is swapped no qconfig, as its new type is in no mapping."""
    lost = {node: None for node in match.nodes if node.op == "call_module" and node.target in result.swapped}
    return original(result, match, {**assigned, **lost}, *rest)


@reported(
    71328,
    2022,
    "Fused modules were swapped for training before their types had a qconfig, and so they were not swapped.",
    "QAT-1",
    model(
        op("fused_LinearReLU", -1),
        qconfigs=by_type(("nn.Linear", "default_qat_qconfig"), ("nn.ReLU", "default_qat_qconfig")),
        is_qat=True,
    ),
    "qat.swaps",
)
def swaps_no_fused_modules(original: Decision, graph: Any, modules: Any, assigned: Any, configs: Any) -> Any:
    """Swap modules by a mapping that does not know fused types."""
    known = configs.qconfigs.object_type_qconfigs
    plain = {node: q for node, q in assigned.items() if node.op != "call_module" or operator_of(node, modules) in known}
    return original(graph, modules, plain, configs)


def _without(kind: type) -> Decision:
    """Return the classes for training without that of one type."""

    def classes(original: Decision, backend: Any) -> Any:
        """Have no class for training for a type."""
        return {given: made for given, made in original(backend).items() if given is not kind}

    return classes


@reported(
    68296,
    2021,
    "Embeddings were not swapped when a model was prepared for training.",
    "QAT-1",
    model(op("embedding", -1), inputs="i", qconfigs="default_embedding_qat_qconfig", is_qat=True),
    "qat.training_classes",
)
def trains_no_embeddings(original: Decision, backend: Any) -> Any:
    """Have no class for training for embeddings."""
    return _without(nn.Embedding)(original, backend)


@reported(
    66483,
    2021,
    "A linear layer that is fused with batch norm was not swapped when a model was prepared for training.",
    "QAT-1",
    model(op("fused_LinearBn1d", -1), qconfigs="default_qat_qconfig", is_qat=True),
    "qat.training_classes",
)
def trains_no_linear_with_batch_norm(original: Decision, backend: Any) -> Any:
    """Have no class for training for linear layers with batch norm."""
    return _without(nni.LinearBn1d)(original, backend)


@reported(
    74240,
    2022,
    "What is inside of a module that is not to be traced was swapped for training all the same.",
    "MODULES-12",
    model(
        op("linear", -1, scope="a"),
        qconfigs="default_qat_qconfig",
        declared=(Declared("non_traceable", "a"),),
        is_qat=True,
    ),
    "qat.swaps",
)
def swaps_all_that_is_there(original: Decision, graph: Any, modules: Any, assigned: Any, configs: Any) -> Any:
    """Swap every module of the model, whether the graph calls it or not."""
    found, classes = original(graph, modules, assigned, configs), qat.training_classes(configs.backend)
    for name, module in modules.items():
        kind, qconfig = classes.get(type(module)), configs.qconfigs.global_qconfig
        if configs.is_qat and kind is not None and name not in found:
            found[name] = qat.swapped(name, module, qconfig, kind)
    return found


@reported(
    99858,
    2023,
    "Preparing for training failed where an operator has None among its arguments.",
    "ENTRY-1",
    model(op("F_instance_norm", -1), inputs="u", qconfigs="default_qat_qconfig", is_qat=True),
    "qat.swaps",
)
def takes_arguments_for_nodes(original: Decision, graph: Any, modules: Any, assigned: Any, configs: Any) -> Any:
    """Ask every argument but numbers what it calls."""
    for node in graph.nodes:
        for argument in (*node.args, *node.kwargs.values()) if configs.is_qat and node.op == "call_function" else ():
            assert isinstance(argument, (int, float)) or argument.target
    return original(graph, modules, assigned, configs)
