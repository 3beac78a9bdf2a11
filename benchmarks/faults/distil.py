"""Record the cases that catch faults which the gate does not: each a small one, with which the gate then begins.

    python benchmarks/faults/distil.py [--impl torch] [--cases N] [--draw-seed N]

The faults are those of `results-IMPL.json` that are not caught, and for which no
reason is known.  For each of them more cases are drawn than the gate draws, until
one lets a rule catch it; that is made smaller, and added to the recorded corpus.
Afterwards, `run.py --again` tries them with the gate once more.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import LONG, Bench, forked
from injection import Fault, faults
from reasons import REASONS
from results import Result, is_caught

from observance.conformance import corpus
from observance.conformance.corpus import Entry
from observance.strategies import Case

FOLDER = Path(__file__).resolve().parent


def main() -> int:
    """Look for the cases, and add them to the corpus; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--impl", choices=list(REASONS), default="torch")
    parser.add_argument("--cases", type=int, default=600, help="how many cases are drawn")
    parser.add_argument("--draw-seed", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results = json.loads((FOLDER / f"results-{options.impl}.json").read_text(encoding="utf-8"))["results"]
    known = {fault for reason in REASONS[options.impl] for fault in reason.faults}
    lost = {name for name, result in results.items() if not is_caught(result) and name not in known}
    bench = Bench(options.impl, options.cases, options.draw_seed, by_hand=False)
    found = list(_found(bench, [fault for fault in faults(options.impl) if fault.id in lost]))
    entries = list(corpus.read(corpus.FILE))
    recorded = {entry.case for entry in entries}
    corpus.write([*entries, *(entry for entry in found if entry.case not in recorded)], corpus.FILE)
    return 0


def _found(bench: Bench, lost: list[Fault]) -> Iterator[Entry]:
    """Yield a small case for each fault that a drawn case lets a rule catch, once for all that it catches."""
    cases: dict[Case, None] = {}
    for fault in lost:

        def work(tell: Callable[[str], None], fault: Fault = fault) -> None:
            tell(_caught(bench, fault))

        lines = [line for line in forked(work) if line]
        print(f"{fault.id}: {'recorded' if lines else 'caught by none'}", file=sys.stderr, flush=True)
        for line in lines:
            plain = json.loads(line)
            case = Case.from_json(json.dumps(plain["case"]))
            if case not in cases:
                cases[case] = None
                yield Entry(case, tuple(plain["tells"]))


def _caught(bench: Bench, fault: Fault) -> str:
    """Return a small case that lets a rule catch a fault, and the rules that do, as JSON; nothing if there is none."""
    judge, (numbers, _) = bench.judge_with(fault), bench.cases_of(fault)
    for number in bench.telling(judge, numbers, Result(fault.id, len(numbers)), lambda _: None):
        rules = [rule for rule in bench.rules if rule.is_for(bench.cases[number]) and bench.breaks(judge, rule, number)]
        if rules:
            signal.setitimer(signal.ITIMER_PROF, LONG)
            small, _ = judge.smallest(rules[0], bench.cases[number])
            told = [rule.id for rule in rules if judge.unexplained(rule, small)]
            return json.dumps({"case": json.loads(small.to_json()), "tells": told})
    return ""


if __name__ == "__main__":
    sys.exit(main())
