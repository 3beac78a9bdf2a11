"""The judge: draws cases, holds rules against an implementation, and finds what explains a failure."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from hypothesis import Phase, given, reject, seed, settings

from observance.conformance import corpus, report
from observance.conformance.deviations.register import Register
from observance.conformance.efforts import GATE, Effort, RememberedExamples
from observance.conformance.evidence.split import WHOLE, Split, Tally
from observance.conformance.hearing import Hearing
from observance.conformance.implementations import Implementation
from observance.conformance.isolation import HERE_ONLY, DiedError, Limits
from observance.conformance.known import KnownFailures
from observance.conformance.needs import is_claimed
from observance.conformance.progress import Shown, Step, unseen
from observance.conformance.rules import RULES, Finding, Rule, broken
from observance.conformance.usage import MEND_FOLDER
from observance.conformance.verdict import Verdict
from observance.strategies import Case
from observance.strategies.profiles import drawn_in
from observance.strategies.steady import steady

SHRINKING_STEPS = 300
"""The most cases that are tried to make a failing one smaller."""

SHRINKING_SECONDS = 60
"""For so long further cases are tried."""

UNSTEADY = [
    broken(
        "the case",
        "the same each time",
        "another result when it is tried again",
        "a call is a function of its arguments",
    )
]
"""What is found where a failure does not come again."""

SMALL = 3
"""How many operators a recorded case has at most that is told as it is."""

DRAWN = 10**9
"""What ranks a failure of a drawn case: behind those of small recorded ones, whose JSON is shorter than that."""

LARGE = 2 * DRAWN
"""What ranks a failure of a recorded case that is not small."""


class BrokenRule(Exception):
    """A case breaks a rule and nothing explains it; raised while looking for a smaller one."""


class Judge(Hearing):
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
        Gives the cases that are tried before the drawn ones, when they are asked for.
    split
        Which cases this process judges; all of them, unless it is told otherwise.
    limits
        Whether the implementation is called in a process of its own, and for how long it may do one thing.
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
        recorded: Callable[[], Sequence[Case]] = tuple,
        split: Split = WHOLE,
        limits: Limits = HERE_ONLY,
    ) -> None:
        super().__init__(implementation, register, known_failures, limits)
        self.count, self.start, self.only, self.folder = count, start, only, folder
        self.options, self.effort = options or f"--impl={implementation.name}", effort
        self._record, self.split = recorded, split
        self.blocked: str | None = None
        self.verdicts: dict[str, Verdict] = {}
        self.unclaimed = 0
        self.rules: list[Rule] = []
        self.progress: Shown = unseen
        self.notes: list[str] = []
        self.remarks: list[str] = []

    @cached_property
    def recorded(self) -> Sequence[Case]:
        """The cases that are tried before the drawn ones."""
        return self._record()

    @cached_property
    def corpus(self) -> list[Case]:
        """The recorded and the drawn cases that the implementation claims to support."""
        if self.only is not None:
            return [self.only]
        self.apart.close()  # who was asked something before knows no cases
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
            try:
                draw()
            finally:
                if examples is not None and examples.is_forgetful:
                    self.remark(f"examples that failed cannot be kept in {examples.folder.as_posix()}; {MEND_FOLDER}.")

    def remark(self, sentence: str) -> None:
        """Say something of the run, once, where it is summed up."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)

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
        if verdict.error is not None and not self.apart.limits.is_forking:
            raise verdict.error
        if verdict.case is not None:
            first = report.save(self, verdict)  # at once: who waits for no smaller case has this one
            if verdict.error is None:
                verdict.case, verdict.findings = self.smallest(rule, verdict.case)
            report.replace(first, report.save(self, verdict))
        report.conclude(self, verdict)

    def unclaimed_needs(self, rule: Rule) -> list[str]:
        """Return what a rule needs and the implementation does not claim."""
        return [feature for feature in rule.needs if not self.implementation.supports(feature)]

    def examine(self, rules: Iterable[Rule]) -> None:
        """Hold rules against all cases that are this process's to judge, and keep the verdicts."""
        judged = {rule.id: rule for rule in rules}
        self.known_failures.learn(self)
        self.apart.close()  # who comes next knows what was learned
        with self.progress("judging cases", len(self.corpus) // self.split.of) as step:
            count = functools.partial(self.tally, list(judged.values()), step)
            tallies = self.split.tallies(judged, count)
        self.verdicts |= {name: self._verdict(rule, tallies[name]) for name, rule in judged.items()}

    def tally(self, rules: Sequence[Rule], step: Step, is_ours: Callable[[int], bool]) -> dict[str, Tally]:
        """Hold rules against the cases whose numbers are ours, case by case, and count."""
        found = {rule.id: Tally() for rule in rules}
        share = 1 if self.only else self.effort.share(len(self.corpus))
        for rule in rules:
            for number, case in enumerate(self.cases_of(rule)):
                if is_ours(number):
                    self._hear([rule.id], number, case, found)
        for number, case in enumerate(self.corpus):
            if is_ours(number):
                told = corpus.tells(case) if case in self._fixed else ()
                held = [rule for rule in rules if rule.is_for(case)]
                names = [rule.id for rule in held if not (rule.costly and number % share) or rule.id in told]
                self._hear(names, number, case, found)
                step()
        return found

    def _hear(self, names: list[str], number: int, case: Case, found: dict[str, Tally]) -> None:
        """Hold rules against one case, in as many processes as that takes, and add what is counted."""
        left, rank = names, self._rank(number, case)
        while left:
            done = 0
            try:
                for tally in self.apart.ask_each(Hearing.hear, left, case, rank):
                    found[left[done]] += tally
                    done += 1
            except DiedError:  # it does so before it can say of what
                found[left[done]].fail(rank)
                done += 1
            left = left[done:]

    def cases_of(self, rule: Rule) -> tuple[Case, ...]:
        """Return the cases that a rule brings, unless one case is to be tried in place of all."""
        return () if self.only else rule.own[:1] if self.effort.is_brief else rule.own

    def _rank(self, number: int, case: Case) -> tuple[int, int]:
        """Return what is told first of a rule's failures: a small recorded case, or else the first one drawn.

        A large recorded case, which cannot be made smaller, comes last.
        """
        if case not in self._fixed:
            return DRAWN, number
        return len(case.to_json()) if len(case.calls) <= SMALL else LARGE, number

    @cached_property
    def _fixed(self) -> frozenset[Case]:
        """The cases from which none is drawn that is smaller."""
        return frozenset(self.recorded)

    def _verdict(self, rule: Rule, tally: Tally) -> Verdict:
        """Return the verdict to which a count amounts, with the case that fails."""
        verdict, cases = Verdict(rule, tally), rule.own if rule.own and not self.only else self.corpus
        rank = tally.failed or tally.broken
        if rank is not None:
            verdict.case = cases[rank[1]]
            try:
                verdict.findings = self._told(rule, verdict.case) or UNSTEADY
            except Exception as error:  # of the rule, or of what it was given to look at
                verdict.error = error
        return verdict

    def _told(self, rule: Rule, case: Case) -> list[Finding]:
        """Return how a case breaks a rule, but for what is known or explained."""
        return self.apart.ask(Hearing.told, rule.id, case)

    def smallest(self, rule: Rule, case: Case) -> tuple[Case, list[Finding]]:
        """Return the smallest case that could be found to break a rule, and how it does."""
        if self.only is None and not rule.own and case not in self._fixed:
            case = self.smaller(case, lambda tried: bool(self._told(rule, tried)), f"breaks {rule.id}", rule)
        return case, self._told(rule, case) or UNSTEADY

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
        best, steps, began = case, 0, time.monotonic()
        fine = set(self.corpus[: self.corpus.index(case)])

        def hunt(tried: Case) -> None:
            nonlocal best, steps
            if tried in fine or not is_claimed(tried, self.implementation):
                return
            steps += tried != best
            step()
            in_time = time.monotonic() < began + SHRINKING_SECONDS
            if steps <= SHRINKING_STEPS and in_time and shows(tried):
                best = tried
                raise BrokenRule
            fine.add(tried)

        shown = self.progress(f"looking for a smaller case that {what}", SHRINKING_STEPS)
        with suppress(Exception), shown as step:  # `hunt` raises; Hypothesis may wrap that, or find it flaky
            self._draw(hunt, shrink=True, rule=rule)
        return best
