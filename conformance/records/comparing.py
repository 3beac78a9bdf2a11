"""Two records held against each other: what differs, by cause, the smallest case first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from observance.conformance.records.changes import KINDS, Change, changes
from observance.conformance.records.files import Record
from observance.conformance.records.portraits import REFUSED, UNCLAIMED
from observance.conformance.tables import markdown, side_by_side
from observance.conformance.usage import UsageError, printable
from observance.strategies import Case

_WIDTH = 96
_SHOWN = 8
"""So many causes are shown by their smallest case; the others fill a line each."""

_OTHERS = 5
"""So many more cases of one cause are named."""


@dataclass
class Cause:
    """Changes that have one cause: the same kind of change, of the same observer, between the same operators.

    ``seen`` has the changes of each case, the smallest case first.
    """

    kind: str
    what: str
    around: str
    seen: dict[Case, list[Change]] = field(default_factory=dict)

    @property
    def smallest(self) -> Case:
        """The smallest case that shows it."""
        return next(iter(self.seen))

    @property
    def shown(self) -> Change:
        """The first of the changes in the smallest case."""
        return self.seen[self.smallest][0]

    @property
    def heading(self) -> str:
        """What has happened, to what, and where."""
        if self.kind in ("changed", "module", "raised", "refused", "accepted") and self.what:
            return f"{self.kind}{self.around and ' '}{self.around}: {self.what}"
        return " ".join(filter(None, (self.what, self.kind, self.around)))

    @property
    def count(self) -> str:
        """How often it was seen."""
        places = sum(map(len, self.seen.values()))
        return f"{_many(places, 'place')} in {_many(len(self.seen), 'case')}"

    @property
    def others(self) -> str:
        """Some more cases that show it, by their digests."""
        more = [case.digest for case in self.seen][1:]
        return ", ".join(more[:_OTHERS]) + (f" and {len(more) - _OTHERS} more" if len(more) > _OTHERS else "")


@dataclass(frozen=True)
class Comparison:
    """What differs between two records.

    Attributes
    ----------
    names
        Whose records they are.
    causes
        What differs, the cause with the smallest case first.
    compared
        How many cases were compared.
    notes
        What else has to be said, a line each.
    """

    names: tuple[str, str]
    causes: tuple[Cause, ...]
    compared: int
    notes: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """How much differs."""
        who = f"{self.names[0]} -> {self.names[1]}"
        if not self.causes:
            return f"{who}: all observers stand where they stood, in {_many(self.compared, 'case')}"
        cases = len({case for cause in self.causes for case in cause.seen})
        return f"{who}: {_many(len(self.causes), 'kind')} of change, seen in {cases} of {_many(self.compared, 'case')}"

    def text(self, folder: Path | None = None) -> str:
        """Return it for a terminal; `folder` is where the smallest cases have been saved."""
        parts = ["\n".join([self.heading, *self.notes])]
        told = list(enumerate(self.causes, 1))
        parts += [cause_text(number, cause, self.names, folder) for number, cause in told[:_SHOWN]]
        if len(told) > _SHOWN:
            parts.append("\n".join(f"{number}. {cause.heading}, {cause.count}" for number, cause in told[_SHOWN:]))
        return "\n\n".join(parts)

    def markdown(self) -> str:
        """Return it as a part of a Markdown document."""
        return markdown("comparison.md", comparison=self, kinds=KINDS)


def cause_text(number: int, cause: Cause, names: tuple[str, str], folder: Path | None) -> str:
    """Return one cause for a terminal: what has happened, and how the smallest case shows it."""
    case, change = cause.smallest, cause.shown
    lines = [
        f"{number}. {cause.heading}, {cause.count}",
        f"   Case {case.digest}, {size_text(case)}, at {change.place}",
    ]
    lines += [f"     {line}" for line in side_by_side(names, (change.before, change.after), _WIDTH)]
    if cause.others:
        lines.append(f"   Also: {cause.others}")
    if folder is not None:
        lines.append(f"   Explain: observance explain {case_file(folder, case)}")
    return "\n".join(lines)


def size_text(case: Case) -> str:
    """Return how large a case is."""
    return case.written or _many(len(case.calls), "call")


def _many(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def compare(first: Record, second: Record, names: tuple[str, str] | None = None) -> Comparison:
    """Return what differs between two records, of the cases that both have and claim.

    What one implementation claimed, and claims no longer, differs.  The two are called by other names than those of
    the implementations, if some are given.
    """
    both = [case for case in first.entries if case in second.entries]
    outcomes = {case: (first.entries[case]["outcome"], second.entries[case]["outcome"]) for case in both}
    is_one = first.implementation == second.implementation
    tried = [case for case, (one, other) in outcomes.items() if UNCLAIMED not in ((one,) if is_one else (one, other))]
    found = {case: changes(first.entries[case], second.entries[case]) for case in tried}
    only = len(first.entries) + len(second.entries) - 2 * len(both)
    notes = {
        "only one of the two has {}, left out": only,
        "not claimed: {}": len(both) - len(tried),
        "refused by both: {}": list(outcomes.values()).count((REFUSED, REFUSED)),
    }
    told = tuple(note.format(_many(count, "case")) for note, count in notes.items() if count)
    return Comparison(names or (first.name, second.name), tuple(by_cause(found)), len(tried), told)


def by_cause(found: Mapping[Case, list[Change]]) -> list[Cause]:
    """Return the causes of all changes; the smallest cases come first, and so do causes that they show."""
    causes: dict[object, Cause] = {}
    for case in sorted(found, key=size):
        for change in found[case]:
            cause = causes.setdefault(change.cause, Cause(*change.cause))
            cause.seen.setdefault(case, []).append(change)
    return list(causes.values())


def size(case: Case) -> tuple[bool, int, int, str]:
    """Return how large a case is, so that cases can be put in order; one that is written by hand does not say it."""
    text = case.to_json()
    return bool(case.written), len(case.calls) + case.size, len(text), text


def case_file(folder: Path, case: Case) -> str:
    """Return the name of the file of a case that shows a change."""
    return (folder / f"changed-{case.digest}.json").as_posix()


def save_smallest(comparison: Comparison, folder: Path) -> None:
    """Write the smallest case of each cause into a folder.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for case in _smallest(comparison):
            Path(case_file(folder, case)).write_text(case.to_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the cases cannot be written into {printable(str(folder))} ({printable(str(error))}); name another place."
        ) from error


def _smallest(comparison: Comparison) -> Iterator[Case]:
    """Yield the smallest case of each cause, each once."""
    yield from dict.fromkeys(cause.smallest for cause in comparison.causes)
