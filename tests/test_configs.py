"""What configs say: the reference reads it by itself, and as the classes of torch do where these are right."""

from __future__ import annotations

import importlib
import pickle
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.ao.quantization import QConfigMapping, default_qconfig
from torch.ao.quantization.backend_config import (
    BackendConfig,
    BackendPatternConfig,
    DTypeConfig,
    DTypeWithConstraints,
    ObservationType,
    get_fbgemm_backend_config,
    get_native_backend_config,
    get_onednn_backend_config,
)
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig

from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import import_rules
from observance.reference import RefusalError, configs, native
from observance.reference.entry import read_configs
from observance.reference.native import recorded
from observance.strategies.case import Call, Case, Entry, Mapping

from .native_table import PATH, text

import_rules()

INSIDE = BackendConfig("inside")
LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, Mapping("x86"))


def every_selector(kind: type[QConfigMapping] = QConfigMapping) -> QConfigMapping:
    """A mapping in which each kind of selector selects something."""
    mapping = kind().set_global(default_qconfig).set_object_type(nn.Linear, None)
    mapping.set_module_name("a", None).set_module_name_regex("b.*", default_qconfig)
    return mapping.set_module_name_object_type_order("c", torch.add, 1, None)


def everything_declared(kind: type[PrepareCustomConfig] = PrepareCustomConfig) -> PrepareCustomConfig:
    """A custom config that says something of each kind."""
    inner = kind().set_input_quantized_indexes([0])
    config = kind().set_standalone_module_name("s", every_selector(), (1,), inner, INSIDE)
    config.set_standalone_module_class(nn.Linear, None, (1,), None, None)
    config.set_float_to_observed_mapping(nn.ReLU, nn.ReLU6)
    config.set_non_traceable_module_names(["t"]).set_non_traceable_module_classes([nn.GRU])
    return config.set_preserved_attributes(["k"]).set_output_quantized_indexes([1])


@pytest.mark.parametrize(
    "config",
    [
        every_selector(),
        everything_declared(),
        get_native_backend_config(),
        get_onednn_backend_config(),
        get_fbgemm_backend_config(),
    ],
    ids=["qconfigs", "custom", "native", "onednn", "fbgemm"],
)
def test_what_is_read_from_a_dict_says_what_the_config_says(config: Any) -> None:
    read = configs.read(type(config), config.to_dict())
    assert isinstance(read, type(config))
    assert read.to_dict() == config.to_dict()


@pytest.mark.parametrize("make", [every_selector, everything_declared])
def test_the_documented_methods_of_a_config_do_what_those_of_torch_do(make: Any) -> None:
    kind = type(make())
    assert make(configs.DOCUMENTED[kind]).to_dict() == make().to_dict()


def test_the_documented_methods_of_a_backend_config_do_what_those_of_torch_do() -> None:
    made = []
    for kinds in (configs.DOCUMENTED, {kind: kind for kind in configs.DOCUMENTED}):
        dtypes = kinds[DTypeConfig](torch.quint8, weight_dtype=DTypeWithConstraints(torch.qint8, -127), is_dynamic=True)
        pattern = kinds[BackendPatternConfig]((nn.Linear, nn.ReLU)).add_dtype_config(dtypes).set_root_module(nn.Linear)
        pattern._set_input_type_to_index({"weight": 1})._set_num_tensor_args_to_observation_type({})
        nested = kinds[BackendPatternConfig]()._set_pattern_complex_format((nn.ReLU, nn.Linear))
        nested.set_dtype_configs([kinds[DTypeConfig]()]).set_qat_module(nn.Bilinear).set_fused_module(nn.ReLU6)
        alone = kinds[BackendPatternConfig](nn.Linear).set_observation_type(ObservationType.INPUT_OUTPUT_NOT_OBSERVED)
        backend = kinds[BackendConfig]().set_name("all").set_backend_pattern_configs([pattern, alone, nested])
        made.append(backend.to_dict())
    assert made[0] == made[1]
    assert len(made[0]["configs"]) == 2, "the pattern that is said last overrides the one that is the same"


def test_a_copy_of_a_documented_config_is_of_the_class_that_torch_has() -> None:
    copied = pickle.loads(pickle.dumps(every_selector(configs.DOCUMENTED[QConfigMapping])))
    assert type(copied) is QConfigMapping
    assert copied.to_dict().keys() == every_selector().to_dict().keys()


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("qconfig_mapping", QConfigMapping, {"object_type": [(nn.Linear,)]}),
        ("qconfig_mapping", QConfigMapping, {"module_name": 3}),
        ("prepare_custom_config", PrepareCustomConfig, {"standalone_module_name": [("s",)]}),
        (
            "prepare_custom_config",
            PrepareCustomConfig,
            {"float_to_observed_custom_module_class": {"other": {nn.ReLU: nn.ReLU}}},
        ),
        ("backend_config", BackendConfig, {"configs": [3]}),
    ],
)
def test_a_dict_that_says_something_else_is_refused_in_one_sentence(name: str, kind: type, said: Any) -> None:
    given = {"qconfig_mapping": QConfigMapping(), "prepare_custom_config": None, "backend_config": None, name: said}
    with pytest.raises(RefusalError, match=f"^{name} is a dict .*pass a {kind.__name__}$"):
        read_configs(*given.values())


def test_the_recorded_native_backend_config_is_the_one_that_torch_has() -> None:
    assert PATH.read_text(encoding="utf-8") == text(get_native_backend_config()) == text(recorded())


def test_a_later_release_of_torch_is_asked_for_its_native_backend_config(monkeypatch: pytest.MonkeyPatch) -> None:
    other = BackendConfig("another")
    monkeypatch.setattr(native, "get_native_backend_config", lambda: other)
    monkeypatch.setattr(torch, "__version__", "2.16.0+cpu")
    assert native.native_config() is other


def test_what_a_setter_of_torch_forgets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    case = replace(LINEAR, mapping=Mapping("x86", (Entry("object_type", None, "", "nn.Linear"),)))
    original = QConfigMapping.set_object_type

    def forgetting(self: QConfigMapping, kind: Any, qconfig: Any) -> QConfigMapping:
        return self if qconfig is None else original(self, kind, qconfig)

    assert Judge(resolve("torch"), 1).told("PLACEMENT-5", case) == []
    monkeypatch.setattr(QConfigMapping, "set_object_type", forgetting)
    assert Judge(resolve("torch"), 1).told("BACKENDS-1", case) != []


def test_what_torch_has_forgotten_in_its_native_backend_config_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("torch.ao.quantization.fx.prepare")
    assert Judge(resolve("torch"), 1).told("PLACEMENT-5", LINEAR) == []
    monkeypatch.setattr(module, "get_native_backend_config", BackendConfig)
    assert Judge(resolve("torch"), 1).told("PLACEMENT-5", LINEAR) != []
