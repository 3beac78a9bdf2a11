"""One saboteur for each rule: the reference, broken in just the respect that the rule is about.

Each chapter has a module of its own, which enters its saboteurs.  Each is a list of changes (see
`observance.conformance.variants`); what it does is told by the docstring of its function.
"""

from __future__ import annotations

from . import (  # noqa: F401 - they enter their saboteurs
    annotated,
    backends,
    declared,
    devices,
    dtypes,
    effects,
    entry,
    equalization,
    modules,
    patterns,
    placement,
    qat,
    qconfigs,
    refusals,
    scale,
    sharing,
    state,
)
from .registry import SABOTEURS

__all__ = ["SABOTEURS"]
