"""The commands `record` and `compare`: what an implementation does with the corpus, and what has changed since."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from observance.conformance.implementations import Implementation, resolve
from observance.conformance.progress import Shown, bar_on
from observance.conformance.usage import UsageError, append, check_appendable, printable

if TYPE_CHECKING:
    from observance.conformance.records.files import Record
    from observance.strategies import Case

SAME, DIFFERENT = 0, 1
"""The exit codes of `compare`, beside 2 for bad input."""


def add_parsers(commands: Any) -> None:
    """Add the two commands to the command line."""
    recording = commands.add_parser("record", help="write down what an implementation does with the corpus")
    recording.add_argument("--impl", metavar="NAME", required=True, help="whose prepare; as for the suite")
    recording.add_argument("-o", "--output", metavar="OUT.jsonl", required=True, help="where it is written")
    comparing = commands.add_parser(
        "compare",
        help="tell which observers moved, appeared, vanished, changed, split or merged",
        epilog="Exit codes: 0, nothing differs; 1, something does; 2, the command, a record or an output is wrong.",
    )
    what = "a record (.jsonl), or an implementation, which is recorded first"
    comparing.add_argument("first", metavar="A", help=f"what was: {what}")
    comparing.add_argument("second", metavar="B", help=f"what is: {what}")
    comparing.add_argument("--markdown", metavar="FILE", help="add the comparison to this file, as Markdown")
    comparing.add_argument(
        "--cases-in", metavar="DIR", default=".observance", help="where the smallest case of each cause is written"
    )


def run(given: argparse.Namespace) -> int:
    """Do what the command line says, and return the exit code.

    Raises
    ------
    UsageError
        If anything that was given is wrong.
    """
    progress = bar_on(Console(stderr=True))
    if given.command == "record":
        return _record(given.impl, given.output, progress)
    return _compare(given, progress)


def _record(name: str, output: str, progress: Shown) -> int:
    """Write the record of an implementation."""
    implementation = claiming(resolve(name))
    from observance.conformance.records.files import write

    made = _recorded(implementation, progress)
    write(output, made, implementation)
    print(f"{made.name}: {_counted(made)}, written to {printable(output)}")
    return SAME


def _compare(given: argparse.Namespace, progress: Shown) -> int:
    """Tell what differs between two records."""
    from observance.conformance.against import baseline_of
    from observance.conformance.records.comparing import compare, save_smallest

    check_appendable(given.markdown, "--markdown")
    both = [baseline_of(what) for what in (given.first, given.second)]
    first, second = (_recorded(claiming(one), progress) if isinstance(one, Implementation) else one for one in both)
    # What is compared again after a change that has no version of its own goes by what was named.
    alike = first.name == second.name
    found = compare(first, second, (printable(given.first), printable(given.second)) if alike else None)
    if not found.compared:
        raise UsageError("the two records have no case in common that both claim; record one of them again.")
    if found.causes:
        save_smallest(found, Path(given.cases_in))
    if given.markdown:
        append(given.markdown, found.markdown(), "--markdown")
    print(found.text(Path(given.cases_in)))
    return DIFFERENT if found.causes else SAME


def claiming(implementation: Implementation) -> Implementation:
    """Return an implementation, which must claim the torch that is installed."""
    import torch

    if not implementation.claims.supports_torch(torch.__version__):
        raise UsageError(f"{implementation.name} does not claim torch {torch.__version__}; use one that it claims.")
    return implementation


def _recorded(implementation: Implementation, progress: Shown) -> Record:
    """Return the record of an implementation on the corpus."""
    from observance.conformance.isolation import Limits
    from observance.conformance.records.files import record
    from observance.conformance.records.portraits import REFUSED, UNCLAIMED

    cases, digest = _corpus()
    made = record(implementation, cases, digest, progress, Limits(is_forking=True))
    told = [entry for entry in made.entries.values() if entry["outcome"] != UNCLAIMED]
    if told and all(entry["outcome"] == REFUSED for entry in told):
        raise UsageError(f"{made.name} refuses every call ({told[0]['says']}); mend it first.")
    return made


def _counted(made: Record) -> str:
    """Return how many cases a record has, and what came of those that were not prepared."""
    from observance.conformance.records.portraits import PREPARED

    outcomes = Counter(entry["outcome"] for entry in made.entries.values())
    others = [f"{count} {outcome}" for outcome, count in sorted(outcomes.items()) if outcome != PREPARED]
    return f"{len(made.entries)} cases" + (f" ({', '.join(others)})" if others else "")


def _corpus() -> tuple[Sequence[Case], str]:
    """Return the cases that come with the suite, and their digest."""
    from observance.conformance.corpus import digest, recorded

    return recorded(), digest()
