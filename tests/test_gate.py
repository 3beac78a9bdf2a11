"""What a gate is made of, seen from the command line: comparing, known failures, a summary, a seed, progress."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import pytest

from observance.conformance.implementations import resolve
from observance.conformance.progress import bar_in, unseen
from observance.conformance.records.files import record, write
from observance.strategies import Case

from .suites import BLIND, HONEST, SIGNATURE, Suite, refusal
from .suites import write as put
from .test_explaining import LINEAR, MIXED

SMALL_ALONE = f"""
    from observance.reference import prepare as _prepare
    {SIGNATURE}
        if len(model.graph.nodes) > 500:
            raise RecursionError
        return _prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs)
"""
WITHOUT_OUTPUTS = """
    from observance.conformance.variants import Change, variant
    prepare = variant((Change("placement.place_output", lambda original, site, quantized: None),))
"""


def saved(case: Case, name: str = "case.json") -> str:
    """Write a case into the current folder; return its path."""
    return put(name, case.to_json())


# --against


def test_an_implementation_that_does_the_same_passes_and_the_rules_are_not_held(suite: Suite) -> None:
    put("honest.py", HONEST)
    run = suite("--impl=honest", "--against=reference")
    assert run.code == pytest.ExitCode.OK
    assert run.last.startswith("2 passed, ")


def test_an_observer_that_has_moved_is_told_with_the_smallest_case(suite: Suite) -> None:
    put("without.py", WITHOUT_OUTPUTS)
    run = suite("--impl=without", "--against=reference", "--cases=12", "--markdown=said.md")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"^1\. observer vanished between \S+ and output, \d+ places? in \d+ cases?$", run.output, re.M)
    first = re.search(r"^   Case (\w{12}), 1 call, at ", run.output, re.M)
    assert first is not None
    assert f"observance explain .observance/changed-{first[1]}.json" in run.output
    assert len(Case.from_json(Path(f".observance/changed-{first[1]}.json").read_text()).calls) == 1
    assert "| observer vanished between " in Path("said.md").read_text()
    assert "Traceback" not in run.output


def test_what_no_drawn_case_shows_is_told_by_the_cases_that_rules_bring(suite: Suite) -> None:
    put("small.py", SMALL_ALONE)
    run = suite("--impl=small", "--against=reference", "--cases=1")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert "RecursionError" in run.output
    assert "Traceback" not in run.output


def test_a_record_is_compared_on_its_own_cases(suite: Suite) -> None:
    put("without.py", WITHOUT_OUTPUTS)
    reference = resolve("reference")
    write("plan.jsonl", record(reference, [LINEAR, MIXED]), reference)
    same, other = (suite(f"--impl={name}", "--against=plan.jsonl") for name in ("reference", "without"))
    assert (same.code, other.code) == (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert f"   Case {LINEAR.digest}, 1 call, at linear_0 -> output\n" in other.output


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("absent.jsonl", "the record absent.jsonl cannot be read"),
        ("foreign.jsonl", "foreign.jsonl is no record"),
        ("absent_package", "There is no module `absent_package`"),
        ("\x1b[2J.jsonl", "the record \\x1b[2J.jsonl cannot be read"),
    ],
)
def test_what_nothing_can_be_compared_with_is_one_sentence(suite: Suite, what: str, reason: str) -> None:
    put("foreign.jsonl", "\x00")
    assert refusal(suite("--impl=reference", f"--against={what}")).startswith(reason)


# --known-failures


def known(until: str = "", rule: str = "PLACEMENT-1") -> str:
    """Write a file with one known failure, which is pinned."""
    saved(LINEAR, "pinned.json")
    return put(
        "known.toml",
        f"""
        format = "observance-known-failures"
        version = 1
        [[failure]]
        id = "blind"
        rule = "{rule}"
        cause = "it sees nothing"
        link = "https://issues.example/1"
        case = "pinned.json"
        {until}
        """,
    )


def test_a_known_failure_is_reported_as_known_and_nothing_else_is(suite: Suite) -> None:
    put("blind.py", BLIND)
    options = ("--impl=blind", f"--known-failures={known()}", f"--case={saved(LINEAR)}")
    mine, other = suite(*options, "--rule=PLACEMENT-1", "-v"), suite(*options, "--rule=PLACEMENT-5")
    assert mine.code == pytest.ExitCode.OK
    assert re.fullmatch(r"1 passed, \d+ deselected, 1 known in .*", mine.last)
    assert re.search(r"^known failures: \d+ of \d+ places of PLACEMENT-1$", mine.output, re.M)
    assert re.search(r"^placement +1 +1$", mine.output, re.M)
    assert other.code == pytest.ExitCode.TESTS_FAILED
    assert "--impl=blind --known-failures=known.toml --rule=PLACEMENT-5" in other.output


def test_a_known_failure_that_is_mended_fails(suite: Suite) -> None:
    put("honest.py", HONEST)
    run = suite("--impl=honest", f"--known-failures={known()}", "--rule=PLACEMENT-1")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert "blind: its pinned case breaks PLACEMENT-1 no longer; take the entry out of the file." in run.output
    assert "Traceback" not in run.output


def test_a_known_failure_past_its_last_date_fails(suite: Suite) -> None:
    put("blind.py", BLIND)
    yesterday = datetime.date.today() - datetime.timedelta(1)
    run = suite("--impl=blind", f"--known-failures={known(f'until = {yesterday}')}", "--rule=PLACEMENT-1")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert f"blind: its last date, {yesterday}, has passed" in run.output


def test_known_failures_of_rules_that_are_not_held_are_left_alone(suite: Suite) -> None:
    put("honest.py", HONEST)
    run = suite("--impl=honest", f"--known-failures={known()}", "--rule=ENTRY-4")
    assert run.code == pytest.ExitCode.OK


def test_a_file_of_known_failures_that_is_not_there_is_one_sentence(suite: Suite) -> None:
    sentence = refusal(suite("--impl=reference", "--known-failures=absent.toml"))
    assert sentence.startswith("the known failures absent.toml cannot be read")


# What is said of a run


def test_the_summary_is_added_to_a_file_as_markdown(suite: Suite) -> None:
    put("blind.py", BLIND)
    put("said.md", "# before\n")
    suite("--impl=blind", "--rule=PLACEMENT-1", f"--case={saved(LINEAR)}", "--markdown=said.md")
    text = Path("said.md").read_text()
    assert text.startswith("# before\n### blind unknown: 1 case from a file\n")
    assert "| chapter | rules | failed |\n| --- | ---: | ---: |\n| placement | 1 | 1 |\n" in text
    assert "- `PLACEMENT-1`: Coverage: " in text
    assert f"`.observance/PLACEMENT-1-{LINEAR.digest}.json`" in text


@pytest.mark.parametrize("path", ["absent/said.md", "."])
def test_a_summary_that_cannot_be_written_is_one_sentence(suite: Suite, path: str) -> None:
    assert refusal(suite("--impl=reference", f"--markdown={path}")).startswith("--markdown cannot be written to ")


def test_a_random_run_says_how_it_is_repeated(suite: Suite) -> None:
    first = suite("--impl=reference", "--rule=ENTRY-4", "--effort=explore")
    told = re.search(r"^observance: explore, 5 cases, seed (\d+); --draw-seed=\1 draws them again$", first.output, re.M)
    assert told is not None
    again = suite("--impl=reference", "--rule=ENTRY-4", "--effort=explore", f"--draw-seed={told[1]}")
    assert f"seed {told[1]}" in again.output
    assert "draws them again" not in suite("--impl=reference", "--rule=ENTRY-4").output


def test_a_hostile_name_harms_neither_the_terminal_nor_the_file_system(suite: Suite) -> None:
    name = "\x1b]0;owned\x07[bold red]../../|" + "x" * 10**6
    claims = {"features": None, "torch": None, "name": name, "version": "\x9b2J"}
    put("hostile.py", f"{SIGNATURE} return model\nCONFORMANCE = {claims!r}")
    run = suite("--impl=hostile", "--rule=PLACEMENT-1", f"--case={saved(LINEAR)}", "--markdown=said.md")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    said = run.output + Path("said.md").read_text()
    assert all(character.isprintable() or character in "\n" for character in said)
    assert "[bold red]" in run.output
    assert len(said) < 20_000
    made = {path.name for path in Path().iterdir()} - {"__pycache__"}
    assert made == {"hostile.py", "case.json", ".observance", "said.md"}
    assert sorted(path.suffix for path in Path(".observance").iterdir()) == [".json", ".py"]


# Progress


class Reporter:
    """What stands for pytest's reporter: it writes to a terminal, or does not."""

    def __init__(self, is_terminal: bool) -> None:
        self.config, self.hasmarkup, self.said = self, is_terminal, ""

    def get_terminal_writer(self) -> Any:
        """The writer, which is this too."""
        return self

    def ensure_newline(self) -> None:
        """Begin a line."""
        self.said += "\n"

    def write(self, text: str, **kinds: Any) -> None:
        """Take what is written."""
        self.said += text


def test_a_bar_shows_the_work_on_a_terminal_and_is_taken_away() -> None:
    reporter = Reporter(True)
    with bar_in(reporter)("judging [cases]", 3) as step:
        step()
    assert "judging [cases]" in reporter.said
    assert "1/3" in reporter.said
    assert "\x1b[2K" in reporter.said.rpartition("judging")[2]


def test_nothing_shows_progress_where_nobody_watches() -> None:
    reporter = Reporter(False)
    assert bar_in(reporter) is unseen
    with unseen("anything", 1) as step:
        step()
    assert reporter.said == ""
