"""Draws that depend on their seed and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def steady() -> Iterator[None]:
    """Let Hypothesis draw the same from the same seed, whatever modules are imported.

    Now and then it draws a constant that it has read in modules outside of
    site-packages: the same seed would draw other cases in a checkout than after an
    install, and other ones for each implementation.  There is no setting for that.
    """
    try:
        from hypothesis.internal.conjecture import providers
        from hypothesis.internal.constants_ast import Constants

        read, known, none = providers._get_local_constants, providers.CONSTANTS_CACHE.cache, Constants()
    except (ImportError, AttributeError):  # a release that reads no constants
        yield
        return
    providers._get_local_constants = lambda: none
    known.clear()
    try:
        yield
    finally:
        providers._get_local_constants = read
        known.clear()
