"""The reference with some of its decisions replaced.

A known deviation of an implementation, and a saboteur, are the same thing: the
reference, except that one decision is made in another way.  `Change` says which
and how; `variant` runs the reference with some changes.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

import observance.reference
from observance.conformance.claims import FX, PT2E, Claims
from observance.conformance.implementations import Implementation, Shape
from observance.reference import annotations as annotated


@dataclass(frozen=True)
class Change:
    """One decision of the reference, made in another way.

    ``decision`` is a function of a chapter, such as ``placement.dtype_of`` or
    ``site.Groups.join``.  ``instead`` is called with the decision as it was,
    and the arguments.
    """

    decision: str
    instead: Callable[..., Any]


@contextmanager
def changed(changes: Sequence[Change]) -> Iterator[None]:
    """Make the reference decide as the changes say, while the context lasts.

    Changes of one decision are put on top of one another, the last one outermost.
    """
    undo: list[tuple[Any, str, Any]] = []
    try:
        for change in changes:
            owner, name = _resolve(change.decision)
            original = getattr(owner, name)
            undo.append((owner, name, original))
            setattr(owner, name, _replacement(change, original))
        yield
    finally:
        for owner, name, original in reversed(undo):
            setattr(owner, name, original)


def _replacement(change: Change, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that stands in for a decision; a method stays a method."""

    @functools.wraps(original)
    def decide(*args: Any, **kwargs: Any) -> Any:
        return change.instead(original, *args, **kwargs)

    return decide


def _resolve(decision: str) -> tuple[Any, str]:
    """Return where a decision lives, and its name there."""
    chapter, *path, name = decision.split(".")
    owner: Any = importlib.import_module(f"{observance.reference.__name__}.{chapter}")
    for part in path:
        owner = getattr(owner, part)
    if not hasattr(owner, name):
        raise AttributeError(f"the reference makes no decision {decision!r}")
    return owner, name


def variant(changes: Sequence[Change], profile: str = "") -> Callable[..., Any]:
    """Return a `prepare` that is the reference with some changes: that of qconfigs, or that of annotations."""
    chapter: Any = annotated if profile == PT2E else observance.reference

    @functools.wraps(chapter.prepare)
    def prepare(*args: Any, **kwargs: Any) -> Any:
        with changed(changes):
            return chapter.prepare(*args, **kwargs)

    return prepare


def varied(name: str, changes: Sequence[Change], profile: str = "") -> Implementation:
    """Return the reference with some changes as an implementation of that name, which claims everything."""
    version = torch.__version__
    shape: Shape = "prepare_annotated" if profile == PT2E else "prepare"
    claims = Claims(None, None, name, version)
    return Implementation(name, version, variant(changes, profile), shape, claims, is_annotated=profile == FX)
