"""What the annotations of a graph ask for, place by place: what the rules of annotated graphs hold a result against.

A place is a value, for an output, or an edge from a value to one reader (see `observance.reference.annotations`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch.fx import GraphModule, Node

from observance.conformance.observation import Edge, Observation, Seen, Settings, edge_of
from observance.reference import annotations as notes
from observance.reference import qspecs
from observance.reference.annotations import KEY, Place, words
from observance.reference.graphs import Operand, operands
from observance.reference.site import Groups
from observance.reference.specs import settings_of


@dataclass(frozen=True)
class Annotated:
    """The annotations of a graph.

    Attributes
    ----------
    asked
        The spec of each place that has one.
    wanted
        The same, behind all that a place shares with.
    said
        Which places share because an annotation says so.
    groups
        Which places share, those of one tensor that ask alike included.
    reads
        Where each edge is: the operands by which its reader reads the value.
    written
        The edges whose value the reader writes to: a buffer.
    is_qat
        Whether fixed parameters are those of a fake quantizer.
    """

    asked: Mapping[Place, Any]
    wanted: Mapping[Place, Any]
    said: Groups[Place]
    groups: Groups[Place]
    reads: Mapping[tuple[Node, Node], tuple[Operand, ...]]
    written: frozenset[Place]
    is_qat: bool

    @staticmethod
    def read(model: GraphModule, is_qat: bool) -> Annotated:
        """Read the annotations of a graph.

        Raises
        ------
        RefusalError
            If they cannot be served.
        """
        asked = notes.read(model.graph)
        wanted, groups = notes.followed(asked), notes.share(asked)
        for leader in dict.fromkeys(map(groups.leader, asked)):
            notes.derived_from(leader, asked, groups)
        buffers = notes.buffers_of(model)
        reads: dict[tuple[Node, Node], tuple[Operand, ...]] = {}
        for node in model.graph.nodes:
            for operand in operands(node):
                edge = operand.value, node
                reads[edge] = (*reads.get(edge, ()), operand)
        written = {edge for edge, found in reads.items() if any(notes.is_written(o, buffers) for o in found)}
        return Annotated(asked, wanted, notes.said(asked), groups, reads, frozenset(written), is_qat)

    @functools.cached_property
    def observed(self) -> list[Place]:
        """The places where an observer is to stand: those of tensors that are in the graph, and not written to."""
        return [where for where in self.asked if self._is_observed(where)]

    @property
    def known(self) -> list[Place]:
        """The places of whose observers something is known."""
        return self.observed

    def _is_observed(self, where: Place) -> bool:
        there = isinstance(where, Node) or where in self.reads
        return there and notes.is_tensor(notes.value_of(where)) and where not in self.written

    @functools.cached_property
    def settled(self) -> frozenset[Place]:
        """The places of which nobody can doubt with what they share, and what they ask for.

        Specs that differ in nothing that is compared, and still are not equal, and readers of one tensor of
        which some allow sharing and some do not, are a choice that nothing promises.  So are specs that name
        other places, with the same observers, to be derived from.
        """
        doubtful: set[Place] = set()
        for alike in [*notes.asking_alike(self.asked, self.wanted), *self._derived_alike()]:
            specs = [self.wanted[where] for where in alike]
            flags = {_flag(where) for where in alike}
            if len(alike) > 1 and (len(flags) > 1 or any(spec != specs[0] for spec in specs)):
                doubtful.update(map(self.groups.leader, alike))
                doubtful.update(alike)
        return frozenset(
            where for where in self.asked if where not in doubtful and self.groups.leader(where) not in doubtful
        )

    def _derived_alike(self) -> list[list[Place]]:
        """Return the places of one tensor that ask for the same, derived from the same observers."""
        found: dict[Any, list[Place]] = {}
        for where in self.asked:
            *asked, sources = qspecs.compared(self.wanted[where])
            key = (notes.value_of(where), *asked, *map(self.groups.leader, sources))
            found.setdefault(key, []).append(where)
        return list(found.values())

    def settings(self, where: Place) -> Settings:
        """Return what the observer of a place is to be."""
        return settings_of(qspecs.observer_of(self.wanted[where], [], self.is_qat))

    def seen_at(self, seen: Observation, where: Place) -> list[tuple[Edge | None, Seen | None]]:
        """Return the observer that was found at a place, or None, on each edge where it is to be seen.

        That of a value is the first behind it, on whichever edge; that of an edge is the one next to the reader.
        """
        if isinstance(where, Node):
            edges = [edge for edge in seen.edges if edge.value == where.name]
            if edges:
                return [(edge, next(iter(seen.edges[edge]), None)) for edge in edges]
            chains = seen.values.get(where.name, frozenset())
            return [(None, next((chain[0] for chain in chains), None))]
        found = [edge_of(operand) for operand in self.reads[where]]
        return [(edge, seen.edges[edge][-1] if seen.edges[edge] else None) for edge in found]


def _flag(where: Place) -> bool:
    """Whether an annotation allows what is shared unasked: that of an edge's reader, or of the value."""
    node = where if isinstance(where, Node) else where[1]
    return bool(node.meta[KEY].allow_implicit_sharing)


__all__ = ["Annotated", "Place", "words"]
