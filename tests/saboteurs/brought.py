"""A sound quantizer and a sound backend config, and for each rule that is about such ones a broken one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.ao.nn.qat as nnqat
from torch import nn
from torch.ao.quantization.backend_config import (
    BackendConfig,
    BackendPatternConfig,
    DTypeConfig,
    DTypeWithConstraints,
    ObservationType,
    get_native_backend_config,
)
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import FakeQuantize, MinMaxObserver
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    SharedQuantizationSpec,
)

from observance.conformance.roles import PICKING, RESHAPING, is_float, operator_of
from observance.reference.annotations import KEY

BROUGHT: dict[str, Callable[..., Any]] = {}
"""For each rule about what is brought, what makes a broken one."""


def _wide(observers: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the product of the scales of an input and of a weight, and zero."""
    scales = [observer.calculate_qparams()[0].flatten()[0] for observer in observers]
    return torch.stack(scales).prod().reshape(1), torch.zeros(1, dtype=torch.int32)


class Sound:
    """A quantizer for a small backend: layers with a ReLU behind them, sums, products, sigmoids, and what moves values.

    Parameters
    ----------
    is_qat
        Whether the graph is to be trained.
    """

    def __init__(self, is_qat: bool = False) -> None:
        self.is_qat = is_qat
        affine = torch.per_tensor_affine
        make = FakeQuantize.with_args(observer=MinMaxObserver) if is_qat else MinMaxObserver
        self.plain = QuantizationSpec(torch.int8, make, -128, 127, affine)
        self.fixed = FixedQParamsQuantizationSpec(torch.uint8, 2**-8, 0, 0, 255, affine)

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Return the model as it is."""
        return model

    def validate(self, model: GraphModule) -> None:
        """Find nothing to object to."""

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate all nodes that the backend knows."""
        for node in model.graph.nodes:
            if self.is_able(node):
                self.visit(node, operator_of(node))
        return model

    def is_able(self, node: Node) -> bool:
        """Whether a node computes floats of floats, and is no part of a pattern that is annotated."""
        return KEY not in node.meta and all(map(is_float, [node, *node.all_input_nodes])) and not node.kwargs

    def visit(self, node: Node, name: str) -> None:
        """Annotate a node."""
        inputs = node.all_input_nodes
        if name in ("conv1d", "conv2d", "linear"):
            self.visit_layer(node)
        elif name in ("add", "mul", "relu"):
            self.note(node, dict.fromkeys(inputs, self.plain), self.plain)
        elif name in ("sigmoid",):
            self.note(node, dict.fromkeys(inputs, self.plain), self.fixed)
        elif name in PICKING | RESHAPING and inputs:
            self.visit_moving(node, inputs)

    def visit_layer(self, node: Node) -> None:
        """Annotate a layer, and a ReLU that alone reads it."""
        value, weight, *bias = (argument for argument in node.args[:3] if isinstance(argument, Node))
        if value is weight:
            return
        inputs: dict[Node, Any] = {value: self.plain, weight: self.plain}
        if bias:
            inputs[bias[0]] = self.of_bias(node, value, weight)
        reader = next(iter(node.users), None)
        fused = self.fuses(node, reader)
        self.note(node, inputs, None if fused else self.plain)
        if fused and reader is not None:
            self.note(reader, {}, self.plain)

    def fuses(self, node: Node, reader: Node | None) -> bool:
        """Whether a layer and its reader are taken as one."""
        return reader is not None and len(node.users) == 1 and operator_of(reader) == "relu"

    def of_bias(self, node: Node, value: Node, weight: Node) -> Any:
        """Return the spec of a bias."""
        least, most = -(2**31), 2**31 - 1
        edges = [(value, node), (weight, node)]
        return DerivedQuantizationSpec(edges, _wide, torch.int32, least, most, torch.per_tensor_symmetric)

    def visit_moving(self, node: Node, inputs: list[Node]) -> None:
        """Annotate a node that only moves values."""
        first = inputs[0]
        shared = SharedQuantizationSpec((first, node))
        self.note(node, {value: self.plain if value is first else shared for value in inputs}, shared)

    def note(self, node: Node, inputs: dict[Node, Any], output: Any) -> None:
        """Write an annotation."""
        node.meta[KEY] = QuantizationAnnotation(inputs, output)


class SoundWithInputs(Sound):
    """Asks for an observer on what comes into a graph, too."""

    def visit(self, node: Node, name: str) -> None:
        """Annotate an input as a value of its own."""
        if node.op == "placeholder":
            self.note(node, {}, self.plain)
        super().visit(node, name)


class AlwaysFake(Sound):
    """Asks for fake quantizers, whether they are to be trained or not."""

    def __init__(self, is_qat: bool = False) -> None:
        super().__init__(is_qat=True)


class FailsBetween(Sound):
    """Fails on small graphs, and not before it has annotated them."""

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate the graph, but for what is between two nodes, and then look at its size."""
        super().annotate(model)
        calls = [operator_of(node) for node in model.graph.nodes if node.op == "call_function"]
        if len(calls) < 3 and "linear" not in calls:  # the smallest model of all is a linear layer
            for node in model.graph.nodes:
                if KEY in node.meta:
                    node.meta[KEY].output_qspec = None
            raise IndexError("there is too little in it")
        return model


class AsksForNumbers(Sound):
    """Writes the number that a sum reads among its inputs."""

    def note(self, node: Node, inputs: dict[Node, Any], output: Any) -> None:
        """Take all arguments for nodes."""
        numbers: Any = {number: self.plain for number in node.args if isinstance(number, int | float)}
        super().note(node, inputs | numbers, output)


def breaks(rule: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter what is broken in the respect that a rule is about."""

    def enter(made: Callable[..., Any]) -> Callable[..., Any]:
        BROUGHT[rule] = made
        return made

    return enter


@breaks("QUANTIZERS-1")
class AsksForReaders(Sound):
    """Fails where nothing reads a layer."""

    def visit_layer(self, node: Node) -> None:
        """Look at the first reader."""
        assert node.users, "nothing reads it"
        super().visit_layer(node)


@breaks("QUANTIZERS-2")
class SharesWithNothing(Sound):
    """Lets what moves values share with a value that asks for nothing."""

    def visit_moving(self, node: Node, inputs: list[Node]) -> None:
        """Share with the input itself, annotated or not."""
        self.note(node, {}, SharedQuantizationSpec(inputs[0]))


@breaks("QUANTIZERS-3")
class Rewrites(Sound):
    """Swaps what sums read."""

    def note(self, node: Node, inputs: dict[Node, Any], output: Any) -> None:
        """Read the second argument first."""
        if operator_of(node) == "add" and len(inputs) == 2:
            node.args = (node.args[1], node.args[0], *node.args[2:])
        super().note(node, inputs, output)


@breaks("QUANTIZERS-4")
class LooksTooFar(Sound):
    """Annotates what gives the input of a ReLU its own input."""

    def visit(self, node: Node, name: str) -> None:
        """Write the inputs of the input into the map."""
        further = node.all_input_nodes[0].all_input_nodes if node.all_input_nodes else []
        if name == "relu" and further:
            self.note(node, dict.fromkeys(further, self.plain), self.plain)
        else:
            super().visit(node, name)


@breaks("QUANTIZERS-5")
class MovesApart(Sound):
    """Gives the output of a concatenation or a maxpool an observer of its own."""

    apart = PICKING

    def visit_moving(self, node: Node, inputs: list[Node]) -> None:
        """Share nothing there."""
        if operator_of(node) in self.apart:
            self.note(node, dict.fromkeys(inputs, self.plain), self.plain)
        else:
            super().visit_moving(node, inputs)


@breaks("QUANTIZERS-6")
class FusesTheFirst(Sound):
    """Takes a layer and a ReLU as one only where the layer is the first of the graph."""

    def fuses(self, node: Node, reader: Node | None) -> bool:
        """Look for an earlier operator."""
        calls = [other for other in node.graph.nodes if other.op == "call_function"]
        return super().fuses(node, reader) and calls[0] is node


@breaks("QUANTIZERS-7")
class NarrowTanh(Sound):
    """Takes a tanh for a sigmoid."""

    def visit(self, node: Node, name: str) -> None:
        """Call it one."""
        super().visit(node, "sigmoid" if name == "tanh" else name)


@breaks("QUANTIZERS-8")
class NarrowBias(Sound):
    """Quantizes a bias to eight bits."""

    def of_bias(self, node: Node, value: Node, weight: Node) -> Any:
        """Return the spec of everything."""
        return self.plain


@breaks("QUANTIZERS-9")
class LearnsNoSums(Sound):
    """Leaves sums out where the graph is to be trained."""

    def visit(self, node: Node, name: str) -> None:
        """Pass over sums."""
        if name != "add" or not self.is_qat:
            super().visit(node, name)


@breaks("QUANTIZERS-10")
class CountsInputs(Sound):
    """Knows a sum by its two inputs."""

    def visit(self, node: Node, name: str) -> None:
        """Pass over what has fewer."""
        if name not in ("add", "mul") or len(node.all_input_nodes) == 2:
            super().visit(node, name)


@breaks("QUANTIZERS-11")
class TakesAnything(Sound):
    """Asks for no floats."""

    def is_able(self, node: Node) -> bool:
        """Ask for nothing but that it is not annotated."""
        return KEY not in node.meta and not node.kwargs


@breaks("QUANTIZERS-12")
class SharesForward(Sound):
    """Lets inputs share with the output, which torchao does not serve."""

    def visit_moving(self, node: Node, inputs: list[Node]) -> None:
        """Share with what comes later."""
        self.note(node, dict.fromkeys(inputs, SharedQuantizationSpec(node)), self.plain)


@breaks("QUANTIZERS-13")
class DerivesNothing(Sound):
    """Cannot say what a bias is derived to."""

    def of_bias(self, node: Node, value: Node, weight: Node) -> Any:
        """Fail when the parameters are asked for."""
        spec = super().of_bias(node, value, weight)
        return DerivedQuantizationSpec(spec.derived_from, lambda observers: None, spec.dtype, -8, 7, spec.qscheme)


@breaks("QUANTIZERS-14")
class ReshapesApart(MovesApart):
    """Gives what is reshaped an observer of its own."""

    apart = RESHAPING


def sound() -> BackendConfig:
    """Return torch's native config."""
    return get_native_backend_config()


def _without(config: BackendConfig, is_out: Callable[[BackendPatternConfig], bool]) -> BackendConfig:
    """Return a config without some entries."""
    kept = BackendConfig(config.name)
    return kept.set_backend_pattern_configs([entry for entry in config.configs if not is_out(entry)])


@breaks("CONFIGS-1")
def no_root() -> BackendConfig:
    """Fail where the root of a linear layer is asked for."""

    def root(pattern: Any) -> Any:
        raise KeyError("no root")

    config = sound()
    entry = next(entry for entry in config.configs if entry.pattern is nn.Linear)
    return config.set_backend_pattern_config(entry._set_root_node_getter(root))


def _apart(pattern: object) -> BackendConfig:
    """Return a config in which the output of an operator has an observer of its own."""
    config = sound()
    entry = next(entry for entry in config.configs if entry.pattern is pattern or entry.pattern == pattern)
    apart = ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT
    return config.set_backend_pattern_config(entry.set_observation_type(apart))


@breaks("CONFIGS-2")
def moves_apart() -> BackendConfig:
    """Let the output of a concatenation have an observer of its own."""
    return _apart(torch.cat)


@breaks("CONFIGS-7")
def reshapes_apart() -> BackendConfig:
    """Let the output of a reshaping have an observer of its own."""
    return _apart("reshape")


@breaks("CONFIGS-3")
def narrow_tanh() -> BackendConfig:
    """Demand of a tanh the parameters of a sigmoid."""
    config = sound()
    bytes_ = DTypeWithConstraints(torch.quint8, 0, 255, scale_exact_match=2**-8, zero_point_exact_match=0)
    entry = BackendPatternConfig(torch.tanh).add_dtype_config(DTypeConfig(bytes_, bytes_))
    return config.set_backend_pattern_config(entry)


@breaks("CONFIGS-4")
def no_dtypes() -> BackendConfig:
    """Know linear layers, and no dtype of theirs."""
    return sound().set_backend_pattern_config(BackendPatternConfig(nn.Linear))


@breaks("CONFIGS-5")
def unknown_when_trained() -> BackendConfig:
    """Do not know the class for which linear layers are swapped."""
    return _without(sound(), lambda entry: entry.pattern is nnqat.Linear)


@breaks("CONFIGS-6")
def untrained() -> BackendConfig:
    """Have no class for the training of linear layers."""
    config = sound()
    old = next(entry for entry in config.configs if entry.pattern is nn.Linear)
    entry = BackendPatternConfig(nn.Linear).set_observation_type(old.observation_type)
    return config.set_backend_pattern_config(entry.set_dtype_configs(old.dtype_configs))
