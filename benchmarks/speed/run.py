"""Measure what `prepare` costs: the reference, upstream's own, and the floor, side by side.

    python benchmarks/speed/run.py [--quick] [--only NAME] [--path PATH] [--results FILE]

For every model and every size: CPU seconds, how much memory is allocated, and how many observers are made. The results
are written after every size; `table.py` makes docs/performance.md of them. A whole run takes some ten minutes of one
core; `--quick` measures small sizes alone, in seconds.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from calls import depth_for, template, upstream
from measuring import MOST, Row, expected, measure
from models import ARCHITECTURES, Architecture
from names import ANNOTATIONS, QCONFIGS, UPSTREAM

FOLDER = Path(__file__).resolve().parent

SIZES, QUICK = (5, 50, 500, 2000, 20000), (5, 50)
"""How many nodes the graphs are to have, about."""

ANNOTATED = ("a chain", "a list", "ResNet", "transformer")
"""The models whose graphs are annotated, too."""

PATIENCE = 25.0
"""Upstream's `prepare` is not called where it is expected to take more CPU seconds."""


def main() -> int:
    """Measure what is asked for, and write the results; return the exit code."""
    options = _options()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    began, rows = time.process_time(), list[Row]()
    for path in options.path or UPSTREAM:
        if not upstream(path):
            print(f"{UPSTREAM[path]} is not installed: nothing is measured where {path} say what is observed.")
            continue
        for name in ARCHITECTURES if path == QCONFIGS else ANNOTATED:
            if options.only in name:
                _measure_all(ARCHITECTURES[name], path, options, rows, began)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="measure small sizes alone")
    parser.add_argument("--only", default="", help="models whose name has this text")
    parser.add_argument("--path", action="append", choices=list(UPSTREAM), help="what says which values are observed")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="the CPU seconds that upstream may take")
    parser.add_argument("--results", type=Path, default=FOLDER / "results.json", help="where the results are written")
    return parser.parse_args()


def _measure_all(
    architecture: Architecture, path: str, options: argparse.Namespace, rows: list[Row], began: float
) -> None:
    """Measure a model at all sizes, the smallest first, and write the results after each."""
    of_model: list[Row] = []
    wanted = dict.fromkeys(depth_for(architecture, size) for size in (QUICK if options.quick else SIZES))
    for depth in wanted:
        traced = template(architecture, depth, path)
        row = Row(path, architecture.name, depth, traced.nodes)
        contestants = traced.contestants()
        theirs = UPSTREAM[path]
        if any(theirs in other.failed for other in of_model) or (
            expected(of_model, theirs, row.nodes) > options.patience
        ):
            del contestants[theirs]
        if not rows:
            measure(Row(path, architecture.name, depth, row.nodes), traced, contestants, 1)  # what is done once is done
        measure(row, traced, contestants, 1 if options.quick else MOST)
        of_model.append(row)
        rows.append(row)
        _write(options.results, _head(options, time.process_time() - began) | {"rows": [asdict(one) for one in rows]})
        print(_line(row), flush=True)


def _head(options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Return what the results depend on."""
    return {
        "torch": torch.__version__,
        "torchao": upstream(ANNOTATIONS),
        "python": platform.python_version(),
        "observance": importlib.metadata.version("observance"),
        "machine": platform.machine(),
        "recursion limit": sys.getrecursionlimit(),
        "patience": options.patience,
        "quick": options.quick,
        "seconds": round(seconds),
    }


def _write(path: Path, found: dict[str, Any]) -> None:
    """Write the results down, all or nothing."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _line(row: Row) -> str:
    """Return what was measured on one line."""
    times = {name: row.best(name) for name in row.seconds}
    parts = [f"{name} {best:.4f} s" for name, best in times.items() if best is not None]
    parts += [f"{name} raises {what}" for name, what in row.failed.items()]
    return f"{row.path}: {row.model}, {row.nodes} nodes: {', '.join(parts)}"


if __name__ == "__main__":
    sys.exit(main())
