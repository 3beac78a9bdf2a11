"""What a rule is, and how a test becomes one.

A rule is a pytest test whose body looks at one trial and yields findings: one
for each place that the rule speaks of, kept or broken.  Its docstring is the
rule's text.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import observance.conformance
from observance.conformance.claims import FX, PT2E

if TYPE_CHECKING:
    from observance.conformance.trials import Trial
    from observance.strategies import Case

MUST = "MUST"
"""Promised by torch's documentation, or nobody could do without it.  These gate."""

UPSTREAM = "UPSTREAM"
"""What torch does and nothing promises: another implementation may lawfully differ."""


EVERY_PROFILE = ("", PT2E, FX)
"""For a rule that speaks of all cases, whatever says how they are quantized."""

NEVER_BOTH = ("", PT2E)
"""The profiles of graphs that have qconfigs or annotations, and not both."""


@dataclass(frozen=True)
class Finding:
    """What a rule says of one place.

    Attributes
    ----------
    place
        Where: an edge of the float graph, a value, or a part of the call.
    broken
        Whether the rule is broken there.
    expected, found
        What the rule demands, and what is there.
    because
        The argument: from what stands where to what must follow.
    cases
        Where two calls are held against each other, what each was called for.
    """

    place: str
    broken: bool = False
    expected: str = ""
    found: str = ""
    because: str = ""
    cases: tuple[Case, Case] | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two findings the same."""
        return self.place, self.expected, self.found


def kept(place: object) -> Finding:
    """Return the finding that a rule is kept at a place."""
    return Finding(str(place))


def broken(
    place: object, expected: object, found: object, because: str, cases: tuple[Case, Case] | None = None
) -> Finding:
    """Return the finding that a rule is broken at a place."""
    return Finding(str(place), True, str(expected), str(found), because, cases)


def judged(holds: bool, place: object, expected: object, found: object, because: str) -> Finding:
    """Return the finding that a rule is kept or broken at a place."""
    return kept(place) if holds else broken(place, expected, found, because)


Check = Callable[["Trial"], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A rule of the suite.

    Attributes
    ----------
    id
        Chapter and number, such as ``SHARING-3``.
    level
        `MUST` or `UPSTREAM`.
    origin
        Where the rule comes from.
    text
        The rule, one sentence or a few.
    check
        Yields what the rule says of each place of a trial.
    needs
        The features that an implementation must claim.
    costly
        Whether the rule calls the implementation again, with changed cases.
    own
        The cases of a rule that brings its own, which are written by hand; it sees no drawn ones.
    profiles
        The profiles of the cases that it speaks of: those with qconfigs alone, or annotated ones as well.
    """

    id: str
    level: str
    origin: str
    text: str
    check: Check
    needs: tuple[str, ...] = ()
    costly: bool = False
    own: tuple[Case, ...] = ()
    profiles: tuple[str, ...] = ("",)

    def is_for(self, case: Case) -> bool:
        """Whether the rule speaks of such cases: drawn ones, or those that are written by hand, of its profiles."""
        return bool(self.own) == bool(case.written) and case.profile in self.profiles

    @property
    def sentence(self) -> str:
        """The first paragraph of the text, on one line."""
        return " ".join(self.text.strip().partition("\n\n")[0].split())


RULES: dict[str, Rule] = {}
"""All rules that have been imported, by id."""


def rule(
    id: str,
    level: str,
    origin: str,
    needs: tuple[str, ...] = (),
    costly: bool = False,
    own: tuple[Case, ...] = (),
    profiles: tuple[str, ...] = ("",),
) -> Callable[[Check], Callable[[Any], None]]:
    """Make a pytest test of a check: the decorator of every rule.

    Parameters
    ----------
    id, level, origin, needs, costly, own, profiles
        As in `Rule`.
    """

    def make(check: Check) -> Callable[[Any], None]:
        made = Rule(id, level, origin, check.__doc__ or "", check, needs, costly, own, profiles)
        RULES[id] = made

        def test(judge: Any) -> None:
            judge.check(made)

        test.__doc__, test.__name__, test.__module__ = made.text, check.__name__, check.__module__
        test.rule = made  # type: ignore[attr-defined]
        return test

    return make


def import_rules() -> None:
    """Import all rules, so that `RULES` is complete."""
    for module in pkgutil.iter_modules(observance.conformance.__path__):
        if module.name.startswith("test_"):
            importlib.import_module(f"observance.conformance.{module.name}")
