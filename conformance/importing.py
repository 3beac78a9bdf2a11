"""Importing a module that may do anything: in a process of its own first, which it may end."""

from __future__ import annotations

import faulthandler
import importlib
import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import NoReturn

from observance.conformance.isolation import CAN_FORK, HERE, fork, how_it_ended
from observance.conformance.usage import UsageError, told

_IMPORTED = 77
"""The exit code of a process that is still there when it has imported a module; no other one is likely to be this."""


def import_strange(name: str) -> ModuleType | None:
    """Import a module that may do anything; None if it does not exist.

    Raises
    ------
    UsageError
        If it raises while it is imported, or ends the process that imports it.
    """
    ending = _ending_of(name)
    if ending is not None:
        raise UsageError(
            f"The module `{name}` exists, but the process that imports it {ending}: "
            f"run `python -X faulthandler -c 'import {name}'` to see where, and mend it."
        )
    return import_known(name)


def import_known(name: str) -> ModuleType | None:
    """Import a module; None if it does not exist.

    Raises
    ------
    UsageError
        If it raises while it is imported.
    """
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A module that is there, but imports one that is not, raises the same type; only the name tells them apart.
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is not None and f"{name}.".startswith(f"{absent}."):
            return None
        raise UsageError(
            f"The module `{name}` exists, but importing it raised {told(error)}: "
            f"run `python -c 'import {name}'` to see where, and mend it."
        ) from error


def _ending_of(name: str) -> str | None:
    """Return how a process ends that imports a module; None if it does not end of that.

    One that calls `os._exit` would end the whole run, and with a good exit code at that.
    """
    if name in sys.modules or not CAN_FORK or HERE.is_child:
        return None
    pid = fork()
    if pid == 0:
        _try(name)
    ended = os.waitid(os.P_PID, pid, os.WEXITED)
    if ended is None or (ended.si_code == os.CLD_EXITED and ended.si_status == _IMPORTED):
        return None
    return how_it_ended(ended)


def _try(name: str) -> NoReturn:
    """Import a module, unseen and unheard; it is imported once more where it is told what went wrong."""
    faulthandler.disable()
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    with suppress(BaseException):
        importlib.import_module(name)
    os._exit(_IMPORTED)
