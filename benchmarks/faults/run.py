"""Inject faults into `prepare`, in memory, and see which of them the suite catches.

    python benchmarks/faults/run.py [--impl torch|torchao|reference] [--sample N] [--cases N] [--shrink N] [--only TEXT]

For every fault: whether any drawn case tells the faulty implementation from the
unbroken one; whether a rule is broken that the register of known deviations does
not explain, by which rules, and at which case; and how small the case becomes.
The results are written to `results-IMPL.json` after every fault; a run goes on
where the last one stopped.  `table.py` makes docs/faults.md of them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import JUDGED, TRIED, Bench, apart
from injection import MODULES, faults, in_order
from results import Result, is_caught

from observance.conformance.efforts import EFFORTS

FOLDER = Path(__file__).resolve().parent

IMPORTED = time.process_time()
"""The CPU seconds that all imports took."""


def main() -> int:
    """Try the faults that are asked for and have no result yet, and write the results; return the exit code."""
    options = _options()
    warnings.simplefilter("ignore")
    path = options.results or FOLDER / f"results-{options.impl}.json"
    found = _known(path, options)
    if found is None:
        return 2
    bench = Bench(options.impl, options.cases, options.draw_seed, not options.drawn_only)
    every = {fault.id: fault for fault in in_order(faults(options.impl)) if bench.is_called(fault)}
    found |= _head(bench, options) | {"faults": len(every), "results": found.get("results", {})}
    for fault in itertools.islice((fault for fault in every.values() if options.only in fault.id), options.sample):
        result = found["results"].get(fault.id)
        if result is None or (options.again and not is_caught(result)):
            _enter(path, found, apart(bench, fault), again=result is not None)
    caught = [every[name] for name, result in found["results"].items() if result["rules"] and name in every]
    for fault in caught[: options.shrink]:
        if found["results"][fault.id]["calls"] < 0:
            _enter(path, found, apart(bench, fault, shrink=True))
    if options.clock:
        found |= {"clock": bench.clock(options.clock), "clocked": options.clock, "imported": IMPORTED}
        _write(path, found)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--impl", choices=list(MODULES), default="torch")
    parser.add_argument("--cases", type=int, default=EFFORTS["gate"].cases, help="how many cases are drawn")
    parser.add_argument("--draw-seed", type=int, default=0)
    parser.add_argument("--drawn-only", action="store_true", help="try no cases that are written by hand or pinned")
    parser.add_argument("--sample", type=int, help="how many faults are tried: the same ones first each time; else all")
    parser.add_argument("--only", default="", help="faults whose id has this text")
    parser.add_argument("--again", action="store_true", help="try those again that were not caught")
    parser.add_argument("--shrink", type=int, default=0, help="of how many caught faults the case is made smaller")
    parser.add_argument("--clock", type=int, default=0, help="for how many cases the time of judging is taken")
    parser.add_argument("--results", type=Path, help="another file for the results")
    return parser.parse_args()


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
    """Return what is true of all faults, and the branches that no case takes."""
    branches = {}
    for module, report in bench.reports.items():
        inside = {name: part for name, part in report["functions"].items() if name and part["executed_lines"]}
        missing = [f"{name}:{a}->{b}" for name, part in inside.items() for a, b in part["missing_branches"]]
        count = sum(part["summary"]["num_branches"] for part in inside.values())
        branches[module] = {"count": count, "missing": missing}
    head = {"rules": len(bench.rules), "tried": TRIED, "judged": JUDGED, "branches": branches}
    return _conditions(options) | head | {"drawn": len(bench.cases), "drawn_only": options.drawn_only}


def _enter(path: Path, found: dict[str, Any], result: Result, again: bool = False) -> None:
    """Write the results down with one more, which may have been tried before, and print it."""
    found["results"][result.fault] = asdict(result) | ({"again": True} if again else {})
    _write(path, found)
    print(_line(result), flush=True)


def _write(path: Path, found: dict[str, Any]) -> None:
    """Write the results down, all or nothing."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _line(result: Result) -> str:
    """Return what came of a fault on one line."""
    by = ",".join(result.rules or result.own or result.mended) or result.note
    told = f"told at {result.told_at}, " if result.told_at >= 0 else f"executed by {result.reached}, "
    size = f", {result.calls} calls" if result.calls >= 0 else ""
    caught = f"caught at {result.caught_at} by {by}" if by else "not caught"
    return f"{result.fault}: {told}{caught}{size} {','.join(result.upstream)}"


if __name__ == "__main__":
    sys.exit(main())
