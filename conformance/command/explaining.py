"""Why there is an observer, or none, on every edge: what the reference decided, put in order, with the gaps filled.

The reference writes down what it decides.  Where nobody asks for anything there
is nothing to decide, and so nothing is written down; what keeps an observer
away from such an edge is told here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import nn
from torch.fx import Graph, Node

from observance.conformance.usage import printable
from observance.reference.graphs import Operand, operands
from observance.reference.plan import Decision, Plan, Slot
from observance.reference.site import Site
from observance.reference.specs import Spec, is_observer, spec_of

_SHARED_BY_ANNOTATION = ("ANNOTATIONS-4", "ANNOTATIONS-5")
"""The rules by which places of annotated graphs are one."""


@dataclass(frozen=True)
class Reason:
    """A rule, and what it means at one place."""

    rule: str
    text: str


@dataclass(frozen=True)
class Place:
    """An observer's place: the number of the object that stands there, and what that is."""

    group: int
    kind: str
    slot: Slot

    def __str__(self) -> str:
        return f"{self.kind} #{self.group}"


@dataclass(frozen=True)
class Story:
    """One edge: the observers on it, the one next to the value first, and why there are these, or none."""

    operand: Operand
    chain: tuple[Place, ...]
    reasons: tuple[Reason, ...]

    @property
    def edge(self) -> str:
        """The edge, as failures write it."""
        return f"{_name(self.operand.value)} -> {_name(self.operand.node)} ({printable(str(self.operand))})"


@dataclass(frozen=True)
class Swap:
    """A module that is swapped for another one: its name, what it becomes, and why; and the observers inside."""

    name: str
    becomes: str
    reason: Reason
    inside: tuple[tuple[str, Reason], ...]


@dataclass(frozen=True)
class Explanation:
    """All of one graph.

    Attributes
    ----------
    graph
        The float graph itself.
    stories
        Every edge, in the order of the graph.
    unread
        The observers that nothing reads, each with its reason.
    groups
        The objects that stand at several places: the places, and the rules that make them one.
    swaps
        The modules that are swapped.
    warnings
        What `prepare` says aloud.
    inner
        The standalone modules that are prepared, by their names.
    """

    graph: Graph
    stories: tuple[Story, ...]
    unread: tuple[tuple[Place, Reason], ...]
    groups: tuple[tuple[tuple[Place, ...], tuple[str, ...]], ...]
    swaps: tuple[Swap, ...]
    warnings: tuple[str, ...]
    inner: tuple[tuple[str, Explanation], ...]

    def everything(self) -> list[Explanation]:
        """Return this explanation, and those of all standalone modules in it, however deep."""
        return [self, *(deeper for _, part in self.inner for deeper in part.everything())]

    def rules(self) -> list[str]:
        """Return the ids of all rules that are named, once each, in the order in which they are."""
        return list(dict.fromkeys(rule for one in self.everything() for rule in one._rules()))

    def observers(self) -> list[Place]:
        """Return the places of all observers of this graph, once each."""
        read = [place for story in self.stories for place in story.chain]
        return list(dict.fromkeys([*read, *(place for place, _ in self.unread)]))

    def _rules(self) -> Iterator[str]:
        for story in self.stories:
            yield from (reason.rule for reason in story.reasons)
        yield from (reason.rule for _, reason in self.unread)
        for _, rules in self.groups:
            yield from rules
        for swap in self.swaps:
            yield swap.reason.rule
            yield from (reason.rule for _, reason in swap.inside)


def explain(site: Site) -> Explanation:
    """Explain what is planned for a graph, and for the standalone modules in it.

    Parameters
    ----------
    site
        The graph, when all observers have their places (see `observance.reference.place`).
    """
    inner = {str(node.target): explain(call.site) for node, call in site.standalone.items() if call.site is not None}
    return _explained(site.graph, site.plan, functools.partial(_why_none, site), inner)


def explain_annotated(graph: Graph, plan: Plan) -> Explanation:
    """Explain what is planned for an annotated graph (see `observance.reference.annotations.plan`)."""
    return _explained(graph, plan, functools.partial(_why_not_annotated, plan), {})


def _explained(
    graph: Graph, plan: Plan, why_none: Callable[[Operand], list[Reason]], inner: Mapping[str, Explanation]
) -> Explanation:
    """Explain a plan for a graph; the edges without an observer by a function."""
    places = _places(graph, plan)
    stories = tuple(_story(plan, places, operand, why_none) for node in graph.nodes for operand in operands(node))
    read = {place.slot for story in stories for place in story.chain}
    unread = tuple(
        (place, Reason(slot.rule, printable(slot.reason, 400))) for slot, place in places.items() if slot not in read
    )
    named = tuple((printable(name), explanation) for name, explanation in inner.items())
    swaps, warnings = tuple(_swaps(plan)), tuple(printable(text, 400) for text in dict.fromkeys(plan.warnings))
    return Explanation(graph, stories, unread, tuple(_groups(plan, places)), swaps, warnings, named)


def _name(node: Node) -> str:
    """Return a node's name: FX makes it of names that may be as long as they like."""
    return printable(node.name, 60)


def _places(graph: Graph, plan: Plan) -> dict[Slot, Place]:
    """Return the place of each slot; objects are numbered in the order in which edges read them."""
    numbers: dict[Slot, int] = {}
    tops = [plan.read_at(operand) for node in graph.nodes for operand in operands(node)]
    ordered = [slot for top in tops for slot in _below(top)] + plan.slots
    found = {}
    for slot in ordered:
        leader = plan.shares[slot]
        number = numbers.setdefault(leader, len(numbers))
        found[slot] = Place(number, str(leader.spec), slot)
    return found


def _below(top: Slot | None) -> list[Slot]:
    """Return the slots from the value up to one, the lowest first."""
    chain: list[Slot] = []
    while top is not None:
        chain.insert(0, top)
        top = top.below
    return chain


def _groups(plan: Plan, places: dict[Slot, Place]) -> Iterator[tuple[tuple[Place, ...], tuple[str, ...]]]:
    """Yield the places of each object that has several, and the rules of sharing that join them."""
    groups: dict[int, list[Place]] = {}
    for place in places.values():
        groups.setdefault(place.group, []).append(place)
    for members in groups.values():
        if len(members) > 1:
            rules = dict.fromkeys(place.slot.rule for place in members if place.slot.rule.startswith("SHARING-"))
            said = [d.rule for place in members for node in _around(place) for d in plan.said.get(node, ())]
            rules |= dict.fromkeys(rule for rule in said if rule in _SHARED_BY_ANNOTATION)
            yield tuple(members), tuple(rules)


def _around(place: Place) -> list[Node]:
    """Return the nodes at which an annotation may say that a place shares: who gives the value, and who reads it."""
    return [place.slot.value, *place.slot.value.users]


def _swaps(plan: Plan) -> Iterator[Swap]:
    """Yield the modules that are swapped: for training, and custom ones."""
    trained = Reason("QAT-1", "it is quantized, and the backend has a class for its training")
    custom = Reason("MODULES-6", "it is a custom module that is quantized statically")
    for name, module in plan.swapped.items():
        yield _swap(name, module, trained, Reason("QAT-2", "its qconfig constructs it for weights"))
    for name, module in plan.custom.items():
        yield _swap(name, module, custom, Reason("MODULES-6", "the observed class has it"))


def _swap(name: str, module: nn.Module, reason: Reason, inside: Reason) -> Swap:
    """Return what a module is swapped for, and the observers in that; what is inside of an observer is a part of it."""
    found: dict[str, Spec] = {}
    for path, part in module.named_modules():
        if is_observer(part) and path.rpartition(".")[0] not in found:
            found[path] = spec_of_observer(part)
    seen = tuple((f"{printable(path)} is {spec}", inside) for path, spec in found.items())
    return Swap(printable(name), printable(f"{type(module).__module__}.{type(module).__qualname__}"), reason, seen)


def spec_of_observer(module: nn.Module) -> Spec:
    """Return what an observer is."""
    spec = spec_of(lambda: module)
    assert spec is not None  # as it is an observer
    return spec


def _story(
    plan: Plan, places: dict[Slot, Place], operand: Operand, why_none: Callable[[Operand], list[Reason]]
) -> Story:
    """Return what is on one edge, and why."""
    chain = _below(plan.read_at(operand))
    if not chain:
        reasons = why_none(operand)
    else:
        # Why nobody put a second one upon the first is worth as much as why there is one.
        said = _said(plan, operand.node, str(operand))
        reasons = [*(Reason(slot.rule, slot.reason) for slot in chain), *map(_reason, said)]
    once = dict.fromkeys(Reason(reason.rule, printable(reason.text, 400)) for reason in reasons)
    return Story(operand, tuple(places[slot] for slot in chain), tuple(once))


def _said(plan: Plan, node: Node, *places: str) -> list[Decision]:
    """Return what the reference decided at some places of a node."""
    return [decision for decision in plan.said.get(node, ()) if decision.place in places]


def _reason(decision: Decision) -> Reason:
    """Return a decision as a reason."""
    return Reason(decision.rule, decision.reason)


def _why_none(site: Site, operand: Operand) -> list[Reason]:
    """Return why there is no observer on an edge: neither the maker of the value asks for one nor its reader."""
    reader, value = site.quantized.get(operand.node), operand.value
    if reader is not None and value in reader.match.nodes:
        text = f"{value.name} and {operand.node.name} are nodes of one pattern"
        return [Reason("PATTERNS-1", text)]
    return [*_why_not_made(site, value), *_why_not_read(site, operand)]


def _why_not_annotated(plan: Plan, operand: Operand) -> list[Reason]:
    """Return why there is no observer on an edge of an annotated graph: nobody asks for one, or none can be there."""
    said = [*_said(plan, operand.value, "output"), *_said(plan, operand.node, str(operand))]
    text = f"neither {operand.value.name} nor the way from it to {operand.node.name} is annotated with a spec"
    return list(map(_reason, said)) or [Reason("ANNOTATIONS-3", text)]


def _why_not_made(site: Site, value: Node) -> list[Reason]:
    """Return why the maker of a value does not observe it."""
    if value in site.quantized_inputs:
        return [Reason("SHARING-5", f"{value.name} is an input that is declared as quantized")]
    if value in site.plan.parts:
        return [Reason("MODULES-9", f"{value.name} is a part of a custom LSTM's output, which is dequantized")]
    if value.op in ("placeholder", "get_attr"):
        what = "an input" if value.op == "placeholder" else "a parameter or buffer"
        return [Reason("BACKENDS-1", f"{value.name} is {what}, which no pattern gives")]
    said = _said(site.plan, value, "output", "input and output")
    return list(map(_reason, said)) or _why_not_quantized(site, value)


def _why_not_read(site: Site, operand: Operand) -> list[Reason]:
    """Return why the reader of a value does not ask for an observer."""
    node = operand.node
    said = _said(site.plan, node, str(operand), "input and output", "equalization")
    if said:
        return list(map(_reason, said))
    if node.op == "output":
        return [Reason("BACKENDS-1", f"{operand.value.name} is returned, and so read by no pattern")]
    quantized = site.quantized.get(node)
    if quantized is not None:
        text = f"{node.name} is no root of its pattern, and reads {operand.value.name} from outside"
        return [Reason("PATTERNS-8", text)]
    return _why_not_quantized(site, node)


def _why_not_quantized(site: Site, node: Node) -> list[Reason]:
    """Return why a node that computes is in no quantized pattern."""
    match = site.matches.get(node)
    if match is not None:
        return [Reason(d.rule, f"{node.name}: {d.reason}") for d in _said(site.plan, match.last, "pattern")]
    if site.assigned.get(node) is None:
        return [Reason("QCONFIGS-8", f"{node.name} has no qconfig")]
    return [Reason("BACKENDS-1", f"{node.name} is in none of the backend's patterns")]
