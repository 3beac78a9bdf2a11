"""What is handed to an implementation beside an annotated graph: a quantizer that repeats it, and a callback."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import nn
from torch.fx import GraphModule

from observance.conformance.implementations import Implementation
from observance.reference.annotations import KEY, words


class Replaying:
    """A quantizer for `prepare_pt2e` that gives each node the annotation that it had when the quantizer was made.

    It has the methods of torchao's `Quantizer`, and needs no torchao.
    """

    def __init__(self, model: GraphModule) -> None:
        self.notes = {node.name: node.meta[KEY] for node in model.graph.nodes if KEY in node.meta}

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Return the model as it is."""
        return model

    def annotate(self, model: GraphModule) -> GraphModule:
        """Write the annotations on the nodes that have their names."""
        for node in model.graph.nodes:
            if node.name in self.notes:
                node.meta[KEY] = self.notes[node.name]
        return model

    def validate(self, model: GraphModule) -> None:
        """Find nothing to object to."""

    def prepare_obs_or_fq_callback(self, model: GraphModule, observers: dict[Any, Any]) -> None:
        """Leave the observers as they are."""


@dataclass
class Exchanged:
    """A callback that puts a copy in place of every observer, and remembers what it was given and what it put."""

    calls: int = 0
    places: set[str] = field(default_factory=set)
    put: set[nn.Module] = field(default_factory=set)

    def __call__(self, model: GraphModule, observers: dict[Any, nn.Module]) -> None:
        """Exchange all observers; what was one object stays one."""
        self.calls += 1
        self.places |= set(map(words, observers))
        copies: dict[nn.Module, nn.Module] = {}
        for where, observer in observers.items():
            if observer is not None:
                observers[where] = copies.setdefault(observer, copy.copy(observer))
        self.put |= set(copies.values())


def takes_callback(function: Callable[..., Any]) -> bool:
    """Whether an implementation takes a callback."""
    return "obs_or_fq_callback" in inspect.signature(function).parameters


def varying(implementation: Implementation, **more: Any) -> Implementation:
    """Return an implementation that is called with more arguments."""
    return replace(implementation, function=partial(implementation.function, **more))
