"""Write docs/faults.md: what came of the faults that `run.py` tried.

    python benchmarks/faults/table.py [--check]

With `--check` nothing is written; the exit code is 1 where the document is not
what the results and the reasons say, or where a fault that is not caught has no reason.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasons import EQUIVALENT, OUTSIDE, REASONS, UNTAKEN, Reason
from results import is_caught, is_told

FOLDER = Path(__file__).resolve().parent
PATH = FOLDER.parents[1] / "docs" / "faults.md"
sys.path.append(str(FOLDER.parent))

from document import write_or_check  # noqa: E402

_HEAD = """\
<!-- Written by `python benchmarks/faults/table.py`. Run `run.py` there, say in `survivors.py` why what survives does,
and write it again. -->

# What the suite catches

Faults are injected into an implementation of `prepare` and into the helpers that it calls: small changes of its syntax
tree, in memory, one at a time, for the time of a call ([benchmarks/faults](../benchmarks/faults/run.py)). For each
fault there are two questions. Is it **told**: does any case tell the faulty implementation from the unbroken one,
by anything that the call leaves behind? Is it **caught**: is a rule of the level `MUST` broken, and the register of
known deviations does not explain it, or is a known deviation no longer there?

A fault that is told and not caught, or not told at all, survives. Each survivor was studied, and is *equivalent* (no
call does anything else with it), *out of scope* (what it does no rule forbids, and none should), or a *gap*.
"""

_HOW = """\
The cases are those of the gate: the recorded ones that tell a rule, and the drawn ones in the order in which it draws
them; they count from 1. A fault is tried on the first {tried} of them that execute it, and the first {judged} of these
that tell it are held against the rules; rules that call the implementation again see one case in five, as always, and
the recorded ones that tell them. Where a fault was not caught, it was studied, and what was missing was added: rules,
cases that are written by hand, and recorded ones that catch it (`distil.py`); then it was tried again. So *caught at*
is an upper bound: a rule may catch a fault earlier through a case that it derives. {by_hand} *Seconds* are
those of one CPU in which all cases up to that one are prepared and judged by all rules{start}. *Calls* is the size of
the case when it was made smaller for the first of its rules, where that was tried.
"""

_BY_HAND = (
    "Faults that no such case lets the rules catch are held against the\ncases that are written by hand, and against "
    "the pinned cases of the known deviations.",
    "Cases that are recorded, written by hand or pinned were not\ntried in this run (`--drawn-only`).",
)

_FEW = """
**{few}: this is a beginning.** So few faults give no share that means much; the same command with a larger `--sample`
goes on where this run stopped.
"""

ENOUGH = 300
"""From how many faults on a share is told without a warning."""

_START = "; to begin (to import torch, to draw all cases, to judge those that are written by hand) takes another {:.0f}"


@dataclass(frozen=True)
class Report:
    """What came of the faults of one implementation."""

    name: str
    found: dict[str, Any]

    @property
    def results(self) -> list[dict[str, Any]]:
        """The results, fault by fault."""
        return list(self.found["results"].values())

    def reason(self, result: dict[str, Any]) -> Reason | None:
        """Return why a fault is not caught."""
        return next((reason for reason in REASONS[self.name] if result["fault"] in reason.faults), None)

    @property
    def real(self) -> list[dict[str, Any]]:
        """The results of the faults that are not equivalent."""
        return self._without(EQUIVALENT)

    @property
    def within(self) -> list[dict[str, Any]]:
        """The results of the faults that are not equivalent, and not out of scope."""
        return self._without(EQUIVALENT, OUTSIDE)

    def _without(self, *verdicts: str) -> list[dict[str, Any]]:
        """Return the results of the faults that are caught, or of which something else was found than some verdicts."""
        return [r for r in self.results if is_caught(r) or getattr(self.reason(r), "verdict", "") not in verdicts]

    def seconds(self, result: dict[str, Any]) -> float | None:
        """Return after how many seconds a fault is caught by a drawn case; None where that was not measured."""
        clock, at = self.found.get("clock", [0])[1:], result["caught_at"]
        return clock[at] if 0 <= at < len(clock) else None


def problems(report: Report) -> list[str]:
    """Return what is to be done before the table is true: survivors without a reason, reasons for what is caught."""
    caught = {result["fault"] for result in report.results if is_caught(result)}
    survivors = {result["fault"] for result in report.results if not is_caught(result)}
    named = [fault for reason in REASONS[report.name] for fault in reason.faults]
    untaken = {(module, branch) for module, some in UNTAKEN.items() for reason in some for branch in reason.branches}
    missing = {(name, b) for name, of in report.found["branches"].items() if name in UNTAKEN for b in of["missing"]}
    return [
        *(f"no reason: {fault}" for fault in sorted(survivors - set(named))),
        *(f"is caught, and has a reason: {fault}" for fault in sorted(caught.intersection(named))),
        *(f"two reasons: {fault}" for fault, count in Counter(named).items() if count > 1),
        *(f"no reason: {module} {branch}" for module, branch in sorted(missing - untaken)),
    ]


def text(reports: Sequence[Report]) -> str:
    """Return the whole document."""
    parts = [_HEAD, _figures(reports)]
    for report in reports:
        parts += [_kinds(report), _survivors(report)]
    parts += [_branches(reports), *map(_table, reports)]
    return "\n".join(parts)


def _figures(reports: Sequence[Report]) -> str:
    """Return the figures of the goal, for each implementation."""
    rows: list[tuple[str, list[str]]] = [(name, []) for name in _measures(reports[0])]
    for report in reports:
        for (_, cells), cell in zip(rows, _measures(report).values(), strict=True):
            cells.append(cell)
    first = reports[0].found
    head = f"| | {' | '.join(r.name for r in reports)} |\n|---|{'---|' * len(reports)}\n"
    lines = "".join(f"| {name} | {' | '.join(cells)} |\n" for name, cells in rows)
    start = _START.format(first["imported"] + first["clock"][0]) if "clock" in first else ""
    by_hand = _BY_HAND[first["drawn_only"]]
    how = _HOW.format(tried=first["tried"], judged=first["judged"], start=start, by_hand=by_hand)
    names = [report.name for report in reports if len(report.results) < ENOUGH]
    few = _FEW.format(few=", ".join(names)) if names else ""
    return f"## The figures\n\n{_conditions(reports)}\n{few}\n{head}{lines}\n{how}"


def _conditions(reports: Sequence[Report]) -> str:
    """Return under which conditions the faults were tried, and how to do it again."""
    found = reports[0].found
    commands = "\n".join(f"python benchmarks/faults/run.py {_options(report)}" for report in reports)
    releases = f"torch {found['torch']}, Hypothesis {found['hypothesis']}, {found['rules']} rules of the level `MUST`"
    return f"With {releases}:\n\n```sh\n{commands}\npython benchmarks/faults/table.py\n```"


def _options(report: Report) -> str:
    """Return the options with which the faults of an implementation are tried again."""
    clock = report.found.get("clocked", 0)
    shrunk = sum(result["calls"] >= 0 for result in report.results)
    options = f"--impl {report.name} --cases {report.found['cases']} --sample {len(report.results)}"
    numbers = {"clock": clock, "shrink": shrunk}
    more = "".join(f" --{name} {number}" for name, number in numbers.items() if number)
    return options + " --drawn-only" * report.found["drawn_only"] + more


def _measures(report: Report) -> dict[str, str]:
    """Return the figures of one implementation, by what they say."""
    real = report.real
    caught = [result for result in real if is_caught(result)]
    drawn = [result["caught_at"] + 1 for result in caught if result["caught_at"] >= 0]
    seconds = [float("inf") if (found := report.seconds(result)) is None else found for result in caught]
    calls = [result["calls"] for result in caught if result["calls"] >= 0]
    return {
        "faults that fit into functions that cases execute": str(report.found["faults"]),
        "faults that were tried: an even sample": str(len(report.results)),
        "of these, not equivalent": str(len(real)),
        "of these, told from the unbroken implementation": _share(map(is_told, real)),
        "of these, caught by the rules with the register": _share(map(is_caught, real)),
        "caught, of those that are not equivalent and not out of scope": _share(map(is_caught, report.within)),
        "caught by these, or by a rule of the level `UPSTREAM`": _share(
            is_caught(r) or bool(r["upstream"]) for r in real
        ),
        "of these, caught when they were tried again, with cases that had been recorded for them": str(
            sum(result.get("again", False) for result in caught)
        ),
        "the case at which the median fault is caught, of those that these cases catch": _median(drawn, 0),
        "the seconds after which the median fault is caught": _median(seconds, 1),
        f"calls in the smallest case of the median fault, of {len(calls)}": _median(calls, 0),
    }


def _median(numbers: list[Any], digits: int) -> str:
    """Return the median of some numbers; what was not measured is infinite."""
    median = statistics.median(numbers) if numbers else float("inf")
    return f"{median:.{digits}f}" if median < float("inf") else "not measured"


def _share(holds: Iterable[Any]) -> str:
    """Return how many of some hold, and what share that is."""
    every = list(map(bool, holds))
    return f"{sum(every)} of {len(every)}, {sum(every) / len(every):.1%}" if every else "none"


def kind_of(result: dict[str, Any]) -> str:
    """Return the kind of a fault, without its number."""
    kind = str(result["fault"]).split(" ", 2)[2]
    return kind.rstrip("0123456789 ")


def _kinds(report: Report) -> str:
    """Return how the kinds of faults fare."""
    lines = [
        f"## Kinds of faults: {report.name}\n",
        "| kind | tried | not equivalent | told | caught |",
        "|---|---|---|---|---|",
    ]
    for kind in sorted({kind_of(result) for result in report.results}):
        real = [result for result in report.real if kind_of(result) == kind]
        tried = sum(kind_of(result) == kind for result in report.results)
        lines.append(f"| {kind} | {tried} | {len(real)} | {sum(map(is_told, real))} | {sum(map(is_caught, real))} |")
    return "\n".join(lines) + "\n"


def _survivors(report: Report) -> str:
    """Return why each survivor is not caught."""
    lines = [f"## Survivors: {report.name}\n", "| verdict | why | faults |", "|---|---|---|"]
    for reason in REASONS[report.name]:
        tried = [fault for fault in reason.faults if fault in report.found["results"]]
        if tried:
            faults = ", ".join(f"`{_short(fault)}`" for fault in tried)
            lines.append(f"| {reason.verdict} | {reason.text} | {faults} |")
    return "\n".join(lines) + "\n"


def _branches(reports: Sequence[Report]) -> str:
    """Return which branches no case takes, and why."""
    lines = ["## Branches that no case takes\n", "*Line a->b* is the branch from line a to line b.\n"]
    every = {module: of for report in reports for module, of in report.found["branches"].items()}
    for module, some in UNTAKEN.items():
        of = every[module]
        taken = of["count"] - len(of["missing"])
        lines += [f"`{module}`: {taken} of {of['count']} branches are taken.\n", "| why not | branches |", "|---|---|"]
        for reason in some:
            branches = ", ".join(f"`{branch}`" for branch in reason.branches if branch in of["missing"])
            lines += [f"| {reason.text} | {branches} |"] if branches else []
        lines.append("")
    return "\n".join(lines) + "\n"


def _short(fault: str) -> str:
    """Return the id of a fault with the last part of its module's name."""
    module, _, rest = fault.partition(" ")
    return f"{module.rpartition('.')[2]} {rest}"


def _table(report: Report) -> str:
    """Return the table of all faults against the rules that catch them."""
    head = "| fault | told at | caught at | seconds | calls | by |\n|---|---|---|---|---|---|\n"
    lines = [_row(report, result) for result in sorted(report.results, key=lambda result: _place(result["fault"]))]
    return f"## Faults against rules: {report.name}\n\n{head}" + "\n".join(lines) + "\n"


def _place(fault: str) -> tuple[Any, ...]:
    """Return where a fault is, for the order of the table."""
    module, place, kind = fault.split(" ", 2)
    _, line, column = place.split(":")
    return module, int(line), int(column), kind


def _row(report: Report, result: dict[str, Any]) -> str:
    """Return what came of one fault."""
    reason, seconds = report.reason(result), report.seconds(result)
    first = [f"[{rule}](rules.md#{rule.lower()})" for rule in (result["rules"] or result["own"])[:4]]
    more = len(result["rules"] or result["own"]) - len(first)
    by = ", ".join(first) + (f" and {more} more" if more else "")
    if not is_caught(result):
        by = f"*{reason.verdict}*" if reason else "*not studied*"
    elif result["own"]:
        by += ", by cases written by hand"
    elif result["mended"]:
        by = ", ".join(f"[{name}](deviations.md#{name})" for name in result["mended"]) + ", no longer there"
    by = by or result["note"]
    cells = [str(result[key] + 1) if result[key] >= 0 else "" for key in ("told_at", "caught_at")]
    cells += ["" if seconds is None else f"{seconds:.1f}", str(result["calls"]) if result["calls"] >= 0 else ""]
    return f"| `{_short(result['fault'])}` | {' | '.join(cells)} | {by} |"


def main(arguments: list[str]) -> int:
    """Write the document, or check it; return the exit code."""
    files = [(name, FOLDER / f"results-{name}.json") for name in REASONS]
    reports = [Report(name, json.loads(path.read_text(encoding="utf-8"))) for name, path in files if path.exists()]
    wanted, open_ones = text(reports), [problem for report in reports for problem in problems(report)]
    print("\n".join(open_ones), end="\n" if open_ones else "")
    is_checked = "--check" in arguments
    return 0 if write_or_check(PATH, wanted, arguments) and not (is_checked and open_ones) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
