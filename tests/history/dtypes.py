"""What was reported of the chapter *dtypes*: observers on what is no float tensor, and on weights and biases."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from torch.fx import Graph, Node

from observance.conformance.variants import Change
from observance.reference import dtypes
from observance.reference.graphs import Operand, name_of
from observance.reference.plan import Slot
from observance.reference.values import Kind
from observance.strategies.case import Backend, Declared, DTypes, Pattern

from .models import everywhere, model, observing, op
from .registry import Decision, enter, reported


def _float(*names: str) -> Decision:
    """Return a choice of kinds that takes what some operators give for float tensors."""

    def takes_for_tensors(original: Decision, node: Node, modules: Any, shapes: Any) -> Any:
        """Take what an operator gives for a float tensor."""
        return Kind.FLOAT if name_of(node.target) in names else original(node, modules, shapes)

    return takes_for_tensors


def _knows_no_place(original: Decision, operand: Operand) -> bool:
    """Know no argument that is a mask, a size or a number by its place."""
    return False


def _knows_no_inputs(original: Decision, value: Any) -> Kind:
    """Take every tensor that is an input for one of floats."""
    return Kind.FLOAT


_FILLING = Backend((Pattern((".masked_fill",), "OUTPUT_SHARE_OBSERVER_WITH_INPUT", (DTypes(),)),))

enter(
    53120,
    2021,
    "The number of a tensor's dimensions was observed where arithmetic read it, and calibration failed.",
    "DTYPES-1",
    model(op("dim", -1), op("torch_add_size", -1, 0)),
    Change("values.of_call", _float("dim")),
    still="integers-observed",
)

enter(
    55529,
    2021,
    "A shape was taken for a tensor, so arithmetic on its items was observed.",
    "DTYPES-1",
    model(op("shape", -1), op("shape_item", 0), op("size_mul", 1)),
    Change("values.of_call", _float("getattr")),
)

enter(
    73006,
    2022,
    "A size that is computed, and not written in the code, was observed on its way into view.",
    "DTYPES-1",
    model(op("sizes", -1), op("view_as_size", -1, 0)),
    Change("values.of_call", _float("size")),
    Change("dtypes.is_never_tensor", _knows_no_place),
)

enter(
    57375,
    2021,
    "The bool mask of masked_fill was observed like any tensor.",
    "DTYPES-1",
    model(op("masked_fill", -1, -2), inputs="tb", backend=_FILLING),
    Change("values.of_tensor", _knows_no_inputs),
    Change("dtypes.is_never_tensor", _knows_no_place),
)


def _does_not_travel(original: Decision, graph: Graph, passes_on: Collection[Node]) -> Any:
    """Know a mask where it is read as one, and not where it comes from."""
    return original(graph, ())


enter(
    73274,
    2022,
    "A mask was known where masked_fill reads it, but observed in front of the view that it comes from.",
    "DTYPES-1",
    model(op("view_method_bb", -2), op("masked_fill", -1, 0), inputs="tb"),
    Change("values.of_tensor", _knows_no_inputs),
    Change("dtypes.never_observed", _does_not_travel),
)

enter(
    76496,
    2022,
    "Nothing told prepare which of the model's inputs are float tensors: integers and bools were observed.",
    "DTYPES-1",
    model(op("mask_cat", (-1, -2)), inputs="bb"),
    Change("values.of_tensor", _knows_no_inputs),
    still="integers-observed",
)


def _travels_through(*names: str) -> Decision:
    """Return a search for masks and sizes that goes through operators which only ask a tensor for its size."""

    def goes_too_far(original: Decision, graph: Graph, passes_on: Collection[Node]) -> Any:
        """Take a tensor for a size because its size is read as one."""
        return original(graph, {*passes_on, *(node for node in graph.nodes if name_of(node.target) in names)})

    return goes_too_far


enter(
    83658,
    2022,
    "A layer whose output is viewed in its own size was left float: the size's dtype was handed on to the layer.",
    "PLACEMENT-1 PLACEMENT-4",
    model(op("linear", -1), op("sizes", 0), op("view_as_size", 0, 1)),
    Change("dtypes.never_observed", _travels_through("size")),
)

enter(
    90001,
    2022,
    "A layer whose output is viewed in its own shape was left float, as one whose output is viewed in its own size.",
    "PLACEMENT-1 PLACEMENT-4",
    model(op("linear", -1), op("shape", 0), op("view_as_size", 0, 1)),
    Change("dtypes.never_observed", _travels_through("getattr")),
)

enter(
    55710,
    2021,
    "An operator that passes values on was observed behind a function that gives no tensor.",
    "DTYPES-1",
    model(op("sizes", -1), op("shape_item", 0), op("size_mul", 1)),
    Change("values.of_call", _float("getitem")),
)


@reported(
    53026,
    2021,
    "Multi-head attention returns a tuple, which an observer cannot take.",
    "DTYPES-1",
    model(op("attention", -1, -1), op("attention_output", 0), declared=(Declared("custom", "nn.MultiheadAttention"),)),
    "values.of_call",
    still="integers-observed",
)
def takes_modules_for_tensors(original: Decision, node: Node, modules: Any, shapes: Any) -> Any:
    """Believe that every module gives one float tensor."""
    return Kind.FLOAT if node.op == "call_module" else original(node, modules, shapes)


@reported(
    85345,
    2022,
    "A dynamic observer said that its dtype was float, which is what stands around the operator, not what it asks for.",
    "DTYPES-8",
    model(op("linear", -1), qconfigs="default_dynamic_qconfig"),
    "dtypes.spec_of",
)
def dynamic_is_float(original: Decision, constructor: Any) -> Any:
    """Let what is observed dynamically count as float."""
    spec = original(constructor)
    return dataclasses.replace(spec, dtype=dtypes.FLOAT) if spec is not None and spec.is_dynamic else spec


@reported(
    4525,
    2026,
    "Where weights alone are quantized, an operator's output had an observer that nobody asked for.",
    "DTYPES-9",
    model(op("embedding", -1), inputs="i", qconfigs="float_qparams_weight_only_qconfig"),
    "placement.place_output",
    repository="pytorch/ao",
)
def observes_float_outputs(original: Decision, site: Any, quantized: Any) -> None:
    """Observe an output whatever dtype it is to have."""
    original(site, quantized)
    spec, last = quantized.ask.activation, quantized.match.last
    if spec is not None and not spec.is_observed:
        site.outputs[last] = Slot(last, None, spec, "", "the fault")
        site.plan.slots.append(site.outputs[last])


@reported(
    59882,
    2021,
    "The weight and the bias of functional norms were observed like activations.",
    "DTYPES-4 DTYPES-5",
    model(op("F_layer_norm", -1), qconfigs=everywhere(observing("default_observer", "default_placeholder_observer"))),
    "dtypes.spec_for",
)
def norms_have_activations_alone(original: Decision, operand: Operand, ask: Any, positions: Any) -> Any:
    """Take whatever a norm reads for an activation."""
    return ask.activation if operand.node.target in dtypes.NORMS else original(operand, ask, positions)


@reported(
    78117,
    2022,
    "What a function is given by keyword was not looked at: the weight of F.linear had no observer.",
    "DTYPES-3 PLACEMENT-6",
    model(op("F_linear", -1, spelling="keyword")),
    "placement.operands",
)
def sees_no_keywords(original: Decision, node: Node) -> list[Operand]:
    """Overlook what is passed by keyword."""
    return [operand for operand in original(node) if isinstance(operand.keys[0], int)]


@reported(
    87686,
    2022,
    "A function that is called with keywords alone has no first argument, and could not be quantized.",
    "ENTRY-1",
    model(op("F_linear", -1, spelling="keyword")),
    "placement.place_around",
)
def wants_a_first_argument(original: Decision, site: Any, node: Node, quantized: Any) -> None:
    """Look for the input among positional arguments, and fail where there is none."""
    assert isinstance(node.args[0], Node)
    original(site, node, quantized)
