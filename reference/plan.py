"""The answer of the reference: which edges get which observer, which are one, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch.fx import Node

from .graphs import Operand
from .specs import Spec


@dataclass(frozen=True, eq=False)
class Slot:
    """A place for one observer: on `value`, above the observer `below`, if any.

    ``spec`` is what is asked for there, ``rule`` and ``reason`` say why; two
    slots are the same only if they are one object.
    """

    value: Node
    below: Slot | None
    spec: Spec
    rule: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """What was decided at one node or operand, observer or none, and why."""

    node: Node
    place: str
    rule: str
    reason: str

    @property
    def is_of_argument(self) -> bool:
        """Whether it is about one of the node's arguments, and not about the node."""
        return self.place.startswith("argument ")

    def __str__(self) -> str:
        return f"{self.node.name}, {self.place}: {self.reason} [{self.rule}]"


@dataclass
class Plan:
    """All decisions of one call.

    Attributes
    ----------
    slots
        Every observer's place, in the order in which they are decided.
    reads
        For each operand that reads an observed value, the slot that it reads.
    shares
        For each slot, the slot whose observer it has: itself, unless shared.
    decisions
        Why each place has an observer, or has none.
    observed
        The nodes of the patterns that are quantized.
    warnings
        What is to be said aloud.
    device
        Where the observers are to be; None if the model is nowhere.
    """

    slots: list[Slot] = field(default_factory=list)
    reads: dict[tuple[Node, tuple[int | str, ...]], Slot] = field(default_factory=dict)
    shares: dict[Slot, Slot] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    observed: set[Node] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    device: torch.device | None = None

    def explain(self, node: Node) -> str:
        """Return why there is, or is not, an observer at a node: one line a decision."""
        return "\n".join(str(decision) for decision in self.decisions if decision.node is node)

    def decide(self, node: Node, place: str, rule: str, reason: str) -> None:
        """Write a decision down."""
        self.decisions.append(Decision(node, place, rule, reason))

    def read_at(self, operand: Operand) -> Slot | None:
        """Return the slot that an operand reads, or None if it reads the value as it is."""
        return self.reads.get((operand.node, operand.keys))

    def read(self, operand: Operand, slot: Slot) -> None:
        """Let an operand read a slot."""
        self.reads[operand.node, operand.keys] = slot
