"""Find the smallest case of each known deviation and pin it: a maintainer's tool.

    python -m observance.conformance.deviations.pin torch [ID ...] [--profile=annotations-fx]

For every entry (or those named) it draws cases until one shows the deviation,
shrinks it, writes it to the entry's folder, and prints the rules that it breaks.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import torch
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from observance.conformance.claims import PT2E
from observance.conformance.deviations.register import Deviation, Register, load
from observance.conformance.differences import differences
from observance.conformance.hearing import reference_with
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.needs import is_claimed
from observance.conformance.outcomes import run
from observance.conformance.rules import RULES, import_rules
from observance.strategies import Case
from observance.strategies.profiles import drawn_in

_EXAMPLES = 6000

_TELLING = {
    "": ("PLACEMENT-5", "PLACEMENT-13", "ENTRY-1"),
    PT2E: ("ANNOTATIONS-11", "ANNOTATIONS-12", "ANNOTATIONS-13", "ANNOTATIONS-14"),
}
"""The rules that tell most of what can differ, by profile; where there are none, those that the entry names."""


class Pinner:
    """Looks for the smallest case of one deviation of an implementation."""

    def __init__(self, register: Register, entry: Deviation, implementation: str, profile: str) -> None:
        self.judge = Judge(resolve(implementation, profile), 1, register.without(entry))
        self.profile, self.entry = self.judge.profile, entry
        self.full = reference_with(register, self.profile)
        self.others = reference_with(register.without(entry), self.profile)

    def shows(self, case: Case) -> bool:
        """Whether the implementation deviates on a case, and this entry explains it."""
        if not is_claimed(case, self.judge.implementation):
            return False
        wide, narrow = (run(other, case).observation for other in (self.full, self.others))
        if wide is None or narrow is None:
            if wide is narrow and not self.profile:
                return False
        elif not differences(narrow, wide):
            return False
        return any(self.judge.unexplained(RULES[name], case) for name in _TELLING.get(self.profile, self.entry.rules))

    def broken_rules(self, case: Case) -> list[str]:
        """Return the rules that the case breaks for want of this entry."""
        return [name for name, rule in RULES.items() if rule.is_for(case) and self.judge.unexplained(rule, case)]


def pin(register: Register, entry: Deviation, implementation: str, profile: str) -> None:
    """Find, write and print the smallest case of one entry."""
    pinner = Pinner(register, entry, implementation, profile)
    if (entry.folder / f"{entry.id}.json").exists() and entry.pinned.written:
        print(f"{entry.id}: written by hand, breaks {pinner.broken_rules(entry.pinned)}", flush=True)
        return
    try:
        case = find(
            drawn_in(pinner.profile, max_calls=3 if pinner.profile else 4),
            pinner.shows,
            settings=settings(
                max_examples=_EXAMPLES,
                database=None,
                deadline=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
    except NoSuchExample:
        print(f"{entry.id}: not found in {_EXAMPLES} cases", flush=True)
        return
    entry.folder.mkdir(exist_ok=True)
    entry.path.write_text(case.to_json() + "\n")
    print(f"{entry.id}: {len(case.calls)} calls, breaks {pinner.broken_rules(case)}", flush=True)


def read_profile(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the profile that the arguments of a tool name, or that of its register, and the other arguments."""
    given = [text.removeprefix("--profile=") for text in arguments if text.startswith("--profile=")]
    others = [text for text in arguments if not text.startswith("--profile=")]
    return "".join(given[:1]) or (PT2E if others[:1] == ["torchao"] else ""), others


def main(arguments: list[str]) -> None:
    """Pin the entries of a register, all or those that are named."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    import_rules()
    profile, (name, *wanted) = read_profile(arguments)
    register = load(name).active().within(profile)
    for entry in register.entries:
        if not wanted or entry.id in wanted:
            pin(register, entry, name, profile)


if __name__ == "__main__":
    main(sys.argv[1:])
