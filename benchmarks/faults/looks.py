"""What a call of `prepare` left, in a form in which two calls of one implementation can be compared.

This is more than the rules look at: whatever two implementations may lawfully do
otherwise, a fault is told by it.  Names of nodes and of observers alone are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from observance.conformance.differences import differences
from observance.conformance.observation import Observation
from observance.conformance.outcomes import Outcome, fingerprints
from observance.conformance.recorded import FIELDS, custom_entries, mapping_entries, meaning_of, record_of

_ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True)
class Look:
    """What a call left: the result without names, and all else as a text."""

    observation: Observation | None
    text: str

    def differs(self, other: Look) -> bool:
        """Whether another call left something else."""
        if self.text != other.text:
            return True
        if self.observation is None or other.observation is None:
            return self.observation is not other.observation
        return bool(differences(self.observation, other.observation))


def look(outcome: Outcome) -> Look:
    """Look at an outcome: its error, its warnings, what conversion reads, and the caller's objects."""
    error = f"{type(outcome.error).__name__}: {outcome.error}" if outcome.error else ""
    said = sorted(f"{category.__name__}: {text}" for category, text in outcome.warnings)
    left = fingerprints(outcome.arguments)
    parts = [error, outcome.misshapen, said, _recorded(outcome), _marked(outcome), left]
    return Look(outcome.observation, _ADDRESS.sub("", repr(parts)))


def _recorded(outcome: Outcome) -> Any:
    """Return the record that conversion reads."""
    record = record_of(outcome.prepared)
    if record is None:
        return None
    ways = {
        "node_name_to_qconfig": _meanings,
        "equalization_node_name_to_qconfig": _meanings,
        "qconfig_mapping": lambda mapping: sorted(mapping_entries(mapping).items()),
        "prepare_custom_config": lambda config: sorted(custom_entries(config).items()),
        "observed_node_names": sorted,
    }
    return [ways.get(name, repr)(getattr(record, name, None)) for name in FIELDS]


def _meanings(qconfigs: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what each node's qconfig asks for; each qconfig is told once."""
    told = {id(qconfig): meaning_of(qconfig) for qconfig in qconfigs.values()}
    return sorted((name, told[id(qconfig)]) for name, qconfig in qconfigs.items())


def _marked(outcome: Outcome) -> Any:
    """Return what conversion reads from modules and from nodes."""
    if outcome.prepared is None:
        return None
    modules = dict(outcome.prepared.named_modules(remove_duplicate=False))
    qconfigs = {name: vars(module)["qconfig"] for name, module in modules.items() if "qconfig" in vars(module)}
    information = [node.meta.get("target_dtype_info") or {} for node in outcome.prepared.graph.nodes]
    return _meanings(qconfigs), [(about.get("weight_index"), about.get("bias_index")) for about in information]
