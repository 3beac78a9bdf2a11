"""How long the suite looks for a smaller failure: faults are injected into torch's `prepare`, and caught.

    python benchmarks/suite/shrinking.py > OUT.json

The faults are the first that benchmarks/faults/results-torch.json knows to be caught, in the order that is used there.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch

FAULTS = Path(__file__).resolve().parents[1] / "faults"
sys.path.insert(0, str(FAULTS))

from injection import Fault, faults, in_order, with_fault  # noqa: E402

from observance.conformance.deviations.register import load  # noqa: E402
from observance.conformance.implementations import resolve  # noqa: E402
from observance.conformance.judge import Judge  # noqa: E402
from observance.conformance.rules import RULES, import_rules  # noqa: E402

COUNT = 8
"""Of so many faults the failures are made smaller."""


def main() -> None:
    """Print what it takes, as JSON."""
    warnings.simplefilter("ignore")
    import_rules()
    known = json.loads((FAULTS / "results-torch.json").read_text(encoding="utf-8"))
    register, cases = load("torch").at(torch.__version__).within(""), Judge(resolve("torch"), known["cases"]).corpus
    caught = [fault for fault in in_order(faults("torch")) if known["results"].get(fault.id, {}).get("rules")]
    found: dict[str, Any] = {}
    for fault in caught:
        judge = Judge(with_fault(resolve("torch"), fault), known["cases"], register)
        judge.corpus = cases
        took = _shrunk(judge, fault, known["results"][fault.id])
        found |= {fault.id: took} if took else {}
        if len(found) == COUNT:
            break
    print(json.dumps(found))


def _shrunk(judge: Judge, fault: Fault, result: dict[str, Any]) -> dict[str, Any] | None:
    """Return what it takes to make the first failure of a fault smaller; None if no drawn case tells it."""
    rule = next((RULES[name] for name in result["rules"] if not RULES[name].own), None)
    case = next((case for case in judge.corpus if rule and rule.is_for(case) and judge.unexplained(rule, case)), None)
    if rule is None or case is None:
        return None
    began, cpu = time.monotonic(), time.process_time()
    smallest, _ = judge.smallest(rule, case)
    return {
        "rule": rule.id,
        "wall": round(time.monotonic() - began, 2),
        "cpu": round(time.process_time() - cpu, 2),
        "calls": [len(case.calls), len(smallest.calls)],
    }


if __name__ == "__main__":
    main()
