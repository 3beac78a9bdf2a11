"""A case as Python: the script stands alone, and two builds of a case share nothing but their values."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from observance.strategies import Arguments, Case, assemble, build, cases, script
from observance.strategies.arguments import _executed, _sources, example_inputs
from observance.strategies.case import (
    Backend,
    Call,
    Constraint,
    DTypes,
    Entry,
    Mapping,
    Observer,
    Pattern,
    QConfig,
)
from observance.strategies.source import class_names, definitions, member

from .results import same

OWN_QCONFIG = QConfig(
    Observer("HistogramObserver", (("dtype", "torch.quint8"), ("eps", 2**-12))),
    Observer("PerChannelMinMaxObserver", (("dtype", "torch.qint8"), ("qscheme", "torch.per_channel_symmetric"))),
)
OWN_BACKEND = Backend(
    (
        Pattern(
            ("nn.Linear", "nn.ReLU"),
            "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT",
            (DTypes(Constraint("torch.quint8", quant_min=0, quant_max=255), Constraint("torch.quint8")),),
        ),
        Pattern(
            ("torch.add",),
            "OUTPUT_SHARE_OBSERVER_WITH_INPUT",
            (DTypes(),),
            (
                (0, "INPUT_OUTPUT_NOT_OBSERVED"),
                (1, "OUTPUT_SHARE_OBSERVER_WITH_INPUT"),
                (2, "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT"),
            ),
        ),
        Pattern(("F.linear",), "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT", (DTypes(),), (), (("weight", 1), ("bias", 2))),
    )
)
EVERYWHERE = Mapping(None, (Entry("global", "default_qconfig"),))

PLAIN = Case(("t",), (Call("linear", (-1,)),), 0, EVERYWHERE)

SCRIPTS = {
    "shared modules, tied weights, submodules, nested lists": Case(
        ("t",),
        (
            Call("linear", (-1,), scope="a.b"),
            Call("linear", (0,), shares=0),
            Call("linear", (1,), scope="a", ties=0),
            Call("F_linear", (2,), spelling="keyword", scope="b"),
            Call("F_linear", (3,), shares=3),
            Call("fold", (((0, 1), (4,)),), spelling="keyword", sequence="tuple", scope="b"),
        ),
        ("dict", ("last", 5), ("rest", ("tuple", ("list", 0, 1), None))),
        Mapping("qnnpack", (Entry("name", "float16_dynamic_qconfig", name="a"), Entry("regex", None, name="b$"))),
    ),
    "configs of its own": Case(
        ("t", "t"),
        (
            Call("linear", (-1,)),
            Call("relu", (0,)),
            Call("torch_add", (1, -2)),
            Call("torch_add_number", (2,)),
            Call("F_linear", (3,)),
        ),
        4,
        Mapping(
            None,
            (
                Entry("global", OWN_QCONFIG),
                Entry("object_type", "default_dynamic_qconfig", target="F.linear"),
                Entry("order", "x86", target="torch.add", index=1),
            ),
        ),
        OWN_BACKEND,
    ),
    "equalization, declared outputs, stored values": Case(
        ("t",),
        (Call("linear", (-1,)), Call("F_linear", (0,)), Call("torch_sin_tt", (1,))),
        ("tuple", 1, 2),
        Mapping(None, (Entry("global", "default_qconfig"),)),
        quantized_inputs=(0,),
        quantized_outputs=(0, 1),
        equalization=Mapping(
            None,
            (
                Entry("global", "default_equalization_qconfig"),
                Entry(
                    "object_type",
                    QConfig(Observer("_InputEqualizationObserver", (("dtype", "torch.qint8"),)), Observer("")),
                    target="nn.Linear",
                ),
            ),
        ),
        has_values=True,
    ),
    "shape arithmetic, masks, configs as dicts, a quantized input": Case(
        ("t", "b", "i"),
        (
            Call("sizes", (-1,)),
            Call("view_as_size", (-1, 0)),
            Call("masked_fill", (1, -2)),
            Call("embedding", (-3,)),
            Call("cat", ((2, 3),), spelling="keyword"),
            Call("lstm", (4,)),
            Call("lstm_output", (5,)),
        ),
        ("list", 6, 0),
        EVERYWHERE,
        backend="fbgemm",
        quantized_inputs=(0,),
        as_dicts=True,
        seed=7,
    ),
}


# The script


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """What the scripts do, each in a process that knows of no path of ours: its end, its output, its errors."""
    folder = tmp_path_factory.mktemp("scripts")
    running = {}
    for number, (name, case) in enumerate(SCRIPTS.items()):
        path = folder / f"{number}.py"
        path.write_text(script(case), encoding="utf-8")
        # Isolated: neither PYTHONPATH nor the working directory is searched for modules.
        running[name] = subprocess.Popen(
            [sys.executable, "-I", "-W", "ignore", str(path)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    texts = {name: process.communicate() for name, process in running.items()}
    return {name: (running[name].returncode, *texts[name]) for name in running}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_alone_and_prints_a_prepared_model(outputs: dict[str, Any], name: str) -> None:
    end, printed, errors = outputs[name]
    assert end == 0, errors
    assert "GraphModule(" in printed
    assert "activation_post_process_0 = self.activation_post_process_0" in printed
    assert "tensor(" in printed.partition("def forward")[2], "the prepared model was not run"


@given(cases())
def test_a_script_imports_torch_and_python_alone(case: Case) -> None:
    text = script(case)
    assert "observance" not in text
    imported = set()
    for statement in ast.walk(ast.parse(text)):
        if isinstance(statement, ast.Import):
            imported |= {name.name.partition(".")[0] for name in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            imported.add((statement.module or ".").partition(".")[0])
    assert imported == {"operator", "torch"}


@given(cases())
def test_a_script_holds_the_definitions_that_are_built(case: Case) -> None:
    assert definitions(case) in script(case)


@given(cases())
def test_the_same_case_has_the_same_script(case: Case) -> None:
    assert script(case) == script(Case.from_json(case.to_json()))


def test_a_target_that_only_a_config_names_is_defined() -> None:
    pattern = Pattern(("fold",), "OUTPUT_SHARE_OBSERVER_WITH_INPUT", (DTypes(),))
    build(Case(("t",), (Call("linear", (-1,)),), 0, EVERYWHERE, Backend((pattern,))))


def test_submodules_whose_paths_read_alike_have_classes_of_their_own() -> None:
    given_calls = (Call("linear", (-1,), scope="a.b"), Call("linear", (0,)), Call("linear", (1,), scope="a_b"))
    names = class_names(Case(("t",), given_calls, 2, EVERYWHERE))
    assert sorted(names) == ["", "a", "a.b", "a_b"]
    assert len(set(names.values())) == 4


# What is built


def test_a_module_called_twice_is_one_module() -> None:
    case = SCRIPTS["shared modules, tied weights, submodules, nested lists"]
    model = build(case).float_model
    assert member(case, 0) == "linear_0"
    assert model.get_submodule("a.b.linear_0") is model.get_submodule("linear_1")


def test_tied_modules_are_two_with_one_weight() -> None:
    case = SCRIPTS["shared modules, tied weights, submodules, nested lists"]
    model = build(case).float_model
    one, other = model.get_submodule("a.b.linear_0"), model.get_submodule("a_1.linear_2")
    assert one is not other
    assert one.weight is other.weight
    assert one.bias is not other.bias


def test_a_parameter_used_twice_is_one_parameter() -> None:
    case = SCRIPTS["shared modules, tied weights, submodules, nested lists"]
    model = build(case).float_model
    for index in (0, 1):
        assert model.get_parameter(f"b.F_linear_3_p{index}") is model.get_parameter(f"F_linear_4_p{index}")


@given(cases())
def test_a_scope_is_told_for_every_call_of_the_traced_model(case: Case) -> None:
    arguments = build(case)
    called = {node.name for node in arguments.model.graph.nodes if node.op.startswith("call_")}
    assert called <= set(arguments.scopes)


@given(cases())
def test_a_built_model_is_in_the_mode_of_its_case_and_asks_for_gradients_if_it_is_trained(case: Case) -> None:
    arguments = build(case)
    training = case.is_qat if case.training is None else case.training
    assert all(module.training == training for module in arguments.float_model.modules())
    for model in (arguments.float_model, arguments.model):
        assert all(parameter.requires_grad == case.is_qat for parameter in model.parameters())


MUTABLE = (list, dict, set, torch.Tensor, nn.Module)


def things(arguments: Arguments) -> dict[tuple[str, int], Any]:
    """Everything in some arguments that another build could share and change, by identity or address."""
    found: list[Any] = [
        arguments.scopes,
        *arguments.example_inputs,
        arguments.model.graph,
        *arguments.model.graph.nodes,
    ]
    for model in (arguments.float_model, arguments.model):
        found += [*model.modules(), *model.parameters(), *model.buffers()]
    mappings = (arguments.qconfig_mapping, arguments.equalization)
    for config in (*mappings, arguments.custom_config, arguments.backend_config):
        found += [config, *(vars(config).values() if hasattr(config, "__dict__") else ())]
    if getattr(arguments.backend_config, "name", "") == "drawn":
        # torch's own functions may return one pattern config twice; those that are drawn are made anew.
        found += arguments.backend_config.configs
    tensors = [one for one in found if isinstance(one, torch.Tensor) and not one.is_meta and one.numel()]
    return {
        **{("data", tensor.data_ptr()): tensor for tensor in tensors},
        **{("object", id(one)): one for one in found if isinstance(one, MUTABLE) or hasattr(one, "__dict__")},
    }


@given(cases())
def test_two_builds_of_a_case_share_nothing(case: Case) -> None:
    first, second = build(case), build(case)
    one, other = things(first), things(second)
    shared = [one[key] for key in one.keys() & other.keys()]
    assert not shared


def test_what_two_builds_must_not_share_is_found() -> None:
    arguments = build(SCRIPTS["configs of its own"])
    found = list(things(arguments).values())
    for thing in (
        arguments.float_model.get_submodule("linear_0"),
        arguments.float_model.get_parameter("linear_0.weight"),
        arguments.example_inputs[1],
        arguments.qconfig_mapping,
        arguments.qconfig_mapping.object_type_qconfigs,
        arguments.backend_config.configs[0],
    ):
        assert any(thing is one for one in found)


@settings(max_examples=50)
@given(cases())
def test_two_builds_of_a_case_have_the_same_values(case: Case) -> None:
    first = build(case)
    torch.manual_seed(12345)
    torch.rand(3)
    second = build(case)
    assert first.model.code == second.model.code
    assert first.scopes.keys() == second.scopes.keys()
    one, other = first.float_model.state_dict(), second.float_model.state_dict()
    assert one.keys() == other.keys()
    assert all(same(one[name], other[name]) for name in one)
    inputs = zip(first.example_inputs, second.example_inputs, example_inputs(case), strict=True)
    assert all(same(a, b) and same(a, c) for a, b, c in inputs)


def test_another_seed_gives_other_weights_and_inputs() -> None:
    one, other = build(PLAIN), build(dataclasses.replace(PLAIN, seed=1))
    assert not torch.equal(one.example_inputs[0], other.example_inputs[0])
    weights = [arguments.float_model.get_parameter("linear_0.weight") for arguments in (one, other)]
    assert not torch.equal(*weights)


def test_building_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    build(PLAIN)
    assert not list(tmp_path.iterdir())


@given(cases())
@settings(max_examples=40)
def test_a_graph_that_is_copied_is_the_one_that_is_traced(case: Case) -> None:
    copied = build(dataclasses.replace(case, mapping=Mapping())), build(case)
    traced = assemble(_executed(_sources(case), "case_traced"), case.is_qat, case.is_standalone)
    for one in copied:
        assert drawn_on(one) == drawn_on(traced)
        spaces = {vars(type(one.float_model))["__module__"], *map(home, [*one.model.graph.nodes, *one.scopes.values()])}
        assert {space for space in spaces if space.startswith("case")} == {type(one.float_model).__module__}


def drawn_on(arguments: Arguments) -> list[object]:
    """What a graph and its scopes are, but for the objects in them, and for the namespace that they are from."""
    nodes = [
        (node.format_node(), node.name, [*node.users], sorted(node.meta), str(node.meta.get("val")))
        for node in arguments.model.graph.nodes
    ]
    scopes = [(name, path, getattr(kind, "__qualname__", kind)) for name, (path, kind) in arguments.scopes.items()]
    texts = (re.sub(r"\bcase_(traced|[0-9a-f]{12})", "case", text) for text in (str(nodes), arguments.model.code))
    return [*texts, scopes, sorted(vars(arguments.model))]


def home(thing: object) -> str:
    """The module of what a node calls, or of the class of a scope."""
    target = thing[1] if isinstance(thing, tuple) else getattr(thing, "target", None)
    return str(getattr(target, "__module__", ""))
