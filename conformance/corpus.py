"""The recorded corpus: cases that ship with the suite, the same on every machine and in every release of torch.

They lie in one file, JSON lines under gzip: a header, then a line for each case,
with the rules that it has been seen to tell.  `python -m tests.corpus_made`
writes it.  A case is data and is never executed but by what builds it.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observance.conformance.usage import UsageError, printable
from observance.strategies import Case, CaseError

FILE = Path(__file__).parent / "evidence" / "corpus.jsonl.gz"
"""Where the corpus lies."""

FORMAT, VERSION = "observance corpus", 1
"""What the header of the file says."""


@dataclass(frozen=True)
class Entry:
    """A recorded case, and the rules whose saboteurs it has been seen to give away."""

    case: Case
    tells: tuple[str, ...] = ()


@functools.cache
def recorded() -> tuple[Case, ...]:
    """Return the recorded cases, the most telling first.

    Raises
    ------
    UsageError
        If the file is missing or damaged, or is of a release that this one cannot read.
    """
    return tuple(entry.case for entry in read(FILE))


def telling() -> tuple[Case, ...]:
    """Return the recorded cases that tell a rule's saboteur, the most telling first: each rule has one among them.

    Raises
    ------
    UsageError
        As `recorded` does.
    """
    return tuple(sorted(_telling(), key=lambda case: -len(tells(case))))


def digest() -> str:
    """Return the SHA-256 of the recorded cases, in hexadecimal digits; raises as `recorded` does."""
    return hashlib.sha256(_body(FILE)).hexdigest()


def tells(case: Case) -> tuple[str, ...]:
    """Return the rules that a recorded case has been seen to tell; none for any other case."""
    return _telling().get(case, ())


@functools.cache
def _telling() -> dict[Case, tuple[str, ...]]:
    """Return the recorded cases that tell a rule's saboteur, in order, each with the rules that it tells."""
    return {entry.case: entry.tells for entry in _read(FILE, lambda line: bool(line["tells"]))}


def write(entries: Iterable[Entry], path: Path) -> None:
    """Write a corpus; the same entries give the same text, and the same bytes with one release of zlib."""
    lines = [json.dumps({"tells": list(e.tells), "case": json.loads(e.case.to_json())}) for e in entries]
    body = "".join(f"{line}\n" for line in lines).encode()
    header = {"format": FORMAT, "version": VERSION, "cases": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(gzip.compress(json.dumps(header).encode() + b"\n" + body, 9, mtime=0))


def read(path: Path) -> Sequence[Entry]:
    """Return the entries of a corpus file; raises as `recorded` does."""
    return _read(path)


def _read(path: Path, is_wanted: Callable[[Any], bool] = lambda line: True) -> list[Entry]:
    """Return the entries of a corpus file that are wanted, judged by their plain JSON: to make one takes longer."""
    try:
        lines = filter(is_wanted, map(json.loads, _body(path).splitlines()))
        return [Entry(Case.from_plain(line["case"]), tuple(map(str, line["tells"]))) for line in lines]
    except (ValueError, TypeError, KeyError, RecursionError, CaseError) as error:
        raise _damaged(path, f"a line is no case ({printable(str(error))})") from error


@functools.cache
def _body(path: Path) -> bytes:
    """Return the lines of a corpus file after its header, which are those that the header promises."""
    try:
        header, _, body = gzip.decompress(path.read_bytes()).partition(b"\n")
        said = json.loads(header)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise _damaged(path, printable(str(error))) from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise _damaged(path, "it is another kind of file")
    if said.get("version") != VERSION:
        raise UsageError(
            f"the corpus {printable(str(path))} is of version {printable(str(said.get('version')))}, and this release "
            f"reads version {VERSION}; use the release of observance that wrote it."
        )
    if hashlib.sha256(body).hexdigest() != said.get("sha256") or len(body.splitlines()) != said.get("cases"):
        raise _damaged(path, "its content is not the one that its header promises")
    return body


def _damaged(path: Path, reason: str) -> UsageError:
    """Return the error that a corpus file cannot be used."""
    return UsageError(f"the corpus {printable(str(path))} cannot be read ({reason}); install observance again.")
