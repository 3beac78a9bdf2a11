"""What the suite itself costs is told from what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SUITE = Path(__file__).resolve().parents[1] / "benchmarks" / "suite"


def test_the_document_on_performance_is_what_the_results_say() -> None:
    program = SUITE.parent / "performance.py"
    made = subprocess.run([sys.executable, str(program), "--check"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def test_every_part_that_was_measured_has_words() -> None:
    probe = "import json, suite_table; print(json.dumps(list(suite_table.PARTS)))"
    made = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=SUITE)
    results = json.loads((SUITE / "results.json").read_text(encoding="utf-8"))
    measured = {part for part, *_ in results["parts"]["samples"]}
    assert measured <= set(json.loads(made.stdout))
