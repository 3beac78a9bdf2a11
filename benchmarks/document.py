"""Writing a document that is made from results, or checking that it is what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_or_check(path: Path, wanted: str, arguments: Sequence[str]) -> bool:
    """Write a document; with `--check` among the arguments return whether it is what is wanted, and say so if not."""
    if "--check" not in arguments:
        path.write_text(wanted, encoding="utf-8")
        return True
    is_true = path.exists() and path.read_text(encoding="utf-8") == wanted
    print("" if is_true else f"{path.name} is not what the results say; write it again.")
    return is_true
