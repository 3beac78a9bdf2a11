"""Where reports are entered: what upstream's trackers say of `prepare`, each with the fault put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from observance.conformance.variants import Change
from observance.strategies import Case

UPSTREAM = "pytorch/pytorch"
"""Where most reports stand; pt2e's `prepare` has moved to another repository."""

Decision = Callable[..., Any]


@dataclass(frozen=True)
class Report:
    """A defect of `prepare` that was reported or mended upstream.

    Attributes
    ----------
    number, year
        The number of the issue or pull request, and when it was opened.
    sentence
        What went wrong, in our own words.
    rules
        The rules that tell it on the case.
    case
        A small model on which it goes wrong.
    fault
        The decision of the reference, or the few, made as wrongly as was reported.
    repository
        On which tracker the number is.
    still
        The known deviation of torch's `prepare` that has the defect to this day, if it has it.
    """

    number: int
    year: int
    sentence: str
    rules: tuple[str, ...]
    case: Case
    fault: tuple[Change, ...]
    repository: str = UPSTREAM
    still: str = ""

    @property
    def link(self) -> str:
        """Where it can be read; the tracker leads on from there if it is a pull request."""
        return f"https://github.com/{self.repository}/issues/{self.number}"


REPORTS: list[Report] = []
"""All reports, chapter by chapter."""


def enter(
    number: int,
    year: int,
    sentence: str,
    rules: str,
    case: Case,
    *fault: Change,
    repository: str = UPSTREAM,
    still: str = "",
) -> None:
    """Enter a report; `rules` are their ids, with blanks between."""
    REPORTS.append(Report(number, year, sentence, tuple(rules.split()), case, fault, repository, still))


def reported(
    number: int,
    year: int,
    sentence: str,
    rules: str,
    case: Case,
    decision: str,
    repository: str = UPSTREAM,
    still: str = "",
) -> Callable[[Decision], Decision]:
    """Enter a report whose fault is the function, in place of a decision of the reference."""

    def put_back(instead: Decision) -> Decision:
        enter(number, year, sentence, rules, case, Change(decision, instead), repository=repository, still=still)
        return instead

    return put_back
