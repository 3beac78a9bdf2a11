"""What a child process does: it answers questions, and says after each whether it is still as it was."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import pickle
import random
import resource
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import torch

from observance.conformance import process
from observance.conformance.isolation import GREW, SPOILT
from observance.conformance.usage import told

GROWTH = 1 << 30
"""So many bytes more than at its beginning a child may hold before another one takes its place."""

LIMIT = 8 << 30
"""So many bytes more than at its beginning it may ask for: who asks for more is refused them, and the machine lives."""

PRINTED = 1 << 20
"""What was printed into a file, where it is captured, is cut off at so many bytes."""

_DIE_WITH_PARENT = 1
"""The number of that wish in Linux (PR_SET_PDEATHSIG)."""

_GRANTED = (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_CPU, resource.RLIMIT_STACK)
"""What the system grants a process so much of and no more: memory, open files, time, and calls."""


def answer_all(subject: Any, pipe: Connection) -> None:
    """Answer the questions that come through a pipe, until this process is no longer what it was."""
    _settle_down()
    before = _State()
    with suppress(EOFError, OSError):  # the parent has no more questions, or is gone
        while True:
            question, args, kwargs = pipe.recv()
            torch.manual_seed(0)
            random.seed(0)
            try:
                end = _answer(question(subject, *args, **kwargs), pipe, before)
            except BaseException as error:  # whatever it is, it is the answer
                pipe.send(("raised", _portable(error)))
            else:
                end = end or before.what_changed()
                pipe.send(("end", end))
                if end is not None:
                    return


def _answer(answers: Iterator[Any], pipe: Connection, before: _State) -> str | None:
    """Send the answers to a question, as long as there is memory; return why there are no more, if there might be."""
    for answer in answers:
        pipe.send(("answer", answer))
        _cut_off_what_was_printed()
        if before.has_grown():
            return GREW
    return None


def _settle_down() -> None:
    """Be a process that can be killed, that dies with its parent and leaves no core behind."""
    with suppress(OSError):
        os.setpgid(0, 0)
    with suppress(OSError, AttributeError):  # there is such a wish on Linux alone
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.disable()
    torch.set_num_threads(1)  # those of the parent are not here
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if process.address_space():
        with suppress(OSError, ValueError):  # somebody may have set a limit that is lower
            resource.setrlimit(resource.RLIMIT_AS, (process.address_space() + LIMIT, most))
    gc.freeze()  # what came from the parent stays, and is not copied by looking at it


def _alarms() -> dict[str, Any]:
    """Return what is set up to be done later, or whenever the system says so, and what the system grants."""
    limits = [resource.getrlimit(number) for number in _GRANTED]
    timers = [signal.getitimer(number) for number in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)]
    return {"limits": limits, "timers": timers, "handlers": [signal.getsignal(n) for n in signal.valid_signals()]}


class _State:
    """What this process is when it begins."""

    def __init__(self) -> None:
        self._memory = process.memory()
        self._settings, self._alarms = process.settings(), _alarms()
        self._definitions = process.Definitions()

    def has_grown(self) -> bool:
        """Whether it holds much more memory than then."""
        return process.memory() > self._memory + GROWTH

    def what_changed(self) -> str | None:
        """Return why another process should go on; None if nothing has changed."""
        if self.has_grown():
            return GREW
        changed = process.settings() != self._settings
        armed = _alarms() != self._alarms
        if armed:
            signal.setitimer(signal.ITIMER_REAL, 0)  # or it would go off before all is answered
        if changed or armed or threading.active_count() > 1 or self._definitions.replaced():
            return SPOILT
        return None


def _cut_off_what_was_printed() -> None:
    """Keep the files small in which pytest captures what is printed."""
    numbers = {1, 2}
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
            numbers.add(stream.fileno())
    for number in numbers:
        with suppress(OSError):
            found = os.fstat(number)
            is_nameless = stat.S_ISREG(found.st_mode) and found.st_nlink == 0  # nobody's but pytest's
            if is_nameless and found.st_size > PRINTED:
                os.ftruncate(number, 0)
                os.lseek(number, 0, os.SEEK_SET)


def _portable(error: BaseException) -> BaseException:
    """Return an exception that can be sent; one that cannot is told in words."""
    try:
        pickle.loads(pickle.dumps(error))
    except BaseException:  # whatever it does when it is looked at
        return RuntimeError(told(error))
    return error
