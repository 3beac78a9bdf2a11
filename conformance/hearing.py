"""The hearing: one rule is held against one case, and what explains a failure is found."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

import torch

from observance.conformance import process
from observance.conformance.attempts import attempt
from observance.conformance.deviations.register import Register
from observance.conformance.documented import DOCUMENTED_NAMES
from observance.conformance.evidence.split import Rank, Tally
from observance.conformance.implementations import Implementation, resolve
from observance.conformance.isolation import HERE, Apart, DiedError, Limits
from observance.conformance.known import KnownFailures
from observance.conformance.outcomes import Calls
from observance.conformance.raised import as_exceptions
from observance.conformance.rules import RULES, Finding, Rule, broken
from observance.conformance.trials import Trial
from observance.conformance.variants import varied
from observance.strategies import Case


class Hearing:
    """One implementation before single rules and cases.

    Parameters
    ----------
    implementation
        The one that is judged.
    register
        Its known deviations; None to excuse nothing.
    known_failures
        What is expected to fail; None if nothing is.
    apart
        Whether the implementation is called in a process of its own, and for how long it may do one thing.
    """

    def __init__(
        self,
        implementation: Implementation,
        register: Register | None,
        known_failures: KnownFailures | None,
        apart: Limits,
    ) -> None:
        torch.set_num_threads(1)  # the models are tiny: threads only get in each other's way
        self.implementation, self.register = implementation, register
        self.known_failures = known_failures or KnownFailures()
        self.profile = implementation.profile
        self.prefused = implementation.shape == "prepare_fx"
        self.calls = Calls(implementation, self.prefused, watched=True, definitions=process.Definitions())
        self.standard = Calls(resolve("reference", self.profile), self.prefused, names=DOCUMENTED_NAMES)
        self.known = self._known(register) if register else None
        self.apart = Apart(self, apart)
        self.trial = functools.lru_cache(maxsize=16)(self._trial)

    def _known(self, register: Register) -> Calls:
        """Return the calls of the reference with the deviations of a register."""
        return Calls(reference_with(register, self.profile), self.prefused, watched=True, names=DOCUMENTED_NAMES)

    def findings(self, rule: Rule, case: Case, calls: Calls | None = None) -> list[Finding]:
        """Return what a rule says of one case; that it is broken, if looking at the case killed a process."""
        calls = calls or self.calls
        with HERE.doing(rule.id, case, calls.implementation.name) as death:
            if death is not None:
                if isinstance(calls.outcome(case).error, DiedError):
                    return []  # the call itself does that, as ENTRY-1 tells
                because = "what was returned is looked at, run and converted in a process of its own"
                return [broken("the process", "goes on", death, because)]
            return list(rule.check(self.trial(case, calls)))

    def _trial(self, case: Case, calls: Calls) -> Trial:
        return Trial(case, calls, self.standard)

    def unexplained(self, rule: Rule, case: Case, findings: Iterable[Finding] | None = None) -> list[Finding]:
        """Return the broken findings that are not known, and that the known deviations do not have as well."""
        found = self.findings(rule, case) if findings is None else findings
        failing = [finding for finding in found if finding.broken]
        known = self.known_failures.among(self, rule.id, failing)
        return self.undeviating(rule, case, [finding for finding in failing if finding not in known])

    def undeviating(self, rule: Rule, case: Case, failing: list[Finding]) -> list[Finding]:
        """Return those of some broken findings that the known deviations do not have as well."""
        if not failing or self.known is None:
            return failing
        known = self._broken(rule, case, self.known)
        left = [finding for finding in failing if finding.key not in known]
        if left and self.known.outcome(case).error is not None:
            left = [finding for finding in left if finding.key not in self._known_alone(rule, case)]
        return left

    def _broken(self, rule: Rule, case: Case, calls: Calls) -> set[tuple[str, str, str]]:
        """Return what a rule finds broken in the calls of another implementation."""
        return {finding.key for finding in self.findings(rule, case, calls) if finding.broken}

    def _known_alone(self, rule: Rule, case: Case) -> set[tuple[str, str, str]]:
        """Return what a rule finds broken where one known deviation is there without the others.

        A call that is refused shows the deviation that refuses it first, and nothing says which one that is.
        """
        assert self.register is not None
        entries = [entry for entry in self.register.entries if rule.id in entry.rules]
        registers = [Register(self.register.name, (entry,)) for entry in entries]
        return set().union(*(self._broken(rule, case, self._known(register)) for register in registers))

    def hear(self, names: Sequence[str], case: Case, rank: Rank) -> Iterator[Tally]:
        """Hold rules against one case, and yield for each what is counted: what it says, or that it fails itself.

        Parameters
        ----------
        names
            The ids of the rules.
        case
            The case.
        rank
            What orders the case among others that fail.
        """
        for name in names:
            yield self._heard(RULES[name], case, rank)
        self.forget()

    def forget(self) -> None:
        """Forget what came of the calls: no other case has these.

        Models that stay make all others dearer.  To trace one, torch changes `nn.Module`, and Python then tells all
        classes that are derived from it: each traced or prepared model has one.
        """
        for calls in (self.calls, self.standard, self.known):
            if calls is not None:
                calls.forget()
        self.trial.cache_clear()
        attempt.cache_clear()

    def _heard(self, rule: Rule, case: Case, rank: Rank) -> Tally:
        tally = Tally(cases=1)
        try:
            with as_exceptions():
                findings = self.findings(rule, case)
                unexplained = self.unexplained(rule, case, findings)
        except Exception:  # told by this rule's own test, and by no other's
            tally.fail(rank)
            return tally
        failing = [finding for finding in findings if finding.broken]
        tally.telling, tally.places = int(bool(findings)), len(findings)
        tally.known = len(self.known_failures.among(self, rule.id, failing))
        tally.excused = len(failing) - tally.known - len(unexplained)
        if unexplained:
            tally.break_(rank)
        return tally

    def told(self, name: str, case: Case) -> list[Finding]:
        """Return how a case breaks the rule of a name, but for what is known or explained."""
        with as_exceptions():
            return self.unexplained(RULES[name], case)

    def still_deviates(self, name: str) -> list[str]:
        """Return the rules of a known deviation, named by its id, that its pinned case no longer breaks.

        What breaks them must be this entry: the register without it explains
        less of the pinned case than with it.
        """
        assert self.register is not None
        (entry,) = (entry for entry in self.register.entries if entry.id == name)
        others = self._known(self.register.without(entry))
        holding = []
        for name in entry.rules:
            rule = RULES[name]
            found = [f for f in self.findings(rule, entry.pinned) if f.broken]
            without = self._broken(rule, entry.pinned, others)
            if not [finding for finding in found if finding.key not in without]:
                holding.append(name)
        return holding


def reference_with(register: Register, profile: str = "") -> Implementation:
    """Return the reference with all deviations of a register, as an implementation."""
    return varied(f"the reference with the deviations of {register.name}", register.changes, profile)
