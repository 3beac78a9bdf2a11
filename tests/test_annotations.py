"""Annotated graphs: the cases, their source, and what the reference makes of them."""

from __future__ import annotations

import itertools
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from torch import nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import FakeQuantize, MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    SharedQuantizationSpec,
)

from observance.conformance.claims import PT2E
from observance.conformance.implementations import resolve
from observance.conformance.outcomes import prepared_or_error, run
from observance.reference import RefusalError, annotations, qspecs
from observance.reference.annotations import KEY
from observance.strategies import Case, CaseError, build, script
from observance.strategies.annotations import annotated_cases
from observance.strategies.annotations_source import PT2E as DRAWN_PT2E
from observance.strategies.case import Annotation, Call, Mapping, Observer, QSpec
from observance.strategies.features_annotations import ANNOTATED_FEATURES, annotated_features

BYTES: dict[str, Any] = {"dtype": torch.uint8, "quant_min": 0, "quant_max": 255, "qscheme": torch.per_tensor_affine}
PLAIN = QuantizationSpec(observer_or_fake_quant_ctr=MinMaxObserver, **BYTES)
WORDS = QuantizationSpec(observer_or_fake_quant_ctr=MinMaxObserver, **(BYTES | {"dtype": torch.int16}))
SIGMOID = Case(("t",), (Call("sigmoid", (-1,)),), 0, Mapping(), profile=PT2E, has_values=True, training=False)
BYTE = QSpec("plain", Observer("MinMaxObserver"), "torch.uint8", 0, 255, "torch.per_tensor_affine")


def chain(length: int) -> tuple[GraphModule, list[Node]]:
    """Return a graph of some ReLUs, with what they give, and its nodes."""
    model = torch.fx.symbolic_trace(nn.Sequential(*(nn.ReLU() for _ in range(length))))
    value = torch.empty(2, device="meta")
    for node in model.graph.nodes:
        node.meta["val"] = value
    return model, list(model.graph.nodes)


def note(node: Node, inputs: dict[Node, Any], output: Any = None, **more: Any) -> None:
    """Annotate a node."""
    node.meta[KEY] = QuantizationAnnotation(inputs, output, **more)


def _double(observers: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the parameters of an observer, with twice the scale."""
    scale, zero_point = observers[0].calculate_qparams()
    return 2 * scale, zero_point


def made(model: GraphModule) -> dict[Any, nn.Module]:
    """Return the observer that the reference makes for each place."""
    asked = annotations.read(model.graph)
    return annotations.make(asked, annotations.share(asked), is_qat=False)


def test_the_profile_has_the_same_name_everywhere() -> None:
    assert DRAWN_PT2E == PT2E


# The cases


@settings(max_examples=60)
@given(annotated_cases())
def test_an_annotated_case_is_read_back_from_its_json(case: Case) -> None:
    assert repr(Case.from_json(case.to_json())) == repr(case)


@settings(max_examples=60)
@given(annotated_cases())
def test_the_annotations_of_a_case_are_on_the_nodes_that_they_name(case: Case) -> None:
    nodes = {node.name: node for node in build(case).model.graph.nodes}
    assert [name for name, node in nodes.items() if KEY in node.meta] == [note.node for note in case.annotations]
    for one in case.annotations:
        assert {value.name for value in nodes[one.node].meta[KEY].input_qspec_map} == {name for name, _ in one.inputs}
        assert {name for name, _ in one.inputs} <= {value.name for value in nodes[one.node].all_input_nodes}


def test_annotations_that_say_the_same_of_outputs_alone_are_one_object() -> None:
    notes = tuple(Annotation(node, (), BYTE) for node in ("x0", "sigmoid_0"))
    nodes = {node.name: node for node in build(replace(SIGMOID, annotations=notes)).model.graph.nodes}
    assert nodes["x0"].meta[KEY] is nodes["sigmoid_0"].meta[KEY]
    assert "one annotation for several" in annotated_features(replace(SIGMOID, annotations=notes))


@settings(max_examples=150)
@given(annotated_cases())
def test_every_feature_of_an_annotated_case_is_a_known_one(case: Case) -> None:
    found = annotated_features(case)
    assert found == [name for name in ANNOTATED_FEATURES if name in found]


def test_the_script_of_an_annotated_case_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotated = replace(SIGMOID, annotations=(Annotation("sigmoid_0", (("x0", BYTE),), BYTE),))
    path = tmp_path / "case.py"
    path.write_text(script(annotated))
    runpy.run_path(str(path), run_name="__main__")
    assert "activation_post_process_0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (QSpec("odd"), "'odd' is no kind of spec"),
        (QSpec("shared"), "'shared' is no kind of spec; the kinds are plain, fixed, shared (with one key)"),
        (QSpec("shared", keys=(("a", "b", "c"),)), "names no value and no edge"),
        (QSpec("plain"), "a plain spec has no observer"),
        (QSpec("plain", Observer("os.system")), "an annotation knows no observer 'os.system'"),
        (replace(BYTE, dtype="torch.nn"), "is no torch constant"),
    ],
)
def test_a_spec_that_is_none_is_one_sentence(spec: QSpec, words: str) -> None:
    with pytest.raises(CaseError) as caught:
        build(replace(SIGMOID, annotations=(Annotation("sigmoid_0", (), spec),)))
    assert words in str(caught.value)


def test_a_profile_that_is_none_is_one_sentence() -> None:
    with pytest.raises(CaseError, match="there is no profile 'odd'; the profiles are annotations-pt2e, "):
        build(replace(SIGMOID, profile="odd"))


def test_names_of_nodes_are_never_code() -> None:
    hostile = "x0']); raise SystemExit(3); (nodes['x0"
    with pytest.raises(KeyError):
        build(replace(SIGMOID, annotations=(Annotation(hostile),)))


# Who shares with whom


def test_sharing_is_a_closure_in_whatever_order_the_places_are_named() -> None:
    model, (x, first, second, third, _) = chain(3)
    note(first, {x: SharedQuantizationSpec(third)}, SharedQuantizationSpec((x, first)))
    note(second, {}, SharedQuantizationSpec(first))
    note(third, {}, PLAIN)
    assert len(set(made(model).values())) == 1


def test_places_of_one_tensor_share_by_what_they_ask_for_and_not_by_where_they_are() -> None:
    model, (x, first, second, _) = chain(2)
    note(x, {}, PLAIN)
    note(first, {x: PLAIN}, WORDS)
    note(second, {first: PLAIN})
    found = made(model)
    assert found[x] is found[x, first]
    assert found[first] is not found[first, second]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_reader_may_opt_out_of_implicit_sharing(allowed: bool) -> None:
    model, (x, first, _) = chain(1)
    note(x, {}, PLAIN)
    note(first, {x: PLAIN}, allow_implicit_sharing=allowed)
    found = made(model)
    assert (found[x] is found[x, first]) is allowed


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("differing", ["derived_from", "derive_qparams_fn"])
def test_places_of_one_tensor_share_what_is_derived_from_the_same_in_the_same_way(alike: bool, differing: str) -> None:
    model, (x, first, second, _) = chain(2)
    note(x, {}, PLAIN)
    note(first, {x: WORDS}, DerivedQuantizationSpec([x], _double, torch.int32))
    others = {"derived_from": [(x, first)], "derive_qparams_fn": lambda found: found[0].calculate_qparams()}
    read = (
        first.meta[KEY].output_qspec
        if alike
        else replace(first.meta[KEY].output_qspec, **{differing: others[differing]})
    )
    note(second, {first: read})
    found = made(model)
    assert (found[first] is found[first, second]) is alike


def test_a_long_chain_of_sharing_needs_no_stack() -> None:
    model, nodes = chain(3000)
    note(nodes[1], {}, PLAIN)
    for before, node in itertools.pairwise(nodes[1:-1]):
        note(node, {}, SharedQuantizationSpec(before))
    assert len(set(made(model).values())) == 1


# What is refused


def test_what_cannot_be_served_is_refused_with_the_names_of_the_places() -> None:
    model, (x, first, _) = chain(1)
    note(first, {x: SharedQuantizationSpec(first)})
    with pytest.raises(RefusalError, match="input_1 -> _0 shares with _0, which asks for no observer"):
        made(model)
    note(first, {x: SharedQuantizationSpec(first)}, SharedQuantizationSpec((x, first)))
    with pytest.raises(RefusalError, match="shares with itself, by way of"):
        made(model)
    derived = DerivedQuantizationSpec([first], lambda found: (torch.ones(1), torch.zeros(1)), torch.int32)
    note(first, {}, derived)
    with pytest.raises(RefusalError, match="is derived from itself"):
        made(model)
    note(first, {}, "int8")
    with pytest.raises(RefusalError, match="is annotated with 'int8'; give it a quantization spec"):
        made(model)


# What a spec means


@pytest.mark.parametrize(
    ("constructor", "looks"),
    [
        (MinMaxObserver, False),
        (PerChannelMinMaxObserver, True),
        (PerChannelMinMaxObserver.with_args(eps=2**-12), True),
        (FakeQuantize, False),
        (FakeQuantize.with_args(observer=MinMaxObserver), False),
        (FakeQuantize.with_args(observer=PerChannelMinMaxObserver), True),
        (FakeQuantize.with_args(observer=PerChannelMinMaxObserver.with_args(eps=2**-12)), True),
        (lambda **settings: None, False),
    ],
)
def test_who_looks_at_channels_is_told_by_its_parameters(constructor: Any, looks: bool) -> None:
    assert qspecs.looks_at_channels(constructor) is looks


# What becomes of a graph


@settings(max_examples=60)
@given(annotated_cases())
def test_the_reference_leaves_an_annotated_graph_as_it_was(case: Case) -> None:
    given_ = build(case)
    before = str(given_.model.graph), sorted(name for name, _ in given_.model.named_modules())
    prepared_or_error(resolve("reference", PT2E), given_)
    assert (str(given_.model.graph), sorted(name for name, _ in given_.model.named_modules())) == before


@settings(max_examples=60)
@given(annotated_cases())
def test_what_the_reference_puts_on_a_graph_is_decided_with_a_rule(case: Case) -> None:
    outcome = run(resolve("reference", PT2E), case)
    assume(outcome.prepared is not None)
    plan = annotations.plan(build(case).model, case.is_qat)
    assert all(decision.rule.startswith("ANNOTATIONS-") for decision in plan.decisions)
    assert outcome.observation is not None
    assert sum(map(len, outcome.observation.values.values())) == len(plan.slots)


class Pt2e(nn.Module):
    """A model that is exported."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return a container."""
        return {"y": torch.relu(x)}


def test_an_exported_graph_takes_and_gives_containers_as_before() -> None:
    model = torch.export.export(Pt2e(), (torch.zeros(2),)).module()
    assert isinstance(model, GraphModule)
    (relu,) = [node for node in model.graph.nodes if node.name == "relu"]
    note(relu, {relu.all_input_nodes[0]: PLAIN}, PLAIN)
    prepared = annotations.prepare(model, {}, is_qat=False)
    assert prepared(torch.ones(2)).keys() == {"y"}
