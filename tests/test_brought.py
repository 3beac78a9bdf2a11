"""Quantizers and backend configs in place of a `prepare`: how they are found, judged, explained and certified."""

from __future__ import annotations

import importlib.util
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observance.conformance.brought import Quantizing, option_of, resolve_as, resolve_quantizer
from observance.conformance.claims import BACKEND_CONFIG as CLAIMED_CONFIG
from observance.conformance.claims import QUANTIZER as CLAIMED_QUANTIZER
from observance.conformance.command import cli
from observance.conformance.probes import asked_of, part_of, places_of
from observance.strategies import Case, build, executorch, script
from observance.strategies.annotations_source import annotation_source
from observance.strategies.brought import BACKEND_CONFIG, QUANTIZER
from observance.strategies.case import PROFILES, Annotation, Call, CaseError, Mapping
from observance.strategies.quantizers import SHIPPED

from .saboteurs.brought import CountsInputs
from .suites import Suite, refusal, write

SUM = Case(("t", "t"), (Call("operator_add", (-1, -2)),), 0, Mapping(), profile=QUANTIZER, exported=True)
LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(), profile="annotations-pt2e", exported=True)
SOUND = "tests.saboteurs.brought:Sound"


def test_the_profiles_have_the_same_names_everywhere() -> None:
    assert (QUANTIZER, BACKEND_CONFIG) == (CLAIMED_QUANTIZER, CLAIMED_CONFIG)
    assert {QUANTIZER, BACKEND_CONFIG} < set(PROFILES)


# How they are found


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--quantizer=mine", "`mine` names no object in a module: write it as in `mypkg:MyQuantizer`."),
        ("--quantizer=absent_package:Mine", "There is no module `absent_package`: "),
        ("--quantizer=json:JSONDecoder", "`json:JSONDecoder` gives a JSONDecoder without `transform_for_annotation`: "),
        ("--quantizer=json:dumps", "`json:dumps` cannot be called (TypeError"),
        ("--quantizer=sys:maxsize", "`sys:maxsize` is of type `int`, which cannot be called: "),
        ("--backend-config=json:JSONDecoder", "`json:JSONDecoder` gives a JSONDecoder: let it give a BackendConfig."),
        ("--backend-config=json:dumps", "`json:dumps` cannot be called (TypeError"),
    ],
)
def test_what_is_no_quantizer_and_no_config_is_one_sentence(suite: Suite, option: str, sentence: str) -> None:
    assert refusal(suite(option)).startswith(sentence)


def test_two_things_to_judge_are_one_sentence(suite: Suite) -> None:
    text = "--impl and --quantizer each say what is judged; leave all out but one."
    assert refusal(suite("--impl=torch", f"--quantizer={SOUND}")) == text


def test_a_quantizer_that_is_not_told_of_training_does_not_claim_it() -> None:
    assert resolve_quantizer(SOUND).supports("qat")
    assert not resolve_quantizer("observance.strategies.quantizers:xpu").supports("qat")


def test_the_shape_says_which_option_names_it() -> None:
    assert [option_of(shape) for shape in ("quantizer", "backend_config", "prepare")] == [
        *("--quantizer", "--backend-config", "--impl"),
    ]
    assert resolve_as("quantizer", SOUND).shape == "quantizer"
    assert resolve_as("prepare", "reference").shape == "prepare"


# How they are judged


def test_a_sound_quantizer_breaks_no_rule(suite: Suite) -> None:
    done = suite(f"--quantizer={SOUND}", "--cases=60", "--rule=QUANTIZERS-1", "--rule=QUANTIZERS-5")
    assert done.code == 0
    assert "quantizers" in done.output


def test_a_quantizer_that_breaks_a_rule_is_told_with_the_command_that_tries_it_again(suite: Suite) -> None:
    broken = "tests.saboteurs.brought:AsksForReaders"
    done = suite(f"--quantizer={broken}", "--cases=60", "--rule=QUANTIZERS-1")
    assert done.code == 1
    assert "QUANTIZERS-1 (MUST) is broken by tests.saboteurs.brought:AsksForReaders" in done.output
    (rerun,) = (line for line in done.output.splitlines() if line.startswith("Rerun:"))
    again = suite(*rerun.split("observance.conformance ")[1].split())
    assert again.code == 1
    (explain,) = (line for line in done.output.splitlines() if line.startswith("Explain:"))
    assert explain.endswith(f" --quantizer={broken}")


def test_a_backend_config_that_breaks_a_rule_is_told(suite: Suite) -> None:
    done = suite("--backend-config=tests.saboteurs.brought:no_dtypes", "--rule=CONFIGS-4")
    assert done.code == 1
    assert "CONFIGS-4 (MUST) is broken by tests.saboteurs.brought:no_dtypes" in done.output


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("SoundWithInputs", ["QUANTIZERS-10"]),  # an input that is no longer there has no observer of its own
        ("AlwaysFake", ["QUANTIZERS-1", "QUANTIZERS-13"]),  # so that its smallest model rounds
        ("FailsBetween", ["QUANTIZERS-6", "QUANTIZERS-9", "QUANTIZERS-10"]),
        ("AsksForNumbers", ["QUANTIZERS-3", "QUANTIZERS-9", "QUANTIZERS-11"]),
    ],
)
def test_a_rule_finds_nothing_in_what_another_one_is_about(suite: Suite, name: str, rules: list[str]) -> None:
    done = suite(f"--quantizer=tests.saboteurs.brought:{name}", "--cases=60", *(f"--rule={rule}" for rule in rules))
    assert done.code == 0, done.output


def test_what_torchao_makes_of_a_bias_that_two_layers_read_is_told_of_a_sound_quantizer(suite: Suite) -> None:
    done = suite("--quantizer=tests.saboteurs.brought:Sound", "--cases=60", "--rule=QUANTIZERS-12")
    assert "QUANTIZERS-12 (UPSTREAM) is broken" in done.output
    assert "> conv2d_0_bias -> conv2d_1 (argument 2): DerivedObserverOrFakeQuantize" in done.output


@pytest.mark.parametrize(("name", "rule"), [("FailsBetween", "QUANTIZERS-1"), ("AsksForNumbers", "QUANTIZERS-4")])
def test_the_other_rule_finds_it(suite: Suite, name: str, rule: str) -> None:
    done = suite(f"--quantizer=tests.saboteurs.brought:{name}", "--cases=60", f"--rule={rule}")
    assert f"{rule} (MUST) is broken" in done.output


def test_a_rule_about_quantizers_is_not_held_against_a_prepare(suite: Suite) -> None:
    assert "does not speak of models with qconfigs" in refusal(suite("--impl=torch", "--rule=QUANTIZERS-1"))


def test_the_script_of_a_failing_case_tries_the_quantizer(tmp_path: Path) -> None:
    path = tmp_path / "case.py"
    path.write_text(script(SUM))
    command = [sys.executable, str(path), "observance.strategies.quantizers:xnnpack"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("HistogramObserver(") >= 2


def test_a_part_of_a_graph_has_the_nodes_and_what_they_read_as_inputs() -> None:
    model = build(SUM).model
    (add,) = (node for node in model.graph.nodes if node.name == "add")
    part = part_of(model, [add])
    assert [node.op for node in part.graph.nodes] == ["placeholder", "placeholder", "call_function", "output"]
    both = places_of(asked_of(Quantizing(CountsInputs), part, False))
    assert both == {("x0", "add"), ("x1", "add"), ("add",)}
    first, second = add.all_input_nodes
    assert places_of(asked_of(Quantizing(CountsInputs), part_of(model, [add], {second: first}), False)) == set()


def test_an_input_of_a_part_does_not_say_what_has_computed_it() -> None:
    model = build(replace(SUM, calls=(*SUM.calls, Call("relu", (0,))), output=1)).model
    add, relu = (node for node in model.graph.nodes if node.op == "call_function")
    value, node, _ = part_of(model, [relu]).graph.nodes
    assert set(node.meta) == set(relu.meta)
    assert "val" in value.meta
    assert set(value.meta) <= {"val", "tensor_meta"} < set(add.meta)


# How they are explained and certified


def test_a_graph_is_explained_as_a_quantizer_annotates_it(
    suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("sum.json", SUM.to_json())
    assert cli.main(["explain", path]) == 2
    assert capsys.readouterr().err.endswith("is a graph for a quantizer; name one with --quantizer.\n")
    assert cli.main(["explain", path, f"--quantizer={SOUND}"]) == 0
    assert "ANNOTATIONS-1: add is annotated to read x0 by it" in capsys.readouterr().out


def test_a_certificate_of_a_quantizer_is_verified(
    suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite(f"--quantizer={SOUND}", "--cases=12", "--certify=cert")
    made = json.loads(Path("cert/certificate.json").read_text())
    assert made["implementation"]["shape"] == "quantizer"
    assert {rule["id"].partition("-")[0] for rule in made["rules"]} == {"QUANTIZERS"}
    assert any(file["path"].endswith("brought.py") for file in made["implementation"]["files"])
    assert cli.main(["verify", "cert", "--no-rerun"]) == 0, capsys.readouterr().out


# Those that are shipped


def of_shipped(name: str, operator: str = "linear") -> Case:
    """Return a case of one operator, with the annotations of a shipped quantizer."""
    return replace(LINEAR, calls=(Call(operator, (-1,)),), quantizer=name)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_case_may_have_the_annotations_of_a_shipped_quantizer(name: str) -> None:
    case = of_shipped(name)
    assert Case.from_json(case.to_json()) == case
    noted = [node for node in build(case).model.graph.nodes if "quantization_annotation" in node.meta]
    assert bool(noted) is (name != "embedding")


@pytest.mark.parametrize("name", executorch.drawn())
def test_a_case_may_have_the_annotations_of_a_quantizer_of_executorch(name: str) -> None:
    noted = [node for node in build(of_shipped(name)).model.graph.nodes if "quantization_annotation" in node.meta]
    assert noted


@pytest.mark.parametrize("name", executorch.drawn())
def test_a_script_has_all_that_makes_a_quantizer_of_executorch(name: str, tmp_path: Path) -> None:
    path = tmp_path / "case.py"
    path.write_text(script(of_shipped(name)))
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_quantizers_of_executorch_have_names_of_their_own() -> None:
    assert not set(SHIPPED) & set(executorch.SHIPPED)
    assert all(name == f"executorch.{made.__name__}" for name, made in executorch.SHIPPED.items())
    assert {made.__name__ for made in executorch.SHIPPED.values()} > set(executorch.NOT_DRAWN)
    assert set(executorch.drawn()) <= set(executorch.SHIPPED)


@pytest.mark.parametrize("made", [*SHIPPED.values(), *executorch.SHIPPED.values()])
def test_what_makes_a_shipped_quantizer_is_told_of_training_or_of_nothing(made: Callable[..., Any]) -> None:
    assert made.__doc__
    told = inspect.signature(made).parameters.values()
    assert [(one.name, one.default) for one in told] in ([], [("is_qat", False)])


@pytest.mark.parametrize("name", executorch.SHIPPED)
def test_the_source_of_a_case_makes_a_quantizer_of_executorch_without_this_package(name: str) -> None:
    source = annotation_source(of_shipped(name))
    compile(source, name, "exec")
    assert "observance" not in source
    assert 'HOME = "executorch.backends"' in source
    assert f"quantizer = {name.partition('.')[2]}(" in source


def test_a_quantizer_that_nobody_ships_is_an_error_that_names_those_of_executorch() -> None:
    with pytest.raises(CaseError, match=r"no quantizer 'absent' .* executorch\.xnnpack, "):
        annotation_source(of_shipped("absent"))


def test_without_executorch_none_of_its_quantizers_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert executorch.drawn() == ()


def test_a_quantizer_of_executorch_is_judged(suite: Suite) -> None:
    pytest.importorskip("executorch")
    done = suite("--quantizer=observance.strategies.executorch:vulkan", "--cases=12", "--rule=QUANTIZERS-4")
    assert done.code == 0


def test_two_builds_of_an_exported_graph_share_no_annotation() -> None:
    case = replace(LINEAR, annotations=(Annotation("linear", (("x0", None),)),))
    first, second = build(case), build(case)
    for given in (first, second):
        (node,) = (node for node in given.model.graph.nodes if node.name == "linear")
        assert list(node.meta["quantization_annotation"].input_qspec_map) == node.all_input_nodes[:1]
    assert first.model is not second.model
