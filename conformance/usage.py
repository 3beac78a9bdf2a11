"""Wrong use of the suite: the error, and the words in which it is told; and what is not told."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

MISSING: Any = object()
"""What `attribute` answers where there is no attribute."""


MEND_FOLDER = "make room, or name another folder with --failures-in"
"""What to do where files cannot be written."""


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
    """Tell an exception in one short line, that cannot harm a terminal."""
    name, message = printable(type(error).__name__, 60), printable(" ".join(message_of(error).split()))
    return f"{name}: {message}" if message else name


def message_of(error: BaseException) -> str:
    """Return what an exception says; that it says nothing, if asking it raises another one."""
    try:
        return str(error)
    except BaseException:  # it is an implementation's, and does what it likes
        return "(its message cannot be read)"


def printable(text: str, width: int = 200) -> str:
    """Return a text in which every character can be seen, cut to a width: names come from anywhere.

    What a terminal would obey, what would turn its text around, and what XML cannot hold is written as an escape.
    """
    if len(text) > width:
        text = f"{text[:width]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def check_appendable(path: str | None, option: str) -> None:
    """Raise a `UsageError` unless a file can be written at the end, which an option names; None names none."""
    if path is not None:
        append(path, "", option)


def append(path: str, text: str, option: str) -> None:
    """Write a text at the end of a file, which an option names; where that cannot be is a `UsageError`."""
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{option} cannot be written to {printable(path)} ({printable(str(error))}); "
            "name a file in a folder that is there and has room."
        ) from error


@contextlib.contextmanager
def unlogged() -> Iterator[None]:
    """Keep to errors what libraries log: torchao tells at import which kernels it has not."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)
