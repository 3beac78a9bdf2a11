"""What a call of `prepare` does to its arguments, counted: nothing is timed.

Python's profiler counts the calls of every function.  Those of torch's own that
everybody must call to read a graph or a model tell how often these are read.
"""

from __future__ import annotations

import cProfile
import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any

from torch import nn
from torch.ao.quantization import FakeQuantizeBase, ObserverBase
from torch.fx import Node

from observance.conformance.implementations import Implementation
from observance.conformance.outcomes import call
from observance.strategies import Case, build

FRAMES = 400
"""How deep functions may call one another while `prepare` runs: the caller needs some of Python's thousand, too."""


class _Readers(dict[Node, None]):
    """The readers of a value, which are counted as they are looked at."""

    def __iter__(self) -> Iterator[Node]:
        yield from super().__iter__()

    def keys(self) -> Any:
        return list(self)

    def items(self) -> Any:
        return [(node, None) for node in self]


def _look_up(model: nn.Module, name: str) -> Any:
    """Look an attribute up that is none of the model's own: what a traced model is given, to be counted."""
    return nn.Module.__getattr__(model, name)


def _codes(*functions: Callable[..., Any]) -> frozenset[CodeType]:
    """Return what the profiler knows functions by."""
    return frozenset(inspect.unwrap(function).__code__ for function in functions)


def _getter(name: str) -> Callable[..., Any]:
    """Return the function that reads an attribute of a node."""
    getter: Callable[..., Any] = getattr(Node, name).fget
    return getter


_WALK = _codes(nn.Module.named_modules)
_MEMBERS = _codes(nn.Module._named_members)

COUNTERS: dict[str, frozenset[CodeType]] = {
    "operands read": _codes(*map(_getter, ("args", "kwargs", "all_input_nodes"))),
    "readers looked at": _codes(_Readers.__iter__),
    "modules visited": _WALK,
    "parameters visited": _MEMBERS,
    "attributes looked up": _codes(_look_up),
    "observers constructed": _codes(ObserverBase.__init__, FakeQuantizeBase.__init__),
}
"""What is counted, and the functions of torch's whose calls are its count; of a generator, every step is one."""

ALL = "functions called"
"""The count of all calls of functions that are written in Python."""


@functools.lru_cache(maxsize=128)
def count(implementation: Implementation, case: Case) -> Mapping[str, int] | None:
    """Return how often an implementation does what `COUNTERS` and `ALL` name; None if it refuses the case."""
    arguments = build(case)
    for node in arguments.model.graph.nodes:
        node.users = _Readers(node.users)
    # Every traced model has a class of its own.
    type(arguments.model).__getattr__ = _look_up  # type: ignore[method-assign]
    profile = cProfile.Profile(builtins=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            profile.runcall(call, implementation, arguments)
        except Exception:  # what it refuses has no cost
            return None
    stats = [entry for entry in profile.getstats() if isinstance(entry.code, CodeType)]
    # A walk of the model is a generator in a generator for each level: its inner steps are not counted again.
    again = {
        inner.code: inner.callcount
        for entry in stats
        if entry.code in _WALK
        for inner in entry.calls or ()
        if inner.code is entry.code
    }
    calls = {entry.code: entry.callcount - again.get(entry.code, 0) for entry in stats}
    counts = {name: sum(calls.get(code, 0) for code in codes) for name, codes in COUNTERS.items()}
    # Parameters are visited module by module: these walks are a part of their count.
    inside = [
        inner.callcount
        for entry in stats
        if entry.code in _MEMBERS
        for inner in entry.calls or ()
        if inner.code in _WALK
    ]
    counts["modules visited"] -= sum(inside)
    counts["parameters visited"] += sum(inside)
    return counts | {ALL: sum(calls.values())}


def grows_faster(counts: tuple[int, int, int], size: int, power: float) -> bool:
    """Whether what was counted at a size, its double and its fourfold grows faster than a power of the size.

    The increases are compared, in which what does not depend on the size is gone;
    a call more for each of the size's parts is no growth.
    """
    first, second, third = counts
    return third - second > 2**power * max(second - first, 0) + 2 * size


@contextmanager
def shallow() -> Iterator[None]:
    """Let functions call one another `FRAMES` deep at most, whatever the limit was."""
    before, frame, depth = sys.getrecursionlimit(), sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    sys.setrecursionlimit(depth + FRAMES)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
