"""Runs that are interrupted go on; where files cannot be written, that is one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from observance.conformance.judge import Judge

from .suites import BLIND, SIGNATURE, Suite, refusal, write

# Interrupts the run at its 30th call, but for one that goes on, and leaves a mark for each call.
INTERRUPTING = f"""
import os, signal
from observance.reference import prepare as _prepare
run = os.getpid()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
{SIGNATURE}
    with open("calls", "a") as file:
        file.write("x")
    if os.path.getsize("calls") == 30 and "GOING_ON" not in os.environ:
        os.kill(run, signal.{{signal}})
    return _prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs)
"""
COMMAND = ["--pyargs", "observance.conformance", "-p", "no:cacheprovider", "--rule=ENTRY-1", "--rule=PLACEMENT-5"]


def run(folder: Path, *options: str, **environment: str) -> tuple[int, str, int]:
    """Run the suite on one that interrupts; return the exit code, what it said, and how often it called."""
    (folder / "calls").unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", *COMMAND, "--impl=interrupting", "--cases=60", *options]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, os.path.getsize(folder / "calls")


@pytest.mark.parametrize("signal", ["SIGINT", "SIGKILL"])
def test_a_run_that_is_interrupted_goes_on_where_it_stopped(tmp_path: Path, signal: str) -> None:
    (tmp_path / "interrupting.py").write_text(INTERRUPTING.format(signal=signal))
    whole = run(tmp_path, GOING_ON="1")
    code, said, calls = run(tmp_path)
    assert code != 0
    assert calls == 30
    if signal == "SIGINT":
        assert "interrupted: the same command with --resume goes on from here." in said
    code, said, calls = run(tmp_path, "--resume", GOING_ON="1")
    assert code == 0
    assert "60 cases, seed 0" in said
    assert calls < whole[2] - 15
    assert [line for line in said.splitlines() if line.startswith(("entry", "placement", "all"))] == [
        line for line in whole[1].splitlines() if line.startswith(("entry", "placement", "all"))
    ]
    assert not list(tmp_path.glob(".observance"))


def test_where_nothing_was_interrupted_there_is_nothing_to_go_on_with(suite: Suite) -> None:
    assert suite("--impl=reference", "--rule=ENTRY-1").code == 0
    assert refusal(suite("--impl=reference", "--rule=ENTRY-1", "--resume")).startswith(
        "there is nothing in .observance/unfinished to go on with: "
    )


def test_a_share_that_is_damaged_is_counted_again(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--impl=reference", "--rule=ENTRY-1", "--cases=20")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Judge, "_verdict", interrupt)  # when all is counted
        assert suite(*options).code == pytest.ExitCode.INTERRUPTED
    (share,) = Path(".observance").rglob("3-of-16.json")
    share.write_text("{")
    assert suite(*options, "--resume").code == 0


def test_where_cases_cannot_be_written_the_verdict_stays(suite: Suite) -> None:
    write("blind.py", BLIND)
    done = suite("--impl=blind", "--rule=PLACEMENT-1", "--failures-in=/proc/nowhere")
    assert done.code == 1
    assert "PLACEMENT-1 (MUST) is broken by blind unknown." in done.output
    assert "The case could not be written to /proc/nowhere: make room, or name another folder" in done.output
    assert "failing cases cannot be written (" in done.output
    assert "Traceback" not in done.output


def test_where_examples_cannot_be_kept_it_is_said(suite: Suite) -> None:
    write("blind.py", BLIND)
    done = suite("--impl=blind", "--rule=PLACEMENT-1", "--failures-in=/proc/nowhere", "--effort=explore")
    assert "examples that failed cannot be kept in /proc/nowhere/examples; make room, or name another" in done.output
