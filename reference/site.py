"""The graph while it is being planned: who asks for what, and what is decided so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch.ao.quantization.backend_config import ObservationType
from torch.fx import Graph, Node

from .dtypes import Ask, Values
from .graphs import Operand
from .patterns import Match
from .plan import Plan, Slot
from .specs import Spec


@dataclass
class Groups:
    """Disjoint sets of slots that have one observer; the leader's spec is the group's."""

    parents: dict[Slot, Slot] = field(default_factory=dict)

    def leader(self, slot: Slot) -> Slot:
        """Return the slot whose observer the given one has."""
        root = slot
        while root in self.parents:
            root = self.parents[root]
        while slot is not root:
            self.parents[slot], slot = root, self.parents[slot]
        return root

    def join(self, first: Slot, other: Slot) -> None:
        """Let two groups be one, led by the first one's leader."""
        leader, joining = self.leader(first), self.leader(other)
        if leader is not joining:
            self.parents[joining] = leader


@dataclass(frozen=True)
class Quantized:
    """A match that is to be quantized: what it asks for and how it is observed."""

    match: Match
    ask: Ask
    observation: ObservationType


@dataclass(frozen=True)
class Equalized:
    """What an equalization qconfig asks for: at the input, and at a weight that is an argument."""

    activation: Spec | None
    weight: Spec | None


@dataclass
class Site:
    """The graph being planned, and what is known so far.

    ``assigned`` has the qconfig of each node, ``matches`` the pattern of each node
    that is in one, ``quantized`` those that are to be quantized, ``equalized`` what
    is asked for in front of each layer that is to be equalized, ``returned`` the
    outputs that are declared as quantized.  While observers are placed, ``outputs``
    has the slot through which each value is read, ``inputs`` all slots that
    consumers asked for on each value, ``groups`` who shares with whom.
    """

    plan: Plan
    graph: Graph
    values: Values
    quantized: Mapping[Node, Quantized]
    quantized_inputs: frozenset[Node]
    positions: Mapping[Any, Mapping[str, int]]
    assigned: Mapping[Node, Any]
    matches: Mapping[Node, Match]
    equalized: Mapping[Node, Equalized] = field(default_factory=dict)
    returned: tuple[Operand, ...] = ()
    outputs: dict[Node, Slot] = field(default_factory=dict)
    inputs: dict[Node, list[Slot]] = field(default_factory=dict)
    groups: Groups = field(default_factory=Groups)
