"""How the cases of a run are split, among machines and among the processes of one machine.

Cases are split, and not rules: a case is prepared once for all rules.  What is
counted is added up again, so that a rule's verdict is the one that a single
process would have reached.  The processes of one machine take small shares, one
after the other, and write what they counted into a folder that they have in
common; each of them waits until all shares are there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from observance.conformance.usage import UsageError

SHARES_EACH = 16
"""In how many shares the work of a process is cut: the last one to end keeps the others waiting for one share."""

Rank = tuple[int, int]
"""What orders the failures of a rule: the least one is told.  The second number is the case's."""


@dataclass
class Tally:
    """What is counted while one rule sees its cases.

    Attributes
    ----------
    cases
        The cases that it has seen.
    telling
        Those of which it said something: they could have broken it.
    places
        The places of which it spoke.
    excused
        Those of them at which it is broken as known deviations explain.
    known
        Those of them at which it is known to fail.
    breaking
        The cases that break it otherwise, and ``broken`` the rank of the one that is told.
    failing
        The cases on which the rule itself failed, and ``failed`` the rank of the first one.
    """

    cases: int = 0
    telling: int = 0
    places: int = 0
    excused: int = 0
    known: int = 0
    breaking: int = 0
    broken: Rank | None = None
    failing: int = 0
    failed: Rank | None = None

    def break_(self, rank: Rank) -> None:
        """Count a case that breaks the rule."""
        self.breaking, self.broken = self.breaking + 1, least(self.broken, rank)

    def fail(self, rank: Rank) -> None:
        """Count a case on which the rule failed."""
        self.failing, self.failed = self.failing + 1, least(self.failed, rank)

    def __add__(self, other: Tally) -> Tally:
        """Return what is counted on the cases of both."""
        return Tally(
            self.cases + other.cases,
            self.telling + other.telling,
            self.places + other.places,
            self.excused + other.excused,
            self.known + other.known,
            self.breaking + other.breaking,
            least(self.broken, other.broken),
            self.failing + other.failing,
            least(self.failed, other.failed),
        )

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Tally:
        """Return the tally that was written as JSON."""
        ranks = {name: tuple(plain[name]) for name in ("broken", "failed") if plain[name] is not None}
        return Tally(**{**plain, **ranks})


def least(*ranks: Rank | None) -> Rank | None:
    """Return the least of some ranks; None if there is none."""
    return min((rank for rank in ranks if rank is not None), default=None)


Count = Callable[[Callable[[int], bool]], dict[str, Tally]]
"""Holds all rules against the cases whose numbers are ours, and counts for each rule."""


@dataclass(frozen=True)
class Split:
    """Which cases a process judges.

    Attributes
    ----------
    number, of
        The shard of the run: cases with every ``of``-th number, from 1 to ``of``.
    folder
        Where the processes of one run put what they counted; None if it is one process.
    processes
        How many there are.
    """

    number: int = 1
    of: int = 1
    folder: Path | None = None
    processes: int = 1

    @staticmethod
    def read(text: str | None) -> Split:
        """Return the shard that an option such as ``2/8`` names; a malformed one is a `UsageError`."""
        if text is None:
            return Split()
        number, slash, of = text.partition("/")
        numbers = number.isascii() and number.isdigit() and of.isascii() and of.isdigit() and len(text) < 20
        if not slash or not numbers or not 1 <= int(number) <= int(of):
            raise UsageError("--shard must be two numbers, such as 2/8 for the second one of eight shards.")
        return Split(int(number), int(of))

    def tallies(self, rules: Iterable[str], count: Count) -> dict[str, Tally]:
        """Return what is counted for each rule on all cases of this shard, whichever process counts it."""
        if self.folder is None:
            return count(lambda number: number % self.of == self.number - 1)
        total = {rule: Tally() for rule in rules}
        shares = SHARES_EACH * self.processes
        kept: dict[int, Counts] = {}
        for waits in (False, True):  # first what nobody does, then what others do, or left undone when they ended
            for share in range(shares):
                if share not in kept:
                    kept |= self._done(share, shares, count, waits)
        for share in range(shares):
            total = {rule: tally + Tally.from_plain(kept[share][rule]) for rule, tally in total.items()}
        return total

    def _done(self, share: int, shares: int, count: Count, waits: bool) -> dict[int, Counts]:
        """Return the counts of one share, found or made; if another process makes them, wait for it, or pass it by."""
        assert self.folder is not None
        path, step = self.folder / f"{share}-of-{shares}.json", self.of * shares

        def counted() -> Counts:
            made = count(lambda number: number % step == self.number - 1 + self.of * share)
            return {rule: asdict(tally) for rule, tally in made.items()}

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The system lets a lock go when its process ends, however that is.
            with FileLock(path.with_suffix(".lock"), timeout=-1 if waits else 0):
                found = _read(path)
                if found is None:
                    found = counted()
                    self._write(path, found)
                return {share: found}
        except Timeout:
            return {}
        except OSError:  # a full disk, say: then each process counts all by itself
            return {share: counted()}

    @staticmethod
    def _write(path: Path, found: Counts) -> None:
        """Write the counts of one share, all or nothing; where that cannot be, others count them again."""
        with suppress(OSError):
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps(found), encoding="utf-8")
            os.replace(draft, path)


Counts = dict[str, Any]
"""For each rule what is counted, as plain data."""


def _read(path: Path) -> Counts | None:
    """Return the counts of a share; None if there are none that could be read."""
    try:
        found: Counts = json.loads(path.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError):
        return None


WHOLE = Split()
"""All cases, by one process."""
