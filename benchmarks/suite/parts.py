"""Run the suite in one process, and see which part of it takes how much of the CPU time.

    python benchmarks/suite/parts.py OUT.json [pytest's arguments ...]

Beside the shares, the calls of each implementation are counted.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sampling import sampled

IMPORTING, BUILDING, OBSERVING, CHECKING = "importing", "building", "observing", "checking"
HYPOTHESIS, STRATEGIES, PYTEST, JUDGED = "Hypothesis", "drawing", "pytest and the judge", "prepare"
REFERENCE, SURVEY, EXCUSING = "the reference", "the reference's survey", "the reference with the known deviations"

CALL = ("outcomes.py", "_call")
"""Where an implementation is called."""

ENTERED: dict[tuple[str, str], str] = {
    ("arguments.py", "build"): BUILDING,
    ("arguments.py", "example_inputs"): BUILDING,
    ("outcomes.py", "arguments_of"): BUILDING,
    ("outcomes.py", "retraced"): BUILDING,
    ("outcomes.py", "inner_graphs"): BUILDING,
    ("outcomes.py", "run"): OBSERVING,
    ("outcomes.py", "_prepared"): OBSERVING,
    ("observation.py", "observe"): OBSERVING,
    ("process.py", "__init__"): OBSERVING,
    ("trials.py", "_survey"): SURVEY,
    ("trials.py", "annotated"): SURVEY,
    ("hearing.py", "findings"): CHECKING,
    ("judge.py", "_draw"): HYPOTHESIS,
}
"""What a part of the suite is entered by: a file and a function of its."""

OWNERS = {"conformance", "strategies", "reference"}


def part_of(frame: FrameType) -> tuple[str, str]:
    """Return the part that a stack belongs to, and for the sake of which that is done: a rule, or a known deviation."""
    part, inner, found = "", "", frame
    phase = "rules"
    while found is not None:
        code = found.f_code
        folder, _, file = code.co_filename.rpartition("/")
        if file.startswith("<frozen importlib"):
            part = part or IMPORTING
        elif folder.rpartition("/")[2] in OWNERS:
            part = part or _entered(file, found)
            inner = inner or (STRATEGIES if folder.endswith("strategies") else "")
            if code.co_name in ("undeviating", "still_deviates"):
                phase = code.co_name
        elif "/hypothesis/" in folder:
            inner = inner or HYPOTHESIS
        found = found.f_back  # type: ignore[assignment]
    if part == HYPOTHESIS:
        part = inner or part
    return part or PYTEST, phase


def _entered(file: str, frame: FrameType) -> str:
    """Return the part that is entered by a function, if one is."""
    name, implementation = frame.f_code.co_name, frame.f_locals.get("implementation")
    if (file, name) != CALL or implementation is None:  # a method of `Calls` has that name, too
        return ENTERED.get((file, name), "")
    called = implementation.name
    return {"torch": JUDGED, "reference": REFERENCE}.get(called, EXCUSING)


class Imported:
    """A plug-in of pytest's that notes when all is imported."""

    seconds = 0.0

    def pytest_collection_finish(self) -> None:
        """Begin to judge."""
        self.seconds = time.process_time()
        gc.freeze()  # as the process in which an implementation is called does


def counted() -> Counter[str]:
    """Count the calls of each implementation from now on."""
    from observance.conformance import outcomes

    calls: Counter[str] = Counter()
    unbroken = outcomes._call

    def _call(implementation: Any, arguments: Any) -> Any:
        calls[implementation.name] += 1
        return unbroken(implementation, arguments)

    outcomes._call = _call
    return calls


def main() -> int:
    """Run pytest, and write what was found; return pytest's exit code."""
    imported, out = Imported(), Path(sys.argv[1])
    with sampled(part_of) as samples:
        calls = counted()
        code = pytest.main(["--in-process", "-p", "no:cacheprovider", *sys.argv[2:]], plugins=[imported])
    found = {
        "seconds": time.process_time(),
        "imported": imported.seconds,
        "calls": dict(calls),
        "samples": [[*key, count] for key, count in samples.most_common()],
    }
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
