"""Certificates that are written here, without a run: one that certifies, and one that is refused."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from typing import Any

from observance.conformance.command.diagrams import Arrow, Box, Diagram
from observance.conformance.command.drawing import svg
from observance.conformance.evidence.document import FORMAT, VERSION, concluded
from observance.conformance.evidence.split import Tally
from observance.strategies.case import Call, Case, Entry, Mapping
from observance.strategies.features import FEATURES

LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(None, (Entry("global", "default_qconfig"),)))

_KEPT = Tally(cases=40, telling=12, places=31, excused=2)
_BROKEN = Tally(cases=40, telling=12, places=31, breaking=3, broken=(200, 7))


def _rule(id: str, tally: Tally, verdict: str, failure: Any = None) -> Any:
    """The record of a rule."""
    said = {"id": id, "level": "MUST", "sentence": f"What {id} says.", "verdict": verdict}
    return said | {"counts": json.loads(json.dumps(asdict(tally))), "failure": failure}


def _picture(heading: str) -> str:
    """A picture of two boxes."""
    boxes = {"x0": Box("end", ("x0", "input")), "linear_0": Box("operator", ("linear_0", "Linear"))}
    return svg(Diagram(heading, boxes, (Arrow("x0", "linear_0"),)))


_FAILURE = {
    "case": json.loads(LINEAR.to_json()),
    "digest": LINEAR.digest,
    "heading": "1 call",
    "code": ["class Model(nn.Module):", "    pass"],
    "graph": ["> x0 -> linear_0 (argument 0): no observer"],
    "findings": [
        {"place": "x0 -> linear_0 (argument 0)", "expected": "an observer", "found": "no observer", "because": "so"}
    ],
    "places": 23,
    "pictures": {"expected": _picture("Expected: the reference"), "found": _picture("Found: Acme")},
}

CERTIFIED: Any = concluded(
    {
        "format": FORMAT,
        "version": VERSION,
        "suite": {"name": "observance", "version": "0.1.0", "sha256": "a" * 64},
        "implementation": {
            "spec": "acme",
            "name": "Acme",
            "version": "1.2",
            "shape": "prepare",
            "features": ["static", "dynamic"],
            "torch": ["2.5", "2.13"],
            "files": [{"path": "acme/__init__.py", "sha256": "b" * 64}],
        },
        "environment": {"python": "3.11.7", "torch": "2.13.0", "hypothesis": "6.170", "platform": "Linux"},
        "run": {
            "level": "must",
            "register": {"name": "acme_deviations.py", "sha256": "c" * 64},
            "known_failures": None,
            "start": "2026-01-01T10:00:00Z",
            "end": "2026-01-01T10:09:00Z",
            "interrupted": False,
            "shard": None,
        },
        "cases": {
            "recorded": 50,
            "recorded_digest": "d" * 64,
            "recorded_unclaimed": 20,
            "fresh": 10,
            "fresh_wanted": 10,
            "fresh_unclaimed": 5,
            "seed": 3,
            "features": {name: number for number, name in enumerate(FEATURES)},
        },
        "rules": [
            _rule("ENTRY-1", _KEPT, "kept"),
            _rule("QCONFIGS-2", Tally(), "not claimed"),
            _rule("SHARING-3", _KEPT, "kept"),
        ],
        "waivers": [
            {
                "kind": "known deviation",
                "id": "nothing-dynamic",
                "reason": "acme's runtime has no dynamic kernels yet",
                "origin": "acme's manual, chapter 3",
                "rules": ["SHARING-3"],
                "state": "in force",
            }
        ],
    }
)
"""A certificate of a vendor."""

FAILED: Any = copy.deepcopy(CERTIFIED)
"""The same vendor, refused: one rule is broken, with pictures, one failed itself, and one is vacuous."""
FAILED["rules"] += [
    _rule("SHARING-4", _BROKEN, "broken", _FAILURE),
    _rule("SHARING-5", Tally(cases=2, failing=2, failed=(9, 0)), "error", {"error": "KeyError: 'x'"}),
    _rule("SHARING-6", Tally(cases=40), "vacuous"),
]
FAILED = concluded(FAILED)


def named(made: Any, text: str) -> Any:
    """A certificate in which everything that comes from a vendor is a text."""
    changed = copy.deepcopy(made)
    judged = changed["implementation"]
    judged |= {"name": text, "version": text, "spec": text, "features": [text], "torch": [text, text]}
    judged["files"] = [{"path": text, "sha256": "e" * 64}]
    changed["environment"] |= {"platform": text}
    changed["run"]["register"]["name"] = text
    for waiver in changed["waivers"]:
        waiver |= {"id": text, "reason": text, "origin": text, "rules": [text]}
    for rule in changed["rules"]:
        failure = rule["failure"] or {}
        if "error" in failure:
            failure["error"] = text
        elif failure:
            failure |= {"code": [text], "graph": [text], "heading": text}
            failure["findings"] = [dict.fromkeys(("place", "expected", "found", "because"), text)]
            failure["pictures"] = {"expected": text, "found": f"<svg xmlns='http://www.w3.org/2000/svg'>{text}</svg>"}
    return concluded(changed)
