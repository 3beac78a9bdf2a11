"""The implementation under test: what `--impl` names, how it is found, how it is called, and what it claims.

`resolve` is the way in. A spec is one of

=====================  ================================================================================================
``torch``              PyTorch's own `prepare`, from the torch that is installed (reserved: never a vendor's)
``torchao``            torchao's `prepare` of annotated graphs (reserved, too)
``reference``          `observance.reference.prepare` (reserved, too)
``acme``               an entry point of that name in the group ``observance.implementations``
``mypkg.sub``          a module with a function `prepare`, or else a submodule `prepare` with one, or else
                       `prepare_fx` or `prepare_pt2e`
``mypkg:back.prepare`` any object in a module
=====================  ================================================================================================

An entry point wins over a module of the same name, because somebody declared it for this very purpose;
``module:object`` passes the entry points by. Modules in the folder where the suite is started are importable, and win
over installed ones, as they do for ``python -m``: `resolve` puts that folder first in `sys.path`, unless it is there.

Whatever goes wrong on the way is a `UsageError`: one sentence that says what is wrong and what to do.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from observance.conformance.claims import FEATURES, FX, PT2E, QUANTIZER, Claims, read_claims, release
from observance.conformance.importing import import_known, import_strange
from observance.conformance.shapes import PROFILES, Shape, shape_of
from observance.conformance.usage import MISSING, UsageError, attribute, label, names, printable

__all__ = ["ENTRY_POINTS", "FEATURES", "OLDEST_TORCH", "Claims", "Implementation", "Shape", "UsageError", "resolve"]

ENTRY_POINTS = "observance.implementations"
"""The group of entry points in which vendors give their implementations a name."""

OLDEST_TORCH = (2, 5)
"""The oldest torch that the suite runs on."""

_WITHOUT_ANNOTATIONS = (2, 7)
"""The first torch whose `prepare` raises NotImplementedError where a node of the graph is annotated."""

_WIDEST_NAME = 60
"""A longer name, or version, is cut where it is told."""

_RESERVED = {
    "torch": "torch.ao.quantization.fx.prepare",
    "torchao": "torchao.quantization.pt2e.prepare",
    "reference": "observance.reference",
}

_ANNOTATED_REFERENCE = "observance.reference.annotations"


@dataclass(frozen=True)
class Implementation:
    """A `prepare` that can be tested.

    Attributes
    ----------
    name, version : str
        What it is called in reports.
    function : callable
        What is called.
    shape : {"prepare", "prepare_fx", "prepare_annotated", "prepare_pt2e", "quantizer", "backend_config"}
        Which arguments `function` is called with.
    claims : Claims
        What it says it supports; everything, if it says nothing.
    is_annotated : bool
        Whether the models with qconfigs that it is called with are annotated.
    """

    name: str
    version: str
    function: Callable[..., Any]
    shape: Shape
    claims: Claims
    is_annotated: bool = False

    @property
    def profile(self) -> str:
        """What tells it how to quantize: annotations, or qconfigs alone; or that it is itself what tells."""
        return PROFILES.get(self.shape, FX if self.is_annotated else "")

    def supports(self, feature: str) -> bool:
        """Whether the implementation claims `feature`; a feature that is not in `FEATURES` is a `ValueError`.

        One whose call does not say whether it is for quantization-aware training never claims that.
        """
        claimed = self.claims.supports(feature)
        return claimed and (feature != "qat" or self._is_told_of_training)

    @property
    def _is_told_of_training(self) -> bool:
        """Whether the call says if the model is to be trained."""
        told = self.shape not in ("prepare_fx", "prepare_pt2e")
        return bool(getattr(self.function, "is_told_of_training", told))


@dataclass(frozen=True)
class _Found:
    """The object that a spec led to, where that is, and the objects that it was found in, from the nearest outwards."""

    module: str
    path: str
    value: Any
    holders: tuple[Any, ...]

    @property
    def place(self) -> str:
        return f"{self.module}:{self.path}"


def resolve(spec: str, profile: str = "") -> Implementation:
    """Find the implementation that `spec` names.

    Parameters
    ----------
    spec : str
        The value of ``--impl``; the module's docstring lists its forms.
    profile : str
        What is to tell it how to quantize: the reference has a `prepare` of its own for annotations alone.

    Returns
    -------
    Implementation

    Raises
    ------
    UsageError
        If there is none, it cannot be imported or called as the suite calls it, its ``CONFORMANCE`` is malformed, or
        torch is missing or too old.
    """
    _require_torch()
    annotated = spec == "reference" and profile in (PT2E, QUANTIZER)
    found = _callable(_find(_ANNOTATED_REFERENCE if annotated else spec))
    made = _implementation(spec, found, found.value, shape_of(found.value, found.place))
    return _obeying(made, spec, profile)


def resolve_brought(
    spec: str, shape: Shape, bring: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Implementation:
    """Find what is brought in place of a `prepare`: a function that makes it, at ``module:object``.

    Parameters
    ----------
    spec : str
        Where it is.
    shape : {"quantizer", "backend_config"}
        What it makes.
    bring : callable
        What is called with the arguments of a case, made from the function that was found.

    Raises
    ------
    UsageError
        As `resolve`.
    """
    _require_torch()
    if ":" not in spec:
        raise UsageError(f"`{printable(spec)}` names no object in a module: write it as in `mypkg:MyQuantizer`.")
    _make_here_importable()
    found = _callable(_find_at(spec))
    return _implementation(spec, found, bring(found.value), shape)


def _callable(found: _Found) -> _Found:
    """Return what was found; what cannot be called is a `UsageError`."""
    if not callable(found.value):
        kind = type(found.value).__name__
        raise UsageError(
            f"`{found.place}` is of type `{kind}`, which cannot be called: "
            f"name a function, as in `mypkg:backend.prepare`."
        )
    return found


def _implementation(spec: str, found: _Found, function: Callable[..., Any], shape: Shape) -> Implementation:
    """Return what was found as an implementation, with what it claims."""
    claims = _claims(spec, found)
    name, version = (printable(text, _WIDEST_NAME) for text in (claims.name, claims.version))
    return Implementation(name, version, function, shape, claims)


def _obeying(found: Implementation, spec: str, profile: str) -> Implementation:
    """Return an implementation as it is called in a profile; one that obeys no annotations there is a `UsageError`."""
    if profile != FX or found.shape != "prepare":
        return found
    if spec == "torch" and release(_torch_version()) >= _WITHOUT_ANNOTATIONS:
        reason = f"The `prepare` of torch {_torch_version()} obeys no annotations"
        raise UsageError(f"{reason}: judge that of torch 2.5 or 2.6, or torchao's with --impl=torchao.")
    if not found.supports(FX):
        raise UsageError(f"{found.name} does not claim `{FX}`: leave --profile out, or let it claim that feature.")
    return replace(found, is_annotated=True)


# From a spec to an object.


def _find(spec: str) -> _Found:
    """Find the object that `spec` names: a reserved name, then an entry point, then a place in a module."""
    if spec in _RESERVED:
        return _find_reserved(spec)
    _make_here_importable()
    declared = _entry_point(spec)
    if declared is None:
        return _find_at(spec)
    try:
        return _find_at(re.sub(r"\s", "", declared.partition("[")[0]))  # what is in brackets are extras, for pip alone
    except UsageError as error:
        reason = str(error)
        raise UsageError(
            f"The entry point `{spec}`, which stands for `{declared}`, is broken: {reason[0].lower()}{reason[1:]}"
        ) from error


def _find_reserved(spec: str) -> _Found:
    """Find the `prepare` that a reserved name stands for; a release may have lost it."""
    name = _RESERVED[spec]
    module = import_known(name)
    if module is None:
        raise UsageError(
            f"`{spec}` stands for the module `{name}`, which is not there: "
            f"install a release of `{name.partition('.')[0]}` that has it."
        )
    return _prepare_of(module)


def _find_at(place: str) -> _Found:
    """Find the object at ``module`` or ``module:object``."""
    name, colon, path = place.partition(":")
    if not all(part.isidentifier() for part in [*name.split("."), *(path.split(".") if colon else [])]):
        raise UsageError(
            f"`{place}` names no implementation: write `torch`, `reference`, a module (`mypkg.sub`), an object in one "
            f"(`mypkg:backend.prepare`), or the name of an entry point in the group `{ENTRY_POINTS}`."
        )
    module = import_strange(name)
    if module is None:
        raise UsageError(
            f"There is no module `{name}`: check the spelling, install the package that holds it, "
            f"or start the suite in the folder that it lies in."
        )
    return _follow(module, path) if colon else _prepare_of(module)


def _follow(module: ModuleType, path: str) -> _Found:
    """Find the object that the attributes `path` of `module` lead to."""
    holders: list[Any] = [module]
    for name in path.split("."):
        value = attribute(holders[0], name)
        if value is MISSING:
            raise UsageError(
                f"`{module.__name__}:{path}` does not exist, because `{label(holders[0])}` has no attribute `{name}`: "
                f"check the spelling."
            )
        holders.insert(0, value)
    return _Found(module.__name__, path, holders[0], tuple(holders[1:]))


def _prepare_of(module: ModuleType) -> _Found:
    """Find the `prepare` of `module`: a function, or else one in a submodule `prepare`, or else `prepare_fx`."""
    name = module.__name__
    value = attribute(module, "prepare")
    if value is not MISSING and not isinstance(value, ModuleType):
        return _Found(name, "prepare", value, (module,))
    inner = import_strange(f"{name}.prepare") if value is MISSING else value
    if inner is not None and (value := attribute(inner, "prepare")) is not MISSING:
        return _Found(inner.__name__, "prepare", value, (inner, module))
    value = attribute(module, "prepare_fx")
    if value is not MISSING:
        return _Found(name, "prepare_fx", value, (module,))
    value = attribute(module, "prepare_pt2e")
    if value is not MISSING:
        return _Found(name, "prepare_pt2e", value, (module,))
    raise UsageError(
        f"The module `{name}` has neither `prepare` nor `prepare_fx` nor `prepare_pt2e`: "
        f"name the function to test, as in `{name}:my_prepare`."
    )


def _entry_point(name: str) -> str | None:
    """Find what the entry point `name` stands for; None if there is no such entry point.

    A distribution may be seen twice, so entry points that stand for the same thing are one.
    """
    declared = sorted({entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)})
    if len(declared) > 1:
        raise UsageError(
            f"Several installed packages declare the entry point `{name}`: "
            f"name the object that you mean instead, one of {names(declared)}."
        )
    return declared[0] if declared else None


def _make_here_importable() -> None:
    """Put the current folder first in `sys.path`, where it stays, unless it is in it already."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _require_torch() -> None:
    """Raise a `UsageError` if torch is missing or older than `OLDEST_TORCH`."""
    oldest = ".".join(map(str, OLDEST_TORCH))
    torch = import_known("torch")
    if torch is None:
        raise UsageError(f"torch is not installed: install `torch>={oldest}`.")
    if release(_torch_version()) < OLDEST_TORCH:
        raise UsageError(f"The suite does not run on torch {_torch_version()}: install `torch>={oldest}`.")


def _torch_version() -> str:
    """Return the release of the torch that is installed."""
    return str(sys.modules["torch"].__version__)


# What an implementation claims.


def _claims(spec: str, found: _Found) -> Claims:
    """Read the nearest ``CONFORMANCE``: the callable's own, then those of what it was found in, outwards.

    Without one everything is claimed, under the name that was asked for.
    """
    for holder in (found.value, *found.holders):
        declared = attribute(holder, "CONFORMANCE")
        if declared is not MISSING:
            return read_claims(declared, f"CONFORMANCE of `{label(holder)}`")
    return Claims(features=None, torch=None, name=spec, version=_version_of(found.module))


def _version_of(module: str) -> str:
    """Find the version of the package that `module` belongs to; ``"unknown"`` if it has none."""
    package = module.partition(".")[0]
    version = attribute(sys.modules[package], "__version__")
    if isinstance(version, str):
        return str(version)
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
