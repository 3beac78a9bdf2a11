"""Where saboteurs are entered: which changes of the reference break which rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from observance.conformance.variants import Change

SABOTEURS: dict[str, tuple[Change, ...]] = {}
"""The changes that break each rule, by the rule's id."""

Saboteur = Callable[..., Any]


def breaks(rule: str, decision: str) -> Callable[[Saboteur], Saboteur]:
    """Enter a function as the saboteur of a rule, in place of a decision of the reference."""

    def enter(instead: Saboteur) -> Saboteur:
        assert rule not in SABOTEURS, f"{rule} has a saboteur already"
        SABOTEURS[rule] = (Change(decision, instead),)
        return instead

    return enter
