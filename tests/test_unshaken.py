"""An implementation that misbehaves is told, case by case; the one who tests it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch._dynamo  # noqa: F401  torch imports it at the first call of some models, which takes a child most of its time

from observance.conformance.implementations import resolve
from observance.conformance.isolation import HUNG, Limits
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, Finding, import_rules
from observance.strategies import build

from .misbehaviours import MISBEHAVIOURS, PATH, Misbehaviour, text
from .misbehaviours import RULES as SPOKEN_OF
from .suites import HONEST, SIGNATURE, Suite, refusal, write

import_rules()

CASES = 12

HANGS, IN_TIME = 2.0, 60.0
"""After how many seconds a call is taken to hang, where one does and where none should."""


def test_the_document_is_what_the_table_says() -> None:
    assert PATH.read_text(encoding="utf-8") == text()


@pytest.fixture
def judge(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """A judge of an implementation that misbehaves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "misbehaving.py").write_text(request.param.source)
    monkeypatch.delitem(sys.modules, "misbehaving", raising=False)
    seconds = HANGS if request.param.replaced == HUNG else IN_TIME
    made = Judge(resolve("misbehaving"), CASES, folder=tmp_path, limits=Limits(True, seconds))
    yield made
    made.apart.close()


@pytest.mark.parametrize(
    ("judge", "one"), [(m, m) for m in MISBEHAVIOURS], ids=[m.name for m in MISBEHAVIOURS], indirect=["judge"]
)
def test_whoever_misbehaves_is_told_and_the_sound_cases_pass(judge: Judge, one: Misbehaviour) -> None:
    before = (os.getcwd(), dict(os.environ))
    judge.examine([RULES[name] for name in SPOKEN_OF])
    assert (os.getcwd(), dict(os.environ)) == before
    broken = {name: verdict for name, verdict in judge.verdicts.items() if verdict.case is not None}
    assert sorted(broken) == sorted(one.broken)
    assert set(judge.apart.replaced) == {one.replaced} - {""}
    assert all(len(build(verdict.case).model.graph.nodes) % 2 == 0 for verdict in broken.values() if verdict.case)
    assert all(verdict.cases for verdict in judge.verdicts.values())


# How it is reported

DYING = next(one for one in MISBEHAVIOURS if one.name == "segfaults")


def test_a_process_that_died_is_told_with_the_smallest_case_and_counted(suite: Suite) -> None:
    write("dying.py", DYING.source)
    done = suite("--impl=dying", "--rule=ENTRY-1", "--rule=EFFECTS-1", f"--cases={CASES}")
    assert done.code == 1
    assert "prepare raised DiedError: the process was killed by SIGSEGV" in done.output
    assert "ENTRY-1 (MUST) is broken by dying unknown." in done.output
    assert "the process of dying died, and was replaced: " in done.output
    assert done.last.startswith("1 failed, 2 passed")


def test_processes_that_died_are_counted_where_several_share_the_work(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(textwrap.dedent(DYING.source), encoding="utf-8")
    options = ["--impl=dying", "--rule=ENTRY-1", "--cases=20", "-n1", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "--pyargs", "observance.conformance", *options]
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "the process of dying died, and was replaced: " in done.stdout


def test_a_rule_that_fails_on_what_was_returned_is_told_without_a_traceback(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(trial: object) -> Iterator[Finding]:
        raise AttributeError("it has no such part")
        yield

    monkeypatch.setitem(RULES, "ENTRY-1", replace(RULES["ENTRY-1"], check=check))
    write("honest.py", HONEST)
    done = suite("--impl=honest", "--rule=ENTRY-1")
    assert done.code == 1
    assert (
        "ENTRY-1 (MUST) could not be held against honest unknown: it raised AttributeError: it has no such part."
        in done.output
    )
    assert "Rerun:" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_time_limit_that_is_none_is_one_sentence(suite: Suite, seconds: str) -> None:
    text = "--time-limit must be a number of seconds above 0."
    assert refusal(suite("--impl=reference", f"--time-limit={seconds}")) == text


@pytest.mark.parametrize(("option", "is_another"), [("--time-limit=60", True), ("--in-process", False)])
def test_an_implementation_is_called_in_a_process_of_its_own_unless_it_is_said_otherwise(
    suite: Suite, option: str, is_another: bool
) -> None:
    write("seen.py", f"import os\n{SIGNATURE}\n    open(f'process-{{os.getpid()}}', 'w').close()\n    return model")
    suite("--impl=seen", "--rule=ENTRY-1", option)
    assert Path("process-1").with_name(f"process-{os.getpid()}").exists() is not is_another
    assert list(Path().glob("process-*"))


PRINTING = f"""
import os
{SIGNATURE}
    print("x" * 3_000_000 + chr(27) + "[2J the end")
    os.write(2, b"y" * 3_000_000)
    return model
"""


def test_megabytes_that_are_printed_are_shown_by_their_end_and_harm_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "printing.py").write_text(PRINTING)
    command = [sys.executable, "-m", "pytest", "--pyargs", "observance.conformance", "-p", "no:cacheprovider"]
    options = ["--impl=printing", "--rule=PLACEMENT-1", "--cases=5"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "PLACEMENT-1 (MUST) is broken by printing unknown." in done.stdout
    assert len(done.stdout + done.stderr) < 20_000
    assert chr(27) not in done.stdout
