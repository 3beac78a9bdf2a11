"""Annotations as Python source: the function that writes on each node how it is to be quantized.

The classes of annotations, their specs and their observers are torchao's, or those that torch had, by the profile.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace

from . import executorch
from .case import Annotation, Case, CaseError, Key, Observer, QSpec
from .configs_source import scalar_source
from .quantizers import HOME, PARTS, SHIPPED

PT2E = "annotations-pt2e"
"""The profile of annotated graphs."""

FX = "annotations-fx"
"""The profile of models that have qconfigs and annotations."""

_IMPORTS = {
    PT2E: "import torchao.quantization.pt2e as pt\nimport torchao.quantization.pt2e.quantizer as qz\n",
    FX: """\
import torch.ao.quantization as pt

try:
    import torch.ao.quantization.quantizer as qz
except ImportError:  # newer releases of torch obey no annotations here, and have no classes for them
    import observance.strategies.annotation_classes as qz
""",
}

OBSERVERS = (
    *("MinMaxObserver", "HistogramObserver", "MovingAverageMinMaxObserver", "PlaceholderObserver"),
    *("PerChannelMinMaxObserver", "MovingAveragePerChannelMinMaxObserver"),
    *("FakeQuantize", "FusedMovingAvgObsFakeQuantize"),
)
"""The names of the observers that an annotation may have."""

_DERIVE = """
def derive(observers):
    \"\"\"Return a scale and a zero point: the product of the scales that others have found.\"\"\"
    scales = [observer.calculate_qparams()[0].flatten()[0] for observer in observers]
    return torch.stack(scales).prod().reshape(1), torch.zeros(1, dtype=torch.int32)

"""

STORE = """

def store_values(model):
    \"\"\"Store in each node what it gives, tensors as fake ones, as export does.\"\"\"
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    class Recorder(torch.fx.Interpreter):
        def run_node(self, node):
            value = super().run_node(node)
            node.meta["val"] = torch.utils._pytree.tree_map_only(torch.Tensor, mode.from_tensor, value)
            return value

    with torch.no_grad():
        Recorder(model).run(*make_inputs())
"""
"""It runs the model itself, which is in eval mode and stays as it is: fake tensors would take longer."""

_EXPORT = """

def export(model):
    \"\"\"Return the graph of a model as operators of ATen.\"\"\"
    return torch.export.export(model, make_inputs()).module()
"""


def annotation_imports(case: Case) -> str:
    """Return the imports that the annotations of a case need."""
    return _IMPORTS.get(case.profile, "")


def annotation_source(case: Case) -> str:
    """Return the functions that export a model and that annotate its graph, as far as the case needs them."""
    if case.profile not in (PT2E, FX):
        return _EXPORT
    if case.quantizer:
        return _quantized(case) + _EXPORT
    specs = [spec for note in case.annotations for spec in (note.output, *(spec for _, spec in note.inputs)) if spec]
    derive = _DERIVE if any(spec.kind == "derived" for spec in specs) else ""
    first = first_alike(case.annotations)
    lines = [line for note in case.annotations for line in _note_lines(note, first.get(note))]
    body = ["nodes = {node.name: node for node in model.graph.nodes}", *lines] if lines else ["pass"]
    annotate = [
        "",
        "def annotate(model):",
        '    """Write on the nodes how they are to be quantized."""',
        *("    " + line for line in body),
        "",
    ]
    store = STORE if case.profile == PT2E and case.has_values else ""
    return store + "\n".join([derive, *annotate]) + (_EXPORT if case.exported else "")


def _quantized(case: Case) -> str:
    """Return the function that lets a shipped quantizer annotate the graph, and those that make it."""
    shipped = SHIPPED | executorch.SHIPPED
    if case.quantizer not in shipped or not case.exported:
        raise CaseError(
            f"no quantizer {case.quantizer!r} annotates this graph; {', '.join(shipped)} annotate exported ones"
        )
    is_of_executorch = case.quantizer in executorch.SHIPPED
    home, helpers = (executorch.HOME, (executorch.without_guards,)) if is_of_executorch else (HOME, ())
    makers = [*helpers, *(shipped[name] for name in (*PARTS.get(case.quantizer, ()), case.quantizer))]
    told = f"is_qat={case.is_qat}" if "is_qat" in inspect.signature(makers[-1]).parameters else ""
    lines = [
        *("", "", "import importlib", "from typing import Any", f'HOME = "{home}"', ""),
        *("\n\n" + inspect.getsource(maker) for maker in makers),
        *("", "", "def annotate(model):", '    """Let a quantizer annotate the graph."""'),
        f"    quantizer = {makers[-1].__name__}({told})",
        *("    model = quantizer.transform_for_annotation(model)", "    quantizer.annotate(model)"),
        *("    quantizer.validate(model)", "    return model", ""),
    ]
    return "\n".join(lines)


def first_alike(notes: Sequence[Annotation]) -> dict[Annotation, Annotation]:
    """Return the first annotation that is like another, for each: quantizers write one object on several nodes.

    One that speaks of inputs is for one node alone.
    """
    first: dict[Annotation, Annotation] = {}
    found: dict[Annotation, Annotation] = {}
    for note in notes:
        other = first.setdefault(replace(note, node=""), note)
        if other is not note and not note.inputs:
            found[note] = other
    return found


def _note_lines(note: Annotation, other: Annotation | None) -> list[str]:
    """Return the statement that annotates one node, with the annotation of another one if there is one."""
    if other is not None:
        return [
            f'{_node(note.node)}.meta["quantization_annotation"] = {_node(other.node)}.meta["quantization_annotation"]'
        ]
    pairs = (f"{_node(name)}: {_spec_source(spec)}" for name, spec in note.inputs)
    flags = "" if note.allows_sharing else ", allow_implicit_sharing=False"
    node = _node(note.node)
    reuses = f'{node}.meta["quantization_annotation"]._reuse_input_obs_or_fq = {note.reuses}'
    return [
        f'{node}.meta["quantization_annotation"] = qz.QuantizationAnnotation(',
        f"    input_qspec_map={{{', '.join(pairs)}}},",
        f"    output_qspec={_spec_source(note.output)}{flags},",
        ")",
        *([reuses] if note.reuses is not None else ()),
    ]


def _node(name: str) -> str:
    """Return the expression of a node."""
    return f"nodes[{name!r}]"


def _key(key: Key) -> str:
    """Return the expression of a value or of an edge."""
    match key:
        case (node,):
            return _node(node)
        case (value, reader):
            return f"({_node(value)}, {_node(reader)})"
    raise CaseError(f"{key!r} names no value and no edge; write one name, or that of the value and of its reader")


def _spec_source(spec: QSpec | None) -> str:
    """Return the expression of a quantization spec."""
    if spec is None:
        return "None"
    match spec.kind:
        case "plain":
            return (
                f"qz.QuantizationSpec({', '.join([f'observer_or_fake_quant_ctr={_constructor(spec)}', *_plain(spec)])})"
            )
        case "fixed":
            return _call("FixedQParamsQuantizationSpec", *_plain(spec))
        case "shared" if len(spec.keys) == 1:
            return _call("SharedQuantizationSpec", _key(spec.keys[0]))
        case "derived":
            keys = f"derived_from=[{', '.join(map(_key, spec.keys))}]"
            return _call("DerivedQuantizationSpec", keys, "derive_qparams_fn=derive", *_plain(spec))
    raise CaseError(f"{spec.kind!r} is no kind of spec; the kinds are plain, fixed, shared (with one key) and derived")


def _call(name: str, *arguments: str) -> str:
    """Return the expression that makes a spec."""
    return f"qz.{name}({', '.join(arguments)})"


def _plain(spec: QSpec) -> list[str]:
    """Return the settings of a spec that are not the defaults."""
    names = ("dtype", "quant_min", "quant_max", "qscheme", "ch_axis", "scale", "zero_point")
    given = [(name, getattr(spec, name)) for name in names]
    found = [f"{name}={scalar_source(value)}" for name, value in given if value is not None]
    return [*found, "is_dynamic=True"] if spec.is_dynamic else found


def _constructor(spec: QSpec) -> str:
    """Return the expression of the constructor that a plain spec has."""
    if spec.observer is None:
        raise CaseError("a plain spec has no observer; give it the constructor of one")
    return _observer_source(spec.observer)


def _observer_source(observer: Observer) -> str:
    """Return the expression of a constructor of observers; its arguments may be constructors too."""
    if observer.factory not in OBSERVERS:
        raise CaseError(f"an annotation knows no observer {observer.factory!r}; it knows {', '.join(OBSERVERS)}")
    arguments = [
        f"{name}={_observer_source(value) if isinstance(value, Observer) else scalar_source(value)}"
        for name, value in observer.arguments
        if name.isidentifier()
    ]
    return f"pt.{observer.factory}" + (f".with_args({', '.join(arguments)})" if arguments else "")
