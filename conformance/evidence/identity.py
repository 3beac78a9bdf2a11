"""What was judged, by what, and where: names, releases, and the digests of files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import torch

from observance.conformance.claims import PT2E, QUANTIZER
from observance.conformance.implementations import Implementation
from observance.conformance.usage import UsageError, printable

Plain = dict[str, Any]
"""A JSON object."""

ANNOTATING = ("torchao", "executorch")
"""The packages whose quantizers annotate what is drawn."""

_ROOMS = ("observance.conformance", "observance.reference", "observance.strategies")

_PARTS = {"torch": "torch/ao/quantization"}
"""Of these packages a part alone is looked at: all of torch is some gigabytes, and its release says what they are."""

_NOT_TOLD = {"torch", "observance", "conformance", "reference", "strategies"}
"""Packages that an implementation uses and that are told by their releases, or by the suite's digest."""


def suite() -> Plain:
    """Return the release of the suite, and one digest of all its files."""
    return {"name": "observance", "version": _release("observance") or "unknown", "sha256": _suite_digest()}


def _suite_digest() -> str:
    """Return the digest of the paths and digests of the suite's files."""
    whole = hashlib.sha256()
    for room in _ROOMS:
        folder = Path(sys.modules[room].__path__[0])
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                whole.update(f"{room}/{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return whole.hexdigest()


def environment(profile: str) -> Plain:
    """Return the releases on which the verdict on an implementation of a profile depends, and the machine."""
    drawn_with = {name: _release(name) for name in ANNOTATING} if profile in (PT2E, QUANTIZER) else {}
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hypothesis": hypothesis.__version__,
        **{name: release for name, release in drawn_with.items() if release is not None},
        "platform": platform.platform(),
    }


def _release(package: str) -> str | None:
    """Return the release of a package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def implementation(judged: Implementation, spec: str) -> Plain:
    """Return what an implementation is called, what it claims, and the digests of its files."""
    claims = judged.claims
    return {
        "spec": spec,
        "name": judged.name,
        "version": judged.version,
        "shape": judged.shape,
        "features": None if claims.features is None else sorted(claims.features),
        "torch": None if claims.torch is None else list(claims.torch),
        "files": files_of(judged),
    }


def files_of(judged: Implementation) -> list[Plain]:
    """Return the path and the digest of each file of the packages that an implementation consists of.

    These are the package in which its function is, and those that this function's
    module has imported, so that an adapter does not stand for what it adapts.

    Raises
    ------
    UsageError
        If a file cannot be read.
    """
    found: list[Plain] = []
    for package in sorted(_packages(judged)):
        top = Path(_place(package))
        base = top.parent
        paths = sorted(_files(base / _PARTS.get(package, ""))) if package in _PARTS else sorted(_files(top))
        found += [{"path": printable(_name(path, base), 400), "sha256": file_digest(path)} for path in paths]
    return found


def _packages(judged: Implementation) -> set[str]:
    """Return the names of the packages, or modules, that an implementation consists of."""
    function = getattr(judged.function, "make", judged.function)  # of what is brought, what makes it
    home = str(getattr(function, "__module__", None) or type(function).__module__)
    used = {_home_of(value) for value in vars(sys.modules[home]).values()} if home in sys.modules else set()
    own = {home.partition(".")[0]}
    others = {name.partition(".")[0] for name in used} - _NOT_TOLD - set(sys.stdlib_module_names)
    # The suite's own digest speaks of the suite, its reference included.
    return {name for name in (own | others) - {"observance"} if _place(name)}


def _home_of(value: object) -> str:
    """Return the name of the module that a value is, or that it was defined in."""
    if isinstance(value, ModuleType):
        return value.__name__
    home = getattr(value, "__module__", None)
    return home if isinstance(home, str) else ""


def _place(package: str) -> str:
    """Return the folder of a package, or the file of a module; "" if it has none."""
    module = sys.modules.get(package)
    path = getattr(module, "__path__", None)
    if path:
        return str(next(iter(path)))
    return str(getattr(module, "__file__", None) or "")


def _files(top: Path) -> Iterator[Path]:
    """Yield the regular files in a folder, or the one file, without what Python makes of them or links to folders."""
    if top.is_file():
        yield top
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = Path(folder, name)
            if path.suffix != ".pyc" and path.exists() and stat.S_ISREG(path.stat().st_mode):
                yield path


def _name(path: Path, base: Path) -> str:
    """Return a path below a folder, with slashes."""
    return path.relative_to(base).as_posix()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits; one that cannot be read is a `UsageError`."""
    whole = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                whole.update(block)
    except OSError as error:
        raise UsageError(
            f"the file {printable(str(path))} cannot be read ({printable(str(error))}); make it readable: "
            "a certificate says which files were judged."
        ) from error
    return whole.hexdigest()


def changed_files(then: Iterable[Plain], now: Iterable[Plain]) -> list[str]:
    """Return what happened to files since their digests were taken, a line for each that changed, came or went."""
    old, new = ({file["path"]: file["sha256"] for file in files} for files in (then, now))
    return [
        f"{path} {'is gone' if path not in new else 'is new' if path not in old else 'has changed'}"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]
