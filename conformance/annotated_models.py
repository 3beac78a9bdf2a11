"""What the annotations of a model with qconfigs ask for, as the reference obeys them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch.fx import Node

from observance.conformance.annotated import Annotated, Place
from observance.conformance.observation import Settings
from observance.reference.annotations import followed, said
from observance.reference.graphs import Operand, operands
from observance.reference.plan import Slot
from observance.reference.site import Groups, Site
from observance.reference.specs import settings_of


@dataclass(frozen=True)
class AnnotatedModel(Annotated):
    """The annotations of a model with qconfigs, as far as they count.

    Attributes
    ----------
    slots
        The observer of each place of which an annotation speaks, or that one names.
    site
        What the reference plans.
    """

    slots: Mapping[Place, Slot] = field(default_factory=dict)
    site: Site | None = None

    @staticmethod
    def of(site: Site) -> AnnotatedModel:
        """Read what the reference has made of the annotations of a model."""
        asked, plan = site.notes.asked, site.plan
        reads: dict[tuple[Node, Node], tuple[Operand, ...]] = {}
        slots: dict[Place, Slot] = {}
        for where in site.notes.slots:
            if isinstance(where, Node):
                slots[where] = site.outputs[where]
                continue
            own = site.outputs.get(where[0])
            found = [(o, plan.read_at(o)) for o in operands(where[1]) if o.value is where[0]]
            reads[where] = tuple(operand for operand, slot in found if slot is not None and slot is not own)
            slots[where] = next(slot for _, slot in found if slot is not None and slot is not own)
        groups: Groups[Place] = Groups()
        first: dict[Slot, Place] = {}
        for where, slot in slots.items():
            groups.join(first.setdefault(plan.shares[slot], where), where)
        shared = said({where: asked[where] for where in slots})
        return AnnotatedModel(asked, followed(asked), shared, groups, reads, frozenset(), site.is_qat, slots, site)

    @functools.cached_property
    def observed(self) -> list[Place]:
        """The places where an observer is to stand because an annotation says so."""
        return [where for where, slot in self.slots.items() if slot.rule.startswith("ANNOTATIONS-")]

    @property
    def known(self) -> list[Place]:
        """The same, and the places that annotations name."""
        return list(self.slots)

    @functools.cached_property
    def settled(self) -> frozenset[Place]:
        """The places whose observer is what they ask for, whatever shares it."""
        assert self.site is not None
        specs = self.site.notes.specs
        return frozenset(where for where, slot in self.slots.items() if self._leader(slot).spec == specs[where])

    def settings(self, where: Place) -> Settings:
        """Return what the observer of a place is to be."""
        return settings_of(self._leader(self.slots[where]).spec.instance)

    def _leader(self, slot: Slot) -> Slot:
        assert self.site is not None
        return self.site.plan.shares[slot]
