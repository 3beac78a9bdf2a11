"""The answer of the reference: which edges get which observer, which are one, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.ao.quantization import QConfig
from torch.fx import Node

from .dtypes import Asks
from .graphs import Operand
from .specs import Spec

if TYPE_CHECKING:
    from .site import Standalone


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
    said
        For each node, why each of its places has an observer, or has none.
    observed
        The nodes of the patterns that are quantized.
    qconfigs
        The qconfig of each node that calls something.
    equalization
        The equalization qconfig of each node that calls something.
    warnings
        What is to be said aloud.
    swapped
        For each name of a module that is swapped for training, the new module.
    custom
        For each name of a custom module that is swapped, the new module.
    standalone
        For each name of a standalone module that is to be prepared, what is decided inside.
    parts
        For each node that reads or is a custom LSTM's output, the LSTM and the part of its output.
    derived
        For each slot whose observer is derived from others, as an annotation says, the slots of those.
    asks
        What the qconfigs ask for.
    device
        Where the observers are to be; None if the model has no parameters or buffers.
    """

    slots: list[Slot] = field(default_factory=list)
    reads: dict[tuple[Node, tuple[int | str, ...]], Slot] = field(default_factory=dict)
    shares: dict[Slot, Slot] = field(default_factory=dict)
    said: dict[Node, list[Decision]] = field(default_factory=dict)
    observed: set[Node] = field(default_factory=set)
    qconfigs: Mapping[Node, QConfig | None] = field(default_factory=dict)
    equalization: Mapping[Node, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    swapped: dict[str, nn.Module] = field(default_factory=dict)
    custom: dict[str, nn.Module] = field(default_factory=dict)
    standalone: dict[str, Standalone] = field(default_factory=dict)
    parts: dict[Node, tuple[Node, tuple[int, ...]]] = field(default_factory=dict)
    derived: Mapping[Slot, Sequence[Slot]] = field(default_factory=dict)
    asks: Asks = field(default_factory=Asks)
    device: torch.device | None = None

    @property
    def decisions(self) -> list[Decision]:
        """All that was decided, node by node."""
        return [decision for said in self.said.values() for decision in said]

    def takers(self, node: Node) -> list[Node]:
        """Return the nodes that give the same value: several may take one part of a custom LSTM's output."""
        part = self.parts.get(node)
        return [node] if part is None else [other for other, theirs in self.parts.items() if theirs == part]

    def read_as(self, node: Node) -> Node:
        """Return the node that stands for a value: the first of those that give it."""
        return self.takers(node)[0]

    def readers(self, node: Node) -> list[Node]:
        """Return who reads a value, whichever of the nodes that give it."""
        return [reader for taker in self.takers(node) for reader in taker.users]

    def explain(self, node: Node) -> str:
        """Return why there is, or is not, an observer at a node: one line a decision."""
        return "\n".join(map(str, self.said.get(node, ())))

    def decide(self, node: Node, place: str, rule: str, reason: str) -> None:
        """Write a decision down."""
        self.said.setdefault(node, []).append(Decision(node, place, rule, reason))

    def read_at(self, operand: Operand) -> Slot | None:
        """Return the slot that an operand reads, or None if it reads the value as it is."""
        return self.reads.get((operand.node, operand.keys))

    def read(self, operand: Operand, slot: Slot) -> None:
        """Let an operand read a slot."""
        self.reads[operand.node, operand.keys] = slot
