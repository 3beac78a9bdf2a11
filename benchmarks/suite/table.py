"""Print the chapter on the suite's own cost, as docs/performance.md has it.

python benchmarks/suite/table.py
"""

from __future__ import annotations

import json
from pathlib import Path

from suite_table import chapter

RESULTS = Path(__file__).resolve().parent / "results.json"


if __name__ == "__main__":
    print(chapter(json.loads(RESULTS.read_text(encoding="utf-8"))), end="")
