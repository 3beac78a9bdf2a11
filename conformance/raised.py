"""What others raise: it may be anything, and is an exception that can be told for whoever meets it here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from observance.conformance.isolation import HERE
from observance.conformance.usage import told


class RaisedError(Exception):
    """What takes the place of what is no `Exception`, such as `SystemExit`, or of one that cannot be told."""


@contextmanager
def as_exceptions() -> Iterator[None]:
    """Run what others wrote, and let whatever it raises be an `Exception` with a message.

    Ctrl-C stays what it is, where somebody can have pressed it: a child hears none.
    """
    try:
        yield
    except Exception as raised:
        if _can_be_told(raised):
            raise
        raise RaisedError(told(raised)) from None
    except BaseException as raised:
        if isinstance(raised, KeyboardInterrupt) and not HERE.is_child:
            raise
        raise RaisedError(told(raised)) from None


def _can_be_told(raised: Exception) -> bool:
    """Whether an exception has a message and can be shown."""
    try:
        return isinstance(str(raised), str) and isinstance(repr(raised), str)
    except BaseException:  # whatever it does when it is looked at
        return False
