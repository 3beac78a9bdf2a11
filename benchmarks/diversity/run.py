"""Count what is drawn: operators, those that read each other, fan-out, sharing groups, kinds of configs, features.

    python benchmarks/diversity/run.py [--more N] [--draw-seed N]

The cases are drawn as the suite draws them.  The counts are written to `drawn.json`,
together with which of the gate's cases have what; `telling.py` finds out which of
them tell which faults, and `table.py` makes docs/diversity.md of both.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import warnings
from pathlib import Path

from census import census, having

from observance.conformance.efforts import GATE
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge

FOLDER = Path(__file__).resolve().parent


def main() -> int:
    """Draw, count, and write what was counted; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=int, default=2000, help="how many cases are drawn beside the gate's")
    parser.add_argument("--draw-seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=FOLDER / "drawn.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    gate, more = (Judge(resolve("torch"), n, start=options.draw_seed).corpus for n in (GATE.cases, options.more))
    releases = {name: importlib.metadata.version(name) for name in ("torch", "hypothesis")}
    found = releases | {"draw_seed": options.draw_seed, "counted": [census(gate), census(more)], "having": having(gate)}
    options.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
