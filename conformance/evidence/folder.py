"""The folder of a certificate: which files are in it, how they are written, and how they are read back.

====================================  =================================================================
``certificate.json``                  the certificate; all other files are made from it
``certificate.html``                  the same to look at; it needs no network
``junit.xml``                         the same for a CI server
``badge.svg``                         the same in two words
``failures/RULE-DIGEST.json, .py``    each failing case, as a file for ``--case`` and as a script
``manifest.json``                     the digests of these files
====================================  =================================================================

What is read may come from anywhere: it is data, is held against a schema, and is never executed.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from observance.conformance.evidence.document import FORMAT, VERSION
from observance.conformance.evidence.identity import Plain
from observance.conformance.evidence.page import badge, html, junit
from observance.conformance.usage import UsageError, printable
from observance.strategies import Case, script

CERTIFICATE, PAGE, MANIFEST = "certificate.json", "certificate.html", "manifest.json"

LARGEST = 256 << 20
"""A file that has more bytes is not read."""


def check_new(folder: Path) -> None:
    """Raise a `UsageError` unless a folder is empty, or can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"nothing can be written to {printable(str(folder))} ({printable(str(error))}); name another folder."
        ) from error
    if not is_empty:
        raise UsageError(f"the folder {printable(str(folder))} is not empty; name a new one: nothing is overwritten.")


def contents(made: Plain) -> dict[str, bytes]:
    """Return all files of a certificate but the manifest: their names, and what is in them.

    Raises
    ------
    CaseError
        If a failing case is none.
    """
    texts = {
        CERTIFICATE: json.dumps(made, indent=1) + "\n",
        PAGE: html(made),
        "junit.xml": junit(made),
        "badge.svg": badge(made),
    }
    for rule in made["rules"]:
        failure = rule["failure"]
        if failure and "case" in failure:
            case, name = Case.from_json(json.dumps(failure["case"])), f"failures/{rule['id']}-{failure['digest']}"
            texts |= {f"{name}.json": case.to_json() + "\n", f"{name}.py": script(case)}
    return {name: text.encode("utf-8", "backslashreplace") for name, text in texts.items()}


def write(made: Plain, folder: Path) -> None:
    """Write a certificate and its manifest into a folder; a place where that cannot be done is a `UsageError`."""
    found = contents(made)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}
    manifest = {"format": "observance manifest", "version": VERSION, "files": digests}
    try:
        for name, content in (found | {MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode()}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"the certificate cannot be written to {printable(str(folder))} ({printable(str(error))}); "
            "name another folder."
        ) from error


def read(folder: Path) -> Plain:
    """Return the certificate in a folder.

    Raises
    ------
    UsageError
        If there is none, it is damaged, it is another kind of file, or this release cannot read it.
    """
    if folder.is_file():
        raise UsageError(f"{printable(str(folder))} is a file; name the folder that --certify wrote.")
    return read_document(folder / CERTIFICATE, FORMAT, "certificate.schema.json")


def read_manifest(folder: Path) -> dict[str, str]:
    """Return the digests in the manifest of a folder; raises as `read` does."""
    found = read_document(folder / MANIFEST, "observance manifest", "manifest.schema.json")
    return dict(found["files"])


def read_document(path: Path, form: str, schema: str) -> Plain:
    """Return a JSON document of a format, which fits its schema; raises as `read` does."""
    where = printable(str(path))
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{where} has more than {LARGEST >> 20} MiB, which no {form} has; name another one.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = printable(str(error.strerror or error))
        raise UsageError(f"{where} cannot be read ({reason}); name a folder that --certify wrote.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is damaged ({printable(str(error))}); fetch it again.") from error
    if not isinstance(found, dict) or found.get("format") != form:
        raise UsageError(f"{where} is no {form}; name a folder that --certify wrote.")
    if found.get("version") != VERSION:
        said = printable(str(found.get("version")))
        raise UsageError(
            f"{where} is of version {said}, and this release reads version {VERSION}; use the release that wrote it."
        )
    _check(found, schema, where)
    return found


def _check(found: Plain, schema: str, where: str) -> None:
    """Raise a `UsageError` unless a document fits a schema."""
    try:
        error = jsonschema.exceptions.best_match(validator(schema).iter_errors(found))
    except RecursionError:
        raise UsageError(f"{where} is damaged (it is nested too deeply); fetch it again.") from None
    if error is not None:
        raise UsageError(
            f"{where} is damaged (at {printable(error.json_path)}: {printable(error.message)}); fetch it again."
        )


@cache
def validator(schema: str) -> jsonschema.Draft202012Validator:
    """Return what holds documents against a published schema."""
    return jsonschema.Draft202012Validator(schema_text(schema))


def schema_text(name: str) -> Any:
    """Return a published schema."""
    return json.loads(files("observance.conformance.evidence").joinpath("schemas", name).read_text(encoding="utf-8"))
