"""Faults are injected for the time of a call, and the table of what the suite catches is true to what was found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FAULTS = ROOT / "benchmarks" / "faults"

PROBE = """
import sys
from injection import faults, with_fault
from observance.conformance.implementations import resolve
from observance.conformance.outcomes import run
from observance.strategies.case import Call, Case, Entry, Mapping

def observers(implementation):
    called = [str(node.target) for node in run(implementation, case).prepared.graph.nodes]
    return sum("activation_post_process" in target for target in called)

case = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(None, (Entry("global", "default_qconfig"),)))
function, kind, text = sys.argv[1:]
fitting = [f for f in faults("torch") if (f.mutant.function, f.mutant.kind) == (function, kind)]
fault = next(f for f in fitting if text in f.mutant.text)
plain = resolve("torch")
print(observers(plain), observers(with_fault(plain, fault)), observers(plain))
"""
"""Prints how many observers a linear layer has in torch without a fault, with one, and again without."""


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the benchmark's programs."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=FAULTS)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(("_needs_obs_or_fq", "never", "if cur_target_dtype in"), id="in the code of a function"),
        pytest.param(("_OBS_DTYPE_LIST", "drop element 0", "torch.quint8"), id="in a constant of the module"),
    ],
)
def test_a_fault_is_there_while_prepare_is_called_and_gone_afterwards(fault: tuple[str, str, str]) -> None:
    probe = benchmark("-c", PROBE, *fault)
    assert probe.stdout == "2 0 2\n", probe.stderr


TRIAL = """
import sys
from bench import Bench, apart
from injection import faults

function, kind, text = sys.argv[1:]
fitting = [f for f in faults("torch") if (f.mutant.function, f.mutant.kind) == (function, kind)]
result = apart(Bench("torch", 12, by_hand=False), next(f for f in fitting if text in f.mutant.text))
print("told" * (result.told_at >= 0), "caught" * (result.caught_at >= 0), *result.rules)
"""
"""Prints whether a fault is told and caught by the first twelve cases, and by which rules."""


def test_a_fault_is_told_by_the_cases_and_caught_by_the_rules() -> None:
    trial = benchmark("-c", TRIAL, "_OBS_DTYPE_LIST", "drop element 0", "torch.quint8")
    assert trial.stdout.startswith("told caught"), trial.stderr
    assert "PLACEMENT-5" in trial.stdout


@pytest.mark.parametrize(
    "content", ["no JSON", "{}", '{"impl": "torch", "cases": 7, "draw_seed": 0, "torch": "1", "hypothesis": "1"}']
)
def test_results_that_were_found_in_another_way_are_not_added_to(tmp_path: Path, content: str) -> None:
    results = tmp_path / "results.json"
    results.write_text(content)
    run = benchmark("run.py", "--results", str(results))
    assert (run.returncode, run.stdout) == (2, "")
    assert "remove it, or name another file" in run.stderr
    assert results.read_text() == content


def test_the_table_of_faults_is_what_the_results_say() -> None:
    check = benchmark("table.py", "--check")
    assert check.returncode == 0, check.stdout + check.stderr
