"""What can be said of a fault that is not caught, and of a branch that is not taken."""

from __future__ import annotations

from dataclasses import dataclass

EQUIVALENT = "equivalent"
"""No call of `prepare` does anything else with the fault than without it."""

OUTSIDE = "out of scope"
"""The fault does something, which no rule forbids and none should."""

GAP = "gap"
"""The fault should be caught, and is not yet."""


@dataclass(frozen=True)
class Reason:
    """Why some faults are not caught: the verdict, what was found, and the ids of the faults."""

    verdict: str
    text: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Untaken:
    """Why no case takes some branches of a module: what was found, and the branches."""

    text: str
    branches: tuple[str, ...]
