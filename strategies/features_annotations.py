"""What an annotated case has in it, by name: what the strategy of annotated graphs claims to reach."""

from __future__ import annotations

from .annotations_source import FX, first_alike
from .case import Annotation, Case, Key, QSpec
from .operators import OPERATORS

ANNOTATED_FEATURES: dict[str, str] = {
    "annotated edge": "an input with a spec of its own",
    "annotated output": "an output with a spec of its own",
    "None for an input": "an input of which the annotation says that nothing is asked for",
    "annotated return": "an annotation of the node that returns",
    "shared with an edge": "a spec that is shared with an edge",
    "shared with a value": "a spec that is shared with an output",
    "shared on one tensor": "a spec that is shared with another place of its tensor",
    "chain of sharing": "a spec that is shared with one that is shared",
    "shared with what comes later": "a spec that is shared with a later place",
    "shared with nothing": "a spec that is shared with a place that asks for nothing",
    "shared in a circle": "a spec that is shared with itself",
    "fixed parameters": "a spec with a scale and a zero point",
    "derived parameters": "a spec that is derived from others",
    "derived from what comes later": "a spec that is derived from a later place",
    "same spec on one value": "two places of one tensor with equal specs",
    "no sharing allowed": "an annotation that opts out of implicit sharing",
    "spec by channel": "a spec with an axis",
    "fake quantizer in a spec": "a spec that constructs a fake quantizer",
    "dynamic spec": "a spec whose parameters are chosen at run time",
    "open spec": "a spec without a range or a scheme",
    "read by keyword": "an annotated call that is spelled with keywords",
    "exported graph": "a graph of torch.export",
    "annotated model": "annotations beside qconfigs",
    "shared with what is not annotated": "in a model with qconfigs, a spec that is shared with a place without one",
    "inputs' observers reused": "an annotation by which the inputs have no observers of their own",
    "nothing said of reuse": "an annotation of a model that lacks the flag by which inputs' observers are reused",
    "buffer": "an operator that reads a buffer, or writes to one",
    "annotated elsewhere": "an annotated graph on the meta device, or on two devices",
    "one annotation for several": "nodes that have one annotation object",
    "shipped quantizer": "annotations of one of the quantizers that torchao or executorch ships",
}
"""All features of annotated cases, each with what it means."""


def annotated_features(case: Case) -> list[str]:
    """Return the names of the features that an annotated case has, in the order of `ANNOTATED_FEATURES`."""
    specs: dict[Key, QSpec | None] = {}
    for note in case.annotations:
        specs |= {(value, note.node): spec for value, spec in note.inputs}
        specs |= {(note.node,): note.output} if note.output else {}
    asked = {key: spec for key, spec in specs.items() if spec is not None}
    found = {"exported graph"} if case.exported else set()
    found |= {"annotated model"} if case.profile == FX else set()
    found |= {"shipped quantizer"} if case.quantizer else set()
    found |= {"annotated elsewhere"} if case.device != "cpu" else set()
    found |= {"one annotation for several"} if any(map(first_alike(case.annotations).get, case.annotations)) else set()
    found |= {"None for an input"} if None in specs.values() else set()
    for note in case.annotations:
        found |= _of_note(note, case.profile)
    for key, spec in asked.items():
        found |= {"annotated edge" if len(key) > 1 else "annotated output"}
        found |= _of_spec(spec) | _of_keys(key, spec, asked, case.profile)
    tensors = [(key[0], spec) for key, spec in asked.items() if spec.kind == "plain"]
    found |= {"same spec on one value"} if len(set(tensors)) < len(tensors) else set()
    if any(OPERATORS[call.operator].buffers for call in case.calls):
        found.add("buffer")
    if any(call.spelling == "keyword" for call in case.calls):
        found.add("read by keyword")
    return [name for name in ANNOTATED_FEATURES if name in found]


def _of_note(note: Annotation, profile: str) -> set[str]:
    """Return the features of one annotation as a whole."""
    told = {
        "annotated return": note.node == "output",
        "no sharing allowed": not note.allows_sharing,
        "inputs' observers reused": note.reuses is True,
        "nothing said of reuse": profile == FX and note.reuses is None,
    }
    return {name for name, has in told.items() if has}


def _of_spec(spec: QSpec) -> set[str]:
    """Return the features of a spec by itself."""
    told = {
        "fixed parameters": spec.kind == "fixed",
        "derived parameters": spec.kind == "derived",
        "spec by channel": spec.ch_axis is not None,
        "fake quantizer in a spec": spec.observer is not None and "FakeQuantize" in spec.observer.factory,
        "dynamic spec": spec.is_dynamic,
        "open spec": spec.kind == "plain" and (spec.quant_min is None or spec.qscheme is None),
    }
    return {name for name, has in told.items() if has}


def _of_keys(key: Key, spec: QSpec, asked: dict[Key, QSpec], profile: str) -> set[str]:
    """Return the features of what a spec is shared with, or derived from."""
    order = list(asked)
    found = set()
    for other in spec.keys:
        later = other in asked and order.index(other) > order.index(key)
        if spec.kind == "derived":
            found |= {"derived from what comes later"} if later else set()
            continue
        found.add("shared with an edge" if len(other) > 1 else "shared with a value")
        found |= {"shared with what comes later"} if later else set()
        unspoken = "shared with what is not annotated" if profile == FX else "shared with nothing"
        found |= {unspoken} if other not in asked else set()
        found |= {"shared on one tensor"} if other[0] == key[0] and other != key else set()
        found |= {"shared in a circle"} if other == key else set()
        found |= {"chain of sharing"} if other in asked and asked[other].kind == "shared" else set()
    return found
