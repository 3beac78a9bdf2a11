"""What contributes to telling faults is counted as it should be, and the table is true to what was found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "diversity"

PROBE = """
from contribution import contribution

told = {"needs it": [0, 1, 2], "does not care": [0, 10, 20, 30], "is told by nothing": []}
print(contribution(100, [0, 1, 2, 3, 4], told))
print(contribution(100, list(range(0, 100, 2)), told))
"""
"""Prints what a thing contributes that 5, and one that 50 of 100 cases have."""


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the benchmark's programs."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=FOLDER)


def test_what_all_cases_that_tell_a_fault_have_is_needed_unless_chance_explains_it() -> None:
    probe = ran("-c", PROBE)
    rare, common = probe.stdout.splitlines()
    assert "base=0.05, needed=1, helped=1" in rare, probe.stderr
    assert "base=0.5, needed=0, helped=0" in common


def test_the_table_of_what_is_drawn_is_what_the_results_say() -> None:
    check = ran("table.py", "--check")
    assert check.returncode == 0, check.stdout + check.stderr
