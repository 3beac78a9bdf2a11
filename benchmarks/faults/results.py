"""What came of a fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Result:
    """What came of one fault.

    Attributes
    ----------
    fault
        Its id.
    reached
        How many drawn cases execute it.
    told_at, caught_at
        The number of the first drawn case that tells it, and that breaks a rule; -1 if none does.
    rules
        The rules of the level `MUST` that catch it there.
    upstream
        The rules of the level `UPSTREAM` that catch it, looked for where none of the others does.
    own
        The rules that catch it by cases of their own, looked for where no drawn case does.
    mended
        The known deviations whose pinned cases no longer show them, which the suite reports as well; looked for
        where no rule catches it.
    calls
        How many operators the shrunk case has; -1 if it was not shrunk.
    note
        What else is to be said: that it hangs.
    """

    fault: str
    reached: int = 0
    told_at: int = -1
    caught_at: int = -1
    rules: list[str] = field(default_factory=list)
    upstream: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    calls: int = -1
    note: str = ""


def is_caught(result: Mapping[str, Any]) -> bool:
    """Whether the suite catches a fault: by a rule, or because a known deviation is no longer there."""
    return bool(result["caught_at"] >= 0 or result["own"] or result["mended"])


def is_told(result: Mapping[str, Any]) -> bool:
    """Whether a fault is told from the unbroken implementation; a rule that catches it tells it, too."""
    return bool(result["told_at"] >= 0 or is_caught(result))
