"""The end of a run, for a terminal or as Markdown: what was judged, and what came of it, chapter by chapter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from observance.conformance.report import stem
from observance.conformance.tables import markdown, table

if TYPE_CHECKING:
    from observance.conformance.judge import Judge

WORDS = ("failed", "error", "passed", "known", "vacuous", "not claimed", "blocked")
"""What may come of a rule, in the order of the columns."""

_KINDS = {"failed": "bold red", "error": "bold red", "passed": "green", "known": "yellow", "excused": "yellow"}
"""How a number in a column is shown, if it is not 0."""


@dataclass(frozen=True)
class Summary:
    """What is said of a run.

    Attributes
    ----------
    heading
        Who was judged, on what.
    columns, rows
        For each chapter, how many rules came to what, and how many places known deviations excuse.
    failures
        For each rule that is broken its id, its sentence, and the file of the smallest case.
    notes
        What else has to be said, a line each.
    """

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    failures: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]

    def lines(self, width: int = 100, colour: bool = False) -> list[str]:
        """Return it for a terminal."""
        shown = table(self.columns, self.rows, width, _KINDS if colour else {}) if self.rows else []
        return [self.heading, *shown, *self.notes]

    def markdown(self) -> str:
        """Return it as a part of a Markdown document."""
        return markdown("summary.md", summary=self)


def summarize(judge: Judge, outcomes: Mapping[str, str], reasons: Iterable[str], verbose: bool) -> Summary:
    """Sum up a run.

    Parameters
    ----------
    judge
        The judge of the run.
    outcomes
        For the id of each rule that was tested, one of `WORDS`.
    reasons
        Why nothing is said of some rules, a line each.
    verbose
        Whether to say, rule by rule, what was excused.
    """
    columns, rows = by_chapter(judge, outcomes)
    notes = [f"not claimed: {judge.unclaimed} cases"] if judge.unclaimed else []
    notes += [*replaced_lines(judge), *judge.remarks]
    notes += excused_lines(judge) if verbose else []
    return Summary(heading(judge), columns, rows, failures_of(judge), (*notes, *reasons))


def heading(judge: Judge) -> str:
    """Return who was judged, on how many cases."""
    if not judge.verdicts:
        return f"{judge.implementation.name} {judge.implementation.version}"
    share = f", this shard one in {judge.split.of}" if judge.split.of > 1 else ""
    cases = "1 case from a file" if judge.only else f"{len(judge.corpus)} cases{share}, seed {judge.start}"
    return f"{judge.implementation.name} {judge.implementation.version}: {cases}"


def failures_of(judge: Judge) -> tuple[tuple[str, str, str], ...]:
    """Return the rules that are broken, each with its sentence and the file of the smallest case."""
    return tuple(
        (name, verdict.rule.sentence, f"{stem(judge.folder, verdict)}.json")
        for name, verdict in judge.verdicts.items()
        if verdict.case is not None
    )


def by_chapter(judge: Judge, outcomes: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return how many rules of each chapter came to what: the columns that are needed, and the rows, with a total."""
    from observance.conformance.book import chapter_of, chapters_of
    from observance.conformance.rules import RULES

    rules = [RULES[name] for name in outcomes]
    places: Counter[str] = Counter()
    for verdict in judge.verdicts.values():
        places[chapter_of(verdict.rule)] += verdict.excused
    counts = {
        chapter: Counter(outcomes[r.id] for r in rules if chapter_of(r) == chapter) for chapter in chapters_of(rules)
    }
    words = [word for word in WORDS if any(count[word] for count in counts.values())]
    columns = ["chapter", "rules", *words] + (["places excused"] if places.total() else [])
    rows = [_row(chapter, count, words, places, chapter) for chapter, count in counts.items()]
    if len(rows) > 1:
        rows.append(_row("all", sum(counts.values(), Counter()), words, places, None))
    return tuple(columns), tuple(row[: len(columns)] for row in rows)


def _row(
    name: str, count: Counter[str], words: Sequence[str], places: Counter[str], chapter: str | None
) -> tuple[str, ...]:
    """Return the numbers of one chapter, or of all; a 0 is left out."""
    excused = places.total() if chapter is None else places[chapter]
    numbers = (count.total(), *(count[word] for word in words), excused)
    return (name, *(str(number or "") for number in numbers))


def replaced_lines(judge: Judge) -> list[str]:
    """Return how often the process in which the implementation is called had to be replaced, and why."""
    return [
        f"the process of {judge.implementation.name} {why}, and was replaced: {count} time{'s' * (count > 1)}"
        for why, count in judge.apart.replaced.items()
    ]


def excused_lines(judge: Judge) -> list[str]:
    """Return what known deviations excuse, rule by rule."""
    excused = {verdict.rule.id: verdict for verdict in judge.verdicts.values() if verdict.excused}
    known = {verdict.rule.id: verdict for verdict in judge.verdicts.values() if verdict.known}
    return [
        *(f"known failures: {v.known} of {v.places} places of {rule}" for rule, v in sorted(known.items())),
        *(
            f"known deviations excuse {verdict.excused} of {verdict.places} places of {rule}"
            for rule, verdict in sorted(excused.items())
        ),
    ]


def outcomes_of(stats: Mapping[str, Sequence[Any]], rules: Mapping[str, str]) -> dict[str, str]:
    """Return what came of each rule, from pytest's reports; `rules` has the rule of each test."""
    found = {}
    for word in reversed(WORDS):  # what is worse comes last, and counts
        for report in stats.get(word, ()):
            if report.nodeid in rules:
                found[rules[report.nodeid]] = word
    return found
