"""Annotations beside qconfigs: the cases, their source, and what the reference makes of them."""

from __future__ import annotations

import dataclasses
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchao.quantization.pt2e.quantizer as torchao_classes
from hypothesis import assume, given, settings
from torch import nn
from torch.ao.quantization import HistogramObserver, MinMaxObserver, QConfigMapping, default_qconfig
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.fx import GraphModule, Node

from observance.conformance.claims import FX
from observance.conformance.deviations import load
from observance.conformance.evidence.document import document
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.observation import Edge
from observance.conformance.outcomes import prepared_or_error, run
from observance.conformance.usage import UsageError
from observance.reference import RefusalError, plan, prepare
from observance.reference.annotations import KEY
from observance.reference.entry import read_configs
from observance.reference.specs import is_observer
from observance.strategies import Case, annotation_classes, build, script
from observance.strategies.annotation_classes import (
    DerivedQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    SharedQuantizationSpec,
)
from observance.strategies.annotations_fx import annotated_models
from observance.strategies.annotations_source import FX as DRAWN_FX
from observance.strategies.case import Annotation, Call, Entry, Mapping, Observer, QSpec
from observance.strategies.features_annotations import ANNOTATED_FEATURES, annotated_features

BYTES: dict[str, Any] = {"quant_min": 0, "quant_max": 255, "qscheme": torch.per_tensor_affine}
BYTE = QuantizationSpec(torch.uint8, MinMaxObserver, **BYTES)
OTHER = QuantizationSpec(torch.uint8, HistogramObserver, **BYTES)
DRAWN_BYTE = QSpec("plain", Observer("MinMaxObserver"), "torch.uint8", 0, 255, "torch.per_tensor_affine")
LINEAR = Case(
    ("t",),
    (Call("linear", (-1,)),),
    0,
    Mapping(None, (Entry("global", "default_qconfig"),)),
    profile=FX,
    annotations=(Annotation("linear_0", (("x0", DRAWN_BYTE),), DRAWN_BYTE, reuses=False),),
)


class Layers(nn.Sequential):
    """A chain of layers, which are traced under their numbers."""


def traced(*layers: nn.Module) -> tuple[GraphModule, dict[str, Any], list[Node]]:
    """Return a traced chain of layers, its scopes and its nodes."""
    model = Layers(*layers).eval()
    tracer = QuantizationTracer([], [])
    graph = GraphModule(model, tracer.trace(model))
    return graph, dict(tracer.node_name_to_scope), list(graph.graph.nodes)


def linears(count: int) -> tuple[GraphModule, dict[str, Any], list[Node]]:
    """Return a traced chain of linear layers."""
    return traced(*(nn.Linear(4, 4) for _ in range(count)))


def note(node: Node, inputs: dict[Node, Any], output: Any = None, reuses: bool | None = None) -> None:
    """Annotate a node."""
    node.meta[KEY] = QuantizationAnnotation(inputs, output)
    if reuses is not None:
        node.meta[KEY]._reuse_input_obs_or_fq = reuses


def observers(model: GraphModule, scopes: dict[str, Any], mapping: QConfigMapping | None = None) -> list[nn.Module]:
    """Return the observers that the reference's result calls, in order."""
    mapping = mapping or QConfigMapping().set_global(default_qconfig)
    prepared = prepare(model, mapping, False, scopes, (torch.zeros(2, 4),))
    called = [prepared.get_submodule(str(node.target)) for node in prepared.graph.nodes if node.op == "call_module"]
    return [module for module in called if is_observer(module)]


def kinds(found: list[nn.Module]) -> list[tuple[str, torch.dtype]]:
    """Return the class and the dtype of some observers."""
    return [(type(module).__name__, getattr(module, "dtype", torch.float32)) for module in found]


# The cases


def test_the_profile_has_the_same_name_everywhere() -> None:
    assert DRAWN_FX == FX


@settings(max_examples=60)
@given(annotated_models())
def test_an_annotated_model_is_read_back_from_its_json(case: Case) -> None:
    assert repr(Case.from_json(case.to_json())) == repr(case)


@settings(max_examples=60)
@given(annotated_models())
def test_the_annotations_of_a_case_are_on_the_nodes_that_they_name(case: Case) -> None:
    nodes = {node.name: node for node in build(case).model.graph.nodes}
    assert [name for name, node in nodes.items() if KEY in node.meta] == [one.node for one in case.annotations]
    for one in case.annotations:
        given_ = nodes[one.node].meta[KEY]
        assert {value.name for value in given_.input_qspec_map} == {name for name, _ in one.inputs}
        assert getattr(given_, "_reuse_input_obs_or_fq", None) is one.reuses


@settings(max_examples=100)
@given(annotated_models())
def test_every_feature_of_an_annotated_model_is_a_known_one(case: Case) -> None:
    found = annotated_features(case)
    assert found == [name for name in ANNOTATED_FEATURES if name in found]
    assert "annotated model" in found


def test_the_script_of_an_annotated_model_annotates_it_before_it_is_prepared(tmp_path: Path) -> None:
    path = tmp_path / "case.py"
    path.write_text(script(LINEAR))
    defined = runpy.run_path(str(path))
    model = build(replace(LINEAR, annotations=())).model
    defined["annotate"](model)
    assert [node.name for node in model.graph.nodes if KEY in node.meta] == ["linear_0"]
    assert path.read_text().index("    annotate(model)") < path.read_text().index("    prepared = prepare(")


@pytest.mark.parametrize(
    "name",
    [
        *("QuantizationSpec", "FixedQParamsQuantizationSpec", "SharedQuantizationSpec", "DerivedQuantizationSpec"),
        "QuantizationAnnotation",
    ],
)
def test_the_classes_that_stand_in_for_those_of_torch_have_their_fields(name: str) -> None:
    # torchao's are torch's, which have moved there, with some fields more.
    mine, theirs = (
        [(field.name, field.default) for field in dataclasses.fields(getattr(library, name))]
        for library in (annotation_classes, torchao_classes)
    )
    assert [field for field in theirs if field in mine] == mine


# What takes the place of what


def test_an_annotation_takes_the_place_of_a_qconfig_at_its_node_alone() -> None:
    model, scopes, (x, first, _, _) = linears(2)
    note(first, {x: BYTE}, OTHER)
    found = kinds(observers(model, scopes))
    assert found == [
        ("MinMaxObserver", torch.uint8),
        ("HistogramObserver", torch.uint8),
        ("MinMaxObserver", torch.quint8),
        ("MinMaxObserver", torch.quint8),
    ]


def test_what_an_annotation_leaves_out_stays_float() -> None:
    model, scopes, (_, first, _) = linears(1)
    note(first, {})
    assert observers(model, scopes) == []


def test_what_is_quantized_already_is_not_observed_once_more() -> None:
    model, scopes, (x, first, second, _) = linears(2)
    note(first, {x: BYTE}, BYTE)
    note(second, {first: OTHER}, BYTE)
    assert [kind for kind, _ in kinds(observers(model, scopes))] == ["MinMaxObserver"] * 3


def test_inputs_whose_observers_are_reused_have_none() -> None:
    model, scopes, (x, first, _) = linears(1)
    note(first, {x: BYTE}, OTHER, reuses=True)
    assert kinds(observers(model, scopes)) == [("HistogramObserver", torch.uint8)]


def test_an_annotation_of_what_is_switched_off_says_nothing() -> None:
    model, scopes, (x, first, _) = linears(1)
    note(first, {x: BYTE}, SharedQuantizationSpec(x))
    note(x, {}, BYTE)
    mapping = QConfigMapping().set_global(None)
    assert observers(model, scopes, mapping) == []


def test_an_operator_that_shares_with_its_inputs_shares_what_they_are_annotated_with() -> None:
    model, scopes, (x, relu, _) = traced(nn.MaxPool1d(1))
    note(relu, {x: BYTE}, OTHER)
    first, second = observers(model, scopes)
    assert first is second
    assert isinstance(first, MinMaxObserver)


# Who shares with whom


def test_sharing_is_a_closure_in_whatever_order_the_places_are_named() -> None:
    model, scopes, (x, first, second, third, _) = linears(3)
    note(first, {x: SharedQuantizationSpec(third)}, SharedQuantizationSpec((x, first)))
    note(second, {}, SharedQuantizationSpec(first))
    note(third, {}, OTHER)
    found = observers(model, scopes)
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_place_may_share_with_one_that_a_qconfig_asks_for() -> None:
    model, scopes, (x, first, second, _) = linears(2)
    note(second, {}, SharedQuantizationSpec((x, first)))
    found = observers(model, scopes)
    assert kinds(found) == [("MinMaxObserver", torch.quint8)] * 3
    assert found[0] is found[2]
    assert found[0] is not found[1]


def test_it_is_told_with_what_a_place_shares() -> None:
    model, scopes, (x, first, second, _) = linears(2)
    note(second, {}, SharedQuantizationSpec((x, first)))
    mapping = read_configs(QConfigMapping().set_global(default_qconfig), None, None)
    assert "output: it shares with input_1 -> _0 [ANNOTATIONS-4]" in plan(model, mapping, scopes, ()).explain(second)


def test_what_is_derived_has_the_observers_of_its_sources_in_order() -> None:
    model, scopes, (x, first, second, _) = linears(2)
    derived = DerivedQuantizationSpec([second, (x, first)], lambda found: (torch.ones(1), torch.zeros(1)), torch.int32)
    note(first, {x: BYTE}, derived)
    note(second, {}, OTHER)
    at_input, made, at_output = observers(model, scopes)
    assert made.obs_or_fqs == [at_output, at_input]


# What is refused


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (lambda x, first: SharedQuantizationSpec(x), "input_1 -> _0 shares with input_1, which asks for no observer"),
        (lambda x, first: SharedQuantizationSpec((x, first)), "shares with itself"),
        (lambda x, first: "int8", "is annotated with 'int8'; give it a quantization spec"),
        (
            lambda x, first: DerivedQuantizationSpec([x], lambda found: found, torch.int32),
            "input_1 has no observer of its own to share or to derive from",
        ),
        (
            lambda x, first: DerivedQuantizationSpec([(x, first)], lambda found: found, torch.int32),
            "what is derived is derived from itself",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_names_of_the_places(spec: Any, words: str) -> None:
    model, scopes, (x, first, _) = linears(1)
    note(first, {x: spec(x, first)})
    before = str(model.graph)
    with pytest.raises(RefusalError, match=words):
        observers(model, scopes)
    assert str(model.graph) == before


def test_a_place_that_has_no_observer_of_its_own_cannot_be_shared() -> None:
    model, scopes, (x, first, second, third, _) = linears(3)
    note(first, {x: BYTE}, BYTE)
    note(second, {first: BYTE}, OTHER)
    note(third, {second: BYTE}, SharedQuantizationSpec((first, second)))
    with pytest.raises(RefusalError, match="_0 -> _1 has no observer of its own"):
        observers(model, scopes)


@settings(max_examples=60)
@given(annotated_models())
def test_the_reference_leaves_an_annotated_model_as_it_was(case: Case) -> None:
    given_ = build(case)
    before = str(given_.model.graph), sorted(name for name, _ in given_.model.named_modules())
    prepared_or_error(resolve("reference", FX), given_)
    assert (str(given_.model.graph), sorted(name for name, _ in given_.model.named_modules())) == before


@settings(max_examples=60)
@given(annotated_models())
def test_without_its_annotations_a_model_is_prepared_as_ever(case: Case) -> None:
    bare = replace(case, annotations=())
    plain = run(resolve("reference"), replace(bare, profile=""))
    found = run(resolve("reference", FX), bare)
    assume(plain.observation is not None and found.observation is not None)
    assert plain.observation is not None
    assert found.observation is not None
    assert plain.observation.edges == found.observation.edges


# Who is judged


def test_the_reference_is_called_with_annotated_models_if_that_is_asked_for() -> None:
    assert [resolve("reference", profile).profile for profile in ("", FX)] == ["", FX]
    outcome = run(resolve("reference", FX), LINEAR)
    assert outcome.observation is not None
    (seen,) = outcome.observation.edges[Edge("linear_0", (0,), "x0")]
    assert seen.kind == "MinMaxObserver(uint8, 0..255)"


@pytest.mark.parametrize(("version", "obeys"), [("2.5.1+cpu", True), ("2.6.0", True), ("2.7.0", False)])
def test_torch_obeys_annotations_up_to_a_release(version: str, obeys: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", version)
    if obeys:
        assert resolve("torch", FX).profile == FX
        return
    with pytest.raises(UsageError, match=r"^The `prepare` of torch 2\.7\.0 obeys no annotations: .*--impl=torchao\.$"):
        resolve("torch", FX)


def test_who_does_not_claim_to_obey_annotations_is_not_called_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modest.py").write_text(
        'CONFORMANCE = {"name": "modest", "version": "1", "features": {"static"}, "torch": None}\n'
        "def prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, prepare_custom_config=None,\n"
        "            _equalization_config=None, backend_config=None, is_standalone_module=False):\n"
        "    return model\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert resolve("modest").profile == ""
    with pytest.raises(UsageError, match="modest does not claim `annotations-fx`: leave --profile out"):
        resolve("modest", FX)


def test_a_register_is_as_wide_as_its_profile() -> None:
    register = load("torch").at("2.5.1")
    own = {entry.id for entry in register.entries if entry.pinned.profile == FX}
    assert own
    assert {entry.id for entry in register.entries} - {entry.id for entry in register.within("").entries} == own
    assert register.within(FX) == register
    assert not [entry for entry in load("torch").at("2.7").entries if entry.id in own]


def test_what_is_known_of_another_profile_is_not_demanded_by_a_certificate() -> None:
    judge = Judge(resolve("reference", FX), 1, load("torch").at("2.5.1").within(FX))
    judge.corpus = [LINEAR]
    run = {"spec": "reference", "level": "must", "register": None, "known_failures": None, "interrupted": False}
    made = document(judge, {**run, "start": "", "end": ""}, {}, {}, is_lent=False)
    states = {waiver["id"]: waiver["state"] for waiver in made["waivers"]}
    assert states["roles-by-value"] == "lent"
    assert states["annotated-outputs-believed"] == "not run"
