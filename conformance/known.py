"""Known failures: a file of plain data that says which failures are expected, each with a pinned case.

The file is TOML; what it may hold is published in ``conformance/schemas/known-failures.json``.
A failure of a rule is known if the pinned case of an entry fails in the same way: if what was
expected and what was found are the same, whatever the place.
"""

from __future__ import annotations

import datetime
import functools
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from observance.conformance.command.subjects import read_case
from observance.conformance.rules import RULES, Finding
from observance.conformance.schemas import complaint
from observance.conformance.usage import UsageError, printable, told
from observance.strategies import Case

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from observance.conformance.hearing import Hearing

FORMAT, VERSION = "observance-known-failures", 1
"""What such a file says of itself."""

Pattern: TypeAlias = "frozenset[tuple[str, str]]"
"""What was expected and what was found, of all places at which a case fails."""


@dataclass(frozen=True)
class KnownFailure:
    """One failure that is expected.

    Attributes
    ----------
    id
        A few words joined by hyphens.
    rule
        The id of the rule that fails.
    cause
        Why, for the reader.
    link
        Where it is followed up.
    case
        The pinned case, which must fail.
    until
        The last day on which it may; None if there is none.
    """

    id: str
    rule: str
    cause: str
    link: str
    case: Case
    until: datetime.date | None = None

    def is_over(self, today: datetime.date) -> bool:
        """Whether the last day has passed."""
        return self.until is not None and today > self.until


class KnownFailures:
    """All failures that are expected of one implementation."""

    def __init__(self, entries: Iterable[KnownFailure] = ()) -> None:
        self.entries = tuple(entries)
        self._pattern = functools.cache(self._find)

    def among(self, judge: Hearing, rule: str, findings: Iterable[Finding]) -> list[Finding]:
        """Return those of some broken findings of a rule that are known."""
        patterns = [self.pattern(judge, entry) for entry in self.entries if entry.rule == rule]
        known = frozenset[tuple[str, str]]().union(*patterns)
        return [finding for finding in findings if seen_as(finding) in known]

    def pattern(self, judge: Hearing, entry: KnownFailure) -> Pattern:
        """Return how the pinned case of an entry fails, but for what known deviations explain; empty if it does not."""
        return self._pattern(judge, entry)

    def learn(self, judge: Hearing) -> None:
        """Find out how all pinned cases fail, once and for all."""
        for entry in self.entries:
            self.pattern(judge, entry)

    @staticmethod
    def _find(judge: Hearing, entry: KnownFailure) -> Pattern:
        return judge.apart.ask(_failing, entry.rule, entry.case)

    def complaint(self, judge: Hearing, entry: KnownFailure, today: datetime.date) -> str | None:
        """Return what is wrong with an entry that is not needed, or no longer allowed; None if nothing is."""
        if not self.pattern(judge, entry):
            return f"{entry.id}: its pinned case breaks {entry.rule} no longer; take the entry out of the file."
        if entry.is_over(today):
            return f"{entry.id}: its last date, {entry.until}, has passed; mend the failure, or agree on another date."
        return None


def _failing(judge: Hearing, name: str, case: Case) -> Pattern:
    """Return how a case breaks the rule of a name, but for what known deviations explain."""
    rule = RULES[name]
    broken = [finding for finding in judge.findings(rule, case) if finding.broken]
    return frozenset(map(seen_as, judge.undeviating(rule, case, broken)))


def seen_as(finding: Finding) -> tuple[str, str]:
    """Return what was expected and found, without the numbers of objects, which depend on the rest of the graph."""
    expected, found = (re.sub(r"#\d+", "#", text) for text in (finding.expected, finding.found))
    return expected, found


def load(path: str) -> KnownFailures:
    """Return the known failures in a file.

    Raises
    ------
    UsageError
        If it cannot be read, is no such file, is of a newer release, or an entry is malformed.
    """
    name = printable(path)
    try:
        plain: Any = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the known failures {name} cannot be read ({printable(str(error))}); name a TOML file."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the known failures {name} are no TOML ({told(error)}); mend the file.") from error
    if plain.get("format") != FORMAT:
        raise UsageError(f'{name} is no file of known failures; let it begin with format = "{FORMAT}".')
    if type(plain.get("version")) is int and plain["version"] > VERSION:
        raise UsageError(f"the known failures {name} are of a newer release of observance; update observance.")
    if wrong := complaint("known-failures.json", "file", _dates_as_text(plain)):
        raise UsageError(f"the known failures {name} are malformed ({wrong}); docs/ci.md shows how they are written.")
    return KnownFailures(_entries(name, Path(path).parent, plain["failure"]))


def _dates_as_text(plain: Any) -> Any:
    """Return TOML as JSON can hold it, for the schema."""
    if isinstance(plain, dict):
        return {key: _dates_as_text(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_dates_as_text(value) for value in plain]
    return plain.isoformat() if type(plain) is datetime.date else plain


def _entries(name: str, folder: Path, plain: list[dict[str, Any]]) -> list[KnownFailure]:
    """Return the entries of a file, each with its pinned case."""
    from observance.conformance.rules import import_rules  # which imports the judge

    import_rules()
    found: dict[str, KnownFailure] = {}
    for one in plain:
        if one["rule"] not in RULES:
            raise UsageError(
                f"the known failure {one['id']!r} in {name} names {printable(one['rule'])!r}, which is no rule; "
                "docs/rules.md lists them."
            )
        if one["id"] in found:
            raise UsageError(f"the known failures {name} have two entries {one['id']!r}; give one another id.")
        until = one.get("until")
        if isinstance(until, str):
            raise UsageError(
                f"the known failure {one['id']!r} in {name} has a date in quotes; write it as in until = 2026-12-31."
            )
        case = read_case(str(folder / one["case"]))
        found[one["id"]] = KnownFailure(one["id"], one["rule"], one["cause"], one["link"], case, until)
    return list(found.values())
