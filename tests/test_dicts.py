"""Configs as dicts: the reference reads them by itself, and as each class's own `from_dict` does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.ao.quantization import QConfigMapping, default_qconfig, get_default_qconfig_mapping
from torch.ao.quantization.backend_config import (
    BackendConfig,
    get_fbgemm_backend_config,
    get_native_backend_config,
    get_onednn_backend_config,
)
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig

from observance.reference import RefusalError, dicts
from observance.reference.entry import read_configs


def every_selector() -> QConfigMapping:
    """A mapping in which each kind of selector selects something."""
    mapping = (
        get_default_qconfig_mapping("x86").set_module_name("a", None).set_module_name_regex("b.*", default_qconfig)
    )
    return mapping.set_module_name_object_type_order("c", torch.add, 1, None)


def everything_declared() -> PrepareCustomConfig:
    """A custom config that says something of each kind."""
    inner = PrepareCustomConfig().set_input_quantized_indexes([0])
    config = PrepareCustomConfig().set_standalone_module_name(
        "s", every_selector(), (1,), inner, get_native_backend_config()
    )
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
    read = dicts.read(type(config), config.to_dict())
    assert type(read) is type(config)
    assert read.to_dict() == config.to_dict()


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
