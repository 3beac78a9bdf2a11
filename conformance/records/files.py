"""Records as files: one line of JSON that says whose it is, and one for each case.

What such a file may hold is published in ``conformance/schemas/record.json``.  A
file is data: nothing of it is executed.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import torch

from observance.conformance.implementations import Implementation
from observance.conformance.isolation import HERE_ONLY, Apart, Limits
from observance.conformance.needs import is_claimed
from observance.conformance.outcomes import run
from observance.conformance.progress import Shown, unseen
from observance.conformance.records.portraits import PREPARED, UNCLAIMED, Plain, portrait
from observance.conformance.schemas import complaint
from observance.conformance.usage import UsageError, printable
from observance.strategies import Case, CaseError

FORMAT, VERSION = "observance-record", 1
"""What the first line of a record says."""


@dataclass(frozen=True)
class Record:
    """What an implementation did with some cases.

    Attributes
    ----------
    name
        Whose it is, for the reader.
    entries
        What came of each case, as plain data.
    corpus
        The digest of the corpus that the cases are; nothing if they are none.
    implementation
        The name of the implementation, without its version.
    """

    name: str
    entries: Mapping[Case, Plain] = field(hash=False)
    corpus: str = ""
    implementation: str = ""


def record(
    implementation: Implementation,
    cases: Sequence[Case],
    corpus: str = "",
    progress: Shown = unseen,
    limits: Limits = HERE_ONLY,
) -> Record:
    """Let an implementation prepare some cases, and return what it did."""
    name = f"{implementation.name} {implementation.version}"
    entries: dict[Case, Plain] = {}
    with closing(Apart(implementation, limits)) as apart, progress(f"recording {name}", len(cases)) as step:
        for case in cases:
            entries[case] = apart.ask(entry, case)
            step()
    return Record(name, entries, corpus, implementation.name)


def entry(implementation: Implementation, case: Case) -> Plain:
    """Return what an implementation does with one case, as plain data."""
    if not is_claimed(case, implementation):
        return {"outcome": UNCLAIMED}
    prefused = implementation.shape == "prepare_fx"
    return portrait(run(implementation, case, prefused), prefused)


def write(path: str, record: Record, implementation: Implementation) -> None:
    """Write a record into a file, whole or not at all.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    head = {
        "format": FORMAT,
        "version": VERSION,
        "suite": version("observance"),
        "implementation": {"name": implementation.name, "version": implementation.version},
        "torch": torch.__version__,
        "python": platform.python_version(),
        "corpus": record.corpus,
        "cases": len(record.entries),
    }
    with _replacing(path) as file:
        for line in (head, *(_line(case, told) for case, told in record.entries.items())):
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _line(case: Case, told: Plain) -> Plain:
    """Return the line of one case."""
    return {"digest": case.digest, "case": json.loads(case.to_json()), **told}


@contextmanager
def _replacing(path: str) -> Iterator[TextIO]:
    """Open a file that takes the place of another when all is written; what was there stays if anything fails."""
    draft = Path(f"{path}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8") as file:
            yield file
        draft.replace(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the record cannot be written to {printable(path)} ({printable(str(error))}); name another place."
        ) from error
    finally:
        with suppress(OSError):  # there is nothing to remove, or nothing that could be
            draft.unlink()


def read(path: str) -> Record:
    """Return the record in a file.

    Raises
    ------
    UsageError
        If it cannot be read, is no record, is damaged or cut off, or is of a newer release.
    """
    name = printable(path)
    try:
        first, *lines = Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the record {name} cannot be read ({printable(str(error))}); name a file that `observance record` wrote."
        ) from error
    head = _head(name, first)
    if len(lines) != head["cases"]:
        raise UsageError(
            f"the record {name} is cut off or added to: it has {len(lines)} of {head['cases']} cases; record it again."
        )
    entries = dict(_entry(name, number, line) for number, line in enumerate(lines, 2))
    who = {key: printable(told, 60) for key, told in head["implementation"].items()}
    return Record(f"{who['name']} {who['version']}", entries, head["corpus"], who["name"])


def _head(name: str, line: str) -> Any:
    """Return the first line of a record."""
    head = _parsed(line)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise UsageError(f"{name} is no record; name a file that `observance record` wrote.")
    if isinstance(head.get("version"), int) and head["version"] > VERSION:
        raise UsageError(f"the record {name} is of a newer release of observance than this one; update observance.")
    if wrong := complaint("record.json", "head", head):
        raise UsageError(f"the record {name} is damaged in line 1 ({wrong}); record it again.")
    return head


def _entry(name: str, number: int, line: str) -> tuple[Case, Plain]:
    """Return a case of a record, and what came of it."""
    told = _parsed(line)
    wrong = complaint("record.json", "case", told) or _out_of_range(told)
    try:
        case = None if wrong else Case.from_json(json.dumps(told["case"]))
    except CaseError as error:
        wrong = printable(str(error))
    if wrong or case is None or case.digest != told["digest"]:
        reason = wrong or "its digest is another case's"
        raise UsageError(f"the record {name} is damaged in line {number} ({reason}); record it again.")
    return case, {key: value for key, value in told.items() if key not in ("digest", "case")}


def _parsed(line: str) -> Any:
    """Return what a line of JSON holds; None if it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _out_of_range(told: Plain) -> str | None:
    """Return what is wrong with the numbers of nodes and observers, or None."""
    if told["outcome"] != PREPARED:
        return None
    return next((wrong for wrong in map(_wrong_number, _graphs(told)) if wrong), None)


def _graphs(told: Plain) -> Iterator[Plain]:
    """Yield a graph, and those inside of it."""
    yield told
    for _, inner in told["inside"]:
        yield from _graphs(inner)


def _wrong_number(graph: Plain) -> str | None:
    """Return which number of a graph leads nowhere, or None."""
    nodes, observers = len(graph["nodes"]), len(graph["observers"])
    by_number = [row for key in ("unread", "modules", "stubs", "inside") for row in graph[key]]
    of_nodes = [row[0] for row in by_number] + [number for edge in graph["edges"] for number in (edge[0], edge[2])]
    chains: Iterable[list[int]] = [edge[3] for edge in graph["edges"]] + [row[1] for row in graph["unread"]]
    of_observers = [number for chain in chains for number in chain]
    for what, numbers, count in (("node", of_nodes, nodes), ("observer", of_observers, observers)):
        for number in numbers:
            if number >= count:
                return f"there is no {what} {number}"
    return None
