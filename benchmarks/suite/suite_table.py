"""The chapter on the suite's own cost, made from `results.json`."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from observance.conformance.efforts import EFFORTS

PREPARE = "prepare"
OWN = ("drawing", "Hypothesis", "building", "observing", "checking")
"""The parts that are the suite's own cost per case."""

PARTS = {
    "importing": "importing torch, the suite and pytest's plug-ins",
    "drawing": "drawing: our strategies",
    "Hypothesis": "drawing: Hypothesis itself",
    "building": "building arguments",
    PREPARE: "**torch's `prepare`**",
    "observing": "observing: copies of the graph, the caller's objects, the result without names",
    "checking": "checking: the rules, and what they run and convert",
    "the reference": "the reference: its `prepare`",
    "the reference's survey": "the reference: who asks for what, for the rules",
    "the reference with the known deviations": "the reference with the known deviations",
    "pytest and the judge": "pytest, the judge, and what counts",
}

MILLIONS, UNIT, IDEAL = 10_000_000, 10_000, 0.9
"""The cases of the plan, those that are drawn from one seed, and the share of the ideal that is to be reached."""

OWN_COST, SMOKE, GATE, SHRINKING = 0.5, 5.0, 45.0, 3.0
"""The goals: a share of what `prepare` takes, and seconds."""

CORES = (16, 64, 256)
"""With so many cores the plan is computed."""


_STALE = (
    " These figures are of a gate that drew all of its cases; it has been changed since, and they have not been "
    "measured again."
)


def chapter(results: dict[str, Any]) -> str:
    """Return the chapter, as Markdown."""
    made = [_goals(results), _shares(results["parts"]), _runs(results["runs"]), _shrinking(results["shrinking"])]
    return "\n\n".join(["## The suite's own cost", _intro(results), *made, _plan(results["parts"])]) + "\n"


def _intro(results: dict[str, Any]) -> str:
    return (
        "`benchmarks/suite/run.py` measures what the suite takes besides the implementation that it judges: torch, "
        f"with its register of known deviations, on Python {results['python']} and {results['cpus']} cores. CPU "
        "seconds are those of all processes of a run; times by the clock stand beside them."
        + _STALE
        * (results["parts"]["cases"] != EFFORTS["gate"].cases)
    )


def _goals(results: dict[str, Any]) -> str:
    """Return the table of the goals, and whether they are met."""
    runs = results["runs"]
    found = [
        ("the suite's own cost, for what `prepare` takes", _own(results["parts"]), OWN_COST, ""),
        ("smoke, after the imports", runs["smoke"]["cpu"] - runs["imports"]["cpu"], SMOKE, " s"),
        ("the gate on two cores, by the clock", runs["gate, -n 2"]["wall"], GATE, " s"),
        ("half of the failures are made smaller within", _middle(results["shrinking"]), SHRINKING, " s"),
    ]
    halves = 2 * runs["gate, -n 2"]["wall"] / runs["gate, -n 1"]["wall"]
    found.append(("the gate on two cores, for half of the time on one", halves, 1 / IDEAL, ""))
    rows = [
        f"| {what} | {limit:.3g}{unit} | {value:.2f}{unit} | {'met' if value <= limit else '**not met**'} |"
        for what, value, limit, unit in found
    ]
    return "\n".join(["| goal | at most | found | |", "|---|--:|--:|---|", *rows])


def _own(parts: dict[str, Any]) -> float:
    """Return the suite's own cost in proportion to what `prepare` takes."""
    return sum(_of(parts, part)[0] for part in OWN) / _of(parts, PREPARE)[0]


def _middle(shrunk: dict[str, Any]) -> float:
    """Return the CPU seconds within which half of the failures are made smaller that have more than one operator."""
    took = sorted(one["cpu"] for one in shrunk.values() if one["calls"][0] > 1)
    return float(took[(len(took) - 1) // 2])


def _shares(parts: dict[str, Any]) -> str:
    """Return the table of the parts, and what they amount to."""
    rows = [
        f"| {words} | {seconds:.1f} | {share:.1%} |"
        for words, (seconds, share) in ((words, _of(parts, part)) for part, words in PARTS.items())
    ]
    how = (
        f"The gate of {parts['cases']} cases in one process (`--in-process`), its stack looked at every few "
        "milliseconds. A part is what is entered last: what a rule asks the reference for is the reference's."
    )
    return "\n".join(["### Parts", "", how, "", "| part | s | share |", "|---|--:|--:|", *rows, "", _ratio(parts)])


def _seconds(parts: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Return the seconds of each part, and of the part's share in what is done for known deviations."""
    every = sum(count for *_, count in parts["samples"])
    return Counter({(part, phase): parts["seconds"] * count / every for part, phase, count in parts["samples"]})


def _of(parts: dict[str, Any], part: str) -> tuple[float, float]:
    """Return the seconds of a part, and its share."""
    seconds = sum(took for (name, _), took in _seconds(parts).items() if name == part)
    return seconds, seconds / parts["seconds"]


def _ratio(parts: dict[str, Any]) -> str:
    """Return how much of the suite's own cost there is for what `prepare` takes."""
    own, prepare, calls = _own(parts), _of(parts, PREPARE)[0], parts["calls"]["torch"]
    return (
        f"Drawing, building, observing and checking take {own:.0%} of what torch's `prepare` takes; {calls} calls of "
        f"it, {1000 * prepare / calls:.1f} ms each, and {1000 * own * prepare / calls:.1f} ms of the suite for each."
    )


def _runs(runs: dict[str, Any]) -> str:
    """Return the table of whole runs."""
    rows = [f"| {name} | {run['cpu']:.1f} | {run['wall']:.1f} |" for name, run in runs.items()]
    return "\n".join(["### Runs", "", "| run | CPU s | by the clock, s |", "|---|--:|--:|", *rows])


def _shrinking(found: dict[str, Any]) -> str:
    """Return the table of failures that were made smaller."""
    rows = [
        f"| `{fault}` | {took['rule']} | {took['calls'][0]} → {took['calls'][1]} | {took['cpu']:.1f} |"
        for fault, took in found.items()
    ]
    said = (
        "From the first failing case to the smallest one. Of those that begin with more than one operator, half take "
        f"{_middle(found):.1f} CPU seconds or less, and the longest takes {max(t['cpu'] for t in found.values()):.1f}."
    )
    head = ["| fault in torch's `prepare` | rule | operators | CPU s |", "|---|---|---|--:|"]
    return "\n".join(["### Looking for the smallest failure", "", said, "", *head, *rows])


def _plan(parts: dict[str, Any]) -> str:
    """Return the plan for many cases, computed from the parts."""
    took = _seconds(parts)
    pinned = sum(seconds for (_, phase), seconds in took.items() if phase == "still_deviates")
    once = parts["imported"] + pinned
    case = (parts["seconds"] - once) / parts["cases"]
    drawn = sum(_of(parts, part)[0] for part in ("drawing", "Hypothesis")) / parts["cases"]
    # Each of N shards draws all cases, so that N - 1 times too much is drawn; that is to be within what is left of the
    # ideal.
    whole, again = once + UNIT * case, once + UNIT * drawn
    hours = MILLIONS / UNIT * whole / 3600
    rows = [f"| {cores} | {hours / cores:.1f} | {hours / cores / IDEAL:.1f} |" for cores in CORES]
    said = _PLAN.format(
        cases=MILLIONS,
        unit=UNIT,
        seeds=MILLIONS // UNIT,
        once=once,
        case=case,
        drawn=drawn,
        per_hour=3600 / case,
        hours=hours,
        shards=max(1, math.floor(1 + whole * (1 / IDEAL - 1) / again)),
    )
    return "\n".join([said, "| cores | hours, ideally | hours at 90 % |", "|--:|--:|--:|", *rows])


_PLAN = """\
### A plan for {cases:,} cases

A process takes {once:.1f} CPU seconds before its first case and for the pinned cases of the register, and {case:.3f}
for each case, {drawn:.4f} of them to draw it: {per_hour:,.0f} cases in a core's hour. (That is more than it takes: the
cases that are written by hand are a part of it, and in runs of more than 2,500 cases rules that call the implementation
again see a smaller share of them.) All of them are {hours:,.0f} hours of one core.

1. **Seeds first, shards second.** A run draws all of its cases in each of its shards. So they are {seeds:,} runs of
   {unit:,} cases with `--draw-seed=1` and so on, which have nothing in common and scale as there are cores. With
   `--shard=K/N`, N up to {shards} stays above 90 % of the ideal; beyond that, more seeds are better than more shards.
2. **A job** is one seed, or one shard of it, on one core: `pytest --pyargs observance.conformance --impl=mypkg
   --certify=cert-$SEED-$K --draw-seed=$SEED --cases={unit} --shard=$K/N`. A matrix of a CI system starts them; a job
   that was interrupted goes on with `--resume`.
3. **Examples that failed are shared.** `--effort=explore` keeps them in `.observance/examples`, which is a
   `DirectoryBasedExampleDatabase` of Hypothesis's: a file for each example, named by its content. Folders of several
   machines are joined by copying one over the other; a network folder, a cache or an artifact of the CI system carries
   them, and each machine tries them first. Hypothesis's `GitHubArtifactDatabase` reads such an artifact, and
   `MultiplexedDatabase` puts it beside a local folder, for tests of your own that draw `observance.strategies.cases()`;
   the suite itself reads a folder.
4. **One report.** `observance merge cert-$SEED-* -o cert-$SEED` gives the certificate of a seed, and refuses shards
   that are missing, or not of one run. Seeds are different runs: `observance total cert-* -o total.md` adds up their
   certificates, rule by rule, and names the seeds that do not keep a rule.
"""
