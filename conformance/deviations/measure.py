"""Measure what a register of known deviations excuses: a maintainer's tool.

    python -m observance.conformance.deviations.measure torch [CASES] [--profile=annotations-fx]

For every entry, and for all together, it prints the share of drawn cases and of
their edges where the reference with the deviations does something else than the
reference: everywhere else an implementation must do what the reference does.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Sequence

import torch

from observance.conformance.deviations.pin import read_profile
from observance.conformance.deviations.register import Deviation, Register, load
from observance.conformance.differences import differences
from observance.conformance.hearing import reference_with
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.observation import Observation
from observance.conformance.outcomes import run
from observance.strategies import Case

_ALL = "all together"


def place(entries: Sequence[Deviation], case: Case, profile: str = "") -> Observation | None:
    """Return what the reference with some deviations does; None if it refuses, fails, or returns another graph."""
    return run(reference_with(Register("measured", tuple(entries)), profile), case).observation


def excused_edges(plain: Observation | None, other: Observation | None) -> int | None:
    """Return on how many edges two results differ; None if only one of them exists."""
    if plain is None or other is None:
        return 0 if plain is other else None
    return len({found.edge for found in differences(plain, other) if found.edge})


def measure(register: Register, count: int, profile: str = "") -> None:
    """Draw cases and print the table."""
    cases: Counter[str] = Counter()
    edges: Counter[str] = Counter()
    drawn = Judge(resolve("reference", profile), count).corpus
    total = 0
    for case in drawn:
        plain = place((), case, profile)
        size = len(plain.edges) if plain else 0
        total += size
        every = {entry.id: (entry,) for entry in register.entries} | {_ALL: register.entries}
        for name, entries in every.items():
            found = excused_edges(plain, place(entries, case, profile))
            cases[name] += found is None or found > 0
            edges[name] += size if found is None else found
    print(f"{len(drawn)} cases, {total} edges")
    for name in [*(entry.id for entry in register.entries), _ALL]:
        print(f"{name:48} {cases[name] / len(drawn):7.2%} of cases {edges[name] / total:7.2%} of edges")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wanted, (library, *cases) = read_profile(sys.argv[1:])
    measure(load(library).active().within(wanted), int(cases[0]) if cases else 500, wanted)
