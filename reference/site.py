"""The graph while it is being planned: who asks for what, and what is decided so far."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch.ao.quantization.backend_config import ObservationType
from torch.fx import Graph, GraphModule, Node

from .dtypes import Ask, Values
from .entry import Configs
from .graphs import Operand
from .patterns import Match
from .plan import Plan, Slot
from .specs import Spec

Place = TypeVar("Place", bound=Hashable)


@dataclass
class Groups(Generic[Place]):
    """Disjoint sets of places that have one observer; the leader's spec is the group's."""

    parents: dict[Place, Place] = field(default_factory=dict)

    def leader(self, place: Place) -> Place:
        """Return the place whose observer the given one has."""
        root = place
        while root in self.parents:
            root = self.parents[root]
        while place != root:
            self.parents[place], place = root, self.parents[place]
        return root

    def join(self, first: Place, other: Place) -> None:
        """Let two groups be one, led by the first one's leader."""
        leader, joining = self.leader(first), self.leader(other)
        if leader != joining:
            self.parents[joining] = leader


@dataclass(frozen=True)
class Quantized:
    """A match that is to be quantized: what it asks for and how it is observed."""

    match: Match
    ask: Ask
    observation: ObservationType


@dataclass(frozen=True)
class Inside:
    """A standalone module: how it is to be prepared, or that it is prepared already.

    ``model`` is its graph, traced and fused like any model before it is prepared,
    ``scopes`` and ``configs`` go with it; ``inputs`` are its inputs, by name, in
    order, ``quantized_inputs`` those that are declared as quantized, by index;
    ``inherits`` says that its qconfig is its parent's.
    """

    model: GraphModule
    scopes: Mapping[str, tuple[str, Any]]
    configs: Configs
    example_inputs: tuple[Any, ...]
    quantized_inputs: frozenset[int]
    has_quantized_output: bool
    inherits: bool = False
    is_prepared: bool = False

    @property
    def inputs(self) -> list[str]:
        """The names of its inputs, in order."""
        return [str(node.target) for node in self.model.graph.nodes if node.op == "placeholder"]

    def declares(self, operand: Operand) -> bool:
        """Whether an operand is one of the inputs that are declared as quantized, however it is spelled."""
        key, *rest = operand.keys
        place = self.inputs.index(key) if key in self.inputs else key
        return not rest and place in self.quantized_inputs


@dataclass(frozen=True)
class Standalone:
    """A call of a standalone module.

    ``asks`` says what its parent observes its declared inputs by; it is None where
    the module is switched off there.  ``site`` is the graph inside, if it is prepared now.
    """

    asks: Quantized | None
    inside: Inside
    site: Site | None


@dataclass(frozen=True)
class Equalized:
    """What an equalization qconfig asks for: at the input, and at a weight that is an argument."""

    activation: Spec | None
    weight: Spec | None


@dataclass
class Notes:
    """What annotations ask for in the graph, place by place: a value, for an output, or an edge.

    ``asked`` has the quantization spec of each place, or what a qconfig asks for where an
    annotation names its place, ``specs`` what that means, behind all that a place shares with.
    While observers are placed, ``slots`` has the slot of each such place that has one, ``settled``
    those that name others, ``waiting`` those whose others come later.
    """

    asked: dict[Any, Any] = field(default_factory=dict)
    specs: dict[Any, Spec] = field(default_factory=dict)
    slots: dict[Any, Slot] = field(default_factory=dict)
    settled: list[Any] = field(default_factory=list)
    waiting: list[Any] = field(default_factory=list)


@dataclass
class Site:
    """The graph being planned, and what is known so far.

    ``assigned`` has the qconfig of each node, ``matches`` the pattern of each node
    that is in one, ``quantized`` those that are to be quantized.  ``elsewhere``
    has the dtype of each value that is quantized where no observer of this graph
    does it, ``standalone`` the calls of standalone modules, ``equalized`` what is
    asked for in front of each layer that is to be equalized, ``returned`` the outputs
    that are declared as quantized, ``is_qat`` whether the model is prepared for training.

    While observers are placed, ``outputs`` has the slot through which each value is read,
    ``inputs`` all slots that consumers asked for on each value, by what they asked for and
    above what, ``behind`` the observer that each operator's own output is looked through to,
    ``groups`` who shares with whom, ``notes`` what annotations say.
    """

    plan: Plan
    graph: Graph
    values: Values
    quantized: Mapping[Node, Quantized]
    quantized_inputs: frozenset[Node]
    positions: Mapping[Any, Mapping[str, int]]
    assigned: Mapping[Node, Any]
    matches: Mapping[Node, Match]
    elsewhere: Mapping[Node, torch.dtype | None]
    standalone: Mapping[Node, Standalone]
    equalized: Mapping[Node, Equalized] = field(default_factory=dict)
    returned: tuple[Operand, ...] = ()
    outputs: dict[Node, Slot] = field(default_factory=dict)
    inputs: dict[Node, dict[tuple[Spec, Slot | None], Slot]] = field(default_factory=dict)
    behind: dict[Node, Slot | None] = field(default_factory=dict)
    groups: Groups[Slot] = field(default_factory=Groups)
    notes: Notes = field(default_factory=Notes)
    is_qat: bool = False
