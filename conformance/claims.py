"""What an implementation says that it supports, in an attribute named ``CONFORMANCE``.

That is a dict with exactly the keys ``features``, ``torch``, ``name`` and ``version``, or any object with attributes of
those names. What they hold is told at `Claims`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from observance.conformance.usage import MISSING, UsageError, attribute, names

SHIPPED_REGISTERS = ("torch", "torchao")
"""The implementations whose register of known deviations comes with the suite."""

FEATURES: dict[str, str] = {
    "static": "Activations are observed, to be quantized with parameters that are known before the model runs.",
    "dynamic": "Activations are quantized with parameters that are chosen while the model runs.",
    "weight-only": "Weights are quantized and activations stay float.",
    "fp16": "Activations or weights are to become float16, statically or dynamically.",
    "dict-configs": "The configs may be given as dicts in place of objects.",
    "backend-configs": "Backend configs other than the ones that PyTorch ships are obeyed.",
    "quantized-inputs": "Inputs and outputs of the graph may be declared as quantized already.",
    "regex-selectors": "A qconfig mapping may select modules by a regular expression on their names.",
    "standalone-modules": "Modules that the custom config declares as standalone are prepared by themselves.",
    "custom-modules": "Modules of classes that have an observed class are swapped for it.",
    "qat": "The model may be prepared for quantization-aware training, for which modules are swapped.",
    "order-selectors": "A qconfig mapping may select a call by module name, object type and index.",
    "convert": "The prepared model can be given to PyTorch's convert_fx.",
    "equalization": "Equalization qconfigs are obeyed: the inputs and weights of linear layers and convolutions.",
    "annotations-pt2e": "Annotations on the nodes are obeyed alone, as torchao's `prepare` does.",
    "annotations-fx": "Annotations beside qconfigs are obeyed, as torch's `prepare` did until torchao took them over.",
    "other-devices": "Models may be on another device than the CPU; the suite uses the meta device.",
}
"""What an implementation may claim: the name of each feature and one sentence that says what it is."""

PT2E = "annotations-pt2e"
"""The profile of annotated graphs, which is a feature, too."""

FX = "annotations-fx"
"""The profile of annotated models with qconfigs, which is a feature, too."""

QUANTIZER, BACKEND_CONFIG = "quantizer", "backend-config"
"""The profiles of what is brought in place of a `prepare`."""

_CLAIM_KEYS = ("features", "torch", "name", "version")


@dataclass(frozen=True)
class Claims:
    """What an implementation says about itself, in an attribute named ``CONFORMANCE``.

    Attributes
    ----------
    features : frozenset of str, or None
        The names of `FEATURES` that it supports; None for all of them.
    torch : tuple of two str, or None
        The first and the last release of torch that it supports; ``("2.5", "2.13")`` holds every 2.13.x. None for all.
    name, version : str
        What it is called in reports.
    """

    features: frozenset[str] | None
    torch: tuple[str, str] | None
    name: str
    version: str

    def supports(self, feature: str) -> bool:
        """Whether `feature` is claimed; a feature that is not in `FEATURES` is a `ValueError`."""
        if feature not in FEATURES:
            raise ValueError(f"{feature!r} is no feature; the features are {names(FEATURES)}.")
        return self.features is None or feature in self.features

    def supports_torch(self, version: str) -> bool:
        """Whether `version` of torch, such as ``"2.13.0+cpu"``, is within the releases that are claimed."""
        if self.torch is None:
            return True
        first, last = (release(bound) for bound in self.torch)
        running = release(version)
        return first <= running and running[: len(last)] <= last


def read_claims(declared: Any, place: str) -> Claims:
    """Turn a declaration, a mapping or an object, into `Claims`; a malformed one is a `UsageError` about `place`."""
    if isinstance(declared, Mapping):
        values = dict(declared)
        unknown = [key for key in values if key not in _CLAIM_KEYS]
        if unknown:
            raise UsageError(f"{place} has the unknown keys {names(unknown)}: its keys are {names(_CLAIM_KEYS)}.")
    else:
        values = {key: value for key in _CLAIM_KEYS if (value := attribute(declared, key)) is not MISSING}
    missing = [key for key in _CLAIM_KEYS if key not in values]
    if missing:
        raise UsageError(
            f"{place} lacks {names(missing)}: make it a dict with the keys {names(_CLAIM_KEYS)}, "
            f"or an object with those attributes."
        )
    for key in ("name", "version"):
        if not isinstance(values[key], str) or not values[key].strip():
            raise UsageError(f"{place} gives {values[key]!r} as `{key}`: make it a string that is not empty.")
    features = _read_features(values["features"], place)
    return Claims(features, _read_torch(values["torch"], place), values["name"], values["version"])


def _read_features(value: Any, place: str) -> frozenset[str] | None:
    """Check the features that are claimed."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise UsageError(f"{place} gives {value!r} as `features`: make it None, for all, or a set of names.")
    features = list(value)
    unknown = [feature for feature in features if feature not in list(FEATURES)]
    if unknown:
        raise UsageError(f"{place} claims {names(unknown)}: the features are {names(FEATURES)}.")
    return frozenset(features)


def _read_torch(value: Any, place: str) -> tuple[str, str] | None:
    """Check the releases of torch that are claimed."""
    match value:
        case None:
            return None
        case (str(first), str(last)) if release(last) and () < release(first)[: len(release(last))] <= release(last):
            return first, last
        case _:
            raise UsageError(
                f"{place} gives {value!r} as `torch`: make it None, for every release, "
                f'or the first and the last one, as in `("2.5", "2.13")`.'
            )


def release(version: str) -> tuple[int, ...]:
    """Read the numbers that a version starts with: ``(2, 13, 0)`` for ``"2.13.0+cpu"``, () if there are none."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()
