"""Try faults: which cases tell them from the unbroken implementation, and which rules catch them."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import os
import resource
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import coverage
from injection import MODULES, Fault, file_of, functions_of, with_fault, wrapped
from looks import look
from results import Result

from observance.conformance import corpus
from observance.conformance.claims import SHIPPED_REGISTERS
from observance.conformance.deviations.register import load
from observance.conformance.efforts import COSTLY_CASES, COSTLY_SHARE
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.outcomes import call
from observance.conformance.rules import MUST, RULES, Rule, import_rules
from observance.strategies import Case, build

TRIED, JUDGED = 400, 25
"""How many cases that execute a fault are tried at most, and how many that tell it are held against the rules."""

SECONDS, LONG, MEMORY = 30, 300, 4 << 30
"""What a fault may take of a CPU at one case, and to make one smaller, and of memory: one that takes more hangs."""

OWN = "by hand"


class Bench:
    """The cases, what the unbroken implementation does with them, and what it executes for that.

    Parameters
    ----------
    name
        The implementation that faults are injected into.
    count, seed
        How many cases are drawn, and from which seed.
    by_hand
        Whether the cases that are recorded, written by hand, or pinned, are tried as well.
    """

    def __init__(self, name: str, count: int, seed: int = 0, by_hand: bool = True) -> None:
        import_rules()
        self.name, self.implementation, self.drawing = name, resolve(name), (count, seed)
        self.register = load(name).active() if name in SHIPPED_REGISTERS else None
        profile = self.implementation.profile
        self.recorded = tuple(case for case in corpus.telling() if case.profile == profile) if by_hand else ()
        self.rules = [rule for rule in RULES.values() if rule.level == MUST and profile in rule.profiles]
        self.weaker = [rule for rule in RULES.values() if rule.level != MUST and profile in rule.profiles]
        self.tracer = coverage.Coverage(
            branch=True, data_file=None, config_file=False, include=[file_of(module) for module in MODULES[name]]
        )
        self.context = ""
        self.judge = self._judge_of(wrapped(self.implementation, self._traced))
        self.cases = self.judge.corpus
        self.share = max(COSTLY_SHARE, len(self.cases) // COSTLY_CASES)
        self.entries = list(self.register.entries) if self.register and by_hand else []
        for context, case in [*enumerate(self.cases), *((OWN, entry.pinned) for entry in self.entries)]:
            self._trace(str(context), case)
        # Only now: torch gives some warnings once, and whoever is compared with this comes after the first call.
        calls = self._judge_of(self.implementation).calls
        self.looks = [look(calls.outcome(case)) for case in self.cases]
        self.pinned = {entry.id: look(calls.outcome(entry.pinned)) for entry in self.entries}
        for case in dict.fromkeys(case for rule in self.rules for case in rule.own if by_hand):
            with contextlib.suppress(Exception):  # wrong calls are refused
                self.context = OWN
                call(self.judge.implementation, build(case))
        for module in MODULES[name]:
            functions_of(file_of(module))  # found once, before there are children that would each look for them
        self.executed = {module: self._executed(module) for module in MODULES[name]}
        self.reports = {module: self._report(module) for module in MODULES[name]}

    def _judge_of(self, implementation: Any, count: int = 0) -> Judge:
        """Return a judge that draws the cases, or another number of them."""
        drawn, seed = self.drawing
        return Judge(implementation, count or drawn, self.register, start=seed, recorded=lambda: self.recorded)

    def _trace(self, context: str, case: Case) -> None:
        """Note what the unbroken implementation executes."""
        self.context = context
        self.judge.calls.outcome(case)

    @contextlib.contextmanager
    def _traced(self) -> Iterator[None]:
        """Note what is executed, and for which case."""
        self.tracer.start()
        self.tracer.switch_context(self.context)
        try:
            yield
        finally:
            self.tracer.stop()

    def _executed(self, module: str) -> dict[int, list[str]]:
        """Return for each line of a module the cases that execute it; coverage knows files by their real paths."""
        return self.tracer.get_data().contexts_by_lineno(os.path.realpath(file_of(module)))

    def _report(self, module: str) -> dict[str, Any]:
        """Return coverage's report on one module: its lines, its branches, and those of each function."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.json"
            self.tracer.json_report(outfile=str(path), include=[file_of(module)])
            (report,) = json.loads(path.read_text(encoding="utf-8"))["files"].values()
        return dict(report)

    def cases_of(self, fault: Fault) -> tuple[list[int], bool]:
        """Return the drawn cases that execute a fault's statement, and whether one that is written by hand does."""
        lines = self.executed[fault.module]
        first, last = fault.mutant.lines
        if self._is_constant(fault):
            return list(range(len(self.cases))), True
        found = {context for line in range(first, last + 1) for context in lines.get(line, ())}
        return sorted(int(context) for context in found if context.isdigit()), OWN in found

    def _is_constant(self, fault: Fault) -> bool:
        """Whether a fault is in a constant of the module, which any case may read."""
        return fault.mutant.function.isupper()

    def is_called(self, fault: Fault) -> bool:
        """Whether any case executes a part of the function that a fault is in."""
        functions = self.reports[fault.module]["functions"]
        called = {name.partition(".")[0] for name, part in functions.items() if name and part["executed_lines"]}
        return self._is_constant(fault) or fault.mutant.function in called

    def judge_with(self, fault: Fault) -> Judge:
        """Return a judge of the implementation with a fault, which has the same cases."""
        judge = self._judge_of(with_fault(self.implementation, fault))
        judge.corpus, judge.standard, judge.known = self.cases, self.judge.standard, self.judge.known
        return judge

    def tells(self, judge: Judge, number: int) -> bool:
        """Whether a case tells the fault that a judge's implementation has."""
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        return look(judge.calls.outcome(self.cases[number])).differs(self.looks[number])

    def test(self, fault: Fault, shrink: bool, tell: Callable[[Result], None]) -> Result:
        """Return what comes of one fault; `tell` is given the result as it grows."""
        numbers, own = self.cases_of(fault)
        judge = self.judge_with(fault)
        result = Result(fault.id, len(numbers))
        for number in self.telling(judge, numbers, result, tell):
            result.rules = [rule.id for rule in self.rules if self._catches(judge, rule, number)]
            if result.rules:
                result.caught_at = number
                break
            if not result.upstream:
                result.upstream = [rule.id for rule in self.weaker if self._catches(judge, rule, number)]
        tell(result)
        signal.setitimer(signal.ITIMER_PROF, LONG)
        if result.caught_at < 0 and own:
            result.own = [r.id for r in self.rules if any(_breaks(judge, r, case) for case in r.own)]
            result.mended = [] if result.own else self._mended(judge)
        if result.told_at < 0 and not result.own and not result.mended:
            signal.setitimer(signal.ITIMER_PROF, LONG)
            self._test_variants(judge, result)
        if shrink and result.rules:
            smallest, _ = judge.smallest(RULES[result.rules[0]], self.cases[result.caught_at])
            result.calls = len(smallest.calls)
        return result

    def _test_variants(self, judge: Judge, result: Result) -> None:
        """Enter whether a fault that no case tells shows in a call that a rule derives from one, as often as in a run.

        What is derived may execute what the case does not.
        """
        costly = [rule for rule in self.rules if rule.costly]
        for number in range(len(self.cases)):
            result.rules = [rule.id for rule in costly if self._catches(judge, rule, number)]
            if result.rules:
                result.caught_at = number
                return

    def telling(
        self, judge: Judge, numbers: Iterable[int], result: Result, tell: Callable[[Result], None]
    ) -> Iterator[int]:
        """Yield the cases that tell a fault."""
        told = 0
        for number in itertools.islice(numbers, TRIED):
            first = number if result.told_at < 0 else result.told_at
            tell(replace(result, told_at=first, caught_at=number, note="hangs or kills the process"))
            if self.tells(judge, number):
                result.told_at, told = first, told + 1
                yield number
            if told == JUDGED:
                break

    def _mended(self, judge: Judge) -> list[str]:
        """Return the known deviations that are no longer there with a fault."""
        told = (e for e in self.entries if look(judge.calls.outcome(e.pinned)).differs(self.pinned[e.id]))
        return [entry.id for entry in told if judge.still_deviates(entry.id)]

    def _catches(self, judge: Judge, rule: Rule, number: int) -> bool:
        """Whether a rule is held against a case, as the judge does, and catches the fault there."""
        case = self.cases[number]
        told = corpus.tells(case) if number < len(self.recorded) else ()
        is_seen = not (rule.costly and number % self.share) or rule.id in told
        return rule.is_for(case) and is_seen and _breaks(judge, rule, case)

    def breaks(self, judge: Judge, rule: Rule, number: int) -> bool:
        """Whether a rule catches a fault at a case, however seldom a run holds it against one."""
        return _breaks(judge, rule, self.cases[number])

    def clock(self, count: int) -> list[float]:
        """Return the CPU seconds that a run takes to begin, and those after which it has judged each drawn case.

        It begins when all cases are drawn, and those that are written by hand are judged.
        """
        judge = self._judge_of(self.implementation, count)
        seconds, began = [], time.process_time()
        for rule in self.rules:
            for case in rule.own:
                judge.unexplained(rule, case)
        for number, case in enumerate(judge.corpus):
            if not number:
                seconds, began = [time.process_time() - began], time.process_time()
            for rule in self.rules:
                if rule.is_for(case) and not (rule.costly and number % self.share):
                    judge.unexplained(rule, case)
            seconds.append(time.process_time() - began)
        return [round(one, 2) for one in seconds]


def _breaks(judge: Judge, rule: Rule, case: Case) -> bool:
    """Whether a case breaks a rule and nothing explains it; a rule that itself fails catches it too."""
    try:
        return bool(judge.unexplained(rule, case))
    except Exception:  # the suite reports it as the failure of this rule's test
        return True


def apart(bench: Bench, fault: Fault, shrink: bool = False) -> Result:
    """Test a fault in a forked process, so that it is gone afterwards."""

    def work(tell: Callable[[str], None]) -> None:
        def tell_result(result: Result) -> None:
            tell(json.dumps(asdict(result)))

        tell_result(bench.test(fault, shrink, tell_result))

    last = forked(work)[-1:]
    return Result(**json.loads(last[0])) if last else Result(fault.id, note="could not be tried")


def forked(work: Callable[[Callable[[str], None]], None]) -> list[str]:
    """Do some work in a forked process, which may hang or die; return the lines that it told by then."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _limit_memory()
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                work(functools.partial(_tell, writing))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    os.waitpid(child, 0)
    return lines


def _tell(pipe: int, line: str) -> None:
    """Write a line into a pipe, at once."""
    os.write(pipe, line.encode() + b"\n")


def _limit_memory() -> None:
    """Let the process have little more memory than it has."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
