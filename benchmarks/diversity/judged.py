"""Which rules can be judged by which drawn cases: what a feature is there for, even where it tells no fault.

    python benchmarks/diversity/judged.py

The gate's cases are held against all rules that see drawn cases, those that call the
implementation again against one case in five, as always.  A case judges a rule if the
rule says something of it, kept or broken: if none does, the rule is vacuous.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from observance.conformance.efforts import GATE
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, import_rules

FOLDER = Path(__file__).resolve().parent


def main() -> int:
    """Find out which cases judge which rules, and write it; return the exit code."""
    warnings.simplefilter("ignore")
    import_rules()
    judge = Judge(resolve("torch"), GATE.cases)
    found: dict[str, list[int]] = {rule.id: [] for rule in RULES.values() if "" in rule.profiles and not rule.own}
    share = GATE.share(len(judge.corpus))
    for number, case in enumerate(judge.corpus):
        for name, judged in found.items():
            rule = RULES[name]
            if rule.is_for(case) and not (rule.costly and number % share) and judge.findings(rule, case):
                judged.append(number)
    path = FOLDER / "judged.json"
    path.write_text(json.dumps({"cases": len(judge.corpus), "judged": found}) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
