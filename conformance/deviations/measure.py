"""Measure what a register of known deviations excuses: a maintainer's tool.

    python -m observance.conformance.deviations.measure torch [CASES]

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

from observance.conformance.deviations.register import Register, load
from observance.conformance.differences import differences
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.observation import Observation, observe
from observance.conformance.outcomes import copy_graph
from observance.conformance.variants import Change, variant
from observance.strategies import Arguments, build

_ALL = "all together"


def place(arguments: Arguments, changes: Sequence[Change]) -> Observation | None:
    """Return what the reference with some changes does; None if it refuses or fails."""
    graph = copy_graph(arguments.model.graph)
    given = arguments
    try:
        prepared = variant(changes)(
            given.model,
            given.qconfig_mapping,
            given.is_qat,
            given.scopes,
            given.example_inputs,
            given.custom_config,
            given.equalization,
            given.backend_config,
        )
    except Exception:  # a deviation may be to fail
        return None
    return observe(graph, prepared)


def excused_edges(plain: Observation | None, other: Observation | None) -> int | None:
    """Return on how many edges two results differ; None if only one of them exists."""
    if plain is None or other is None:
        return 0 if plain is other else None
    return len({found.edge for found in differences(plain, other) if found.edge})


def measure(register: Register, count: int) -> None:
    """Draw cases and print the table."""
    cases: Counter[str] = Counter()
    edges: Counter[str] = Counter()
    drawn = Judge(resolve("reference"), count).corpus
    total = 0
    for case in drawn:
        arguments = build(case)
        plain = place(arguments, ())
        size = len(plain.edges) if plain else 0
        total += size
        every = {entry.id: entry.changes for entry in register.entries} | {_ALL: register.changes}
        for name, changes in every.items():
            found = excused_edges(plain, place(arguments, changes))
            cases[name] += found is None or found > 0
            edges[name] += size if found is None else found
    print(f"{len(drawn)} cases, {total} edges")
    for name in [*(entry.id for entry in register.entries), _ALL]:
        print(f"{name:48} {cases[name] / len(drawn):7.2%} of cases {edges[name] / total:7.2%} of edges")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    measure(load(sys.argv[1]).at(torch.__version__), int(sys.argv[2]) if len(sys.argv) > 2 else 500)
