"""Write docs/diversity.md: what is drawn, and what it contributes to telling faults.

    python benchmarks/diversity/table.py [--check]

It is made of what `run.py`, `telling.py` and `judged.py` found; `experiments.json` has what
came of drawing in other ways.  With `--check` nothing is written; the exit
code is 1 where the document is not what the results say.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from contribution import HARD, UNLIKELY, Contribution, contribution, is_hard, rate

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path += [str(ROOT), str(FOLDER.parent)]

from document import write_or_check  # noqa: E402

from tests.coverage_rows import ROWS  # noqa: E402

PATH = ROOT / "docs" / "diversity.md"

_HEAD = """\
<!-- Written by `python benchmarks/diversity/table.py`. Run `run.py`, `telling.py` and `judged.py` there, and write
it again. -->

# What is drawn, and what it is good for

How diverse the drawn cases are, and which of their features tell faults: what the strategies can be steered by. The
cases are those that the suite draws with seed {seed}, with torch {torch} and Hypothesis {hypothesis}: the
gate's {gate}, and {more}, where two numbers stand beside each other. That is what was drawn when this was measured;
since then the gate begins with recorded cases that tell each rule, and draws fewer.

```sh
python benchmarks/diversity/run.py
python benchmarks/diversity/telling.py --to {faults}
python benchmarks/diversity/judged.py
python benchmarks/diversity/table.py
```
"""

_CONTRIBUTION = """\
## What contributes to telling faults

A fault of [benchmarks/faults](faults.md) is *told* by a case if the call leaves anything else behind than without the
fault. For each of {told} faults, the first {most} of the gate's cases that tell it were looked for ({tried} were tried;
those that no drawn case tells say nothing here). A thing is **needed** for a fault if all cases that tell it have it,
and **helps** where more of them have it than chance explains, which brings that about one time in {unlikely:.0f}.
**Lift** is how many times more cases have it among those that tell a *hard* fault, which fewer than {hard:.0%} of the
cases tell ({hard_ones} of them), than among all. With {told} faults, chance alone would let a thing help
{expected:.1f} of them, and the lift of what few cases have is a guess.

A *feature* is one that `strategies/features.py` tells; a *situation* is a combination in one place, after what the
reference plans; *configs* are what the mapping, the backend config and the custom config are made of. Of configs and of
operators those are shown that help; motifs, which are patterns of shipped backend configs, are in the situations of
quantized patterns.
"""

_NOTHING = """\
## What tells no faults

These features help no fault of the sample, and are no more frequent where a hard one is told. *Judged* are the rules
that only cases with the feature judge, of the gate's cases, where chance does not explain that: without it they would
be vacuous. None is dropped. What has no such rule stands in a *row* of [what is covered](coverage.md), which is
the scope that was promised, and the sample of faults is too small to say that nothing needs it.

| feature | cases | lift | row | judged |
|---|---|---|---|---|
"""

_FEW = """## Rules that few cases judge

Of {rules} rules that see drawn cases, these are judged by three of the gate's {cases} cases at most, so that another
seed may leave them vacuous: the recorded cases with which the gate begins are there so that none is. Rules that call
the implementation again see one case in five.

| rule | cases |
|---|---|
"""

FEW = 3
"""How many cases are few."""


_EXPERIMENTS = """\
## What drawing in other ways would bring

Two changes of the strategies were tried, as what contributes most suggests them. **Other kinds**: custom modules, LSTMs
among them, are drawn twice as often, and in a third of the cases a qconfig of another kind (dynamic, of half precision,
signed) stands beside the others, in half of these for every other operator. **Larger graphs**: the same, and half of
the graphs have three operators at least. Each was tried on {count} faults that are not among those above, with the same
seed; *operators* are those of a case, which is about what a case costs; *first told* is the case that tells a fault
first, and *chance* how probable it is that so uneven a number of faults is told earlier, or later, than as it is drawn.

| | operators | told | first told, median | geometric mean | earlier | later | chance |
|---|---|---|---|---|---|---|---|
"""

_KEPT = """
Of {both} faults above that are told both ways, a case tells one with a probability of {drawn:.1%} as it is drawn, and
of {other:.1%} with other kinds (geometric means). No way is better than chance explains, so none was kept: the weights
of what is drawn are on a plateau, where what one fault gains another loses.
"""


class Results:
    """What was counted and told, at one time."""

    def __init__(self, folder: Path) -> None:
        self.drawn: dict[str, Any] = json.loads((folder / "drawn.json").read_text(encoding="utf-8"))
        self.found: dict[str, Any] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
        self.gate, self.more = self.drawn["counted"]
        self.tried: dict[str, list[int]] = self.found["told"]

    @cached_property
    def told(self) -> dict[str, list[int]]:
        """The cases that tell each fault that is told."""
        return {fault: numbers for fault, numbers in self.tried.items() if numbers}

    def contributions(self, kind: str) -> dict[str, Contribution]:
        """Return what each thing of a kind contributes, the most telling first."""
        having = self.drawn["having"].get(kind, {})
        found = {name: contribution(self.found["cases"], has, self.told) for name, has in having.items()}
        return dict(sorted(found.items(), key=lambda item: (-item[1].helped, -item[1].lift, item[0])))


def text(now: Results, judged: Mapping[str, Any], tried: Mapping[str, Any]) -> str:
    """Return the whole document."""
    head = _HEAD.format(
        seed=now.drawn["draw_seed"],
        torch=now.drawn["torch"],
        hypothesis=now.drawn["hypothesis"],
        gate=now.gate["cases"],
        more=now.more["cases"],
        faults=now.found["to"],
    )
    parts = [head, _figures(now), _contributions(now), _nothing(now, judged), _few(judged)]
    parts += [_experiments(now, tried), _counts(now)]
    return "\n".join(parts)


def _table(head: str, rows: Iterable[Iterable[Any]]) -> str:
    """Return a table; `head` has its columns between bars."""
    names = head.split("|")
    lines = [
        f"| {' | '.join(names)} |",
        "|---" * len(names) + "|",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _figures(now: Results) -> str:
    """Return how diverse the cases are, as numbers."""
    columns = [now.gate, now.more]
    rows: list[list[Any]] = [["cases", *(one["cases"] for one in columns)]]
    rows.append(["refused by the reference", *(one["refused"] for one in columns)])
    rows.append(["operators of the table", *(sum(map(bool, one["operators"].values())) for one in columns)])
    several = {"operators in a graph": "calls in a case", "readers of a value": "readers of a value"}
    for name, key in (several | {"places of an observer": "places of an observer"}).items():
        sizes = list(dict.fromkeys(size for one in columns for size in one[key]))
        for size in sorted(sizes, key=lambda size: int(size.split()[0])):
            rows.append([f"{name}: {size}", *(_share(one[key], size) for one in columns)])
    for name in now.gate["neighbours"]:
        rows.append([f"neighbours: {name}", *(one["neighbours"][name] for one in columns)])
    for name in now.gate["meeting"]:
        rows.append([name, *(one["meeting"][name] for one in columns)])
    return "## How diverse they are\n\n" + _EXPLAINED + "\n" + _table(" |the gate's|more", rows)


_EXPLAINED = """\
*Neighbours* are operators that stand in patterns of the native backend config, of which one reads what the other gives;
pairs and triples fit where a value of one kind can be given and read. The others are shares of all graphs, of all
values, and of all observers.
"""


def _share(counts: Mapping[str, int], name: str) -> str:
    """Return the share of one of some counts."""
    return f"{counts.get(name, 0) / sum(counts.values()):.1%}"


def _contributions(now: Results) -> str:
    """Return what contributes."""
    hard = sum(map(is_hard, now.told.values()))
    said = _CONTRIBUTION.format(
        told=len(now.told),
        most=now.found["most"],
        tried=len(now.tried),
        unlikely=1 / UNLIKELY,
        hard=HARD,
        hard_ones=hard,
        expected=UNLIKELY * len(now.told),
    )
    parts = [said]
    for kind in ("size", "feature", "situation", "config", "operator"):
        found = now.contributions(kind)
        shown = {name: c for name, c in found.items() if kind in ("size", "feature", "situation") or c.helped > 1}
        rows = [[name, f"{c.base:.1%}", c.needed, c.helped, f"{c.lift:.1f}"] for name, c in shown.items()]
        parts.append(_table(f"{kind}|cases|needed|helps|lift", rows))
    return "\n".join(parts)


def _nothing(now: Results, judged: Mapping[str, Any]) -> str:
    """Return the features that tell no faults, with the rules that would be vacuous without them."""
    having, lines = now.drawn["having"]["feature"], []
    for name, c in now.contributions("feature").items():
        if not c.helped and not c.lift > 1:
            rows = ", ".join(row.id for row in ROWS if name in row.features)
            has = set(having[name])
            every = {rule: cases for rule, cases in judged["judged"].items() if cases and has.issuperset(cases)}
            only = [rule for rule, cases in every.items() if c.base ** len(cases) < UNLIKELY]
            lines.append(f"| {name} | {c.base:.1%} | {c.lift:.1f} | {rows} | {', '.join(map(_linked, only))} |\n")
    return _NOTHING + "".join(lines)


def _few(judged: Mapping[str, Any]) -> str:
    """Return the rules that few cases judge."""
    counts = sorted((len(cases), rule) for rule, cases in judged["judged"].items() if len(cases) <= FEW)
    head = _FEW.format(rules=len(judged["judged"]), cases=judged["cases"])
    return head + "".join(f"| {_linked(rule)} | {count} |\n" for count, rule in counts)


def _linked(rule: str) -> str:
    """Return the id of a rule with a link to its text."""
    return f"[{rule}](rules.md#{rule.lower()})"


def _experiments(now: Results, tried: Mapping[str, Any]) -> str:
    """Return what came of drawing in other ways."""
    first: list[dict[str, int]] = list(tried["first"].values())
    lines = []
    for way, operators in tried["operators"].items():
        both = [one for one in first if min(one[_AS_DRAWN], one[way]) >= 0]
        earlier, later = (sum(_is_earlier(*pair) for pair in pairs) for pairs in _pairs(first, way))
        at = [one[way] + 1 for one in both]
        cells: list[Any] = [f"{operators:.1f}", sum(one[way] >= 0 for one in first), f"{statistics.median(at):.0f}"]
        cells += [
            f"{_mean(at):.1f}",
            *((earlier, later, f"{_chance(earlier, later):.2f}") if earlier else ("", "", "")),
        ]
        lines.append(f"| {way} | {' | '.join(map(str, cells))} |\n")
    return _EXPERIMENTS.format(count=len(first)) + "".join(lines) + _kept(now, tried["other kinds"])


def _kept(now: Results, other: Mapping[str, Any]) -> str:
    """Return with which probability a case tells a fault, as it is drawn and in another way."""
    both = [fault for fault, numbers in other["told"].items() if numbers and now.tried.get(fault)]
    rates = {
        name: _mean(rate(found["told"][fault], found["most"], found["cases"]) for fault in both)
        for name, found in (("drawn", now.found), ("other", other))
    }
    return _KEPT.format(both=len(both), **rates)


_AS_DRAWN = "as drawn"
"""What the way of drawing is called that is the suite's."""


def _pairs(first: Iterable[Mapping[str, int]], way: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return at which case each fault is told in some way and as it is drawn, and the other way round."""
    pairs = [(one[way], one[_AS_DRAWN]) for one in first]
    return pairs, [(drawn, other) for other, drawn in pairs]


def _is_earlier(number: int, other: int) -> bool:
    """Whether one case comes before another; a negative number is none."""
    return number >= 0 and (other < 0 or number < other)


def _chance(earlier: int, later: int) -> float:
    """Return how probable it is that as uneven numbers come about where both are as probable."""
    count = earlier + later
    return min(1.0, 2 * sum(math.comb(count, k) for k in range(max(earlier, later), count + 1)) / 2**count)


def _mean(numbers: Iterable[float]) -> float:
    """Return the geometric mean of some numbers."""
    return math.exp(statistics.fmean(map(math.log, numbers)))


def _counts(now: Results) -> str:
    """Return in how many cases everything is that is counted."""
    parts = ["## How often everything is drawn\n", f"Shares of {now.gate['cases']} and of {now.more['cases']} cases.\n"]
    for kind in ("features", "situations", "configs", "operators"):
        rows = [
            [name, *(f"{one[kind].get(name, 0) / one['cases']:.1%}" for one in (now.gate, now.more))]
            for name in now.more[kind]
        ]
        parts.append(_table(f"{kind}|the gate's|more", rows))
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write the document, or check it; return the exit code."""
    others = ("judged.json", "experiments.json")
    wanted = text(Results(FOLDER), *(json.loads((FOLDER / name).read_text(encoding="utf-8")) for name in others))
    return 0 if write_or_check(PATH, wanted, arguments) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
