"""The state of a process that every library shares: what a call of `prepare` may leave changed behind it.

A call that changes it changes what the next one does.  `settings` are what torch and Python let be set;
`Definitions` are the functions and classes of torch and of the suite, which can be replaced by others.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from observance.conformance.usage import printable

WATCHED = ("torch.fx", "torch.ao", "torch.nn", "torch.functional", "observance")
"""Where functions and classes are looked at: in torch itself, in these packages, and in those below them."""

_TORCHS_OWN = ("TORCH", "TRITON")
"""How the names of variables begin that torch sets when a part of it is imported."""

_OWN_DOING = (("torch.fx.graph_module", "_CodeOnlyModule"),)
"""What torch itself replaces: a class that gets another `forward` whenever a graph is unpickled."""


def settings() -> dict[str, Any]:
    """Return what is set for the whole process, by what it is called.

    To draw random numbers, and to find what it imports, is a call's own affair.
    """
    return {
        "the default dtype": torch.get_default_dtype(),
        "the default device": torch.get_default_device(),
        "whether gradients are recorded": torch.is_grad_enabled(),
        "whether algorithms are deterministic": torch.are_deterministic_algorithms_enabled(),
        "the number of threads": torch.get_num_threads(),
        "the current folder": os.getcwd(),
        "the environment": {name: value for name, value in os.environ.items() if not name.startswith(_TORCHS_OWN)},
        "the limit of recursion": sys.getrecursionlimit(),
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return what is set otherwise than before, each with what it was and what it is, in words."""
    found = {}
    for name, value in after.items():
        if before[name] != value:
            found[name] = _words(before[name], value)
    return found


def _words(was: Any, now: Any) -> tuple[str, str]:
    """Return two different values in words: short ones as they are, and of a dict what differs."""
    if isinstance(was, dict):
        differing = sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
        was, now = ({key: values.get(key) for key in differing} for values in (was, now))
    first, second = (printable(repr(value), 80) for value in (was, now))
    return (first, second) if first != second and len(first) < 80 else ("as it was", "another one")


class Definitions:
    """The functions and classes of torch and of the suite, and what these define, as they are when this is made."""

    def __init__(self) -> None:
        self._spaces = dict(_spaces())
        self._ids = {name: _ids(space) for name, space in self._spaces.items()}
        self._kept = {name: dict(space) for name, space in self._spaces.items()}  # so that no id is used again

    def replaced(self) -> list[str]:
        """Return which of them are others now, by their whole names."""
        found = []
        for name, space in self._spaces.items():
            if _ids(space) != self._ids[name]:
                found += [f"{name}.{key}" for key, value in self._kept[name].items() if _is_replaced(space, key, value)]
        return found


def _spaces() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the names that the modules define, and those that the classes in them do, by where that is."""
    for name, module in list(sys.modules.items()):
        if name == "torch" or any(name == root or name.startswith(f"{root}.") for root in WATCHED):
            names = vars(module)
            yield name, names
            for key, value in list(names.items()):
                if isinstance(value, type) and value.__module__ == name and (name, key) not in _OWN_DOING:
                    yield f"{name}.{key}", vars(value)


def _ids(space: Mapping[str, Any]) -> tuple[int, ...]:
    """Return what tells whether anything is defined otherwise."""
    return tuple(map(id, space.values()))


def _is_replaced(space: Mapping[str, Any], name: str, was: object) -> bool:
    """Whether a name stood for a function or a class, and stands for something else now."""
    now = space.get(name)
    return callable(was) and not name.startswith("__") and now is not was and not _is_wrapped_by_torch(now, was)


def _is_wrapped_by_torch(now: Any, was: object) -> bool:
    """Whether a function is torch's own wrapper of what was there: torch makes some when a part of it is imported."""
    code = getattr(now, "__code__", None)
    return callable(now) and inspect.unwrap(now) is was and code is not None and code.co_filename.startswith(_TORCH)


_TORCH = os.path.dirname(torch.__file__)
"""Where the files of torch are."""


def memory() -> int:
    """Return how many bytes of memory the process holds; 0 where the system does not say."""
    return _pages(1) * _PAGE


def address_space() -> int:
    """Return how many bytes the process has asked for, whether it holds them or not; 0 where nobody says."""
    return _pages(0) * _PAGE


_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 1


def _pages(number: int) -> int:
    """Return a number of those that Linux tells of a process's memory."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[number])
    except (OSError, ValueError):
        return 0
