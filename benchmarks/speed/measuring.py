"""One model at one depth: how long each contestant takes, what it needs of memory, and what it makes."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from calls import Template
from growth import exponent
from names import FLOOR, REFERENCE
from torch.fx import GraphModule

from observance.reference.specs import is_observer

Contestant = Callable[..., GraphModule]

LEAST, MOST, ENOUGH = 2, 9, 1.0
"""How often each contestant is timed: at least and at most, and the CPU seconds after which that is enough."""

LONG = 5.0
"""What takes more CPU seconds is timed once."""

LARGE = 400
"""From how many nodes on a call leaves much behind."""

TRACED_TO, UPSTREAM_TRACED_TO = 4000, 1000
"""The sizes up to which memory is traced, in nodes, from `LARGE` on, which makes a call two to four times as long."""


@dataclass
class Row:
    """What was measured of one model at one depth.

    Attributes
    ----------
    path, model, depth, nodes
        What is prepared: what says which values are observed, the model, and how large it is.
    observers
        For each contestant, how many observers it makes: different ones, and not nodes.
    seconds
        For each contestant, the CPU seconds of each of its calls.
    collecting
        For each contestant, how many of them the garbage collector took, likewise.
    peaks
        For each contestant, how many bytes Python has allocated at most while it was called, beyond what there was.
    failed
        For each contestant that raises, what.
    """

    path: str
    model: str
    depth: int
    nodes: int
    observers: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    collecting: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def best(self, contestant: str) -> float | None:
        """Return the shortest of a contestant's times; None if there is none."""
        return min(self.seconds.get(contestant, ()), default=None)


def measure(row: Row, template: Template, contestants: Mapping[str, Contestant], most: int = MOST) -> None:
    """Measure all contestants in turn, `most` times at most, and enter what was found.

    The garbage collector is on, as it is where people work; where a call before has left much behind, that is
    collected before.
    """
    for number in range(most):
        names = [name for name in _rotated(contestants, number) if _is_wanted(row, name)]
        for name in names:
            _time(row, name, contestants[name], template)
        if not names:
            break
    for name, contestant in contestants.items():
        to = TRACED_TO if name in (REFERENCE, FLOOR) else UPSTREAM_TRACED_TO
        if name not in row.failed and LARGE <= row.nodes <= to:
            row.peaks[name] = _peak(contestant, template.arguments())


def _rotated(contestants: Mapping[str, Contestant], number: int) -> list[str]:
    """Return the contestants' names; another one is first each time."""
    names = list(contestants)
    first = number % len(names)
    return names[first:] + names[:first]


def _is_wanted(row: Row, name: str) -> bool:
    """Whether a contestant is to be timed once more."""
    times = row.seconds.get(name, [])
    if name in row.failed or (times and min(times) > LONG):
        return False
    return len(times) < LEAST or sum(times) < ENOUGH


def _time(row: Row, name: str, contestant: Contestant, template: Template) -> None:
    """Call a contestant once, and enter how long that took."""
    arguments = template.arguments()
    if row.nodes >= LARGE:
        gc.collect()
    with _silent(), _collecting() as pauses:
        began = time.process_time()
        try:
            prepared = contestant(*arguments)
        except Exception as error:
            row.failed[name] = type(error).__name__
            return
        took = time.process_time() - began
    row.seconds.setdefault(name, []).append(round(took, 6))
    row.collecting.setdefault(name, []).append(round(sum(pauses), 6))
    if name not in row.observers:
        row.observers[name] = observers(prepared)


def observers(prepared: GraphModule) -> int:
    """Return how many different observers the graph of a prepared model calls."""
    modules = dict(prepared.named_modules(remove_duplicate=False))
    called = (modules[str(node.target)] for node in prepared.graph.nodes if node.op == "call_module")
    return len({module for module in called if is_observer(module)})


def _peak(contestant: Contestant, arguments: tuple[Any, ...]) -> int:
    """Return how many bytes are allocated at most while a contestant is called, beyond those that were before."""
    gc.collect()
    with _silent():
        tracemalloc.start()
        try:
            contestant(*arguments)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let nothing be printed, and no warning be shown."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _collecting() -> Iterator[list[float]]:
    """Note how many CPU seconds each collection of garbage takes."""
    pauses: list[float] = []
    began = 0.0

    def note(phase: str, _: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.process_time()
        else:
            pauses.append(time.process_time() - began)

    gc.callbacks.append(note)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(note)


def expected(rows: list[Row], name: str, nodes: int) -> float:
    """Return how long a contestant is expected to take, from what it took at the two largest sizes so far."""
    points = [(row.nodes, best) for row in rows if (best := row.best(name)) is not None]
    if not points:
        return 0.0
    last, seconds = points[-1]
    growth = max([1.0, *(exponent(pair) for pair in itertools.pairwise(points[-2:]))])
    return float(seconds * (nodes / last) ** growth)
