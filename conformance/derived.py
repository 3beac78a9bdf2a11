"""Cases made from cases: the other half of every metamorphic rule."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from observance.strategies.case import (
    Backend,
    Call,
    Case,
    Declared,
    Entry,
    Mapping,
    Pattern,
    QConfigChoice,
    map_operand,
    map_tree,
    operand_values,
)
from observance.strategies.declared_source import calls_of, is_block
from observance.strategies.forms import is_operator, leaves, nested_chain
from observance.strategies.layout import join, scopes
from observance.strategies.operators import OPERATORS
from observance.strategies.source import member
from observance.strategies.table_fused import PARTS, is_aware


def some_qconfig(case: Case) -> QConfigChoice:
    """Return the first qconfig that the case selects, or torch's default one."""
    chosen = (entry.qconfig for entry in case.mapping.entries if entry.qconfig is not None)
    return next(chosen, "default_qconfig")


def with_entries(case: Case, *entries: Entry) -> Case:
    """Return the case with a mapping of these entries alone."""
    return replace(case, mapping=Mapping(None, entries))


def modules(case: Case) -> list[tuple[int, str, str]]:
    """Return each call that has a module of its own: its number, module name and target.

    Modules that are called twice are left out, those of their own kind and what is
    inside of them, and every module where one stands under two names: it is counted
    under the one that the tracer meets first.
    """
    places, shared = scopes(case), {call.shares for call in case.calls} | untold(case)
    if any(call.shares is not None and places[call.shares] != places[n] for n, call in enumerate(case.calls)):
        return []
    return [
        (number, join(places[number], member(case, number)), OPERATORS[call.operator].target)
        for number, call in enumerate(case.calls)
        if OPERATORS[call.operator].module and call.shares is None and number not in shared
    ]


def untold(case: Case) -> set[int]:
    """Return the calls whose modules are none of the graph's: traced, or inside a module that is not."""
    custom = {declared.name for declared in case.declared if declared.kind == "custom"}
    traced = {"Gate", "Scale"} - custom
    inside = [calls_of(case, declared.name) for declared in case.declared if declared.kind != "custom"]
    found = {number for number, call in enumerate(case.calls) if OPERATORS[call.operator].target in traced}
    return found.union(*inside)


def brings_observers(case: Case) -> bool:
    """Whether the model has observers before it is prepared.

    They are the caller's: in a module that is prepared already, or that quantizes its own weight.
    """
    return is_prepared(case) or any(is_aware(OPERATORS[call.operator].target) for call in case.calls)


def is_prepared(case: Case) -> bool:
    """Whether a part of the model is prepared already."""
    return any(declared.kind == "prepared" for declared in case.declared)


def by_other_name(case: Case) -> Case | None:
    """Return the case with a module declared by its class in place of its name, or the other way; None if none can."""
    first = next(iter(case.declared), None)
    if first is None or first.kind not in ("standalone", "non_traceable") or not _alone_in_class(case, first):
        return None
    return replace(case, declared=(replace(first, by_class=not first.by_class), *case.declared[1:]))


def with_class_overridden(case: Case) -> Case | None:
    """Return the case with the class of a named standalone module declared too, with nothing to be quantized there."""
    first = next(iter(case.declared), None)
    if first is None or first.kind != "standalone" or first.by_class or not _alone_in_class(case, first):
        return None
    more = Declared("standalone", first.name, by_class=True, mapping=Mapping())
    return replace(case, declared=(*case.declared, more))


def _alone_in_class(case: Case, declared: Declared) -> bool:
    """Whether a declared module is the only one of its class."""
    if is_block(case, declared.name):
        return True
    operator = case.calls[calls_of(case, declared.name)[0]].operator
    return sum(call.operator == operator and call.shares is None for call in case.calls) == 1


def fused(case: Case) -> list[tuple[str, tuple[str, ...]]]:
    """Return the target of each fused module that is called, with the targets of its parts.

    Of a case with declared modules none is returned: what is inside of these has configs of its own.
    """
    if case.declared:
        return []
    called = dict.fromkeys(OPERATORS[call.operator].target for call in case.calls)
    return [(target, PARTS[target]) for target in called if target in PARTS]


def exactly(name: str) -> str:
    """Return a regular expression that matches one module name and no other."""
    return re.escape(name) + "$"


def occurrence(case: Case, number: int) -> int:
    """Return how many modules of its type are called before a call in its submodule."""
    places, target = scopes(case), OPERATORS[case.calls[number].operator].target
    # A module that is called under another name is counted where that name stands.
    return sum(
        1
        for other in range(number)
        if OPERATORS[case.calls[other].operator].target == target and places[other] == places[number]
    )


def respelled(case: Case) -> Case | None:
    """Return the case with every spelling turned: positional to keyword and back; None if none can.

    What is prepared already was prepared by torch, for which spelling may matter.
    """
    if is_prepared(case):
        return None
    turned = {"positional": "keyword", "keyword": "positional"}
    calls = tuple(
        replace(call, spelling=turned[call.spelling]) if OPERATORS[call.operator].keyword else call
        for call in case.calls
    )
    return replace(case, calls=calls) if calls != case.calls else None


def dynamically(case: Case) -> Case | None:
    """Return the case with everything quantized dynamically; None if no function has a parameter as its weight."""
    if not any(OPERATORS[call.operator].parameters for call in case.calls):
        return None
    return replace(with_entries(case, Entry("global", "default_dynamic_qconfig")), backend=None, quantized_inputs=())


def resequenced(case: Case) -> Case | None:
    """Return the case with lists written as tuples and tuples as lists; None if there are none.

    What is prepared already was prepared by torch, for which it may matter.
    """
    if is_prepared(case):
        return None
    turned = {"list": "tuple", "tuple": "list"}
    calls = tuple(
        replace(call, sequence=turned[call.sequence])
        if any("*" in kind for kind in OPERATORS[call.operator].takes)
        else call
        for call in case.calls
    )
    return replace(case, calls=calls) if calls != case.calls else None


def separated(case: Case) -> Case | None:
    """Return the case with a module of its own for every call; None if none is shared.

    What is traced through is no module of the graph: its parameters are shared, and no call.
    """
    shared = {number for number, call in enumerate(case.calls) if call.shares is not None}
    if not shared or shared & untold(case):
        return None
    calls = tuple(replace(call, shares=None) for call in case.calls)
    return replace(case, calls=calls)


def without_names(case: Case) -> Case:
    """Return the case with no selector, and no declared module, that depends on a module's name or index."""
    custom = tuple(declared for declared in case.declared if declared.kind == "custom")
    equalization = None if case.equalization is None else _nameless(case.equalization)
    return replace(case, mapping=_nameless(case.mapping), equalization=equalization, declared=custom)


def _nameless(mapping: Mapping) -> Mapping:
    """Return a mapping without the selectors that name a module, by name or as the owner of its class."""
    plain = [entry for entry in mapping.entries if entry.selector in ("global", "object_type")]
    return Mapping(mapping.base, tuple(entry for entry in plain if not entry.target.startswith("block:")))


def reordered(case: Case) -> tuple[Case, dict[int, int]] | None:
    """Return the case with two neighbouring calls swapped that do not depend on each other.

    Returns
    -------
    (case, numbers) or None
        The new number of each call; None if there are no such neighbours.
    """
    for first in range(len(case.calls) - 1):
        second = first + 1
        mine, other = case.calls[first], case.calls[second]
        reads = {v for operand in other.operands for v in operand_values(operand)}
        tied = {other.shares, other.ties, mine.shares, mine.ties} - {None}
        mutating = any(OPERATORS[call.operator].mutates for call in case.calls)
        if first in reads or tied or mutating or mine.scope != other.scope:
            continue
        change = {first: second, second: first}
        swapped = [*case.calls[:first], other, mine, *case.calls[second + 1 :]]
        calls = tuple(renumbered(call, change) for call in swapped)
        return replace(case, calls=calls, output=map_tree(case.output, change)), change
    return None


def renumbered(call: Call, change: dict[int, int]) -> Call:
    """Return a call with the values and the calls it refers to renumbered."""
    return replace(
        call,
        operands=tuple(map_operand(operand, change) for operand in call.operands),
        shares=None if call.shares is None else change.get(call.shares, call.shares),
        ties=None if call.ties is None else change.get(call.ties, call.ties),
    )


def with_dead_branch(case: Case) -> Case:
    """Return the case with a graph input and two operators more, which nothing reads."""
    fresh = -1 - len(case.inputs)
    calls = (
        *case.calls,
        Call("linear", (fresh,)),
        Call("sigmoid", (len(case.calls),)),
    )
    return replace(case, inputs=(*case.inputs, "t"), calls=calls)


def with_scopes_renamed(case: Case) -> Case:
    """Return the case with every submodule under another name."""
    turned = {"a": "first", "b": "second"}
    calls = tuple(
        replace(call, scope=".".join(turned.get(part, part) for part in call.scope.split("."))) for call in case.calls
    )
    return replace(case, calls=calls)


def kindred(case: Case) -> list[tuple[Case, str, str]]:
    """Return the case with one operator replaced by another of its family, for each that has one.

    Each comes with the targets of the old and of the new operator.
    """
    found = []
    for number, call in enumerate(case.calls):
        entry = OPERATORS[call.operator]
        for other in OPERATORS.values():
            same = other.family == entry.family and other.takes == entry.takes
            if entry.family and same and other.target != entry.target:
                calls = list(case.calls)
                calls[number] = replace(call, operator=other.name, spelling="positional", shares=None)
                calls = [replace(c, shares=None) if c.shares == number else c for c in calls]
                found.append((replace(case, calls=tuple(calls)), entry.target, other.target))
    return found


def pattern_size(pattern: Pattern) -> int:
    """Return by how many parts a pattern is longer than another: what it does not own counts too."""
    if pattern.nested is None:
        return len(pattern.targets)
    return len(leaves(pattern.nested)) + str(pattern.nested).count("'getattr'")


def with_named_roots(backend: Backend) -> Backend:
    """Return a backend config in which every pattern whose root is its last part says so, chains included."""
    return Backend(tuple(map(_with_named_root, backend.patterns)))


def _with_named_root(pattern: Pattern) -> Pattern:
    """Return a pattern reversed, nested, and with a root, if it is of more than one operator and has none.

    One that is also said of classes for training is a chain.
    """
    if pattern.swaps:
        return pattern
    nested = pattern.nested or nested_chain(pattern.targets)
    path, leaf = leaves(nested)[-1]
    has_default = pattern.root is None and path and is_operator(leaf)
    return replace(pattern, nested=nested, root=path) if has_default else pattern


def other_numbers(nested: Any) -> Any:
    """Return a nested pattern in which every number, and every attribute's name, is one that no call has."""
    match nested:
        case int():
            return nested + 1000
        case ("getattr", _):
            return ("getattr", "no_such_attribute")
        case tuple():
            return tuple(map(other_numbers, nested))
    return nested


def own_backend(case: Case) -> Backend | None:
    """Return the case's backend config if it is one of its own."""
    return case.backend if isinstance(case.backend, Backend) else None


def names_in_order(before: Any, after: Any) -> dict[str, str]:
    """Return the names of the second graph's nodes by those of the first, in order."""
    return {a.name: b.name for a, b in zip(before.nodes, after.nodes, strict=False)}
