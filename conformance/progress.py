"""Progress on long work: a bar while somebody watches, and nothing where nobody does."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Step: TypeAlias = Callable[[], None]
"""Called when one more part of the work is done."""

_EVERY = 0.1
"""After so many seconds a bar is drawn anew."""

Shown: TypeAlias = Callable[[str, int], AbstractContextManager[Step]]
"""Opens work with a name and so many parts; gives what is to be called after each."""


@contextmanager
def unseen(what: str, total: int) -> Iterator[Step]:
    """Show nothing."""
    yield lambda: None


def bar_on(console: Console) -> Shown:
    """Return what shows work as a bar on a console, and takes it away in the end; nothing, if it is no terminal."""

    @contextmanager
    def seen(what: str, total: int) -> Iterator[Step]:
        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
        # It draws itself when something is done, and not by a thread: a process that is forked would have half of one.
        bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, auto_refresh=False)
        with bar as progress:
            task, drawn = progress.add_task(what, total=total), time.monotonic()

            def step() -> None:
                nonlocal drawn
                progress.advance(task)
                if time.monotonic() > drawn + _EVERY:
                    progress.refresh()
                    drawn = time.monotonic()

            progress.refresh()
            yield step

    return seen if console.is_terminal else unseen


def bar_in(reporter: Any) -> Shown:
    """Return what shows work among the lines that pytest writes, which captures all that others print."""
    writer = reporter.config.get_terminal_writer()
    if not writer.hasmarkup:
        return unseen
    seen = bar_on(Console(file=_Through(writer), force_terminal=True))

    @contextmanager
    def seen_below(what: str, total: int) -> Iterator[Step]:
        reporter.ensure_newline()
        with seen(what, total) as step:
            yield step

    return seen_below


class _Through(io.StringIO):
    """A stream that writes what pytest's own writer would write."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        """Write a text as it is."""
        self._writer.write(text, flush=True)
        return len(text)
