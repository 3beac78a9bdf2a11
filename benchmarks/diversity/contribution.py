"""How much what a case has contributes to telling faults."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNLIKELY = 0.001
"""Chance is no explanation for what it brings about more seldom than this."""

HARD = 0.1
"""A fault is hard where a smaller share of the cases tells it."""


@dataclass(frozen=True)
class Contribution:
    """What one thing that cases may have contributes.

    Attributes
    ----------
    base
        The share of all cases that have it.
    needed
        How many faults are told only by cases that have it, where chance does not explain that.
    helped
        How many faults are told by more such cases than chance explains, the needed ones included.
    lift
        How many times more cases have it among those that tell a hard fault than among all.
    """

    base: float
    needed: int
    helped: int
    lift: float


def contribution(cases: int, has: Sequence[int], told: Mapping[str, Sequence[int]]) -> Contribution:
    """Return what a thing contributes.

    Parameters
    ----------
    cases
        How many there are.
    has
        The numbers of those that have it.
    told
        For each fault, the numbers of the first cases that tell it.
    """
    base, those = len(has) / cases, set(has)
    counts = {fault: (len(numbers), len(those.intersection(numbers))) for fault, numbers in told.items() if numbers}
    needed = sum(tell == have and base**tell < UNLIKELY for tell, have in counts.values())
    helped = sum(_at_least(have, tell, base) < UNLIKELY for tell, have in counts.values())
    shares = [have / tell for fault, (tell, have) in counts.items() if is_hard(told[fault])]
    return Contribution(base, needed, helped, sum(shares) / len(shares) / base if shares else math.nan)


def is_hard(numbers: Sequence[int]) -> bool:
    """Whether a small share of the cases tells a fault; `numbers` are the first that do."""
    return bool(numbers) and len(numbers) / (numbers[-1] + 1) < HARD


def _at_least(have: int, tell: int, base: float) -> float:
    """Return how probable it is that so many of those that tell have it, if it has nothing to do with that."""
    return sum(math.comb(tell, k) * base**k * (1 - base) ** (tell - k) for k in range(have, tell + 1))


def rate(numbers: Sequence[int], most: int, cases: int) -> float:
    """Return the share of the cases that tell a fault; they were tried until `most` of them had told it."""
    return len(numbers) / (numbers[-1] + 1 if len(numbers) == most else cases)
