"""The benchmark that injects faults into torch's prepare is there to be run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "faults" / "run.py"


def test_the_benchmark_of_faults_runs_to_its_table() -> None:
    options = ["--cases", "3", "--sample", "1", "--only", "_is_activation_post_process_node"]
    run = subprocess.run([sys.executable, BENCHMARK, *options], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1].startswith("{'")
