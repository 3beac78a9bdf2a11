"""The chapter on the reference: goals, and whether they are met; times, growth and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from growth import exponent
from names import FLOOR, REFERENCE, UPSTREAM

FASTER, NEAR, GROWTH = 5.0, 2.5, 1.05
"""The goals: how many times faster than upstream, within how many times the floor, and how fast cost may grow."""

GROWN_FROM = 400
"""From how many nodes on growth is looked at: below, what does not depend on the size hides it."""

_WORKING = "time without what the garbage collector takes"

_HOW = """\
## What `prepare` costs

The reference's `prepare` is measured against that of {theirs}, and against the *floor*, in one run and in turn
([benchmarks/speed](../benchmarks/speed/run.py)). The floor is what any `prepare` must at least do to give this result,
told beforehand where observers go: copy the graph, call the constructor of each observer that is one of its own, add
the observers to the model, insert one node for each place, let every operand read what it is to read, and make one
graph module, whose code is generated once ([floor.py](../benchmarks/speed/floor.py)). It decides nothing, refuses
nothing, explains nothing, and stores nothing that conversion needs.

The models are chains, values with many readers, lists of many values, and narrow ones of architectures that people
quantize, deeper and deeper ([models.py](../benchmarks/speed/models.py)). They are traced with torch's
`QuantizationTracer`; in ResNet and MobileNetV2 convolutions and their normalizations are fused, as `prepare_fx` does
before it calls `prepare`. Their qconfigs are torch's default ones for x86, with those for embeddings and LSTMs that go
with them. Where annotations say what is observed, every operator that computes has observers on its inputs and its
output, and one that only moves values shares one.

Times are CPU seconds of one core, the best of several calls ({repeats}) in which the contestants take
turns, each with new arguments, made outside of what is timed. The garbage collector is on, as it is where people work.
What is done once in a process is done before. Upstream's `prepare` is not called where it is expected to take more than
{patience:g} s: the field is empty there. Where it raises, the exception stands in its place.

With {releases}:

```sh
python benchmarks/speed/run.py{options}
python benchmarks/performance.py
```
"""

_GOALS = """### Goals

*The floor* says at how many places the floor itself, which decides nothing, would meet the goal: elsewhere nobody can.

| goal | | met at | the floor | worst |
|---|---|---|---|---|
"""

_QUICK = """
**This is a beginning.** These are figures of a run with `--quick`: of small graphs, each measured once.
"""


@dataclass(frozen=True)
class Row:
    """What was measured of one model at one depth; `found` is what `measuring.Row` says."""

    found: dict[str, Any]

    @property
    def path(self) -> str:
        """What says which values are observed."""
        return str(self.found["path"])

    @property
    def model(self) -> str:
        """The name of the model."""
        return str(self.found["model"])

    @property
    def nodes(self) -> int:
        """How many nodes the graph has."""
        return int(self.found["nodes"])

    def seconds(self, contestant: str) -> float | None:
        """Return the best time of a contestant; None if there is none."""
        return min(self.found["seconds"].get(contestant, ()), default=None)

    def working(self, contestant: str) -> float | None:
        """Return the best time of a contestant without what the garbage collector takes; None if there is none."""
        times, pauses = (self.found[name].get(contestant, ()) for name in ("seconds", "collecting"))
        return min((time - pause for time, pause in zip(times, pauses, strict=False)), default=None)

    def peak(self, contestant: str) -> float | None:
        """Return how many bytes a contestant allocates at most; None if that was not measured."""
        peak: float | None = self.found["peaks"].get(contestant)
        return peak

    def ratio(self, over: str, under: str) -> float | None:
        """Return how many times longer one contestant takes than another; None if one was not measured."""
        first, second = self.seconds(over), self.seconds(under)
        return None if first is None or second is None else first / second

    def __str__(self) -> str:
        return f"{self.model}, {self.nodes} nodes"


@dataclass(frozen=True)
class Goal:
    """A goal, what it is held against, place by place, and by how much: at most, or at least.

    Attributes
    ----------
    text
        The goal, in words.
    bound
        What must be reached, or not be exceeded.
    is_least
        Whether the bound must be reached.
    measured
        For each place, the figure.
    floor
        The same of the floor, which nothing can be faster than.
    """

    text: str
    bound: float
    is_least: bool
    measured: dict[str, float]
    floor: dict[str, float] = field(default_factory=dict)

    def _kept(self, figures: dict[str, float]) -> int:
        """At how many places it is met."""
        return sum(value >= self.bound if self.is_least else value <= self.bound for value in figures.values())

    def line(self) -> str:
        """Return a line of the table of goals."""
        if not self.measured:
            return f"| {self.text} | not measured | | | |"
        worst = (min if self.is_least else max)(self.measured, key=lambda place: self.measured[place])
        kept = self._kept(self.measured)
        met = "**met**" if kept == len(self.measured) else "**not met**"
        by_floor = f"{self._kept(self.floor)} of {len(self.floor)}" if self.floor else ""
        found = f"{self.measured[worst]:.3f}: {worst}"
        return f"| {self.text} | {met} | {kept} of {len(self.measured)} | {by_floor} | {found} |"


def chapter(results: dict[str, Any]) -> str:
    """Return the chapter, of the results that `run.py` writes."""
    rows = [Row(found) for found in results["rows"]]
    parts = [_how(results, rows), _QUICK if results["quick"] else "", _goals(results, rows)]
    for path in dict.fromkeys(row.path for row in rows):
        of_path = [row for row in rows if row.path == path]
        parts += [_times(path, of_path), _growth(path, of_path), _memory(path, of_path)]
    return "\n".join(part for part in parts if part)


def _how(results: dict[str, Any], rows: Sequence[Row]) -> str:
    """Return what was measured, and how."""
    paths = dict.fromkeys(row.path for row in rows)
    theirs = " and, for annotated graphs, of ".join(f"{UPSTREAM[path]} {results[UPSTREAM[path]]}" for path in paths)
    counts = [len(times) for row in rows for times in row.found["seconds"].values()]
    repeats = f"{min(counts)} to {max(counts)}, the longer the fewer"
    releases = ", ".join(
        f"{name} {results[name.lower()]}" for name in ("torch", "torchao", "Python") if results[name.lower()]
    )
    options = " --quick" * results["quick"]
    return _HOW.format(theirs=theirs, repeats=repeats, patience=results["patience"], releases=releases, options=options)


def _goals(results: dict[str, Any], rows: Sequence[Row]) -> str:
    """Return the goals, and whether they are met."""
    paths = dict.fromkeys(row.path for row in rows)
    lines = [goal.line() for path in paths for goal in goals(path, [row for row in rows if row.path == path])]
    return _GOALS + "\n".join([*lines, *_depth(results, rows)]) + "\n"


def goals(path: str, rows: Sequence[Row]) -> Iterator[Goal]:
    """Yield the goals of one path, with what was measured."""
    theirs, name = UPSTREAM[path], f"where {path} say what is observed"
    faster = _figures((row, row.ratio(theirs, REFERENCE)) for row in rows)
    fastest = _figures((row, row.ratio(theirs, FLOOR)) for row in rows)
    yield Goal(f"{name}: at every size at least {FASTER:g} times faster than {theirs}", FASTER, True, faster, fastest)
    near = _figures((row, row.ratio(REFERENCE, FLOOR)) for row in rows)
    yield Goal(f"{name}: at every size within {NEAR:g} times the floor", NEAR, False, near)
    for what, of_row in (("time", Row.seconds), (_WORKING, Row.working), ("memory", Row.peak)):
        grown, least = (
            _known({model: _grown(of, of_row, contestant) for model, of in _by_model(rows).items()})
            for contestant in (REFERENCE, FLOOR)
        )
        yield Goal(f"{name}: {what} grows with an exponent of at most {GROWTH:g}", GROWTH, False, grown, least)


def _depth(results: dict[str, Any], rows: Sequence[Row]) -> Iterator[str]:
    """Yield whether the reference gets through the deepest graphs, without deep recursion and in time."""
    limit = results["recursion limit"]
    text = f"no recursion: every graph is prepared with Python's limit of {limit} calls within one another"
    failed = [f"{row}: {row.found['failed'][REFERENCE]}" for row in rows if REFERENCE in row.found["failed"]]
    chains = [row.nodes for row in rows if row.model == "a chain"]
    worst = failed[0] if failed else f"the longest chain has {max(chains, default=0)} nodes"
    met = "**not met**" if failed else "**met**"
    yield f"| {text} | {met} | {len(rows) - len(failed)} of {len(rows)} | | {worst} |"
    given_up = results["given up"]
    text = f"no graph is given up because the reference is expected to take more than {results['given up after']:g} s"
    met = "**not met**" if given_up else "**met**"
    yield f"| {text} | {met} | {len(rows)} of {len(rows) + len(given_up)} | | {'; '.join(given_up)} |"


def _figures(some: Iterable[tuple[Row, float | None]]) -> dict[str, float]:
    """Return what was measured, by the names of the rows."""
    return _known({str(row): value for row, value in some})


def _known(some: dict[str, float | None]) -> dict[str, float]:
    """Return what was measured, without what was not."""
    return {name: value for name, value in some.items() if value is not None}


def _by_model(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each model."""
    models: dict[str, list[Row]] = {}
    for row in rows:
        models.setdefault(row.model, []).append(row)
    return models


def _grown(rows: Sequence[Row], what: Callable[[Row, str], float | None], contestant: str) -> float | None:
    """Return the exponent with which a contestant's time or memory grows; None if there are no two large sizes."""
    values = [(row, what(row, contestant)) for row in rows]
    points = [(row.nodes, value) for row, value in values if value is not None and row.nodes >= GROWN_FROM]
    return exponent(points) if len(points) > 1 else None


def _times(path: str, rows: Sequence[Row]) -> str:
    """Return the times of one path, and how they compare."""
    theirs = UPSTREAM[path]
    head = [
        f"### Times where {path} say what is observed\n",
        "In milliseconds. *Observers* counts different ones, not the places of one; where "
        f"{theirs} makes another number, it is\nsaid.\n",
        f"| model | nodes | observers | reference | {theirs} | floor | {theirs} / reference | reference / floor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_time_line(row, theirs) for row in rows)]) + "\n"


def _time_line(row: Row, theirs: str) -> str:
    """Return the times of one model at one depth."""
    ours, others = (row.found["observers"].get(name) for name in (REFERENCE, theirs))
    observers = f"{ours}" if others in (None, ours) else f"{ours}, {theirs}: {others}"
    times = [_time(row, name) for name in (REFERENCE, theirs, FLOOR)]
    ratios = [row.ratio(theirs, REFERENCE), row.ratio(REFERENCE, FLOOR)]
    cells = [
        row.model,
        str(row.nodes),
        observers,
        *times,
        *("" if ratio is None else f"{ratio:.1f}" for ratio in ratios),
    ]
    return f"| {' | '.join(cells)} |"


def _time(row: Row, contestant: str) -> str:
    """Return a contestant's time, or what it raises."""
    seconds = row.seconds(contestant)
    return str(row.found["failed"].get(contestant, "")) if seconds is None else f"{seconds * 1000:.1f}"


def _growth(path: str, rows: Sequence[Row]) -> str:
    """Return how the times of one path grow."""
    names = (REFERENCE, UPSTREAM[path], FLOOR)
    columns = [(name, of_row) for name in names for of_row in (Row.seconds, Row.working)]
    found = {model: [_grown(of, of_row, name) for name, of_row in columns] for model, of in _by_model(rows).items()}
    if not any(value is not None for values in found.values() for value in values):
        return ""
    head = [
        f"### Growth where {path} say what is observed\n",
        "The exponent of time over nodes, 1 being in proportion: the slope of a line through the logarithms,\n"
        f"fitted to what was measured at {GROWN_FROM} nodes and more. Python's garbage collector looks at all\n"
        "that is alive again and again, so what it takes is told apart.\n",
        f"| model | {' | '.join(f'{name} | {name}, not collecting' for name in names)} |",
        f"|---{'|---' * len(columns)}|",
    ]
    lines = [f"| {model} | {' | '.join(map(_exponent, values))} |" for model, values in found.items()]
    return "\n".join([*head, *lines]) + "\n"


def _exponent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _memory(path: str, rows: Sequence[Row]) -> str:
    """Return what is allocated, node by node."""
    names = (REFERENCE, UPSTREAM[path], FLOOR)
    traced = [row for row in rows if row.found["peaks"]]
    if not traced:
        return ""
    head = [
        f"### Memory where {path} say what is observed\n",
        "In kilobytes for each node: what Python has allocated at most during the call (`tracemalloc`), beyond what\n"
        "there was before. The buffers of the observers are not among it; all make the same ones.\n",
        f"| model | nodes | {' | '.join(names)} |",
        "|---|---|---|---|---|",
    ]
    lines = [f"| {row.model} | {row.nodes} | {' | '.join(_kilobytes(row, name) for name in names)} |" for row in traced]
    return "\n".join([*head, *lines]) + "\n"


def _kilobytes(row: Row, contestant: str) -> str:
    """Return how many kilobytes a contestant allocates for each node."""
    peak = row.peak(contestant)
    return "" if peak is None else f"{peak / row.nodes / 1000:.2f}"
