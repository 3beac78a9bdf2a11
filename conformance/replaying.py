"""A quantizer that writes down again what a graph says already: so `prepare_pt2e` meets the annotations of a case."""

from __future__ import annotations

from typing import Any

from torch.fx import GraphModule

from observance.reference.annotations import KEY


class Replaying:
    """A quantizer that gives each node the annotation that it had when the quantizer was made.

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
