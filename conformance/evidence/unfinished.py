"""Runs that were interrupted: what they counted stays, and ``--resume`` goes on from there.

What is counted is kept in a folder whose name is the digest of all that it depends on: the suite, the implementation's
files, the releases, the cases, the rules, and what is excused.  A run that is other in any of these finds nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from observance.conformance import corpus
from observance.conformance.evidence import identity
from observance.conformance.usage import UsageError, printable

if TYPE_CHECKING:
    from observance.conformance.judge import Judge

FOLDER = "unfinished"
"""Where they are, in the folder of failures."""


def folder_of(judge: Judge, options: Any) -> Path:
    """Return where a run keeps what it has counted.

    Parameters
    ----------
    judge
        The judge of the run.
    options
        The options that say what is judged and what is excused, as plain data.
    """
    depends = {
        "suite": identity.suite(),
        "files": identity.files_of(judge.implementation),
        "environment": identity.environment(judge.profile),
        "cases": [judge.count, judge.start, judge.effort.name, corpus.digest()],
        "shard": [judge.split.number, judge.split.of],
        "options": options,
    }
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()
    return judge.folder / FOLDER / digest[:16]


class Counted:
    """The folder of one run, which no other uses while the run goes on.

    Parameters
    ----------
    folder
        Where the run would keep what it counts, as `folder_of` says.
    resume
        Whether it goes on with what is there.

    Raises
    ------
    UsageError
        If there is nothing to go on with, or another run is at it.
    """

    def __init__(self, folder: Path, resume: bool) -> None:
        if resume and not folder.is_dir():
            raise UsageError(
                f"there is nothing in {printable(folder.parent.as_posix())} to go on with: no run with these options, "
                "files and releases was interrupted; leave --resume out."
            )
        self.folder, self._lock = folder, FileLock(f"{folder}.lock", timeout=0)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            if resume:
                raise UsageError("the same run is under way in this folder; wait until it is over.") from None
            self.folder = folder.with_name(f"{folder.name}-{os.getpid()}")
        except OSError:  # where nothing can be written nobody else writes
            return
        if not resume:
            shutil.rmtree(self.folder, ignore_errors=True)

    def forget(self) -> None:
        """Take away what was counted, and the folders if nothing else is in them."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.let_go()
        with suppress(OSError):  # others are in them, or there are none
            self.folder.parent.rmdir()
            self.folder.parent.parent.rmdir()

    def let_go(self) -> None:
        """Let the next run have it."""
        if self._lock.is_locked:
            self._lock.release()
            with suppress(OSError):
                Path(self._lock.lock_file).unlink(missing_ok=True)
