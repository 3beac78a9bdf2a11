"""Short ways to write the cases of the reports."""

from __future__ import annotations

from typing import Any

from observance.strategies import Case
from observance.strategies.case import Call, Entry, Mapping, Observer, Operand, QConfig, QConfigChoice


def op(operator: str, *operands: Operand, **others: Any) -> Call:
    """Return a call of an operator of the table."""
    return Call(operator, operands, **others)


def everywhere(qconfig: QConfigChoice, *entries: Entry) -> Mapping:
    """Return a mapping with a global qconfig, and some entries more."""
    return Mapping(None, (Entry("global", qconfig), *entries))


def by_type(*chosen: tuple[str, QConfigChoice]) -> Mapping:
    """Return a mapping that knows types alone."""
    return Mapping(None, tuple(Entry("object_type", qconfig, target=target) for target, qconfig in chosen))


def model(*calls: Call, inputs: str = "t", qconfigs: str | Mapping = "default_qconfig", **others: Any) -> Case:
    """Return a case that returns its last call's value, unless it is told what else.

    Parameters
    ----------
    calls
        The operators, in order.
    inputs
        One letter for the kind of each input.
    qconfigs
        The mapping, or the qconfig of everything.
    others
        Other fields of `Case`.
    """
    mapping = everywhere(qconfigs) if isinstance(qconfigs, str) else qconfigs
    others.setdefault("output", len(calls) - 1)
    return Case(inputs=tuple(inputs), calls=calls, mapping=mapping, **others)


def observing(activation: str | Observer, weight: str = "default_weight_observer") -> QConfig:
    """Return a qconfig of its own."""
    return QConfig(Observer(activation) if isinstance(activation, str) else activation, Observer(weight))
