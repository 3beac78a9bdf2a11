"""Write docs/performance.md: what was measured, and whether the goals are met.

    python benchmarks/performance.py [--check]

With `--check` nothing is written; the exit code is 1 where the document is not what the results say.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PATH = FOLDER.parent / "docs" / "performance.md"
sys.path += [str(FOLDER / "speed"), str(FOLDER / "suite")]

import hour_table  # noqa: E402
import speed_table  # noqa: E402
import suite_table  # noqa: E402
from document import write_or_check  # noqa: E402

CHAPTERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "speed/results.json": speed_table.chapter,
    "suite/results.json": suite_table.chapter,
    "suite/hour.json": hour_table.chapter,
}
"""For each file of results, what makes a chapter of it: each begins with a heading of the second level."""

_HEAD = """\
<!-- Written by `python benchmarks/performance.py`. Run `run.py` in speed/ and in suite/, or suite/hour.py, and write
it again. -->

# Performance

Figures are those of one machine; what is held against goals are ratios and exponents, which depend on it less. Whether
a goal is met is computed from the figures.

"""


def text() -> str:
    """Return the document, a chapter for each file of results that there is."""
    files = [(FOLDER / name, chapter) for name, chapter in CHAPTERS.items()]
    chapters = [chapter(json.loads(path.read_text(encoding="utf-8"))) for path, chapter in files if path.exists()]
    return _HEAD + "\n".join(chapters)


def main(arguments: list[str]) -> int:
    """Write the document, or check it; return the exit code."""
    return 0 if write_or_check(PATH, text(), arguments) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
