"""How much work a run does: each effort is a Hypothesis profile, and where failing examples are remembered.

==========  ======  =============================================================================================
effort      cases   what it is for
==========  ======  =============================================================================================
smoke            8  an answer in seconds, before a commit: after the recorded cases that expose most; a rule that
                    brings its own cases sees only the first
gate           150  the verdict on a change: the same cases at every run, after the recorded ones that tell a rule
explore        240  other cases at every run; what failed once is tried first
certify       1000  the thorough run; `--certify` tries as many fresh cases beside the recorded ones
==========  ======  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

COSTLY_SHARE, COSTLY_CASES = 5, 500
"""Rules that call the implementation again see one in so many cases, and about so many at most."""

_SEEDS = 10**6
"""A random seed is below this: it is to be read, and typed again."""


@dataclass(frozen=True)
class Effort:
    """How much work a run does.

    Attributes
    ----------
    name
        What the option calls it.
    cases
        How many cases are drawn.
    is_brief
        Whether costly rules see one case, and no known deviation has to prove that it is still there.
    is_random
        Whether each run draws other cases, and remembers those that fail.
    recorded
        How many of the recorded cases that tell a rule are tried first: small ones, whose failures need no shrinking.
    """

    name: str
    cases: int
    is_brief: bool = False
    is_random: bool = False
    recorded: int = 0

    @property
    def profile(self) -> settings:
        """The Hypothesis profile of that name, ``observance-gate`` and the like."""
        return settings.get_profile(f"observance-{self.name}")

    def seed(self, given: int | None) -> int:
        """Return the seed that was given; without one 0, or a random one where other cases are to be drawn."""
        if given is not None:
            return given
        return SystemRandom().randrange(1, _SEEDS) if self.is_random else 0

    def share(self, cases: int) -> int:
        """Return in how many cases a costly rule sees one."""
        return max(1, cases) if self.is_brief else max(COSTLY_SHARE, cases // COSTLY_CASES)


EFFORTS = {
    effort.name: effort
    for effort in (
        Effort("smoke", 8, is_brief=True, recorded=12),
        Effort("gate", 150, recorded=100),
        Effort("explore", 240, is_random=True),
        Effort("certify", 1000),
    )
}
"""All efforts, by name, the least work first."""

GATE = EFFORTS["gate"]
"""The effort that is meant where none is named."""

for _effort in EFFORTS.values():
    settings.register_profile(
        f"observance-{_effort.name}",
        max_examples=_effort.cases,
        deadline=None,
        database=None,
        derandomize=False,  # the seed is the judge's, and said aloud
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )


class RememberedExamples(ExampleDatabase):
    """Examples that failed, in a folder that can be shared: all rules' are read, one rule's are written.

    Hypothesis forgets an example that no longer fails.  All rules see the same
    cases, so what one rule lets pass must stay as long as another one fails on it.

    Parameters
    ----------
    folder
        Where they are kept; it is made when the first one is.
    rules
        The ids of all rules whose examples are read.
    writes
        The id of the rule whose examples are saved and forgotten; None to change nothing.
    """

    def __init__(self, folder: Path, rules: Iterable[str], writes: str | None = None) -> None:
        super().__init__()
        self.folder = folder
        self._kept = DirectoryBasedExampleDatabase(folder)
        self._rules, self._writes = sorted(rules), writes
        self.is_forgetful = False

    def fetch(self, key: bytes) -> Iterable[bytes]:
        """Return what was saved under a key for any rule."""
        return {value: None for rule in self._rules for value in self._kept.fetch(_of(rule, key))}

    def save(self, key: bytes, value: bytes) -> None:
        """Save an example for the rule that is written."""
        if self._writes is not None:
            mine = _of(self._writes, key)
            self._kept.save(mine, value)
            self.is_forgetful |= value not in set(self._kept.fetch(mine))  # a full disk is passed over in silence

    def delete(self, key: bytes, value: bytes) -> None:
        """Forget an example of the rule that is written."""
        if self._writes is not None:
            self._kept.delete(_of(self._writes, key), value)


def _of(rule: str, key: bytes) -> bytes:
    """Return a key for what a rule fails on."""
    return f"{rule} ".encode() + key
