"""Where the CPU time of a process goes: its stack is looked at again and again, and each time belongs to one part.

A profiler that counts every call makes code of many small functions look dearer than it is.  A sample costs the same
wherever it is taken.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERVAL = 0.002
"""A sample is taken after so many seconds of CPU time, or as soon after as the system lets it."""


@contextmanager
def sampled(part_of: Callable[[FrameType], Any]) -> Iterator[Counter[Any]]:
    """Count samples by what they belong to, while the context lasts.

    Parameters
    ----------
    part_of
        Returns what a stack belongs to, which is given by its innermost frame.
    """
    found: Counter[Any] = Counter()

    def sample(number: int, frame: FrameType | None) -> None:
        if frame is not None:
            found[part_of(frame)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
