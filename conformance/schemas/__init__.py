"""The published schemas of the files that the suite reads, and what is wrong with a file by its schema."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from observance.conformance.usage import printable


@functools.cache
def schema(file: str) -> Any:
    """Return a published schema."""
    return json.loads((Path(__file__).parent / file).read_text(encoding="utf-8"))


@functools.cache
def _validator(file: str, part: str) -> Draft202012Validator:
    """Return what checks one part of a schema."""
    whole = schema(file)
    return Draft202012Validator({"$schema": whole["$schema"], "$defs": whole["$defs"], "$ref": f"#/$defs/{part}"})


def complaint(file: str, part: str, value: Any) -> str | None:
    """Return what is wrong with a value by a part of a schema, in a few words; None if nothing is."""
    try:
        found = best_match(_validator(file, part).iter_errors(value))
    except RecursionError:
        return "it is nested too deeply"
    if found is None:
        return None
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in found.absolute_path).lstrip(".")
    return printable(f"{place}: {found.message}" if place else found.message)
