"""The judge: draws cases, holds rules against an implementation, and finds what explains a failure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from hypothesis import Phase, given, reject, seed, settings

from observance.conformance import corpus, report
from observance.conformance.deviations.register import Deviation, Register
from observance.conformance.efforts import GATE, Effort, RememberedExamples
from observance.conformance.evidence.split import WHOLE, Split, Tally
from observance.conformance.implementations import Implementation, resolve
from observance.conformance.known import KnownFailures
from observance.conformance.needs import is_claimed
from observance.conformance.outcomes import Calls
from observance.conformance.progress import Shown, unseen
from observance.conformance.rules import RULES, Finding, Rule
from observance.conformance.trials import Trial
from observance.conformance.variants import varied
from observance.strategies import Case
from observance.strategies.profiles import drawn_in
from observance.strategies.steady import steady

SHRINKING_STEPS = 300
"""The most cases that are tried to make a failing one smaller."""

DRAWN = 10**9
"""What ranks a failure of a drawn case: behind those of all recorded ones, which are smaller than that."""


class BrokenRule(Exception):
    """A case breaks a rule and nothing explains it; raised while looking for a smaller one."""


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


class Judge:
    """One implementation before all rules.

    Parameters
    ----------
    implementation
        The one that is judged.
    count
        How many cases are drawn.
    register
        Its known deviations; None to excuse nothing.
    start
        The seed of the drawing.
    only
        One case to try in place of drawn ones.
    folder
        Where scripts and cases of failures are written.
    options
        The options that asked for this judge, for the line that reruns a case.
    effort
        How much work it does beside drawing, and whether it remembers what failed.
    known_failures
        What is expected to fail; None if nothing is.
    recorded
        Cases that are tried before the drawn ones.
    split
        Which cases this process judges; all of them, unless it is told otherwise.
    """

    def __init__(
        self,
        implementation: Implementation,
        count: int,
        register: Register | None = None,
        start: int = 0,
        only: Case | None = None,
        folder: Path = Path(".observance"),
        options: str = "",
        effort: Effort = GATE,
        known_failures: KnownFailures | None = None,
        recorded: Sequence[Case] = (),
        split: Split = WHOLE,
    ) -> None:
        torch.set_num_threads(1)  # the models are tiny: threads only get in each other's way
        self.implementation, self.count, self.start = implementation, count, start
        self.register, self.only, self.folder = register, only, folder
        self.options, self.effort = options or f"--impl={implementation.name}", effort
        self.recorded, self.split = recorded, split
        self.profile = implementation.profile
        self.prefused = implementation.shape == "prepare_fx"
        self.calls = Calls(implementation, self.prefused, watched=True)
        self.standard = Calls(resolve("reference", self.profile), self.prefused)
        self.known = self._known(register) if register else None
        self.known_failures = known_failures or KnownFailures()
        self.blocked: str | None = None
        self.verdicts: dict[str, Verdict] = {}
        self.unclaimed = 0
        self.rules: list[Rule] = []
        self.progress: Shown = unseen
        self.notes: list[str] = []
        self.trial = functools.lru_cache(maxsize=16)(self._trial)

    def _known(self, register: Register) -> Calls:
        """Return the calls of the reference with the deviations of a register."""
        return Calls(reference_with(register, self.profile), self.prefused)

    @cached_property
    def corpus(self) -> list[Case]:
        """The recorded and the drawn cases that the implementation claims to support."""
        if self.only is not None:
            return [self.only]
        drawn = dict.fromkeys(case for case in self.recorded if is_claimed(case, self.implementation))
        with self.progress("drawing cases", self.count) as step:

            def keep(case: Case) -> None:
                if not is_claimed(case, self.implementation):
                    self.unclaimed += 1
                    reject()  # another one is drawn in its place
                drawn.setdefault(case)
                step()

            self._draw(keep)
        return list(drawn)

    def _draw(self, use: Callable[[Case], object], shrink: bool = False, rule: Rule | None = None) -> None:
        """Draw the cases of this run, the same ones each time, and use each; remember what fails a rule."""
        phases = self.effort.profile.phases if shrink else (Phase.reuse, Phase.generate)
        examples = self._remembered(rule) if self.effort.is_random else None

        @settings(self.effort.profile, max_examples=self.count, phases=phases, database=examples)
        @seed(self.start)  # below the settings: a seed on top of them takes their database away
        @given(drawn_in(self.profile))
        def draw(case: Case) -> None:
            use(case)

        with steady():
            draw()

    def _remembered(self, rule: Rule | None) -> RememberedExamples:
        """Return the examples that failed in earlier runs, to which those of a rule may be added."""
        return RememberedExamples(self.folder / "examples", RULES, rule.id if rule else None)

    def check(self, rule: Rule) -> None:
        """Hold a rule against the cases; fail, or skip, as pytest understands it.

        The first rule that is checked lets all of `rules` see all cases.
        """
        report.stop_unless_judged(self, rule)
        if rule.id not in self.verdicts:
            others = [other for other in self.rules if other is not rule and not self.unclaimed_needs(other)]
            self.examine([rule, *others])
        verdict = self.verdicts[rule.id]
        if verdict.error is not None:
            raise verdict.error
        if verdict.case is not None:
            first = report.save(self, verdict)  # at once: who waits for no smaller case has this one
            verdict.case, verdict.findings = self.smallest(rule, verdict.case)
            report.replace(first, report.save(self, verdict))
        report.conclude(self, verdict)

    def unclaimed_needs(self, rule: Rule) -> list[str]:
        """Return what a rule needs and the implementation does not claim."""
        return [feature for feature in rule.needs if not self.implementation.supports(feature)]

    def examine(self, rules: Iterable[Rule]) -> None:
        """Hold rules against all cases that are this process's to judge, and keep the verdicts."""
        judged = {rule.id: rule for rule in rules}
        tallies = self.split.tallies(judged, functools.partial(self.tally, list(judged.values())))
        self.verdicts |= {name: self._verdict(rule, tallies[name]) for name, rule in judged.items()}

    def tally(self, rules: Sequence[Rule], is_ours: Callable[[int], bool]) -> dict[str, Tally]:
        """Hold rules against the cases whose numbers are ours, case by case, and count."""
        found = {rule.id: Tally() for rule in rules}
        share = 1 if self.only else self.effort.share(len(self.corpus))
        for rule in rules:
            for number, case in enumerate(self.cases_of(rule)):
                if is_ours(number):
                    self._try(rule, found[rule.id], number, case)
        ours = [(number, case) for number, case in enumerate(self.corpus) if is_ours(number)]
        with self.progress("judging cases", len(ours)) as step:
            for number, case in ours:
                for rule in rules:
                    spared = rule.costly and number % share and not self._is_recorded_for(rule, case)
                    if not spared and rule.is_for(case):
                        self._try(rule, found[rule.id], number, case)
                step()
        return found

    def cases_of(self, rule: Rule) -> tuple[Case, ...]:
        """Return the cases that a rule brings, unless one case is to be tried in place of all."""
        return () if self.only else rule.own[:1] if self.effort.is_brief else rule.own

    def _try(self, rule: Rule, tally: Tally, number: int, case: Case) -> None:
        """Hold a rule against one case, and count what it says, or that it fails itself."""
        tally.cases += 1
        try:
            findings = self.findings(rule, case)
            unexplained = self.unexplained(rule, case, findings)
        except Exception:  # told by this rule's own test, and by no other's
            tally.fail(self._rank(number, case))
            return
        tally.telling += bool(findings)
        tally.places += len(findings)
        broken = [finding for finding in findings if finding.broken]
        known = len(self.known_failures.among(self, rule.id, broken))
        tally.known += known
        tally.excused += len(broken) - known - len(unexplained)
        if unexplained:
            tally.break_(self._rank(number, case))

    def _is_recorded_for(self, rule: Rule, case: Case) -> bool:
        """Whether a case is recorded because it gives the rule's saboteur away."""
        return case in self._fixed and rule.id in corpus.tells(case)

    def _rank(self, number: int, case: Case) -> tuple[int, int]:
        """Return what is told first of a rule's failures: a small recorded case, or else the first one drawn."""
        return (len(case.to_json()), number) if case in self._fixed else (DRAWN, number)

    @cached_property
    def _fixed(self) -> frozenset[Case]:
        """The cases from which none is drawn that is smaller."""
        return frozenset(self.recorded)

    def _verdict(self, rule: Rule, tally: Tally) -> Verdict:
        """Return the verdict to which a count amounts, with the case that fails."""
        verdict, cases = Verdict(rule, tally), rule.own if rule.own and not self.only else self.corpus
        if tally.failed is not None:
            try:
                self.unexplained(rule, cases[tally.failed[1]])
                verdict.error = RuntimeError(f"{rule.id} failed on a case, and does not when it sees it again")
            except Exception as error:
                verdict.error = error
        elif tally.broken is not None:
            verdict.case = cases[tally.broken[1]]
            verdict.findings = self.unexplained(rule, verdict.case)
            if not verdict.findings:
                verdict.error = RuntimeError(f"{rule.id} is broken by a case, and is not when the case is tried again")
        return verdict

    def findings(self, rule: Rule, case: Case, calls: Calls | None = None) -> list[Finding]:
        """Return what a rule says of one case."""
        return list(rule.check(self.trial(case, calls or self.calls)))

    def _trial(self, case: Case, calls: Calls) -> Trial:
        return Trial(case, calls, self.standard)

    def unexplained(self, rule: Rule, case: Case, findings: Iterable[Finding] | None = None) -> list[Finding]:
        """Return the broken findings that are not known, and that the known deviations do not have as well."""
        found = self.findings(rule, case) if findings is None else findings
        broken = [finding for finding in found if finding.broken]
        known = self.known_failures.among(self, rule.id, broken)
        return self.undeviating(rule, case, [finding for finding in broken if finding not in known])

    def undeviating(self, rule: Rule, case: Case, broken: list[Finding]) -> list[Finding]:
        """Return those of some broken findings that the known deviations do not have as well."""
        if not broken or self.known is None:
            return broken
        known = self._broken(rule, case, self.known)
        left = [finding for finding in broken if finding.key not in known]
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

    def smallest(self, rule: Rule, case: Case) -> tuple[Case, list[Finding]]:
        """Return the smallest case that could be found to break a rule, and how it does."""
        if self.only is None and not rule.own and case not in self._fixed:
            case = self.smaller(case, lambda tried: bool(self.unexplained(rule, tried)), f"breaks {rule.id}", rule)
        return case, self.unexplained(rule, case)

    def smaller(self, case: Case, shows: Callable[[Case], bool], what: str, rule: Rule | None = None) -> Case:
        """Return the smallest case that could be found to show what a drawn case shows.

        Parameters
        ----------
        case
            The first of the drawn cases that does.
        shows
            Whether a case does.
        what
            What that is, in words.
        rule
            The rule that such a case breaks, for which it is remembered; None if it is no rule.
        """
        best, steps = case, 0
        fine = set(self.corpus[: self.corpus.index(case)])

        def hunt(tried: Case) -> None:
            nonlocal best, steps
            if tried in fine or not is_claimed(tried, self.implementation):
                return
            steps += tried != best
            step()
            if steps <= SHRINKING_STEPS and shows(tried):
                best = tried
                raise BrokenRule
            fine.add(tried)

        shown = self.progress(f"looking for a smaller case that {what}", SHRINKING_STEPS)
        with suppress(Exception), shown as step:  # `hunt` raises; Hypothesis may wrap that, or find it flaky
            self._draw(hunt, shrink=True, rule=rule)
        return best

    def still_deviates(self, entry: Deviation) -> list[str]:
        """Return the rules of a known deviation that its pinned case no longer breaks.

        What breaks them must be this entry: the register without it explains
        less of the pinned case than with it.
        """
        assert self.register is not None
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
