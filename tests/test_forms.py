"""Patterns that are no chains: how they are found in a graph, written, and matched."""

from __future__ import annotations

import pytest

from observance.reference import patterns, survey
from observance.reference.entry import read_configs
from observance.strategies import Case, CaseError, build
from observance.strategies.case import Backend, Call, DTypes, Entry, Mapping, Pattern
from observance.strategies.configs_source import nested_source
from observance.strategies.forms import forms, leaves, owned

EVERYTHING = Mapping(None, (Entry("global", "default_qconfig"),))
OWN = "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT"

TWO_ARMS = Case(
    ("u", "u"),
    (
        Call("conv2d", (-1,)),
        Call("batch_norm2d", (0,)),
        Call("conv2d", (-2,)),
        Call("torch_add_wide", (1, 2)),
        Call("relu_wide", (3,)),
    ),
    4,
    EVERYTHING,
)
NUMBER = Case(("t",), (Call("linear", (-1,)), Call("operator_add_number", (0,))), 1, EVERYTHING)
ATTRIBUTE = Case(("t",), (Call("linear", (-1,)), Call("transposed", (0,)), Call("relu", (1,))), 2, EVERYTHING)


def found(case: Case) -> set[object]:
    """The nested patterns of a graph."""
    return {form.nested for form in forms(case)}


def with_pattern(case: Case, nested: tuple[object, ...], root: tuple[int, ...] | None = None) -> Case:
    """A case with a backend config of one nested pattern."""
    pattern = Pattern(owned(nested), OWN, (DTypes(),), nested=nested, root=root)
    return Case(case.inputs, case.calls, case.output, case.mapping, Backend((pattern,)))


def matches(case: Case) -> list[patterns.Match]:
    """The matches in a case, the first one first."""
    made = build(case)
    configs = read_configs(made.qconfig_mapping, None, made.backend_config)
    site = survey(made.model, configs, made.scopes, made.example_inputs)
    return list(dict.fromkeys(site.matches.values()))


def test_a_sum_of_two_branches_has_a_pattern_for_each_branch_and_for_both() -> None:
    chain = ("nn.BatchNorm2d", "nn.Conv2d")
    assert found(TWO_ARMS) >= {
        ("torch.add", "nn.BatchNorm2d", "*"),
        ("torch.add", chain, "*"),
        ("torch.add", "*", "nn.Conv2d"),
        ("torch.add", "nn.BatchNorm2d", "nn.Conv2d"),
        ("nn.ReLU", ("torch.add", chain, "*")),
    }


def test_a_number_and_an_attribute_are_part_of_a_pattern() -> None:
    assert found(NUMBER) == {("operator.add", "nn.Linear", 2)}
    assert found(ATTRIBUTE) == {("getattr", "mT"), ("nn.ReLU", ("getattr", "mT"))}


@pytest.mark.parametrize("case", [TWO_ARMS, NUMBER, ATTRIBUTE], ids=["two arms", "number", "attribute"])
def test_every_pattern_that_is_found_in_a_graph_matches_there(case: Case) -> None:
    for form in forms(case):
        for root in form.roots:
            (match,) = matches(with_pattern(case, form.nested, root))
            assert len(match.nodes) == len(owned(form.nested))
            assert match.root in match.nodes


def test_the_root_is_the_one_that_is_named_and_else_the_innermost() -> None:
    nested = ("torch.add", ("nn.BatchNorm2d", "nn.Conv2d"), "nn.Conv2d")
    by_default, named = (matches(with_pattern(TWO_ARMS, nested, root))[0].root for root in (None, (1, 1)))
    assert (by_default.name, named.name) == ("conv2d_2", "conv2d_0")


def test_what_stands_for_anything_is_no_part_of_a_match() -> None:
    (match,) = matches(with_pattern(TWO_ARMS, ("torch.add", ("nn.BatchNorm2d", "nn.Conv2d"), "*"), (1, 1)))
    assert {node.name for node in match.nodes} == {"add", "batch_norm2d_1", "conv2d_0"}


@pytest.mark.parametrize(("asked", "count"), [(3, 0), (2, 1), ("*", 1)])
def test_a_number_stands_for_itself_and_may_be_anything(asked: object, count: int) -> None:
    nested = ("operator.add", "nn.Linear", asked)
    assert len(matches(with_pattern(NUMBER, nested, (1,)))) == count


def test_another_attribute_is_no_match() -> None:
    assert not matches(with_pattern(ATTRIBUTE, ("getattr", "shape")))


def test_the_paths_of_a_pattern_lead_to_its_parts() -> None:
    nested = ("nn.ReLU", ("torch.add", "*", ("nn.BatchNorm2d", "nn.Conv2d")))
    assert leaves(nested)[-1] == ((1, 2, 1), "nn.Conv2d")
    assert owned(nested) == ("nn.Conv2d", "nn.BatchNorm2d", "torch.add", "nn.ReLU")


@pytest.mark.parametrize("nested", [(), (2, 3), ("getattr", "no name"), ("nn.ReLU", "os.system"), ("*", None)])
def test_what_is_no_pattern_is_refused(nested: tuple[object, ...]) -> None:
    with pytest.raises(CaseError):
        nested_source(nested)


def test_a_case_with_a_nested_pattern_is_read_back_as_it_was_written() -> None:
    case = with_pattern(TWO_ARMS, ("torch.add", ("nn.BatchNorm2d", "nn.Conv2d"), "*"), (1, 1))
    assert Case.from_json(case.to_json()) == case
