"""The reference explains itself, leaves its arguments alone, and grows with the graph."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn
from torch.ao.quantization import (
    MinMaxObserver,
    PlaceholderObserver,
    QConfig,
    QConfigMapping,
    default_qconfig,
    get_default_qconfig_mapping,
)
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.fx import Graph, GraphModule

from observance.reference import RefusalError, plan, prepare, survey
from observance.reference.entry import read_configs
from observance.strategies import Case, build
from observance.strategies.case import Backend, Call, Constraint, DTypes, Entry, Mapping, Pattern

EVERYTHING = Mapping(None, (Entry("global", "default_qconfig"),))
CHAIN = Case(("t",), (Call("linear", (-1,)), Call("relu", (0,)), Call("size", (1,))), ("tuple", 1, 2), EVERYTHING)


def prepared(case: Case, **changes: Any) -> GraphModule:
    """Return what the reference makes of a case, some of its arguments changed."""
    given = build(case)
    arguments: dict[str, Any] = {
        "model": given.model,
        "qconfig_mapping": given.qconfig_mapping,
        "is_qat": False,
        "node_name_to_scope": given.scopes,
        "example_inputs": given.example_inputs,
        "prepare_custom_config": given.custom_config,
        "backend_config": given.backend_config,
    }
    return prepare(**(arguments | changes))


def chain(operators: int) -> tuple[GraphModule, dict[str, tuple[str, Any]]]:
    """Return a graph of one operator behind another, and its scopes."""
    graph = Graph()
    value = graph.placeholder("x")
    for number in range(operators):
        function = nn.functional.hardswish if number % 2 else torch.flatten
        value = graph.call_function(function, (value,))
    graph.output(value)
    return GraphModule(nn.Module(), graph), {node.name: ("", None) for node in graph.nodes}


def test_the_plan_says_why_an_observer_stands_where_it_does() -> None:
    given = build(CHAIN)
    configs = read_configs(given.qconfig_mapping, None, None)
    decided = plan(given.model, configs, given.scopes, given.example_inputs)
    root = next(node for node in given.model.graph.nodes if node.name == "linear_0")
    assert "x0 is torch.float32; linear_0 asks for MinMaxObserver(quint8)" in decided.explain(root)
    assert "[PLACEMENT-1]" in decided.explain(root)


def test_the_plan_says_why_there_is_no_observer() -> None:
    given = build(CHAIN)
    decided = plan(given.model, read_configs(given.qconfig_mapping, None, None), given.scopes, given.example_inputs)
    size = next(node for node in given.model.graph.nodes if node.name == "size")
    assert "no tensor" in decided.explain(size)


def test_every_decision_names_a_rule_of_the_rule_book() -> None:
    from observance.conformance.rules import RULES, import_rules

    import_rules()
    given = build(CHAIN)
    decided = plan(given.model, read_configs(given.qconfig_mapping, None, None), given.scopes, given.example_inputs)
    assert {decision.rule for decision in decided.decisions} <= set(RULES)


def test_the_survey_places_no_observer() -> None:
    given = build(CHAIN)
    site = survey(given.model, read_configs(given.qconfig_mapping, None, None), given.scopes, given.example_inputs)
    assert site.quantized
    assert not site.plan.slots


def test_the_model_that_is_given_keeps_its_graph() -> None:
    given = build(CHAIN)
    before = str(given.model.graph)
    prepare(given.model, given.qconfig_mapping, False, given.scopes, given.example_inputs)
    assert str(given.model.graph) == before


class Offset(nn.Module):
    """A layer that adds two buffers, of which a state dict has one."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.ones(4))
        self.register_buffer("left_out", torch.ones(4), persistent=False)

    def forward(self, x: Any) -> Any:
        return x + self.kept + self.left_out


def test_a_state_dict_has_the_buffers_of_a_layer_that_it_had_before() -> None:
    float_model = nn.Sequential(nn.Linear(4, 4), Offset()).eval()
    tracer = QuantizationTracer([], [])
    model = GraphModule(float_model, tracer.trace(float_model))
    mapping = get_default_qconfig_mapping("x86")
    result = prepare(model, mapping, False, tracer.node_name_to_scope, (torch.ones(1, 4),))
    assert {name for name in result.state_dict() if "post_process" not in name} == set(model.state_dict())


def test_a_call_that_is_refused_leaves_everything_as_it_was() -> None:
    given = build(CHAIN)
    before = str(given.model.graph)
    with pytest.raises(RefusalError, match="has no scope; give node_name_to_scope an entry"):
        prepare(given.model, given.qconfig_mapping, False, {}, given.example_inputs)
    assert str(given.model.graph) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_standalone_module": True}, "standalone module"),
        ({"_equalization_config": QConfigMapping().set_global(default_qconfig)}, "give it an EqualizationQConfig"),
        ({"qconfig_mapping": 3}, "qconfig_mapping is a int; pass a QConfigMapping"),
        ({"backend_config": "x86"}, "backend_config is a str; pass a BackendConfig"),
    ],
)
def test_what_is_not_specified_or_not_understood_is_refused_in_one_sentence(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RefusalError, match=words) as caught:
        prepared(CHAIN, **changes)
    assert "\n" not in str(caught.value)


def test_a_graph_without_an_output_is_refused_in_one_sentence() -> None:
    model, scopes = chain(1)
    (output,) = (node for node in model.graph.nodes if node.op == "output")
    model.graph.erase_node(output)
    with pytest.raises(RefusalError, match="the graph has no output; let it return what it computes"):
        prepare(model, QConfigMapping().set_global(default_qconfig), False, scopes, (torch.zeros(2),))


BYTES = Constraint("torch.quint8")


@pytest.mark.parametrize(("dtypes", "observers"), [(DTypes(BYTES), 1), (DTypes(), 1), (DTypes(BYTES, BYTES), 0)])
def test_a_pattern_that_gives_no_tensor_has_its_input_observed_where_its_output_may_be_anything(
    dtypes: DTypes, observers: int
) -> None:
    pattern = Pattern(("torch.sin", ".size"), "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT", (dtypes,))
    calls = (Call("torch_sin_tt", (-1,)), Call("size", (0,)))
    result = prepared(Case(("t",), calls, ("tuple", 1), EVERYTHING, Backend((pattern,))))
    assert sum(node.name.startswith("activation_post_process") for node in result.graph.nodes) == observers


def test_a_dict_draws_a_future_warning() -> None:
    with pytest.warns(FutureWarning, match="qconfig_mapping is a dict"):
        prepared(CHAIN, qconfig_mapping=get_default_qconfig_mapping("x86").to_dict())


def test_three_thousand_operators_in_a_chain_meet_no_recursion_limit() -> None:
    model, scopes = chain(3000)
    result = prepare(model, QConfigMapping().set_global(default_qconfig), False, scopes, (torch.zeros(2),))
    observers = [node for node in result.graph.nodes if node.name.startswith("activation_post_process")]
    assert len(observers) == 3001


def test_the_number_of_observers_that_are_constructed_grows_with_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    from observance.reference import dtypes

    def constructed(operators: int) -> int:
        made = 0
        original = dtypes.spec_of

        def counting(constructor: Any) -> Any:
            nonlocal made
            made += 1
            return original(constructor)

        with monkeypatch.context() as patch:
            patch.setattr(dtypes, "spec_of", counting)
            model, scopes = chain(operators)
            prepare(model, QConfigMapping().set_global(default_qconfig), False, scopes, (torch.zeros(2),))
        return made

    assert constructed(200) <= 2 * constructed(100)


TRAINED = dataclasses.replace(CHAIN, mapping=Mapping(None, (Entry("global", "default_qat_qconfig"),)), is_qat=True)


def test_a_module_that_is_swapped_is_swapped_in_the_result_alone() -> None:
    given = build(TRAINED)
    result = prepare(given.model, given.qconfig_mapping, True, given.scopes, given.example_inputs)
    assert type(result.linear_0) is torch.ao.nn.qat.Linear
    for model in (given.model, given.float_model):
        assert type(model.linear_0) is nn.Linear
        assert not hasattr(model.linear_0, "qconfig")
    assert result.linear_0.weight is given.float_model.linear_0.weight


def test_a_module_under_two_names_is_swapped_once() -> None:
    root = nn.Module()
    root.first = root.second = nn.Linear(4, 4)
    graph = Graph()
    value = graph.placeholder("x")
    graph.output(graph.call_module("second", (graph.call_module("first", (value,)),)))
    model, mapping = GraphModule(root, graph), QConfigMapping().set_global(torch.ao.quantization.default_qat_qconfig)
    scopes = {name: (name, nn.Linear) for name in ("first", "second")}
    result = prepare(model, mapping, True, scopes, (torch.zeros(4, 4),))
    assert result.first is result.second
    assert model.first is model.second is root.first


def test_a_class_for_training_that_refuses_a_qconfig_is_told_with_the_module_and_the_cure() -> None:
    embedding = Case(("i",), (Call("embedding", (-1,)),), 0, TRAINED.mapping, is_qat=True)
    by_tensor = QConfig(PlaceholderObserver, MinMaxObserver.with_args(dtype=torch.quint8))  # which the backend takes
    with pytest.raises(RefusalError, match=r"module 'embedding_0' cannot become a .*; give it a qconfig that suits"):
        prepared(embedding, is_qat=True, qconfig_mapping=QConfigMapping().set_global(by_tensor))


def test_a_module_whose_qconfig_the_backend_ignores_is_not_swapped() -> None:
    embedding = Case(("i",), (Call("embedding", (-1,)),), 0, TRAINED.mapping, is_qat=True)
    assert type(prepared(embedding, is_qat=True).embedding_0) is nn.Embedding


def test_one_example_input_needs_no_tuple_and_too_many_are_not_read() -> None:
    (only,) = build(CHAIN).example_inputs
    usual = prepared(CHAIN).code
    assert prepared(CHAIN, example_inputs=only).code == usual
    assert prepared(CHAIN, example_inputs=(only, torch.zeros(1, dtype=torch.int64))).code == usual
    assert "activation_post_process" in usual
    assert "activation_post_process" not in prepared(CHAIN, example_inputs=only.long()).code.partition("linear")[0]
