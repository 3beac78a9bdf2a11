"""What a failure looks like, word for word.

Each text is that of a saboteur on a case that is written here. They stand in `golden/`; after a change that is meant,
write them anew with::

    OBSERVANCE_WRITE_GOLDEN=1 pytest tests/test_report.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from observance.conformance import report
from observance.conformance.implementations import Claims, Implementation
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, Finding, Rule, import_rules
from observance.conformance.variants import Change, variant
from observance.conformance.verdict import Verdict
from observance.strategies.case import Call, Case, Entry, Mapping

from .saboteurs import SABOTEURS

import_rules()

GOLDEN = Path(__file__).parent / "golden"
STATIC = Mapping(None, (Entry("global", "default_qconfig"),))

LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, STATIC)
TWO_LINEARS = Case(("t",), (Call("linear", (-1,)), Call("linear", (0,), scope="a")), 1, STATIC)
CONCATENATION = Case(("t", "t"), (Call("sigmoid", (-1,)), Call("cat_narrow", ((0, -2),))), 1, STATIC)
ADDITION = Case(("t", "t"), (Call("torch_add", (-1, -2)),), 0, STATIC)
PARAMETER = Case(("d",), (Call("parameter", (-1,)),), 0, STATIC)
DEAD_END = Case(("t",), (Call("linear", (-1,)), Call("hardswish", (-1,))), 0, STATIC)


def judge_of(changes: Sequence[Change], case: Case, name: str = "saboteur", options: str = "") -> Judge:
    """A judge of the reference with some changes, for one case."""
    claims = Claims(None, None, name, "1")
    made = Implementation(name, "1", variant(changes), "prepare", claims)
    return Judge(made, 1, only=case, folder=Path(".observance"), options=options)


def verdict_of(judge: Judge, rule: str) -> Verdict:
    """What comes of holding one rule against the judge's case; the rule must be broken."""
    judge.examine([RULES[rule]])
    verdict = judge.verdicts[rule]
    assert verdict.case is not None, f"{rule} is not broken"
    return verdict


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which failures are written."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "rule", "case"),
    [
        ("placement", "PLACEMENT-1", TWO_LINEARS),
        ("edges", "PLACEMENT-5", ADDITION),
        ("sharing", "SHARING-1", CONCATENATION),
        ("metamorphic", "PLACEMENT-6", PARAMETER),
        ("refused", "ENTRY-1", LINEAR),
    ],
)
def test_the_text_of_a_failure_is_the_golden_one(text: str, rule: str, case: Case) -> None:
    judge = judge_of(SABOTEURS[rule], case)
    found = report.failure(judge, verdict_of(judge, rule)) + "\n"
    path = GOLDEN / f"{text}.txt"
    if os.environ.get("OBSERVANCE_WRITE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_a_failure_writes_its_case_and_a_script(folder: Path) -> None:
    judge = judge_of(SABOTEURS["PLACEMENT-1"], TWO_LINEARS)
    text = report.failure(judge, verdict_of(judge, "PLACEMENT-1"))
    stem = folder / ".observance" / f"PLACEMENT-1-{TWO_LINEARS.digest}"
    assert Case.from_json(stem.with_suffix(".json").read_text()) == TWO_LINEARS
    assert f"\nScript:  .observance/{stem.name}.py\n" in text
    assert text.endswith(f"\nExplain: observance explain .observance/{stem.name}.json")
    assert f"--case=.observance/{stem.name}.json" in text


def test_where_two_calls_are_held_against_each_other_both_have_a_script(folder: Path) -> None:
    judge = judge_of(SABOTEURS["PLACEMENT-6"], PARAMETER)
    text = report.failure(judge, verdict_of(judge, "PLACEMENT-6"))
    stem = f".observance/PLACEMENT-6-{PARAMETER.digest}"
    assert f"\nScript:  {stem}.py and, of the second call, {stem}-second.py\n" in text
    first, second = ((folder / f"{stem}{end}").read_text() for end in (".py", "-second.py"))
    assert first != second
    report.replace(stem, "another")
    assert not list((folder / ".observance").iterdir())


def test_a_failing_case_is_saved_before_a_smaller_one_is_looked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, rule = judge_of(SABOTEURS["PLACEMENT-1"], TWO_LINEARS), RULES["PLACEMENT-1"]

    def interrupted(rule: Rule, case: Case) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(judge, "smallest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        judge.check(rule)
    saved = folder / ".observance" / f"PLACEMENT-1-{TWO_LINEARS.digest}.json"
    assert Case.from_json(saved.read_text()) == TWO_LINEARS
    monkeypatch.setattr(judge, "smallest", lambda rule, case: (LINEAR, judge.unexplained(rule, LINEAR)))
    with pytest.raises(pytest.fail.Exception):
        judge.check(rule)
    assert {path.stem for path in saved.parent.iterdir()} == {f"PLACEMENT-1-{LINEAR.digest}"}


def test_the_script_of_a_failure_runs_without_the_suite(folder: Path) -> None:
    judge = judge_of(SABOTEURS["PLACEMENT-1"], TWO_LINEARS)
    report.failure(judge, verdict_of(judge, "PLACEMENT-1"))
    script = next((folder / ".observance").glob("*.py"))
    assert script.read_text().startswith("# PLACEMENT-1 (MUST): ")
    assert "\n#     expected " in script.read_text()
    assert "observance" not in script.read_text()
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "activation_post_process_0" in done.stdout


def test_the_line_that_reruns_a_case_has_the_options_that_were_given() -> None:
    options = "--impl=mypkg:prepare --deviations='my deviations.py'"
    judge = judge_of(SABOTEURS["PLACEMENT-1"], TWO_LINEARS, name="Acme", options=options)
    text = report.failure(judge, verdict_of(judge, "PLACEMENT-1"))
    assert f"Rerun:   pytest --pyargs observance.conformance {options} --rule=PLACEMENT-1 --case=" in text


def test_the_edge_at_which_a_rule_is_broken_is_marked() -> None:
    judge = judge_of(SABOTEURS["PLACEMENT-1"], TWO_LINEARS)
    verdict = verdict_of(judge, "PLACEMENT-1")
    lines = report.graph_text(judge, TWO_LINEARS, verdict.findings).splitlines()
    marked = [line[2:].partition(": ")[0] for line in lines if line.startswith("> ")]
    assert marked == [finding.place for finding in verdict.findings]
    assert 0 < len(marked) < len(lines)


def test_an_observer_that_nothing_reads_is_shown() -> None:
    judge = judge_of((), DEAD_END)
    assert "  hardswish_1, read by nothing: MinMaxObserver" in report.graph_text(judge, DEAD_END)


def test_a_result_that_is_not_the_float_graph_is_told_in_words() -> None:
    judge = judge_of(SABOTEURS["ENTRY-4"], DEAD_END)
    text = report.graph_text(judge, DEAD_END)
    assert text == (
        "it cannot be compared with the float graph: node 'hardswish_1' of the float model is missing in the prepared "
        "one, or reads something else"
    )


def test_of_many_broken_places_the_first_ones_are_shown() -> None:
    calls = tuple(Call("linear", (number - 1,)) for number in range(7))
    case = replace(LINEAR, calls=calls, output=6)
    judge = judge_of(SABOTEURS["PLACEMENT-3"], case)
    findings = [Finding(f"place {number}", True, "this", "that", "so") for number in range(7)]
    text = report.failure(judge, Verdict(RULES["PLACEMENT-3"], case=case, findings=findings))
    assert text.count("\n    expected   found\n    this       that\n    because so") == 4
    assert "\n\n... and 3 more places.\n\nScript: " in text


def test_what_an_implementation_is_called_and_says_harms_no_terminal() -> None:
    judge = judge_of(SABOTEURS["PLACEMENT-3"], LINEAR, name="\x1b[2J[red]\u202e" + "x" * 10_000)
    findings = [Finding("place", True, "this", "\x1b]0;title\x07[bold]that[/bold]\r", "so")]
    text = report.failure(judge, Verdict(RULES["PLACEMENT-3"], case=LINEAR, findings=findings))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "[bold]that[/bold]" in text
    assert len(max(text.split("\n"), key=len)) < 3_000
