"""Run `explore` for about an hour on two cores, and write down what memory its processes hold, minute by minute.

    python benchmarks/suite/hour.py [--cases N] [--draw-seed N]

How many cases fill an hour depends on the machine, and on what else it does.  The results are written to `hour.json`,
and `benchmarks/performance.py` makes a chapter of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from run import JUDGED, ROOT

RESULTS = Path(__file__).resolve().parent / "hour.json"

PARTIAL = RESULTS.with_suffix(".partial")
"""What there is so far, for whoever ends this."""

EVERY = 60
"""Memory is looked at after so many seconds."""


def main() -> int:
    """Run the suite, watch its memory, and write the results; return the exit code of the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=15_000)
    parser.add_argument("--draw-seed", type=int, default=1)
    options = parser.parse_args()
    asked = ["--effort=explore", f"--cases={options.cases}", f"--draw-seed={options.draw_seed}", "-n2"]
    command = [sys.executable, "-m", "pytest", "conformance/", *JUDGED, *asked]
    began, samples = time.monotonic(), list[dict[str, Any]]()
    found: dict[str, Any] = {"python": platform.python_version(), "cpus": os.cpu_count(), "options": asked}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, subprocess.Popen(command, cwd=ROOT, stdout=out) as run:
        while run.poll() is None:
            samples.append({"minutes": _minutes(began), "megabytes": _held(run.pid)})
            _write(PARTIAL, found | {"samples": samples})
            _wait(run)
        out.seek(0)
        said = out.read().splitlines()
    found |= {"minutes": _minutes(began), "exit": run.returncode}
    found["said"] = [line for line in said if line.startswith("the process of ")] + said[-1:]
    _write(PARTIAL, found | {"samples": samples})
    PARTIAL.replace(RESULTS)
    print("\n".join(said[-40:]))
    return run.returncode


def _minutes(began: float) -> float:
    """Return how many minutes have gone by."""
    return round((time.monotonic() - began) / 60, 1)


def _write(path: Path, found: dict[str, Any]) -> None:
    """Write down what was found."""
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _held(pid: int) -> list[int]:
    """Return what each process of a run holds that it shares with none, in megabytes, the largest first."""
    whole, held = psutil.Process(pid), []
    for process in [whole, *whole.children(recursive=True)]:
        try:
            held.append(process.memory_full_info().uss // 2**20)
        except psutil.Error:  # it has ended meanwhile
            continue
    return sorted(held, reverse=True)


def _wait(run: subprocess.Popen[Any]) -> None:
    """Wait until memory is to be looked at again, or the run has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(timeout=EVERY)


if __name__ == "__main__":
    sys.exit(main())
