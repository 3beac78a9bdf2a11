"""The calls that are measured: one architecture at one depth, traced once, and new arguments for every call."""

from __future__ import annotations

import copy
import importlib.metadata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import floor
import torch
from models import Architecture
from names import ANNOTATIONS, FLOOR, QCONFIGS, REFERENCE, UPSTREAM
from torch import Tensor, nn
from torch.ao import quantization as tq
from torch.ao.quantization.fx.fuse import fuse
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.fx import GraphModule, Interpreter, Node

from observance.conformance.implementations import resolve
from observance.reference import plan
from observance.reference.annotations import plan as plan_of_annotated
from observance.reference.entry import read_configs

_PROFILES = {QCONFIGS: "", ANNOTATIONS: "annotations-pt2e"}


@dataclass(frozen=True)
class Template:
    """A traced model from which the arguments of each call are made: copies, for upstream changes what it is given.

    Attributes
    ----------
    path
        What says which values are observed.
    model, scopes
        The traced model, and where its nodes stand in the float model.
    example
        Makes an input of it.
    """

    path: str
    model: GraphModule
    scopes: dict[str, Any]
    example: Callable[[], Tensor]

    @property
    def nodes(self) -> int:
        """How many nodes the graph has, the output among them."""
        return len(self.model.graph.nodes)

    def arguments(self) -> tuple[Any, ...]:
        """Return new arguments for a call of `prepare`."""
        model = copy.deepcopy(self.model)
        if self.path == ANNOTATIONS:
            annotate(model)
            return model, dict(self.scopes), False
        return model, mapping(), False, dict(self.scopes), (self.example(),)

    def recipe(self) -> floor.Recipe:
        """Return what the floor is told: what the reference decides."""
        if self.path == ANNOTATIONS:
            annotate(self.model)
            return floor.recipe(self.model.graph, plan_of_annotated(self.model, False))
        configs = read_configs(mapping(), None, None)
        return floor.recipe(self.model.graph, plan(self.model, configs, self.scopes, (self.example(),)))

    def contestants(self) -> dict[str, Callable[..., GraphModule]]:
        """Return what is measured, by name; each takes what `arguments` returns. What is not installed is left out."""
        recipe = self.recipe()
        found = {REFERENCE: resolve(REFERENCE, _PROFILES[self.path]).function}
        if upstream(self.path):
            found[UPSTREAM[self.path]] = resolve(UPSTREAM[self.path]).function
        return found | {FLOOR: lambda model, *_: floor.build(model, recipe)}


def upstream(path: str) -> str:
    """Return the release of what the reference is measured against; nothing if it is not installed."""
    try:
        return importlib.metadata.version(UPSTREAM[path])
    except importlib.metadata.PackageNotFoundError:
        return ""


def template(architecture: Architecture, depth: int, path: str = QCONFIGS) -> Template:
    """Trace a model and fuse what is fused, as `prepare_fx` does; store what each node gives where that is read."""
    torch.manual_seed(0)
    float_model = architecture.make(depth).eval()
    tracer = QuantizationTracer([], [])
    tracer.record_stack_traces = False  # nobody here reads them
    model = GraphModule(float_model, tracer.trace(float_model))
    if architecture.is_fused:
        model = fuse(model, False)
    if path == ANNOTATIONS:
        _store_values(model, architecture.example())
    return Template(path, model, dict(tracer.node_name_to_scope), architecture.example)


def depth_for(architecture: Architecture, nodes: int) -> int:
    """Return the depth at which a model has about as many nodes; at least one."""
    small, large = (template(architecture, depth).nodes for depth in (2, 4))
    return max(1, round(2 + 2 * (nodes - small) / (large - small)))


def mapping() -> tq.QConfigMapping:
    """Return torch's default qconfigs for servers, and those that its documentation has for what they do not serve."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has doubts about some of its own default qconfigs
        default = tq.get_default_qconfig_mapping("x86")
    default.set_object_type(nn.Embedding, tq.float_qparams_weight_only_qconfig)
    return default.set_object_type(nn.LSTM, tq.default_dynamic_qconfig)


def annotate(model: GraphModule) -> None:
    """Write on each node that calls something and gives a tensor how it is quantized, as a quantizer does.

    What computes has observers on its inputs and its output. What only moves values shares one observer with its
    first input.
    """
    from torchao.quantization.pt2e.observer import HistogramObserver
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, SharedQuantizationSpec

    spec = QuantizationSpec(torch.uint8, HistogramObserver, 0, 255, torch.per_tensor_affine)
    for node in model.graph.nodes:
        read = [value for value in node.all_input_nodes if _is_float(value)]
        if node.op in ("placeholder", "get_attr", "output") or not read or not _is_float(node):
            continue
        inputs, output = dict.fromkeys(read, spec), spec
        if _only_moves(model, node):
            output = SharedQuantizationSpec((read[0], node))
            inputs |= dict.fromkeys(read[1:], output)
        # What keywords read cannot be annotated.
        by_keyword = {value for value in node.kwargs.values() if isinstance(value, Node)}
        inputs = {value: one for value, one in inputs.items() if value not in by_keyword}
        node.meta["quantization_annotation"] = QuantizationAnnotation(inputs, output, _annotated=True)


_MOVING_MODULES = (nn.MaxPool2d, nn.Dropout, nn.Identity, nn.AdaptiveAvgPool2d)
_MOVING = frozenset(
    {torch.cat, torch.flatten, "flatten", "reshape", "view", "permute", "transpose", "expand", "contiguous"}
)


def _only_moves(model: GraphModule, node: Node) -> bool:
    """Whether a node gives what it takes, in another order or shape, or hardly changed."""
    if node.op == "call_module":
        return isinstance(model.get_submodule(str(node.target)), _MOVING_MODULES)
    return node.target in _MOVING


def _is_float(node: Node) -> bool:
    """Whether a node gives a tensor of floats."""
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.dtype == torch.float32


def _store_values(model: GraphModule, example: Tensor) -> None:
    """Store in each node what it gives, tensors as fake ones, as export does: torchao looks at it."""
    from torch._subclasses import FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True)

    class Recorder(Interpreter):
        def run_node(self, n: Node) -> Any:
            value = super().run_node(n)
            n.meta["val"] = mode.from_tensor(value) if isinstance(value, Tensor) else value
            return value

    with torch.no_grad():
        Recorder(model).run(example)
