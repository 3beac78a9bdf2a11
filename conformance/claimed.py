"""Whether an implementation claims all that a case has."""

from __future__ import annotations

from observance.conformance.implementations import Implementation
from observance.conformance.outcomes import is_fusible
from observance.strategies import Case
from observance.strategies.features import features

_NEEDS = {
    "static qconfig": "static",
    "dynamic qconfig": "dynamic",
    "weight-only qconfig": "weight-only",
    "own backend config": "backend-configs",
    "quantized input": "quantized-inputs",
    "regex selector": "regex-selectors",
    "order selector": "order-selectors",
    "configs as dicts": "dict-configs",
    "standalone module": "standalone-modules",
    "prepared module": "standalone-modules",
    "prepared as standalone": "standalone-modules",
    "custom module": "custom-modules",
    "quantization-aware training": "qat",
    "quantized output": "quantized-inputs",
    "equalization": "equalization",
    "other device": "other-devices",
    "two devices": "other-devices",
}
"""For what a case may have, the feature that must be claimed."""


def needs_of(case: Case) -> set[str]:
    """Return what must be claimed by an implementation that is to prepare a case."""
    needed = {_NEEDS[name] for name in features(case) if name in _NEEDS}
    return needed | {"fp16"} if "float16" in case.to_json() else needed


def is_claimed(case: Case, implementation: Implementation) -> bool:
    """Whether an implementation claims to support all that a case has."""
    standalone = case.is_standalone and implementation.shape == "prepare_fx"  # which has no argument for that
    claimed = not standalone and all(map(implementation.supports, needs_of(case)))
    return claimed and is_fusible(case, implementation.shape == "prepare_fx")
