"""A failure as a part of a certificate: the case, what was found, and pictures of both results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from observance.conformance import report
from observance.conformance.command.diagrams import of_prepared
from observance.conformance.command.drawing import svg
from observance.conformance.evidence.identity import Plain
from observance.conformance.outcomes import Calls
from observance.conformance.rules import Finding
from observance.conformance.usage import printable, told
from observance.strategies import Case

if TYPE_CHECKING:
    from observance.conformance.hearing import Hearing
    from observance.conformance.judge import Judge
    from observance.conformance.verdict import Verdict

SHOWN = 20
"""The most places of one failure that are written down."""

_WIDTH = 2_000
"""The most characters of one text."""


def failure_of(judge: Judge, verdict: Verdict) -> Plain | None:
    """Return what is known of a rule's failure; None if there is none."""
    if verdict.error is not None:
        return {"error": told(verdict.error)}
    if verdict.case is None:
        return None
    try:
        return judge.apart.ask(_described, verdict.case, verdict.findings)
    except Exception as error:  # what an implementation returns may fail on being looked at
        return {"error": told(error)}


def _described(judge: Hearing, case: Case, findings: Sequence[Finding]) -> Plain:
    """Return a failure with its case, its places, and its pictures."""
    pair = findings[0].cases
    shown = pair[0] if pair else case
    found = [
        {name: printable(getattr(f, name), _WIDTH) for name in ("place", "expected", "found", "because")}
        for f in findings
    ]
    return {
        "case": json.loads(case.to_json()),
        "digest": case.digest,
        "heading": report.heading(case),
        "code": _lines(report.readable(case)),
        "graph": _lines(report.graph_text(judge, shown, findings)),
        "findings": found[:SHOWN],
        "places": len(found),
        "pictures": {
            "expected": picture("Expected: the reference", judge.standard, shown),
            "found": picture(f"Found: {printable(judge.implementation.name)}", judge.calls, shown),
        },
    }


def picture(heading: str, calls: Calls, case: Case) -> str | None:
    """Return what an implementation makes of a case as SVG; None if it makes nothing that can be drawn."""
    prepared = calls.outcome(case).prepared
    if prepared is None:
        return None
    try:
        return svg(of_prepared(heading, prepared))
    except Exception:  # what an implementation returns may be no graph at all
        return None


def _lines(text: str) -> list[str]:
    """Return the lines of a text, each of them printable."""
    return [printable(line, _WIDTH) for line in text.split("\n")]
