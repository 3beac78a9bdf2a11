"""Inject faults into torch's `prepare`, in memory, and see which of them the suite catches.

    python benchmarks/faults/run.py [--cases N] [--sample N] [--seed N] [--only TEXT]

For every fault: whether any drawn case tells the faulty implementation from the
unbroken one, and whether a rule is broken that the register of known deviations
does not explain, by which rule, and at the how-manieth case.  A fault in a line
that no case executes cannot be told; such lines are listed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import io
import json
import os
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import FrameType, ModuleType
from typing import Any

import torch
from mutations import Mutant, mutants, mutated

from observance.conformance.deviations.pin import import_rules
from observance.conformance.deviations.register import load
from observance.conformance.differences import differences
from observance.conformance.efforts import COSTLY_SHARE
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.outcomes import Calls, Outcome
from observance.conformance.rules import RULES, Rule
from observance.strategies import Case

MODULES = tuple(
    f"torch.ao.quantization.fx.{name}"
    for name in ("prepare", "match_utils", "qconfig_mapping_utils", "utils", "quantize_handler", "pattern_utils")
)
"""The modules that faults are injected into."""

SECONDS = 120
"""How long one fault may take; one that takes longer has made `prepare` hang, which a case tells."""


@dataclass
class Result:
    """What came of one fault."""

    fault: str
    module: str
    told_at: int = -1
    caught_at: int = -1
    rules: tuple[str, ...] = ()
    note: str = ""


def sources(name: str) -> tuple[ModuleType, str]:
    """Return a module of torch and its source; the package hides some modules behind functions."""
    module = importlib.import_module(name)
    with open(str(module.__file__), encoding="utf-8") as file:
        return module, file.read()


def inject(name: str, mutant: Mutant) -> None:
    """Execute a module with a fault in its own namespace, and put its functions where others imported them."""
    module, source = sources(name)
    before = dict(vars(module))
    exec(compile(mutated(source, mutant), str(module.__file__), "exec"), vars(module))
    for function, old in before.items():
        new = vars(module).get(function)
        if new is not old and callable(old) and getattr(old, "__module__", "") == name:
            for other in list(sys.modules.values()):
                if other is not module and vars(other).get(function) is old:
                    setattr(other, function, new)


def same(mine: Outcome, theirs: Outcome) -> bool:
    """Whether two outcomes of one case are the same, warnings and errors included."""
    if type(mine.error) is not type(theirs.error) or mine.misshapen != theirs.misshapen:
        return False
    if {kind for kind, _ in mine.warnings} != {kind for kind, _ in theirs.warnings}:
        return False
    if mine.observation is None or theirs.observation is None:
        return mine.observation is theirs.observation
    return not differences(theirs.observation, mine.observation)


class Bench:
    """The cases, what the unbroken implementation does with them, and the judge with its register."""

    def __init__(self, count: int, seed: int) -> None:
        import_rules()
        register = load("torch").at(torch.__version__)
        self.judge = Judge(resolve("torch"), count, register, start=seed)
        for calls in (self.judge.calls, self.judge.standard, self.judge.known):
            assert calls is not None
            calls._run = functools.lru_cache(maxsize=None)(calls._call)
        self.cases = self.judge.corpus
        self.lines: dict[str, set[int]] = {}
        with self._watched():
            self.unbroken = [self.judge.calls.outcome(case) for case in self.cases]
        for case in self.cases:
            self.judge.standard.outcome(case)
            self.judge.known.outcome(case)  # type: ignore[union-attr]

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Note which lines of the modules are executed."""
        files = {str(sources(name)[0].__file__): name for name in MODULES}

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            name = files.get(frame.f_code.co_filename)
            if name is None:
                return None
            self.lines.setdefault(name, set()).add(frame.f_lineno)
            return trace

        sys.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(None)

    def test(self, name: str, mutant: Mutant) -> Result:
        """Return what comes of one fault; called in a process of its own."""
        result = Result(str(mutant), name.rpartition(".")[2])
        try:
            inject(name, mutant)
        except Exception as error:  # a module that cannot even be imported is told at once
            result.told_at = result.caught_at = 0
            result.note = f"import: {type(error).__name__}"
            return result
        self.judge.calls = Calls(resolve("torch"), watched=True)
        for number, case in enumerate(self.cases):
            if result.caught_at < 0 and not same(self.judge.calls.outcome(case), self.unbroken[number]):
                result.told_at = number if result.told_at < 0 else result.told_at
                broken = self._broken(number)
                if broken:
                    result.caught_at, result.rules = number, tuple(broken)
                    break
        return result

    def _broken(self, number: int) -> list[str]:
        """Return the rules that a case now breaks and that nothing explains."""
        case = self.cases[number]
        rules = [rule for rule in RULES.values() if rule.level == "MUST"]
        return [
            rule.id for rule in rules if not (rule.costly and number % COSTLY_SHARE) and self._is_broken(rule, case)
        ]

    def _is_broken(self, rule: Rule, case: Case) -> bool:
        """Whether a case breaks a rule and nothing explains it; a rule that itself fails catches it too."""
        try:
            return bool(self.judge.unexplained(rule, case))
        except Exception:  # the suite reports it as the failure of this rule's test
            return True


def apart(bench: Bench, name: str, mutant: Mutant) -> Result:
    """Test a fault in a forked process, so that it is gone afterwards."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                result = bench.test(name, mutant)
            os.write(writing, json.dumps(asdict(result)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        return Result(str(mutant), name.rpartition(".")[2], 0, 0, (), "hangs or kills the process")
    return Result(**json.loads(text))


def chosen(sample: int | None, seed: int, only: str) -> list[tuple[str, Mutant]]:
    """Return the faults to test, all or a sample of them."""
    every = [(name, mutant) for name in MODULES for mutant in mutants(sources(name)[1])]
    every = [(name, mutant) for name, mutant in every if only in f"{name} {mutant}"]
    return every if sample is None else random.Random(seed).sample(every, min(sample, len(every)))


def main() -> None:
    """Test the faults and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option, default in (("--cases", 240), ("--sample", None), ("--seed", 0)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    bench = Bench(options.cases, options.seed)
    counts: Counter[str] = Counter()
    for name, mutant in chosen(options.sample, options.seed, options.only):
        if mutant.line not in bench.lines.get(name, ()):
            counts["not executed"] += 1
            print(f"unexecuted  {name.rpartition('.')[2]} {mutant}", flush=True)
            continue
        began = time.perf_counter()
        result = apart(bench, name, mutant)
        verdict = "caught" if result.caught_at >= 0 else "told" if result.told_at >= 0 else "SURVIVED"
        counts[verdict] += 1
        where = f"at {max(result.caught_at, result.told_at)}" if verdict != "SURVIVED" else ""
        seconds = f"{time.perf_counter() - began:.1f} s"
        print(verdict, result.module, result.fault, where, ",".join(result.rules), result.note, seconds, flush=True)
    print(dict(counts))


if __name__ == "__main__":
    main()
