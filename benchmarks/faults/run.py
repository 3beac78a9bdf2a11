"""Inject faults into `prepare`, in memory, and see which of them the suite catches.

    python benchmarks/faults/run.py [--impl torch|reference] [--sample N] [--cases N] [--shrink N] [--only TEXT]

For every fault: whether any drawn case tells the faulty implementation from the
unbroken one; whether a rule is broken that the register of known deviations does
not explain, by which rules, and at which case; and how small the case becomes.
The results are written to `results-IMPL.json` after every fault; a run goes on
where the last one stopped.  `table.py` makes docs/faults.md of them.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import JUDGED, TRIED, Bench, Result, apart
from injection import MODULES, Fault, faults

from observance.conformance.judge import EFFORTS

FOLDER = Path(__file__).resolve().parent

CLOCKED = EFFORTS["default"]
"""For how many cases the time is taken."""

IMPORTED = time.process_time()
"""The CPU seconds that all imports took."""


def main() -> int:
    """Try the faults that have no result yet, and write the results; return the exit code."""
    options = _options()
    warnings.simplefilter("ignore")
    path = options.results or FOLDER / f"results-{options.impl}.json"
    known = _known(path, options)
    if known is None:
        return 2
    bench = Bench(options.impl, options.cases, options.draw_seed)
    every = {fault.id: fault for fault in in_order(faults(options.impl)) if bench.is_called(fault)}
    found: dict[str, Any] = known or _head(bench, options) | {"faults": len(every), "results": {}}
    for fault in _chosen(every.values(), options):
        if fault.id not in found["results"]:
            _enter(path, found, apart(bench, fault))
            print(_line(fault, Result(**found["results"][fault.id])), flush=True)
    caught = [every[name] for name, result in found["results"].items() if result["rules"] and name in every]
    for fault in caught[: options.shrink]:
        if found["results"][fault.id]["calls"] < 0:
            _enter(path, found, apart(bench, fault, shrink=True))
            print(_line(fault, Result(**found["results"][fault.id])), flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--impl", choices=list(MODULES), default="torch")
    parser.add_argument("--cases", type=int, default=1000, help="how many cases are drawn")
    parser.add_argument("--draw-seed", type=int, default=0)
    parser.add_argument("--sample", type=int, help="how many faults are tried: the same ones first each time; else all")
    parser.add_argument("--only", default="", help="faults whose id has this text")
    parser.add_argument("--shrink", type=int, default=0, help="of how many caught faults the case is made smaller")
    parser.add_argument("--results", type=Path, help="another file for the results")
    return parser.parse_args()


def in_order(every: Iterable[Fault]) -> list[Fault]:
    """Return faults in an order in which any first part is an even sample."""
    return sorted(every, key=lambda fault: hashlib.sha256(fault.id.encode()).hexdigest())


def _chosen(every: Iterable[Fault], options: argparse.Namespace) -> Iterator[Fault]:
    """Yield the faults that are asked for."""
    fitting = [fault for fault in every if options.only in fault.id]
    yield from fitting[: options.sample]


def _conditions(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the results depend on: with the same conditions, the same cases are drawn."""
    releases = {name: importlib.metadata.version(name) for name in ("torch", "hypothesis")}
    return {"impl": options.impl, "cases": options.cases, "draw_seed": options.draw_seed} | releases


def _known(path: Path, options: argparse.Namespace) -> dict[str, Any] | None:
    """Return the results so far, empty if there are none; None, and say so, if they were found in another way."""
    if not path.exists():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        conditions = {name: found[name] for name in _conditions(options)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(
            f"{path} holds no results ({type(error).__name__}: {error}); remove it, or name another file.",
            file=sys.stderr,
        )
        return None
    if conditions != _conditions(options):
        print(f"{path} was made with {conditions}; remove it, or name another file.", file=sys.stderr)
        return None
    return found


def _head(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """Return what is measured once: the time that judging takes, and the branches that no case takes."""
    branches = {}
    for module, report in bench.reports.items():
        inside = {
            name: part["missing_branches"] for name, part in report["functions"].items() if part["executed_lines"]
        }
        missing = [f"{name}:{first}->{last}" for name, parts in inside.items() if name for first, last in parts]
        count = sum(part["summary"]["num_branches"] for name, part in report["functions"].items() if name in inside)
        branches[module] = {"count": count, "missing": missing}
    head = _conditions(options) | {"drawn": len(bench.cases), "rules": len(bench.rules), "branches": branches}
    start, *seconds = bench.clock(min(CLOCKED, options.cases))
    return head | {"tried": TRIED, "judged": JUDGED, "start": round(IMPORTED + start, 1), "seconds": seconds}


def _enter(path: Path, found: dict[str, Any], result: Result) -> None:
    """Write the results down with one more."""
    found["results"][result.fault] = asdict(result)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _line(fault: Fault, result: Result) -> str:
    """Return what came of a fault on one line, with the code as it was."""
    if result.caught_at >= 0:
        said = f"caught at {result.caught_at} by {','.join(result.rules)} {result.note}"
    elif result.own:
        said = f"caught by {','.join(result.own)}"
    else:
        said = f"told at {result.told_at}, not caught" if result.told_at >= 0 else f"survived {result.reached}"
    size = f", {result.calls} calls" if result.calls >= 0 else ""
    return f"{fault.id}: {said}{size} | {fault.mutant.text}"


if __name__ == "__main__":
    sys.exit(main())
