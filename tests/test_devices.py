"""Where observers are is told by what they observe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, import_rules
from observance.conformance.variants import Change, variant

from .saboteurs.effects import names_of_its_own
from .test_state import CHAIN

ON_THE_CPU = Change("devices.device_of", lambda original, model: torch.device("cpu"))


def places_of(*changes: Change) -> set[str]:
    """Return where the reference with some changes breaks the rule, on a model on the meta device."""
    import_rules()
    judge = Judge(replace(resolve("reference"), function=variant(changes)), 1)
    findings: list[Any] = judge.findings(RULES["DEVICES-1"], replace(CHAIN, device="meta"))
    return {finding.place for finding in findings if finding.broken}


def test_an_observer_on_another_device_is_told_by_what_it_observes_and_not_by_its_name() -> None:
    places = places_of(ON_THE_CPU)
    assert "what observes relu_1" in places
    assert places == places_of(ON_THE_CPU, Change("prepare.rewrite", names_of_its_own))
