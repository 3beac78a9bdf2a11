"""What the reference leaves for conversion, what it leaves alone, and how both are looked at."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.ao.quantization import QConfigMapping, default_qconfig
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.fx import GraphModule

from observance.conformance import forward
from observance.conformance.conversion import difference
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.lifecycle import importable, memory_of, program_of, reloaded, survivors
from observance.conformance.outcomes import arguments_of, prepared_or_error, retraced
from observance.conformance.recorded import ABSENT, custom_entries, mapping_entries, meaning_of, missing_fields
from observance.conformance.rules import RULES, import_rules
from observance.reference import plan, prepare
from observance.reference.entry import read_configs
from observance.reference.prepare import role_positions
from observance.reference.rewrite import rewrite, twin
from observance.reference.state import KEY, save
from observance.strategies import Case
from observance.strategies.case import Call, Entry, Mapping

EVERYTHING = Mapping(None, (Entry("global", "default_qconfig"),))
CHAIN = Case(("t",), (Call("linear", (-1,)), Call("relu", (0,)), Call("size", (1,))), ("tuple", 1, 2), EVERYTHING)


def prepared(case: Case = CHAIN) -> GraphModule:
    """Return what the reference makes of a case."""
    made = prepared_or_error(resolve("reference"), arguments_of(case))
    assert isinstance(made, GraphModule)
    return made


def traced(model: nn.Module, custom: PrepareCustomConfig | None = None) -> tuple[GraphModule, dict[str, Any]]:
    """Return a traced model and its scopes."""
    names = custom.non_traceable_module_names if custom else []
    tracer = QuantizationTracer(names, [])
    return GraphModule(model, tracer.trace(model)), dict(tracer.node_name_to_scope)


def test_the_record_names_what_is_observed_and_nothing_else() -> None:
    record = prepared().meta[KEY]
    assert record.observed_node_names == {"linear_0", "relu_1"}
    assert not missing_fields(record)


def test_a_standalone_module_records_which_inputs_and_outputs_its_parent_observes() -> None:
    given = arguments_of(CHAIN)
    custom = PrepareCustomConfig().set_input_quantized_indexes([0]).set_output_quantized_indexes([1])
    configs = read_configs(given.qconfig_mapping, custom, None)
    decided = plan(given.model, configs, given.scopes, given.example_inputs)
    made = rewrite(given.model, decided)
    positions = role_positions(configs.backend)
    record = save(made, given.model, decided, configs, given.scopes, positions, False, True).meta[KEY]
    assert record.is_observed_standalone_module
    assert record.standalone_module_input_quantized_idxs == [0]
    assert record.standalone_module_output_quantized_idxs == [1]


def test_a_model_that_is_not_standalone_records_no_such_inputs() -> None:
    record = prepared().meta[KEY]
    assert not record.is_observed_standalone_module
    assert record.standalone_module_input_quantized_idxs is None


def test_the_caller_s_modules_and_nodes_do_not_hear_of_the_preparation() -> None:
    given = arguments_of(CHAIN)
    before = program_of(given)
    made = prepare(given.model, given.qconfig_mapping, False, given.scopes, given.example_inputs)
    assert program_of(given) == before
    assert not any("qconfig" in vars(module) for module in given.float_model.modules())
    assert not any("target_dtype_info" in node.meta for node in given.model.graph.nodes)
    assert made.linear_0.qconfig is not None
    assert made.linear_0 is not given.model.linear_0


def test_parameters_stay_the_caller_s() -> None:
    given = arguments_of(CHAIN)
    made = prepare(given.model, given.qconfig_mapping, False, given.scopes, given.example_inputs)
    assert made.linear_0.weight is given.float_model.linear_0.weight


def test_a_mapping_that_is_changed_later_changes_no_record() -> None:
    given = arguments_of(CHAIN)
    made = prepare(given.model, given.qconfig_mapping, False, given.scopes, given.example_inputs)
    given.qconfig_mapping.set_global(None)
    assert made.meta[KEY].qconfig_mapping.global_qconfig is not None


def test_a_module_under_two_names_stays_one_module() -> None:
    linear, twins = nn.Linear(2, 2), {}  # type: ignore[var-annotated]
    outer = nn.ModuleDict({"one": linear, "other": linear})
    copied = twin(outer, twins)
    assert isinstance(copied, nn.ModuleDict)
    assert copied["one"] is copied["other"]
    assert copied["one"] is not linear
    assert copied["one"].weight is linear.weight


def test_a_twin_computes_what_its_original_computes_and_keeps_attributes_to_itself() -> None:
    for module in (nn.LSTM(3, 3), nn.MultiheadAttention(2, 1), nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))):
        copied = twin(module, {})
        assert copied is not None
        inputs = [torch.randn(2, 2)] * 3 if isinstance(module, nn.MultiheadAttention) else [torch.randn(2, 3)]
        assert forward.equal(forward.run(module.eval(), inputs), forward.run(copied.eval(), inputs))
        copied.mark = True  # type: ignore[assignment]
        copied.register_forward_hook(lambda *_: None)
        assert not hasattr(module, "mark")
        assert not module._forward_hooks


def test_an_empty_place_for_a_module_stays_empty() -> None:
    module = nn.Module()
    module.register_module("downsample", None)
    copied = twin(module, {})
    assert copied is not None
    assert copied._modules == {"downsample": None}


class Inner(nn.Module):
    """A module with a part that can be called on its own, or not be traced at all."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.parts(x)  # type: ignore[no-any-return]


class Outer(nn.Module):
    """A module around it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)  # type: ignore[no-any-return]


def test_what_is_inside_a_module_that_is_not_traced_gets_no_qconfig() -> None:
    custom = PrepareCustomConfig().set_non_traceable_module_names(["inner"])
    model, scopes = traced(Outer().eval(), custom)
    mapping = QConfigMapping().set_global(default_qconfig)
    made = prepare(model, mapping, False, scopes, (torch.randn(1, 4),), custom)
    assert "qconfig" in vars(made.inner)
    assert not any("qconfig" in vars(part) for part in made.inner.parts.modules())


def test_what_is_inside_a_called_module_inherits_unless_it_has_its_own() -> None:
    fused = torch.ao.nn.intrinsic.LinearReLU(nn.Linear(4, 4), nn.ReLU()).eval()
    model, scopes = traced(nn.Sequential(fused).eval())
    mapping = QConfigMapping().set_global(default_qconfig).set_module_name("0.1", None)
    made = prepare(model, mapping, False, scopes, (torch.randn(1, 4),))
    called = made.get_submodule("0")
    assert called.qconfig is not None
    assert called.get_submodule("0").qconfig is not None
    assert called.get_submodule("1").qconfig is None


def test_qconfigs_mean_the_same_when_they_construct_the_same() -> None:
    assert meaning_of(default_qconfig) == meaning_of(copy.deepcopy(default_qconfig))
    assert meaning_of(None) != ABSENT
    assert meaning_of(default_qconfig) != meaning_of(torch.ao.quantization.default_dynamic_qconfig)


def test_what_is_no_config_is_told() -> None:
    assert mapping_entries({}) == {"the mapping": ("dict", None)}
    assert custom_entries(None) == {"the custom config": ("NoneType", None)}


def test_a_record_without_fields_is_told() -> None:
    assert "is_qat" in missing_fields(None)


@pytest.mark.parametrize("change", ["weight", "order", "module"])
def test_two_graphs_differ_by_what_they_do_and_not_by_names(change: str) -> None:
    def model() -> GraphModule:
        torch.manual_seed(0)
        return GraphModule(made := nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.fx.Tracer().trace(made))

    one, other = model(), model()
    for node in other.graph.nodes:
        node.name = f"another_{node.name}"
    assert difference(one, other) is None
    if change == "weight":
        with torch.no_grad():
            other.get_submodule("0").weight.add_(1)  # type: ignore[operator, union-attr]
    elif change == "module":
        other.add_submodule("1", nn.ReLU6())
    else:
        other = GraphModule(made := nn.Sequential(nn.ReLU(), one.get_submodule("0")), torch.fx.Tracer().trace(made))
    assert difference(one, other) is not None


def test_it_means_nothing_whether_a_step_stands_before_or_behind_the_next_input() -> None:
    class Sum(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.sin(x) + y

    one, other = (GraphModule(made := Sum(), torch.fx.Tracer().trace(made)) for _ in range(2))
    first, _, step, *_ = other.graph.nodes
    first.append(step)
    other.graph.lint()
    assert [node.op for node in other.graph.nodes][:3] == ["placeholder", "call_function", "placeholder"]
    assert difference(one, other) is None


def test_a_case_is_pickled_while_it_can_be_imported() -> None:
    given = arguments_of(CHAIN)
    assert isinstance(reloaded(type(given.float_model)), Exception)
    with importable(given):
        assert reloaded(type(given.float_model)) is type(given.float_model)
    assert isinstance(reloaded(type(given.float_model)), Exception)


def test_a_model_that_holds_what_cannot_be_pickled_is_told_where_the_classes_of_its_case_can() -> None:
    def with_a_local_function(*args: Any, **kwargs: Any) -> GraphModule:
        made = prepare(*args, **kwargs)
        made.described = lambda: "prepared"
        return made

    import_rules()
    judge = Judge(replace(resolve("reference"), function=with_a_local_function), 1)
    in_a_class_of_its_own = replace(CHAIN, calls=(*CHAIN.calls, Call("F_relu_tt", (0,), scope="b")))
    assert any(finding.broken for finding in judge.findings(RULES["EFFECTS-12"], in_a_class_of_its_own))


def test_what_observers_have_seen_is_told() -> None:
    made = prepared()
    before = memory_of(made)
    forward.run(made, arguments_of(CHAIN).example_inputs)
    after = memory_of(made)
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)


def test_a_model_that_is_traced_again_has_the_same_modules() -> None:
    given = arguments_of(CHAIN)
    again = retraced(given)
    assert again.model is not given.model
    assert again.model.linear_0 is given.model.linear_0


def test_no_observer_of_the_reference_outlives_its_model() -> None:
    assert survivors(resolve("reference"), CHAIN, False) == (2, [])


@pytest.mark.filterwarnings("ignore")
def test_quantized_results_are_compared_by_what_they_stand_for() -> None:
    value = torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.quint8)
    assert forward.equal([value], [value.clone()])
    assert not forward.equal([value], [torch.ones(2)])
    assert isinstance(forward.run(nn.Linear(2, 2), [torch.ones(3)]), Exception)
