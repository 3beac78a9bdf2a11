"""Wrong use of the suite: the error, and the words in which it is told."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any

MISSING: Any = object()
"""What `attribute` answers where there is no attribute."""


class UsageError(Exception):
    """The suite was asked for something that it cannot do; the message is one sentence that says what to do."""


def attribute(holder: Any, name: str) -> Any:
    """Read an attribute; `MISSING` if there is none. An attribute that cannot be read is a `UsageError`."""
    try:
        return getattr(holder, name)
    except AttributeError:
        return MISSING
    except Exception as error:
        raise UsageError(
            f"The attribute `{name}` of `{label(holder)}` cannot be read, because that raised {told(error)}: mend it."
        ) from error


def label(thing: Any) -> str:
    """Return the name of a module, a class or a function; for anything else the name of its type."""
    named = thing if isinstance(thing, (ModuleType, type, FunctionType)) else type(thing)
    return named.__name__


def names(things: Iterable[Any]) -> str:
    """Write names one after the other."""
    return ", ".join(f"`{name}`" for name in things)


def told(error: BaseException) -> str:
    """Tell an exception in one short line."""
    message = " ".join(str(error).split())
    if len(message) > 200:
        message = f"{message[:200]}..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
