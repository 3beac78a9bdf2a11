"""What came of holding one rule against all cases."""

from __future__ import annotations

from dataclasses import dataclass, field

from observance.conformance.evidence.split import Tally
from observance.conformance.rules import Finding, Rule
from observance.strategies import Case


@dataclass
class Verdict:
    """What came of holding one rule against all cases.

    ``tally`` counts; ``case`` and ``findings`` are the smallest unexplained
    failure; ``error`` is what the rule itself raised, if it did.
    """

    rule: Rule
    tally: Tally = field(default_factory=Tally)
    case: Case | None = None
    findings: list[Finding] = field(default_factory=list)
    error: Exception | None = None

    @property
    def cases(self) -> int:
        """How many cases the rule has seen."""
        return self.tally.cases

    @property
    def places(self) -> int:
        """Of how many places it spoke."""
        return self.tally.places

    @property
    def excused(self) -> int:
        """How many of them known deviations explain."""
        return self.tally.excused

    @property
    def known(self) -> int:
        """How many of them are known to fail."""
        return self.tally.known

    @property
    def is_vacuous(self) -> bool:
        """Whether no case could have broken the rule."""
        return self.places == 0
