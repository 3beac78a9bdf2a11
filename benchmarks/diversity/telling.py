"""Which drawn cases tell which faults: what the diversity of the cases is good for.

    python benchmarks/diversity/telling.py [--from N] [--to N] [--draw-seed N] [--most N] [--results FILE]

The faults are those of benchmarks/faults, in the same order; those that are known to
be equivalent are left out.  For every fault, the cases that execute it are tried, in the
order of drawing, until enough of them have told it.  No rule is asked: that a case
tells a fault is what the strategies can do for a rule.  The results are written after
every fault; a run goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent / "faults"))

from bench import Bench, forked  # noqa: E402
from injection import Fault, faults, in_order  # noqa: E402
from reasons import EQUIVALENT, REASONS  # noqa: E402

from observance.conformance.efforts import EFFORTS  # noqa: E402

MOST = 8
"""How many cases that tell a fault are looked for."""

DONE = "done"
"""What is told when all cases are tried: without it, the last one hung, or killed the process."""


def main() -> int:
    """Try the faults that are asked for, and write which cases tell each; return the exit code."""
    options = _options()
    warnings.simplefilter("ignore")
    bench = Bench("torch", options.cases, options.draw_seed, by_hand=False)
    equivalent = {fault for reason in REASONS["torch"] if reason.verdict == EQUIVALENT for fault in reason.faults}
    called = (fault for fault in in_order(faults("torch")) if bench.is_called(fault))
    tried = [fault for fault in itertools.islice(called, options.first, options.last) if fault.id not in equivalent]
    conditions = {"cases": len(bench.cases), "draw_seed": options.draw_seed, "most": options.most}
    found = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else {"told": {}}
    if found["told"] and {name: found[name] for name in conditions} != conditions:
        print(f"{options.results} was made in another way; remove it, or name another file.", file=sys.stderr)
        return 2
    found |= conditions | {"to": options.last}
    for fault in tried:
        if fault.id not in found["told"]:
            found["told"][fault.id] = telling(bench, fault, options.most)
            options.results.write_text(json.dumps(found) + "\n", encoding="utf-8")
            print(f"{len(found['told'])} of {len(tried)}: {fault.id}: {found['told'][fault.id]}", flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first fault that is tried")
    parser.add_argument("--to", type=int, default=400, dest="last", help="the fault before which it stops")
    parser.add_argument("--cases", type=int, default=EFFORTS["gate"].cases, help="how many cases are drawn")
    parser.add_argument("--draw-seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=MOST, help="how many cases that tell a fault are looked for")
    parser.add_argument("--results", type=Path, default=FOLDER / "told.json")
    return parser.parse_args()


def telling(bench: Bench, fault: Fault, most: int) -> list[int]:
    """Return the numbers of the first cases that tell a fault."""

    def work(tell: Callable[[str], None]) -> None:
        judge, count = bench.judge_with(fault), 0
        for number in bench.cases_of(fault)[0]:
            tell(f"{number}")
            if bench.tells(judge, number):
                tell("told")
                count += 1
            if count == most:
                break
        tell(DONE)

    lines = forked(work)
    told = [int(one) for one, after in itertools.pairwise(lines) if after == "told"]
    hung = [int(lines[-1])] if lines and lines[-1].isdigit() else []
    return told + hung


if __name__ == "__main__":
    sys.exit(main())
