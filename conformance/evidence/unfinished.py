"""Runs that were interrupted: what they counted stays, and ``--resume`` goes on from there.

What is counted is kept in a folder whose name is the digest of all that it depends on: the suite, the implementation's
files, the releases, the cases, the rules, and what is excused.  A run that is other in any of these finds nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        "cases": [judge.count, judge.start, judge.effort.name, len(judge.recorded) and corpus.digest()],
        "shard": [judge.split.number, judge.split.of],
        "options": options,
    }
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()
    return judge.folder / FOLDER / digest[:16]


def begin(folder: Path, resume: bool) -> None:
    """Take away what an earlier run counted, unless this one goes on with it.

    Raises
    ------
    UsageError
        If there is nothing to go on with.
    """
    if not resume:
        forget(folder)
    elif not folder.is_dir():
        raise UsageError(
            f"there is nothing in {printable(folder.parent.as_posix())} to go on with: no run with these options, "
            "files and releases was interrupted; leave --resume out."
        )


def forget(folder: Path) -> None:
    """Take away what a run counted; what somebody holds open stays."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # others are in them, or there are none
        folder.parent.rmdir()
        folder.parent.parent.rmdir()
