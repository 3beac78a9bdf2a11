"""Work apart: whatever an implementation does to its process, it does to a child of the one that judges.

`Apart` forks a child and asks it question after question.  A child that dies, or that does not answer, is
replaced, and what it was doing is remembered: the next child does not do it again, and tells of it as of an
exception.  A child is replaced after its answer, too, when the state of the process is not what it was, or when
it holds too much memory.  So what one case does is never met by the next.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

S = TypeVar("S")
T = TypeVar("T")
P = ParamSpec("P")

CAN_FORK = hasattr(os, "fork") and hasattr(os, "waitid")
"""Whether a call can be made in a process of its own: not on Windows, and on macOS from Python 3.13 on."""

SECONDS = 120.0
"""For so long a child may do one thing, such as one call of `prepare`, before it is taken to hang."""


@dataclass(frozen=True)
class Limits:
    """How work is kept apart.

    Attributes
    ----------
    is_forking
        Whether it is done in a child.
    seconds
        For how long a child may do one thing.
    """

    is_forking: bool = False
    seconds: float = SECONDS


GREW, SPOILT, HUNG, DIED = "held too much memory", "changed the state of its process", "did not answer", "died"
"""Why a child is replaced."""

_POLL = 0.5
"""After so many seconds of silence it is looked whether a child is still at the same thing."""


class DiedError(Exception):
    """What takes the place of an exception where a call killed its process, or did not end."""


HERE_ONLY = Limits()
"""All is done in this process."""


class Marks:
    """What a child is doing, by numbers, and since when: in memory that its parent sees."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def set(self, doing: int) -> None:
        """Note what is begun; 0 stands for nothing that has a number."""
        struct.pack_into("qd", self._memory, 0, doing, time.monotonic())

    def get(self) -> tuple[int, float]:
        """Return what is being done, and since when."""
        doing, since = struct.unpack_from("qd", self._memory)
        return int(doing), float(since)


class Here:
    """What this process knows of what it does, if it is a child."""

    def __init__(self) -> None:
        self.marks: Marks | None = None
        self.deaths: dict[int, str] = {}
        self._doing: list[int] = [0]

    @property
    def is_child(self) -> bool:
        """Whether this process answers the questions of another."""
        return self.marks is not None

    def become(self, marks: Marks, deaths: dict[int, str]) -> None:
        """Be a child: tell what is done, and do not do again what killed others."""
        self.marks, self.deaths, self._doing = marks, deaths, [0]

    @contextmanager
    def doing(self, *what: object) -> Iterator[str | None]:
        """Tell the parent what is done, and give how it ended when another child did it, if that killed it.

        Parameters
        ----------
        what
            Hashable values that stand for it.
        """
        if self.marks is None:
            yield None
            return
        self._doing.append(hash(what))
        self.marks.set(self._doing[-1])
        try:
            yield self.deaths.get(self._doing[-1])
        finally:
            self._doing.pop()
            self.marks.set(self._doing[-1])


HERE = Here()
"""What this process knows."""


class Apart(Generic[S]):
    """Asks questions of something in a child process; in this one, where there is to be no other.

    Parameters
    ----------
    subject
        What is asked: the first argument of every question.
    limits
        Whether there is to be a child, and for how long it may do one thing.
    """

    def __init__(self, subject: S, limits: Limits) -> None:
        self.subject, self.limits = subject, limits
        self.deaths: dict[int, str] = {}
        self.replaced: Counter[str] = Counter()
        self._child: _Child | None = None

    def ask(self, question: Callable[Concatenate[S, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a question comes to, however many children it takes.

        The question is a function that can be imported, and what it is given and returns can be pickled.
        What it raises is raised here.
        """
        if not self._is_apart():
            return question(self.subject, *args, **kwargs)
        while True:
            for answer in [*self._answers(_once, question, args, kwargs)]:
                return answer  # type: ignore[no-any-return]

    def ask_each(
        self, question: Callable[Concatenate[S, P], Iterator[T]], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        """Yield the answers to a question one by one: fewer than there are, if a child ends before it has them all."""
        if not self._is_apart():
            yield from question(self.subject, *args, **kwargs)
            return
        yield from self._answers(question, *args, **kwargs)

    def close(self) -> None:
        """End the child: what this process has learned since it was forked is unknown to it."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _is_apart(self) -> bool:
        """Whether a child is asked: a child itself has none."""
        return self.limits.is_forking and CAN_FORK and not HERE.is_child

    def _answers(self, question: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield the answers of a child; it is over with it unless it gave all of them and is as it was."""
        child = self._child = self._child or _Child(self.subject, self.deaths)
        end: str | None = "left"
        try:
            end = yield from child.answers((question, args, kwargs), self.limits.seconds)
        finally:
            if end is not None:
                self.close()
        if end is not None:
            self.replaced[end] += 1
        if end in (HUNG, DIED):
            self._remember(child)

    def _remember(self, child: _Child) -> None:
        """Remember what a child was doing when it ended; it is done no more."""
        doing, _ = child.marks.get()
        if doing in (0, *self.deaths):
            raise DiedError(f"the process {child.reason}")
        self.deaths[doing] = child.reason


def _once(subject: Any, question: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    """Yield the one answer to a question."""
    yield question(subject, *args, **kwargs)


class _Child:
    """A process that answers questions."""

    def __init__(self, subject: Any, deaths: dict[int, str]) -> None:
        self.marks, self.reason = Marks(), ""
        self._pipe, theirs = Pipe()
        self.pid = fork()
        if self.pid == 0:
            self._pipe.close()
            _live(subject, theirs, self.marks, deaths)
        theirs.close()
        with suppress(OSError):  # the child may have done it, or may be gone
            os.setpgid(self.pid, self.pid)
        self._end = weakref.finalize(self, _end, self.pid, os.getpid(), self._pipe)

    def answers(self, question: Any, seconds: float) -> Any:
        """Yield the answers to a question; return why the child is to be replaced, None if it is not."""
        self.marks.set(0)
        try:
            self._pipe.send(question)
            while True:
                message = self._receive(seconds)
                if message is None:
                    return HUNG
                kind, content = message
                if kind == "answer":
                    yield content
                elif kind == "raised":
                    raise content
                else:
                    return content
        except (EOFError, OSError):
            self._find_reason()
            return DIED

    def _receive(self, seconds: float) -> Any:
        """Return the next message; None if there is none for so long that the child is taken to hang."""
        while not self._pipe.poll(_POLL):
            _, since = self.marks.get()
            if time.monotonic() - since > seconds:
                self.reason = f"gave no answer for {seconds:g} s"
                return None
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) and not self._pipe.poll(0):
                raise EOFError  # whoever it started may hold the pipe open
        return self._pipe.recv()

    def _find_reason(self) -> None:
        """Find out how the child ended; one that lives on without its pipe is ended when this object is."""
        ended, late = None, time.monotonic() + _POLL
        while ended is None and time.monotonic() < late:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            time.sleep(0.005 if ended is None else 0)
        if ended is None:
            self.reason = "closed the pipe through which it answers"
        else:
            self.reason = how_it_ended(ended)

    def kill(self) -> None:
        """End the child, and all processes that it started."""
        self._end()


def fork() -> int:
    """Fork this process, as `os.fork` does, when nothing is still to be written that both would write."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: none of ours holds a lock
        return os.fork()


def how_it_ended(ended: os.waitid_result) -> str:
    """Return how a process ended, in words."""
    if ended.si_code == os.CLD_EXITED:
        return f"ended with exit code {ended.si_status}"
    known = {number.value: number.name for number in signal.Signals}
    return f"was killed by {known.get(ended.si_status, f'signal {ended.si_status}')}"


def _end(pid: int, parent: int, pipe: Connection) -> None:
    """End a child of this process; another child has no business with it."""
    if os.getpid() != parent:
        return
    for kill in (os.killpg, os.kill):
        with suppress(OSError):
            kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pipe.close()


def _live(subject: Any, pipe: Connection, marks: Marks, deaths: dict[int, str]) -> None:
    """Answer questions until there are no more; this is what a child does, and all that it does."""
    from observance.conformance import child  # it imports torch

    HERE.become(marks, dict(deaths))
    try:
        child.answer_all(subject, pipe)
    finally:
        os._exit(0)
