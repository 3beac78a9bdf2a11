"""Measure what the suite itself costs: its parts, whole runs, and how long it looks for a smaller failure.

    python benchmarks/suite/run.py [--cases N] [--only parts|runs|shrinking]

CPU seconds are those of all processes of a run, in the user's code and in the system's.  Wall clock times are written
down beside them; measure on a machine on which nobody else works.  The results are written to `results.json`, and
`benchmarks/performance.py` makes a chapter of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from observance.conformance.efforts import EFFORTS

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
RESULTS = FOLDER / "results.json"

JUDGED = ["-q", "-p", "no:cacheprovider", "--impl=torch"]

RUNS: dict[str, list[str]] = {
    "imports": ["--collect-only"],
    "smoke": ["--effort=smoke"],
    "gate": [],
    "gate, in the process of pytest": ["--in-process"],
    "gate, -n 1": ["-n1"],
    "gate, -n 2": ["-n2"],
}
"""The options of the runs that are measured."""

COUNTED = [name for name in RUNS if name not in ("imports", "smoke")]
"""The runs that judge as many cases as the options say."""


def main() -> int:
    """Measure what is asked for, and write the results; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cases", type=int, default=EFFORTS["gate"].cases, help="how many cases the runs judge, but for the smoke run"
    )
    parser.add_argument("--only", choices=("parts", "runs", "shrinking"), help="measure this alone")
    parser.add_argument("--run", action="append", choices=list(RUNS), help="measure this run alone; may be repeated")
    options = parser.parse_args()
    steps: dict[str, Callable[[argparse.Namespace], Any]] = {"parts": parts, "runs": runs, "shrinking": shrinking}
    for step, measure in steps.items():
        if options.only in (None, step):
            _enter(step, measure(options))
    return 0


def parts(options: argparse.Namespace) -> dict[str, Any]:
    """Return the shares of the parts of the suite (see `parts.py`)."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "parts.json"
        arguments = [str(out), "conformance/", *JUDGED, f"--cases={options.cases}"]
        _run([sys.executable, str(FOLDER / "parts.py"), *arguments])
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return {"cases": options.cases} | found


def runs(options: argparse.Namespace) -> dict[str, Any]:
    """Return what whole runs take."""
    found = {}
    for name in options.run or RUNS:
        cases = [f"--cases={options.cases}"] if name in COUNTED else []
        found[name] = _run([sys.executable, "-m", "pytest", "conformance/", *JUDGED, *cases, *RUNS[name]])
    return found


def shrinking(_: argparse.Namespace) -> dict[str, Any]:
    """Return what it takes to find the smallest failure of some faults (see `shrinking.py`)."""
    command = [sys.executable, str(FOLDER / "shrinking.py")]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def _run(command: list[str]) -> dict[str, Any]:
    """Run a command, and return its wall clock and CPU seconds, those of its children included, and its last line."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    lines = made.stdout.splitlines()
    said = [line for line in lines if line.startswith("all ")] + lines[-1:]
    print(f"{cpu:.1f} s: {' '.join(command[2:])}: {' '.join(said)}", file=sys.stderr)
    return {"wall": round(time.monotonic() - began, 2), "cpu": round(cpu, 2), "said": said or made.stderr}


def _enter(step: str, measured: dict[str, Any]) -> None:
    """Add what was measured to the results."""
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found |= {"python": platform.python_version(), "cpus": os.cpu_count()}
    found[step] = found.get(step, {}) | measured
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
