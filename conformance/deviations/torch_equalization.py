"""Where torch's `prepare` puts equalization observers, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference import dtypes
from observance.reference.graphs import Operand
from observance.reference.site import Site
from observance.reference.specs import Spec, settings_of

Decision = Callable[..., Any]


def _positional_places(original: Decision, node: Node) -> list[Operand]:
    """Equalize what is passed by position alone."""
    return [operand for operand in original(node) if isinstance(operand.keys[0], int)]


def _readers_with_qconfigs(original: Decision, site: Site, node: Node) -> list[Node]:
    """Take every other reader of the first positional argument that has a qconfig for a quantized one."""
    first = node.args[0] if node.args else None
    readers = first.users if isinstance(first, Node) else ()
    return [reader for reader in readers if reader is not node and site.assigned.get(reader) is not None]


def _inserts_identities(original: Decision, site: Site, operand: Operand, asked: Any) -> Any:
    """Insert what an equalization qconfig constructs, even if it observes nothing."""
    spec = original(site, operand, asked)
    if spec is not None or dtypes.role(operand, site.positions) == "bias":
        return spec
    return Spec(None, False, settings_of(nn.Identity()), nn.Identity, nn.Identity())


BY_POSITION = (Change("equalization.places", _positional_places),)
BRANCH_BY_QCONFIG = (Change("equalization.branch", _readers_with_qconfigs),)
IDENTITIES = (Change("equalization.spec_for", _inserts_identities),)
