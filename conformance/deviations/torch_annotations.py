"""What torch's `prepare` makes of annotations in a model with qconfigs; releases from 2.7 on refuse them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.ao.quantization import PlaceholderObserver
from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference import annotated
from observance.reference.annotations import KEY, Place, words
from observance.reference.entry import RefusalError
from observance.reference.graphs import Operand, operands, output_of
from observance.reference.plan import Slot
from observance.reference.qspecs import kind_of
from observance.reference.site import Quantized, Site
from observance.reference.specs import OBSERVED_DTYPES, Spec, spec_of

from .register import Deviation
from .torchao import gives_none, knows_channels_by_name

Decision = Callable[..., Any]


# What annotations name, as far as it is there when it is looked up.


def _observer_at(site: Site, where: Place) -> Slot | None:
    """Return the observer that a place has got so far, whether an annotation names it or not."""
    if where in site.notes.slots or isinstance(where, Node):
        return site.notes.slots.get(where) or site.outputs.get(where)
    value, reader = where
    found = [site.plan.read_at(operand) for operand in operands(reader) if operand.value is value]
    return next((slot for slot in found if slot is not None and slot is not site.outputs.get(value)), None)


def _look_up(site: Site, spec: Any) -> None:
    """Fail unless all places that a spec names have their observers already."""
    failure = KeyError if kind_of(spec) == "derived" else AssertionError
    for other in annotated.named_by(spec):
        try:
            found = _observer_at(site, other) or annotated.slot_at(site, other)
            annotated.slot_at(site, other) if other in site.notes.slots else found
        except (RefusalError, AssertionError):
            raise failure(f"{words(other)} has no observer yet") from None


def _resolves_what_can_be(original: Decision, asked: Mapping[Place, Any]) -> dict[Place, Any]:
    """Find the spec behind each place, where there is one, and refuse nothing before it is looked up."""
    found: dict[Place, Any] = {}
    for where in asked:
        way, here = set[Place](), where
        while here in asked and here not in way and kind_of(asked[here]) == "shared":
            way.add(here)
            here = asked[here].edge_or_node
        if here in asked and here not in way:
            found[where] = asked[here]
    return found


def _looks_up_inputs(original: Decision, site: Site, operand: Operand, quantized: Quantized) -> None:
    """Look up what an annotated input shares with, or is derived from, when its reader is met."""
    if annotated.is_annotated(site, operand.node):
        _look_up(site, operand.node.meta[KEY].input_qspec_map.get(operand.value))
    original(site, operand, quantized)


def _looks_up_outputs(original: Decision, site: Site, quantized: Quantized) -> None:
    """Look up what an annotated output shares with, or is derived from, when its node is met."""
    last = quantized.match.last
    if annotated.is_annotated(site, last):
        _look_up(site, last.meta[KEY].output_qspec)
    original(site, quantized)


def _knows_edges_by_nodes(original: Decision, site: Site, where: Place) -> Slot:
    """Know an edge from a value that is observed by the observer's node, which no annotation can name."""
    slot: Slot = original(site, where)
    if isinstance(where, tuple) and slot.below is not None:
        raise AssertionError(f"{words(where)} is known by another name")
    return slot


# Which object is meant.


def _origins(site: Site) -> dict[Place, Slot]:
    """Return the observer that each place was given first, whatever has replaced it since."""
    return vars(site).setdefault("origins", {})  # type: ignore[no-any-return]


def _remembers_the_first(original: Decision, site: Site, where: Place, slot: Slot | None) -> None:
    """Note which observer a place is given first: that of an output is made before it is exchanged for a shared one."""
    spec, kept = site.notes.asked.get(where), _origins(site)
    fitted = slot is not None and slot in site.plan.reads.values()
    original(site, where, slot)
    is_made = isinstance(where, Node) or (slot is not None and not fitted)
    if kind_of(spec) == "shared" and spec.edge_or_node in kept and is_made:
        kept[where] = kept[spec.edge_or_node]
    elif isinstance(where, Node) and (slot is None or slot.rule.startswith("SHARING-")):
        wanted = site.quantized[where].ask
        if wanted.activation is not None and wanted.output_dtype in OBSERVED_DTYPES and site.values.is_observable(where):
            kept[where] = Slot(where, None, wanted.activation, "ANNOTATIONS-2", "it is exchanged at once")
    elif slot is not None:
        kept[where] = site.groups.leader(slot)
    if kind_of(spec) == "derived" and slot is not None:
        sources = vars(site).setdefault("sources", {})
        sources[slot] = [kept[other] for other in spec.derived_from if other in kept]


def _joins_the_first(original: Decision, site: Site, other: Place, slot: Slot) -> None:
    """Let a place have the observer that another was given first."""
    first = _origins(site).get(other)
    if first is None:
        original(site, other, slot)
    elif first is not slot and not slot.rule.startswith("SHARING-"):
        site.groups.parents[slot] = first


def _finds_the_first(original: Decision, site: Site, where: Place) -> Slot:
    """Find the observer that a place was given first, though it may have none any more."""
    if where not in site.notes.slots and where in _origins(site):
        return _origins(site)[where]
    return original(site, where)  # type: ignore[no-any-return]


def _derives_from_the_first(original: Decision, site: Site) -> Any:
    """Derive from the observers that places were given first."""
    return {slot: vars(site).get("sources", {}).get(slot, sources) for slot, sources in original(site).items()}


def _prefers_what_is_there(original: Decision, site: Site, other: Place, slot: Slot) -> None:
    """Take an observer that is on the value already for the one that is to be shared."""
    if slot not in site.plan.reads.values():
        original(site, other, slot)


# What a value is believed to be.


def _believed(site: Site, value: Node) -> torch.dtype | None:
    """Return the dtype that the annotation of a value asks for."""
    spec = value.meta[KEY].output_qspec
    if kind_of(spec) == "shared":
        found = _origins(site).get(spec.edge_or_node) or _observer_at(site, spec.edge_or_node)
        return None if found is None else site.groups.leader(found).spec.dtype
    return annotated.spec_of(spec, site.is_qat).dtype


def _believes_annotations(original: Decision, site: Site, value: Node) -> Any:
    """Believe that a value is what its annotation asks for."""
    if KEY not in value.meta or value.meta[KEY].output_qspec is None:
        return original(site, value)
    return _believed(site, value)


def _believes_qconfigs(original: Decision, site: Site, value: Node) -> Any:
    """Believe that a value whose observer is shared with inputs has the dtype that its qconfig asks for."""
    slot, quantized = site.outputs.get(value), site.quantized.get(value)
    if slot is not None and slot.rule == "SHARING-1" and quantized is not None:
        return quantized.ask.activation_dtype
    return original(site, value)


def _looks_up_values(original: Decision, site: Site, operand: Operand, quantized: Quantized) -> None:
    """Look up what the annotation of a value asks for whenever a quantized operator reads it."""
    if KEY in operand.value.meta:
        _look_up(site, operand.value.meta[KEY].output_qspec)
    original(site, operand, quantized)


def _looks_up_returned(original: Decision, site: Site) -> None:
    """Look up what the annotations of returned values ask for."""
    original(site)
    for operand in operands(output_of(site.graph)):
        if KEY in operand.value.meta:
            _look_up(site, operand.value.meta[KEY].output_qspec)


def _takes_float_for_nothing(
    original: Decision, site: Site, operand: Operand, spec: Spec | None, quantized: Quantized
) -> Any:
    """Take a value whose annotation asks for no observer for none that could have one."""
    note = operand.value.meta.get(KEY)
    if note is None or note.output_qspec is not None:
        return original(site, operand, spec, quantized)
    if spec is not None and spec.is_observed and spec.is_dynamic:
        raise AssertionError(f"{operand.value.name} has no dtype")
    return f"{operand.value.name} is annotated with no output"


def _takes_annotated_for_tensors(original: Decision, values: Any, node: Node) -> bool:
    """Take whatever is annotated with an output for a float tensor."""
    note = node.meta.get(KEY)
    return bool(original(values, node)) or (note is not None and note.output_qspec is not None)


def _gives_what_is_annotated(original: Decision, site: Site, node: Node, quantized: Quantized) -> Any:
    """Let a pattern give a tensor if its output is annotated."""
    found = original(site, node, quantized)
    return found if found is quantized else replace(found, ask=replace(found.ask, gives_tensor=True))


def _spec_by_qconfig(site: Site, value: Node) -> Spec | None:
    """Return what is noted on a value beside its annotation: what its qconfig asks for, or that it is quantized."""
    if value in site.quantized_inputs:
        return spec_of(PlaceholderObserver.with_args(dtype=torch.quint8))
    if value in site.values.never:
        return None
    asks: Mapping[Node, Quantized] = vars(site)["by_qconfig"]
    return asks[value].ask.activation if value in asks else None


def _keeps_qconfigs(original: Decision, site: Site, nodes: Any) -> None:
    """Note what qconfigs ask for before annotations take their place."""
    vars(site)["by_qconfig"] = dict(site.quantized)
    original(site, nodes)


def _observes_returned(original: Decision, site: Site) -> None:
    """Observe what is returned and annotated as its qconfig says, unless it is believed to have that dtype."""
    original(site)
    for operand in operands(output_of(site.graph)):
        value = operand.value
        if site.plan.read_at(operand) is not None or KEY not in value.meta:
            continue
        spec = _spec_by_qconfig(site, value)
        believed = _believed(site, value) if value.meta[KEY].output_qspec is not None else None
        if spec is not None and spec.dtype not in (believed, torch.float32):
            slot = Slot(value, None, spec, "PLACEMENT-4", f"{value.name} is returned")
            site.plan.slots.append(slot)
            site.plan.shares[slot] = slot
            site.plan.read(operand, slot)


# What is refused.


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
        for number, slot in enumerate(site.plan.slots):
            model.add_submodule(f"half_way_{number}", slot.spec.make())
            with site.graph.inserting_after(slot.value):
                site.graph.call_module(f"half_way_{number}", (slot.value,))
        for number, slot in enumerate(set(_origins(site).values()).difference(site.plan.slots)):
            model.add_submodule(f"taken_away_{number}", slot.spec.make())
        raise


_LAST = "2.6"
_NAMED = "_create_obs_or_fq_from_qspec: only refer to edge or node that has observer/fake_quant inserted"
_SHARED = "SharedQuantizationSpec: the edge or node to share observer or fake quant instances with"

ENTRIES = (
    Deviation(
        "annotated-models-look-back-alone",
        ("ANNOTATIONS-11",),
        "_create_obs_or_fq_from_qspec looks observers up when a node is met: one that shares with, or is derived from, "
        "a place that comes later in the graph fails",
        _SHARED,
        (
            Change("annotated.followed", _resolves_what_can_be),
            Change("placement.place_input", _looks_up_inputs),
            Change("placement.place_output", _looks_up_outputs),
        ),
        last=_LAST,
    ),
    Deviation(
        "observed-values-have-no-edges",
        ("ANNOTATIONS-11",),
        "obs_or_fq_map has an edge under the node that is read: where the value is observed for all its readers that "
        "is the observer's, which no annotation can name, and what shares with the edge fails",
        "EdgeOrNode: an input edge is the connection between input node and the node consuming the input",
        (Change("annotated.slot_at", _knows_edges_by_nodes),),
        last=_LAST,
    ),
    Deviation(
        "replaced-observers-shared",
        ("ANNOTATIONS-4", "ANNOTATIONS-13"),
        "obs_or_fq_map keeps the observer that a place was given first: where an operator shares with its inputs, or an "
        "output observer is taken away, what shares with that place gets an object that nobody else has",
        _SHARED,
        (
            Change("annotated.settle", _remembers_the_first),
            Change("annotated.join", _joins_the_first),
            Change("annotated.slot_at", _finds_the_first),
            Change("annotated.derive", _derives_from_the_first),
        ),
        last=_LAST,
    ),
    Deviation(
        "shared-edges-merged",
        ("ANNOTATIONS-4", "ANNOTATIONS-13"),
        "an observer of the same class and dtype that is on the value already is taken for the one that an edge shares",
        _SHARED,
        (Change("annotated.join", _prefers_what_is_there),),
        last=_LAST,
    ),
    Deviation(
        "shared-observers-believed-as-asked",
        ("ANNOTATIONS-13",),
        "_get_output_act_obs_or_fq takes the output of an operator that shares with its inputs for what its qconfig asks "
        "for, though what it shares, which an annotation asked for, has another dtype",
        "insert_observers_for_model: if any argument's target dtype does not match, insert an observer",
        (Change("placement.dtype_of", _believes_qconfigs),),
        last=_LAST,
    ),
    Deviation(
        "annotated-outputs-believed",
        ("ANNOTATIONS-1", "ANNOTATIONS-13"),
        "_get_output_act_obs_or_fq takes a value for what its annotation asks for though nothing observes it: readers "
        "of a graph input, or of an operator that stays float, go without an observer",
        "insert_observers_for_model: if any argument's target dtype does not match, insert an observer",
        (
            Change("placement.dtype_of", _believes_annotations),
            Change("placement.place_input", _looks_up_values),
            Change("placement.place", _looks_up_returned),
        ),
        last=_LAST,
    ),
    Deviation(
        "annotated-float-outputs-never-observed",
        ("ANNOTATIONS-1", "ANNOTATIONS-13"),
        "a value whose annotation has no output_qspec has the dtype None, as what is no tensor: its readers go without "
        "an observer, or fail if they are quantized dynamically",
        "_needs_obs_or_fq: we will treat 'not specified' as torch.float",
        (Change("placement.why_not", _takes_float_for_nothing),),
        last=_LAST,
    ),
    Deviation(
        "annotated-returns-observed-by-qconfig",
        ("ANNOTATIONS-17", "ANNOTATIONS-13"),
        "_maybe_insert_observers_before_graph_output holds what a returned value is annotated with against the dtype of "
        "its qconfig, and observes it by the qconfig where the two differ and nothing observes it yet",
        "QuantizationAnnotation: how output should be quantized, expressed as QuantizationSpec",
        (Change("annotated.read", _keeps_qconfigs), Change("placement.place", _observes_returned)),
        last=_LAST,
    ),
    Deviation(
        "annotated-sizes-observed",
        ("ANNOTATIONS-13",),
        "what is annotated with an output counts as a float tensor, though it is a size or a mask",
        "QuantizationSpecBase: how to quantize a Tensor",
        (
            Change("dtypes.Values.is_observable", _takes_annotated_for_tensors),
            Change("annotated.with_output", _gives_what_is_annotated),
        ),
        last=_LAST,
    ),
    Deviation(
        "annotated-axis-of-fake-quantizers-lost",
        ("ANNOTATIONS-10",),
        "the axis is passed on if the name of the class has PerChannel in it, so a fake quantizer with an observer "
        "of channels looks along axis 0 whatever the spec says",
        "QuantizationSpec.ch_axis: how to quantize a tensor",
        (Change("qspecs.looks_at_channels", knows_channels_by_name),),
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
