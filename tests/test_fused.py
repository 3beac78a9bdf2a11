"""Fused modules: what they are made of, and which qconfig they get from it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.ao.nn.intrinsic import LinearReLU
from torch.ao.nn.intrinsic import qat as aware
from torch.ao.quantization import QConfigMapping, default_debug_qconfig, default_qat_qconfig, default_qconfig

from observance.conformance.outcomes import is_fusible
from observance.reference import RefusalError, qconfigs, survey
from observance.reference.backends import roles_of_module
from observance.reference.entry import read_configs
from observance.strategies import build
from observance.strategies.case import Call, Case, Declared, Mapping

FUSED = Case(("t",), (Call("fused_LinearReLU", (-1,)),), 0, Mapping())


def assigned(mapping: QConfigMapping) -> Any:
    """The qconfig that a fused linear layer and ReLU get."""
    made = build(FUSED)
    site = survey(made.model, read_configs(mapping, None, None), made.scopes, made.example_inputs)
    (qconfig,) = site.assigned.values()
    return qconfig


def by_type(**qconfigs_: Any) -> QConfigMapping:
    """A mapping of object types, by their names in `torch.nn`; all else has the debug qconfig."""
    mapping = QConfigMapping().set_global(default_debug_qconfig)
    for name, qconfig in qconfigs_.items():
        mapping.set_object_type(getattr(nn, name), qconfig)
    return mapping


def test_a_fused_module_has_what_its_parts_have() -> None:
    assert assigned(by_type(Linear=default_qconfig, ReLU=default_qconfig)) is default_qconfig


def test_a_fused_module_whose_parts_are_not_mentioned_has_what_all_else_has() -> None:
    assert assigned(by_type(Tanh=default_qconfig)) is default_debug_qconfig


def test_a_fused_module_whose_parts_are_switched_off_is_switched_off() -> None:
    assert assigned(by_type(Linear=None, ReLU=None)) is None


def test_the_parts_override_the_fused_type() -> None:
    mapping = by_type(Linear=default_qconfig, ReLU=default_qconfig).set_object_type(LinearReLU, None)
    assert assigned(mapping) is default_qconfig


def test_a_name_is_closer_than_the_types_of_the_parts() -> None:
    mapping = by_type(Linear=default_qconfig, ReLU=default_qconfig).set_module_name("fused_LinearReLU_0", None)
    assert assigned(mapping) is None


@pytest.mark.parametrize("other", [{}, {"ReLU": None}, {"ReLU": default_debug_qconfig}])
def test_parts_that_disagree_are_refused_with_their_names(other: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match="LinearReLU, whose parts Linear and ReLU have different") as caught:
        assigned(by_type(Linear=default_qconfig, **other))
    assert isinstance(caught.value, RefusalError)


def test_the_mapping_that_is_given_stays_as_it_is() -> None:
    mapping = by_type(Linear=default_qconfig, ReLU=default_qconfig)
    assigned(mapping)
    assert set(mapping.object_type_qconfigs) == {nn.Linear, nn.ReLU}


def test_a_fused_module_for_training_is_one_operator_without_parts() -> None:
    assert qconfigs.parts_of(aware.ConvBn2d(2, 2, 1, qconfig=default_qat_qconfig)) == []
    assert qconfigs.parts_of(nn.Sequential(nn.ReLU())) == []


def test_the_weight_of_a_fused_module_is_that_of_its_parts() -> None:
    assert roles_of_module(LinearReLU(nn.Linear(4, 4, bias=False), nn.ReLU())) == {"weight"}
    assert roles_of_module(torch.nn.ReLU()) == set()


@pytest.mark.parametrize(("spelling", "fusible"), [("keyword", False), ("positional", True)])
def test_a_model_that_fusing_breaks_is_nothing_to_prepare(spelling: str, fusible: bool) -> None:
    calls = (
        Call("conv2d", (-1,), spelling, scope="a"),
        Call("conv2d", (-1,), spelling, scope="a"),
        Call("batch_norm2d", (1,), spelling, scope="a"),
        Call("operator_add_wide", (2, 0), scope="a"),
    )
    case = Case(("u",), calls, 3, Mapping(), "onednn", declared=(Declared("standalone", "a"),))
    assert is_fusible(case, prefused=False) is fusible
