"""Large models: what is counted, and that the reference is in proportion."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from observance.conformance import costs
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.observation import observe
from observance.conformance.outcomes import call, copy_graph
from observance.conformance.rules import MUST, RULES, Check, Finding, Rule, kept
from observance.conformance.trials import Trial
from observance.reference import plan
from observance.reference.entry import read_configs
from observance.strategies import Case, CaseError, build, script
from observance.strategies.scale import FAMILIES
from observance.strategies.written import written_case

REFERENCE = resolve("reference")


@pytest.mark.parametrize("family", [family.name for family in FAMILIES.values() if family.depth])
def test_the_reference_prepares_five_thousand_operators_in_a_row(family: str) -> None:
    arguments = build(written_case(family, 5000))
    graph = copy_graph(arguments.model.graph)
    prepared = call(REFERENCE, arguments)
    assert len(observe(graph, prepared).edges) >= 5000


def test_a_list_of_a_thousand_values_is_observed_one_by_one() -> None:
    arguments = build(written_case("a list of many values", 1000))
    prepared = call(REFERENCE, arguments)
    joined = next(node for node in prepared.graph.nodes if node.name == "cat")
    assert len({node.target for node in joined.all_input_nodes}) == 1000
    assert len({id(prepared.get_submodule(str(node.target))) for node in joined.all_input_nodes}) == 1


def test_every_node_of_a_long_chain_is_explained() -> None:
    given = build(written_case("a chain of functions", 100))
    decided = plan(given.model, read_configs(given.qconfig_mapping, None, None), given.scopes, given.example_inputs)
    said = [decided.explain(node) for node in given.model.graph.nodes if node.op == "call_function"]
    assert all("hardswish" in text for text in said)
    assert len(set(said)) == 100


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_comes_in_all_sizes_and_runs(name: str) -> None:
    small, large = (build(written_case(name, size)) for size in (2, 5))
    assert small.float_model(*small.example_inputs) is not None
    assert len(large.model.graph.nodes) + len(list(large.model.modules())) > (
        len(small.model.graph.nodes) + len(list(small.model.modules()))
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_a_case_of_a_family_is_one_line_and_one_script(name: str) -> None:
    case = written_case(name, 3)
    assert Case.from_json(case.to_json()) == case
    assert len(case.to_json()) < 200
    compile(script(case), "script", "exec")


def test_what_is_not_written_and_what_has_no_size_are_told() -> None:
    with pytest.raises(CaseError, match="'a chain of tears'"):
        build(written_case("a chain of tears"))
    with pytest.raises(CaseError, match="in sizes from 1 on"):
        build(written_case("a chain of functions"))


@pytest.mark.parametrize(
    ("counts", "power", "faster"),
    [
        ((100, 200, 400), 1.5, False),
        ((1000, 1000, 1000), 1.5, False),
        ((24, 64, 160), 1.5, False),  # n log n
        ((64, 256, 1024), 1.5, True),
        ((1000, 1192, 1960), 1.5, True),  # a square on top of a constant
        ((64, 256, 1024), 2.5, False),
        ((2**8, 2**16, 2**32), 2.5, True),
    ],
)
def test_growth_is_told_from_what_does_not_grow(counts: tuple[int, int, int], power: float, faster: bool) -> None:
    assert costs.grows_faster(counts, 8, power) is faster


def test_what_prepare_does_to_graph_and_model_is_counted() -> None:
    counts = costs.count(REFERENCE, written_case("a chain of modules", 4))
    assert counts is not None
    assert all(counts[name] > 0 for name in ("operands read", "modules visited", "observers constructed", costs.ALL))


def test_the_same_call_has_the_same_cost() -> None:
    case = written_case("a value with many readers", 4)
    costs.count.__wrapped__(REFERENCE, case)
    assert costs.count.__wrapped__(REFERENCE, case) == costs.count.__wrapped__(REFERENCE, case)


def test_the_limit_of_depth_is_given_back() -> None:
    before = sys.getrecursionlimit()
    with costs.shallow():
        assert sys.getrecursionlimit() < before
    assert sys.getrecursionlimit() == before


def test_a_rule_that_brings_cases_sees_these_and_no_drawn_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[str]] = {"own": [], "drawn": []}

    def check(name: str) -> Check:
        def look(trial: Trial) -> Iterator[Finding]:
            seen[name].append(trial.case.written)
            yield kept("the call")

        return look

    own = (written_case("a chain of functions", 2), written_case("a chain of modules", 2))
    rules = [Rule("OWN-1", MUST, "", "", check("own"), own=own), Rule("DRAWN-1", MUST, "", "", check("drawn"))]
    for made in rules:
        monkeypatch.setitem(RULES, made.id, made)
    Judge(REFERENCE, 5).examine(rules)
    assert seen["own"] == ["a chain of functions", "a chain of modules"]
    assert set(seen["drawn"]) == {""}
    only = Judge(REFERENCE, 5, only=own[0])
    only.examine(rules)
    assert seen["own"][2:] == ["a chain of functions"]
