"""The efforts: which cases are drawn, and what is remembered of those that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from observance.conformance.efforts import EFFORTS, GATE, Effort, RememberedExamples
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, import_rules
from observance.conformance.variants import varied

from .saboteurs import SABOTEURS

import_rules()

FEW = 12


def judge_of(effort: Effort, folder: Path, seed: int = 0, saboteur: str | None = None) -> Judge:
    """A judge of the reference, or of a saboteur, that draws a few cases."""
    made = varied("tried", SABOTEURS[saboteur] if saboteur else ())
    return Judge(made, FEW, start=seed, folder=folder, effort=effort)


@pytest.mark.parametrize("name", ["smoke", "certify"])
def test_all_efforts_draw_the_cases_of_the_gate(name: str, tmp_path: Path) -> None:
    assert judge_of(EFFORTS[name], tmp_path).corpus == judge_of(GATE, tmp_path).corpus


def test_the_same_seed_explores_the_same_cases_and_another_one_others(tmp_path: Path) -> None:
    first, again, other = (judge_of(EFFORTS["explore"], tmp_path, seed).corpus for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_only_exploring_has_a_random_seed() -> None:
    for effort in EFFORTS.values():
        assert effort.seed(7) == 7
        seeds = {effort.seed(None) for _ in range(20)}
        assert (len(seeds) > 1) == effort.is_random
        assert effort.is_random or seeds == {0}


def test_what_failed_once_is_tried_first_under_any_seed(tmp_path: Path) -> None:
    rule, first = RULES["PLACEMENT-1"], failed_once(tmp_path)
    found = first.verdicts[rule.id].case
    assert found is not None
    smallest, _ = first.smallest(rule, found)
    assert smallest not in judge_of(GATE, tmp_path, 2).corpus
    assert smallest in judge_of(EFFORTS["explore"], tmp_path, 2).corpus[:3]


def failed_once(folder: Path) -> Judge:
    """A judge of a saboteur that has explored, has found a failure, and remembers it."""
    rule = RULES["PLACEMENT-1"]
    judge = judge_of(EFFORTS["explore"], folder, 1, rule.id)
    judge.examine([rule])
    found = judge.verdicts[rule.id].case
    assert found is not None
    judge.smallest(rule, found)
    return judge


def test_examples_that_are_damaged_cost_nothing_else(tmp_path: Path) -> None:
    failed_once(tmp_path)
    kept = [path for path in (tmp_path / "examples").rglob("*") if path.is_file()]
    assert kept
    for number, path in enumerate(kept):
        path.write_bytes([b"", b"\x00\xff" * 99, path.read_bytes()[:-1]][number % 3])
    assert len(judge_of(EFFORTS["explore"], tmp_path, 2).corpus) > FEW // 2


def test_a_folder_of_examples_that_is_a_file_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "examples").write_text("")
    judge = failed_once(tmp_path)
    assert len(judge.corpus) > FEW // 2
    assert (tmp_path / "examples").read_text() == ""


def test_a_run_at_the_gate_remembers_nothing(tmp_path: Path) -> None:
    rule = RULES["PLACEMENT-1"]
    judge = judge_of(GATE, tmp_path, 1, rule.id)
    judge.examine([rule])
    found = judge.verdicts[rule.id].case
    assert found is not None
    judge.smallest(rule, found)
    assert list(tmp_path.iterdir()) == []


def test_an_example_is_forgotten_for_one_rule_and_kept_for_another(tmp_path: Path) -> None:
    rules = ("A-1", "A-2")
    one, two, reading = (RememberedExamples(tmp_path, rules, writes) for writes in (*rules, None))
    one.save(b"key", b"both")
    two.save(b"key", b"both")
    two.save(b"key", b"second")
    two.delete(b"key", b"both")
    assert set(reading.fetch(b"key")) == {b"both", b"second"}
    one.delete(b"key", b"both")
    reading.delete(b"key", b"second")
    reading.save(b"key", b"third")
    assert set(reading.fetch(b"key")) == {b"second"}


def test_a_brief_run_lets_costly_rules_see_one_case_and_takes_one_of_a_rules_own(tmp_path: Path) -> None:
    smoke, gate = (judge_of(effort, tmp_path) for effort in (EFFORTS["smoke"], GATE))
    rule = RULES["REFUSALS-1"]
    assert smoke.cases_of(rule) == rule.own[:1]
    assert gate.cases_of(rule) == rule.own
    assert EFFORTS["smoke"].share(FEW) == FEW
    assert [GATE.share(number) for number in (1, 240, 5000)] == [5, 5, 10]
