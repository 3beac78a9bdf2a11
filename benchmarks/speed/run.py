"""Measure what `prepare` costs: the reference, upstream's own, and the floor, side by side.

    python benchmarks/speed/run.py [--quick] [--only NAME] [--path PATH] [--results FILE]

For every model and every size: CPU seconds, how much memory is allocated, and how many observers are made. The results
are written after every size; `benchmarks/performance.py` makes a chapter of them. A whole run takes some ten minutes of
one core; `--quick` measures small sizes alone, in seconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from calls import Template, depth_for, template, upstream
from measuring import MOST, Row, expected, measure
from models import ARCHITECTURES, Architecture
from names import ANNOTATIONS, QCONFIGS, REFERENCE, UPSTREAM

FOLDER = Path(__file__).resolve().parent

SIZES, QUICK = (5, 50, 500, 2000, 20000), (5, 50)
"""How many nodes the graphs are to have, about."""

ANNOTATED = ("a chain", "a list", "ResNet", "transformer")
"""The models whose graphs are annotated, too."""

PATIENCE, GIVEN_UP = 25.0, 100.0
"""Upstream's `prepare` is not called where it is expected to take more CPU seconds; and no graph is measured where the
reference's is."""


def main() -> int:
    """Measure what is asked for, and write the results; return the exit code."""
    options = _options()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    run = Run(options, time.process_time())
    for path in options.path or UPSTREAM:
        if not upstream(path):
            print(f"{UPSTREAM[path]} is not installed: nothing is measured where {path} say what is observed.")
            continue
        for name in ARCHITECTURES if path == QCONFIGS else ANNOTATED:
            if options.only in name:
                run.measure_all(ARCHITECTURES[name], path)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="measure small sizes alone")
    parser.add_argument("--only", default="", help="models whose name has this text")
    parser.add_argument("--path", action="append", choices=list(UPSTREAM), help="what says which values are observed")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="the CPU seconds that upstream may take")
    parser.add_argument("--results", type=Path, default=FOLDER / "results.json", help="where the results are written")
    return parser.parse_args()


class Run:
    """What is measured, and what has been so far.

    Parameters
    ----------
    options
        What was asked for.
    began
        The CPU seconds of the process when it began.
    """

    def __init__(self, options: argparse.Namespace, began: float) -> None:
        self.options, self.began = options, began
        self.rows: list[Row] = []
        self.given_up: list[str] = []

    def measure_all(self, architecture: Architecture, path: str) -> None:
        """Measure a model at all sizes, the smallest first, and write the results after each."""
        of_model: list[Row] = []
        sizes = QUICK if self.options.quick else SIZES
        for depth in dict.fromkeys(depth_for(architecture, size) for size in sizes):
            traced = template(architecture, depth, path)
            row = Row(path, architecture.name, depth, traced.nodes)
            if expected(of_model, REFERENCE, row.nodes) > GIVEN_UP:
                self.given_up.append(f"{row.model}, {row.nodes} nodes, where {path} say what is observed")
            else:
                self._measure(row, traced, of_model)
                of_model.append(row)
                self.rows.append(row)
                print(_line(row), flush=True)
            self._write()

    def _measure(self, row: Row, traced: Template, smaller: list[Row]) -> None:
        """Measure a model at one size; upstream is left out where it would take too long, or raised before."""
        contestants, theirs = traced.contestants(), UPSTREAM[row.path]
        has_failed = any(theirs in other.failed for other in smaller)
        if has_failed or expected(smaller, theirs, row.nodes) > self.options.patience:
            del contestants[theirs]
        if not self.rows:  # what is done once in a process is done now
            measure(Row(row.path, row.model, row.depth, row.nodes), traced, contestants, 1)
        measure(row, traced, contestants, 1 if self.options.quick else MOST)

    def _write(self) -> None:
        """Write the results down, all or nothing."""
        found = self._head() | {"given up": self.given_up, "rows": [asdict(row) for row in self.rows]}
        partial = self.options.results.with_suffix(".partial")
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.options.results)

    def _head(self) -> dict[str, Any]:
        """Return what the results depend on."""
        return {
            "torch": torch.__version__,
            "torchao": upstream(ANNOTATIONS),
            "python": platform.python_version(),
            "recursion limit": sys.getrecursionlimit(),
            "patience": self.options.patience,
            "given up after": GIVEN_UP,
            "quick": self.options.quick,
            "seconds": round(time.process_time() - self.began),
        }


def _line(row: Row) -> str:
    """Return what was measured on one line."""
    times = {name: row.best(name) for name in row.seconds}
    parts = [f"{name} {best:.4f} s" for name, best in times.items() if best is not None]
    parts += [f"{name} raises {what}" for name, what in row.failed.items()]
    return f"{row.path}: {row.model}, {row.nodes} nodes: {', '.join(parts)}"


if __name__ == "__main__":
    sys.exit(main())
