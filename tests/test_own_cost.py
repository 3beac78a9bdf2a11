"""What the suite itself costs is told from what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SUITE = Path(__file__).resolve().parents[1] / "benchmarks" / "suite"


def test_the_chapter_tells_every_state_that_was_measured() -> None:
    made = subprocess.run([sys.executable, "table.py"], capture_output=True, text=True, check=False, cwd=SUITE)
    assert made.returncode == 0, made.stderr
    results = json.loads((SUITE / "results.json").read_text(encoding="utf-8"))
    for name in results:
        assert f"- {name}: drawing, building, observing and checking take " in made.stdout
    assert "### A plan for 10,000,000 cases" in made.stdout


def test_every_part_that_was_measured_has_words() -> None:
    probe = "import json, suite_table; print(json.dumps(list(suite_table.PARTS)))"
    made = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=SUITE)
    results = json.loads((SUITE / "results.json").read_text(encoding="utf-8"))
    measured = {part for state in results.values() for part, *_ in state["parts"]["samples"]}
    assert measured <= set(json.loads(made.stdout))
