"""What upstream's issue trackers report of `prepare` since 2021, in our own words, each with the fault put back.

Each chapter has a module of its own, which enters its reports.  A report has a small case and changes
of the reference (see `observance.conformance.variants`) that decide as wrongly as was reported: a rule
of the suite must tell.  `tests.history_table` writes them down in docs/history.md.
"""

from __future__ import annotations

from . import (  # noqa: F401 - they enter their reports
    backends,
    declared,
    devices,
    dtypes,
    effects,
    equalization,
    modules,
    patterns,
    placement,
    qat,
    qconfigs,
    scale,
    sharing,
)
from .registry import REPORTS, UPSTREAM, Report

__all__ = ["REPORTS", "UPSTREAM", "Report"]
