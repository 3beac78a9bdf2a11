"""The register of known deviations: what an entry is, and how a register is found."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from observance.conformance.claims import SHIPPED_REGISTERS as SHIPPED
from observance.conformance.claims import release
from observance.conformance.usage import UsageError, names
from observance.conformance.variants import Change, changed
from observance.strategies import Case, CaseError


@dataclass(frozen=True)
class Deviation:
    """One thing that an implementation is known to do otherwise.

    Its predicate is executable: the deviation explains what the reference does
    too, once it makes these ``changes``.  A failure is excused if the changed
    reference breaks the same rule, at the same place, with the same result, and
    not otherwise.

    Attributes
    ----------
    id
        A few words joined by hyphens.
    rules
        The rules that its pinned case breaks.
    cause
        What the implementation does, and where.
    origin
        What the implementation's own documentation says instead.
    changes
        The decisions of the reference, made as the implementation makes them.
    first, last
        The releases that have it, of the library that the register is about; ``last`` is None while it lasts.
    torch
        The first release of torch with which it shows, where the register is about another library.
    folder
        Where ``<id>.json`` holds the pinned case: the smallest that shows it.
    """

    id: str
    rules: tuple[str, ...]
    cause: str
    origin: str
    changes: tuple[Change, ...]
    first: str = "2.5"
    last: str | None = None
    torch: str = "2.5"
    folder: Path = Path(__file__).parent / "cases"

    @property
    def path(self) -> Path:
        """Where its pinned case lies."""
        return self.folder / f"{self.id}.json"

    @cached_property
    def pinned(self) -> Case:
        """The smallest case that shows it.

        Raises
        ------
        UsageError
            If the file is missing or is no case.
        """
        try:
            return Case.from_json(self.path.read_text())
        except (OSError, CaseError) as error:
            raise UsageError(
                f"the pinned case of the deviation {self.id!r} cannot be read from {self.path}: {error}; "
                "write it there with Case.to_json()."
            ) from error

    def is_for(self, profile: str) -> bool:
        """Whether it matters in a profile: one of qconfigs alone does, and one that is not pinned yet may."""
        return not self.path.exists() or self.pinned.profile in ("", profile)

    def is_in(self, version: str) -> bool:
        """Whether a release has it."""
        running = release(version)
        late = self.last is not None and running[: len(release(self.last))] > release(self.last)
        return release(self.first) <= running and not late


@dataclass(frozen=True)
class Register:
    """The known deviations of one implementation."""

    name: str
    entries: tuple[Deviation, ...]
    library: str = "torch"

    def at(self, version: str) -> Register:
        """Return the register with the entries that a release of its library has."""
        return replace(self, entries=tuple(e for e in self.entries if e.is_in(version)))

    def active(self) -> Register:
        """Return the register with the entries that the installed releases of its library and of torch have."""
        here = self.at(importlib.metadata.version(self.library))
        torch = release(importlib.metadata.version("torch"))
        return replace(here, entries=tuple(entry for entry in here.entries if release(entry.torch) <= torch))

    def within(self, profile: str) -> Register:
        """Return the register with the entries that matter in a profile."""
        return replace(self, entries=tuple(e for e in self.entries if e.is_for(profile)))

    def entry(self, name: str) -> Deviation:
        """Return the entry with an id."""
        return next(entry for entry in self.entries if entry.id == name)

    def without(self, entry: Deviation) -> Register:
        """Return the register without one entry."""
        return replace(self, entries=tuple(other for other in self.entries if other is not entry))

    @property
    def changes(self) -> Sequence[Change]:
        """All changes of all entries, in order."""
        return [change for entry in self.entries for change in entry.changes]


def load(name: str) -> Register:
    """Return a register: a shipped one, by name, or the ``REGISTER`` of a Python file.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name in SHIPPED:
        register: Register = importlib.import_module(f"observance.conformance.deviations.{name}").REGISTER
        return register
    path = Path(name)
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(
            f"there is no register of deviations {name!r}: give the name of a shipped one "
            f"({', '.join(SHIPPED)}) or the path of a Python file that defines REGISTER."
        )
    return _from_file(path)


def _from_file(path: Path) -> Register:
    """Return the ``REGISTER`` of a Python file."""
    name = f"observance_register_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be loaded as Python; give a file that defines REGISTER.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(
            f"the register {path} cannot be loaded ({type(error).__name__}: {error}); mend it first."
        ) from error
    register = getattr(module, "REGISTER", None)
    if not isinstance(register, Register):
        raise UsageError(f"{path} defines no REGISTER; define one with observance's Register(...).")
    return register


def check(register: Register) -> None:
    """Raise a `UsageError` unless every entry has a pinned case, names rules, and changes what is there."""
    from observance.conformance.rules import RULES, import_rules

    import_rules()
    for entry in register.entries:
        entry.pinned  # noqa: B018 - it is read from its file here, and kept
        unknown = [name for name in entry.rules if name not in RULES]
        if unknown:
            raise UsageError(
                f"the deviation {entry.id!r} of the register {register.name!r} names {names(unknown)}, "
                "which is no rule; docs/rules.md lists them."
            )
        try:
            with changed(entry.changes):
                pass
        except (AttributeError, ImportError) as error:
            raise UsageError(
                f"the deviation {entry.id!r} of the register {register.name!r} changes what is not there "
                f"({error}); name a function of the reference, such as 'placement.fitting'."
            ) from error
