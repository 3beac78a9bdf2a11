"""What torch's `prepare` makes of annotations in a model with qconfigs; releases from 2.7 on refuse them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from observance.conformance.variants import Change
from observance.reference import annotated
from observance.reference.annotations import KEY
from observance.reference.graphs import Operand, operands, output_of
from observance.reference.qspecs import kind_of
from observance.reference.site import Quantized, Site
from observance.reference.specs import Spec

from . import torch_annotations_places as places
from . import torch_annotations_values as values
from .register import Deviation
from .torch_annotations_places import origins
from .torch_sharing import leave_half_way
from .torchao import gives_none, knows_channels_by_name

Decision = Callable[..., Any]


def _fails_when_met(original: Decision, asked: Any, is_qat: bool) -> Spec:
    """Find out that a spec constructs nothing when its place is met, and not before."""
    try:
        found: Spec = original(asked, is_qat)
    except Exception as error:  # whatever a constructor raises
        reason = error

        def fail() -> Any:
            raise reason

        return Spec(None, False, (("class", type(reason).__name__),), fail, nn.Module())
    return found


def _construct(site: Site, spec: Any) -> None:
    """Construct what a spec asks for, which may fail."""
    if kind_of(spec) in ("plain", "fixed"):
        annotated.spec_of(spec, site.is_qat).make()


def _constructs_inputs(original: Decision, site: Site, operand: Operand, quantized: Quantized) -> None:
    """Construct the observer of an annotated input, and that of the value that is read, when the reader is met."""
    if annotated.is_annotated(site, operand.node):
        _construct(site, operand.node.meta[KEY].input_qspec_map.get(operand.value))
    if KEY in operand.value.meta:
        _construct(site, operand.value.meta[KEY].output_qspec)
    original(site, operand, quantized)


def _constructs_outputs(original: Decision, site: Site, quantized: Quantized) -> None:
    """Construct the observer of an annotated output when its node is met."""
    if annotated.is_annotated(site, quantized.match.last):
        _construct(site, quantized.match.last.meta[KEY].output_qspec)
    original(site, quantized)


def _constructs_returned(original: Decision, site: Site) -> None:
    """Construct the observers of annotated values that are returned."""
    original(site)
    for operand in operands(output_of(site.graph)):
        if KEY in operand.value.meta:
            _construct(site, operand.value.meta[KEY].output_qspec)


def _reads_a_missing_flag(original: Decision, site: Site, operand: Operand, quantized: Quantized) -> None:
    """Read an attribute that annotations do not have, unless somebody has set it."""
    if annotated.is_annotated(site, operand.node):
        operand.node.meta[KEY]._reuse_input_obs_or_fq  # noqa: B018 - it raises
    original(site, operand, quantized)


def _refuses_half_way(original: Decision, site: Site) -> None:
    """Leave the observers that are placed already in the caller's model when the next one is refused."""
    try:
        original(site)
    except Exception:  # whatever is raised by what cannot be served
        model: Any = site.graph.owning_module
        for name, module in site.plan.swapped.items():
            path, _, field = name.rpartition(".")
            setattr(model.get_submodule(path), field, module)
        leave_half_way(site)
        for number, slot in enumerate(set(origins(site).values()).difference(site.plan.slots)):
            model.add_submodule(f"taken_away_{number}", slot.spec.make())
        raise


_LAST = "2.6"
_SHARED = "SharedQuantizationSpec: the edge or node to share observer or fake quant instances with"

ENTRIES = (
    # What fails at an input, last first: torch reads the flag, then what the input asks for, then what the value does.
    Deviation(
        "annotated-outputs-believed",
        ("ANNOTATIONS-1", "ANNOTATIONS-13"),
        "_get_output_act_obs_or_fq takes a value for what its annotation asks for though nothing observes it: readers "
        "of a graph input, or of an operator that stays float, go without an observer",
        "insert_observers_for_model: if any argument's target dtype does not match, insert an observer",
        values.BELIEVED,
        last=_LAST,
    ),
    Deviation(
        "annotated-open-settings-override",
        ("ANNOTATIONS-11",),
        "what a spec leaves open is passed as None over what its constructor has, so a qscheme that this was given "
        "is lost, and most observers refuse None",
        "QuantizationSpec: qscheme: Optional[torch.qscheme] = None; 'we can attach some custom args'",
        (
            Change("qspecs.given", gives_none),
            Change("annotated.spec_of", _fails_when_met),
            Change("placement.place_input", _constructs_inputs),
            Change("placement.place_output", _constructs_outputs),
            Change("placement.place", _constructs_returned),
        ),
        last=_LAST,
    ),
    Deviation(
        "annotated-models-look-back-alone",
        ("ANNOTATIONS-11",),
        "_create_obs_or_fq_from_qspec looks observers up when a node is met: one that shares with, or is derived from, "
        "a place that comes later in the graph fails",
        _SHARED,
        places.LOOKS_BACK,
        last=_LAST,
    ),
    Deviation(
        "observed-values-have-no-edges",
        ("ANNOTATIONS-11",),
        "obs_or_fq_map has an edge under the node that is read: where the value is observed for all its readers that "
        "is the observer's, which no annotation can name, and what shares with the edge fails",
        "EdgeOrNode: an input edge is the connection between input node and the node consuming the input",
        places.EDGES_BY_NODES,
        last=_LAST,
    ),
    Deviation(
        "replaced-observers-shared",
        ("ANNOTATIONS-4", "ANNOTATIONS-13"),
        "obs_or_fq_map keeps the observer that a place was given first: where an operator shares with its inputs, or "
        "an output observer is taken away, what shares with that place gets an object that nobody else has",
        _SHARED,
        places.FIRST_OBSERVERS,
        last=_LAST,
    ),
    Deviation(
        "shared-edges-merged",
        ("ANNOTATIONS-4", "ANNOTATIONS-13"),
        "an observer of the same class and dtype that is on the value already is taken for the one that an edge shares",
        _SHARED,
        places.WHAT_IS_THERE,
        last=_LAST,
    ),
    Deviation(
        "shared-observers-believed-as-asked",
        ("ANNOTATIONS-13",),
        "_get_output_act_obs_or_fq takes the output of an operator that shares with its inputs for what its qconfig "
        "asks for, though what it shares, which an annotation asked for, has another dtype",
        "insert_observers_for_model: if any argument's target dtype does not match, insert an observer",
        values.AS_ASKED,
        last=_LAST,
    ),
    Deviation(
        "annotated-float-outputs-never-observed",
        ("ANNOTATIONS-1", "ANNOTATIONS-13"),
        "a value whose annotation has no output_qspec has the dtype None, as what is no tensor: its readers go without "
        "an observer, or fail if they are quantized dynamically",
        "_needs_obs_or_fq: we will treat 'not specified' as torch.float",
        values.NEVER_OBSERVED,
        last=_LAST,
    ),
    Deviation(
        "annotated-returns-observed-by-qconfig",
        ("ANNOTATIONS-13", "ANNOTATIONS-17"),
        "_maybe_insert_observers_before_graph_output holds what a returned value is annotated with against the dtype "
        "of its qconfig, and observes it by the qconfig where the two differ and nothing observes it yet",
        "QuantizationAnnotation: how output should be quantized, expressed as QuantizationSpec",
        values.RETURNED,
        last=_LAST,
    ),
    Deviation(
        "annotated-sizes-observed",
        ("ANNOTATIONS-13", "ANNOTATIONS-19"),
        "what is annotated with an output counts as a float tensor, though it is a size or a mask",
        "QuantizationSpecBase: how to quantize a Tensor",
        values.SIZES,
        last=_LAST,
    ),
    Deviation(
        "annotated-axis-of-fake-quantizers-lost",
        ("ANNOTATIONS-1", "ANNOTATIONS-2", "ANNOTATIONS-10", "ANNOTATIONS-13"),
        "the axis is passed on if the name of the class has PerChannel in it, so a fake quantizer with an observer "
        "of channels looks along axis 0 whatever the spec says",
        "QuantizationSpec.ch_axis: how to quantize a tensor",
        (Change("qspecs.looks_at_channels", knows_channels_by_name),),
        last=_LAST,
    ),
    Deviation(
        "annotations-without-a-flag-fail",
        ("ANNOTATIONS-11",),
        "prepare reads _reuse_input_obs_or_fq from an annotation, and torch's own QuantizationAnnotation has no such "
        "field: every annotated operator that is quantized fails with an AttributeError, unless who annotates sets it",
        "QuantizationAnnotation: its fields are input_qspec_map, output_qspec, allow_implicit_sharing and _annotated",
        (Change("placement.place_input", _reads_a_missing_flag),),
        last=_LAST,
    ),
    Deviation(
        "annotated-models-refused-half-way",
        ("ANNOTATIONS-14",),
        "what cannot be served is refused when its node is met, with the observers of all nodes before it in the "
        "caller's model",
        "prepare: a call that raises has returned nothing",
        (Change("placement.place", _refuses_half_way),),
        last=_LAST,
    ),
)
"""What torch's `prepare` does otherwise with annotated models."""
