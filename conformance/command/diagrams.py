"""What a picture shows, before it has a place on the paper: boxes, arrows, and which observers are one object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import nn
from torch.fx import GraphModule, Node

from observance.conformance.command.explaining import Explanation, Story, spec_of_observer
from observance.conformance.usage import printable
from observance.reference.graphs import Operand, name_of, operands
from observance.reference.specs import is_observer

Kind = Literal["end", "operator", "observer", "note"]
"""What a box stands for: an input, parameter or output; an operator; an observer; why there is none."""

_LABEL = 34
"""How many characters of a name are shown in a box; its tooltip has more."""


@dataclass(frozen=True)
class Box:
    """One box: what it stands for, its lines, the text that is shown on pointing at it.

    ``colour`` is that of an observer whose object stands at several places: a number
    that those places have and no other.
    """

    kind: Kind
    lines: tuple[str, ...]
    tooltip: str = ""
    colour: int | None = None


@dataclass(frozen=True)
class Arrow:
    """An arrow from one box to another, by their keys, and what stands beside its head."""

    start: str
    end: str
    label: str = ""


@dataclass(frozen=True)
class Diagram:
    """A graph to be drawn: its boxes by key, in order, and its arrows; and the graphs in it, each with its heading."""

    heading: str
    boxes: Mapping[str, Box]
    arrows: tuple[Arrow, ...]
    inner: tuple[Diagram, ...] = ()


def of_prepared(heading: str, prepared: GraphModule) -> Diagram:
    """Return the diagram of a prepared graph as it is: observers that are one object have one number.

    It says what is there, whether or not that is the float graph plus observers.
    """
    modules = dict(prepared.named_modules(remove_duplicate=False))
    observing = {n: modules[str(n.target)] for n in prepared.graph.nodes if _is_observer(n, modules)}
    numbers = {module: number for number, module in enumerate(dict.fromkeys(observing.values()))}
    colours = _colours(numbers[module] for module in observing.values())
    boxes = {}
    for node in prepared.graph.nodes:
        if node in observing:
            module = observing[node]
            lines = (_short(node.name), f"{spec_of_observer(module)} #{numbers[module]}")
            boxes[node.name] = Box("observer", lines, _tooltip(node), colours.get(numbers[module]))
        else:
            boxes[node.name] = _box(node, modules)
    reads = [operand for node in prepared.graph.nodes for operand in operands(node)]
    arrows = tuple(Arrow(o.value.name, o.node.name, _beside(o)) for o in reads)
    inside = {
        str(node.target): module
        for node in prepared.graph.nodes
        if node.op == "call_module" and isinstance(module := modules.get(str(node.target)), GraphModule)
    }
    inner = tuple(of_prepared(f"Inside {printable(name)}", module) for name, module in inside.items())
    return Diagram(heading, boxes, arrows, inner)


def of_explanation(heading: str, explanation: Explanation) -> Diagram:
    """Return the diagram of a float graph with what is planned for it: observers, and notes where there is none."""
    graph, places = explanation.graph, explanation.observers()
    model = graph.owning_module
    modules = dict(model.named_modules(remove_duplicate=False)) if model is not None else {}
    boxes = {node.name: _box(node, modules) for node in graph.nodes}
    arrows: list[Arrow] = []
    colours = _colours(place.group for place in places)
    names = {place.slot: f"observer {number}" for number, place in enumerate(places)}
    for place in places:
        slot = place.slot
        tooltip = f"{slot.rule}: {printable(slot.reason, 400)}"
        boxes[names[slot]] = Box("observer", (str(place), slot.rule), tooltip, colours.get(place.group))
        arrows.append(Arrow(slot.value.name if slot.below is None else names[slot.below], names[slot]))
    for number, story in enumerate(explanation.stories):
        start, end, label = story.operand.value.name, story.operand.node.name, _beside(story.operand)
        if story.chain:
            arrows.append(Arrow(names[story.chain[-1].slot], end, label))
        else:
            boxes[f"note {number}"] = _note(story)
            arrows += [Arrow(start, f"note {number}"), Arrow(f"note {number}", end, label)]
    inner = tuple(of_explanation(f"Inside {name}", part) for name, part in explanation.inner)
    return Diagram(heading, boxes, tuple(arrows), inner)


def _colours(groups: Iterable[int]) -> dict[int, int]:
    """Return a colour for each object that stands at several places, as its number says it."""
    shared = [group for group, count in Counter(groups).items() if count > 1]
    return {group: colour for colour, group in enumerate(shared)}


def _note(story: Story) -> Box:
    """Return the box that stands where there is no observer: the rules that say why."""
    rules = list(dict.fromkeys(reason.rule for reason in story.reasons))
    tooltip = "\n".join(f"{reason.rule}: {reason.text}" for reason in story.reasons)
    return Box("note", ("no observer", ", ".join(rules)), tooltip)


def _is_observer(node: Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a node of a prepared graph calls an observer."""
    return node.op == "call_module" and is_observer(modules.get(str(node.target)))


def _box(node: Node, modules: Mapping[str, nn.Module]) -> Box:
    """Return the box of a node that is no observer."""
    match node.op:
        case "placeholder":
            return Box("end", (_short(node.name), "input"), _tooltip(node))
        case "get_attr":
            return Box("end", (_short(node.name), "parameter"), _tooltip(node))
        case "output":
            return Box("end", (_short(node.name),), _tooltip(node))
        case "call_module":
            what = type(modules[str(node.target)]).__name__ if str(node.target) in modules else str(node.target)
        case _:
            what = name_of(node.target) or str(node.target)
    lines = dict.fromkeys((_short(node.name), _short(what)))  # a function's first call has its name
    return Box("operator", tuple(lines), _tooltip(node))


def _tooltip(node: Node) -> str:
    """Return what is shown on pointing at a node: its whole name, and what it calls."""
    return printable(f"{node.name}: {node.op} {name_of(node.target)}", 400)


def _beside(operand: Operand) -> str:
    """Return what stands beside an arrow's head: which argument it is, where the reader has several."""
    return _short(str(operand).removeprefix("argument ")) if len(operands(operand.node)) > 1 else ""


def _short(text: str) -> str:
    """Return a text as it is shown in a box."""
    return printable(text, _LABEL)


def merged(diagram: Diagram) -> Diagram:
    """Return the diagram with one arrow from a box to another, where a reader reads one value at several places."""
    labels: dict[tuple[str, str], list[str]] = {}
    for arrow in diagram.arrows:
        labels.setdefault((arrow.start, arrow.end), []).append(arrow.label)
    arrows = tuple(Arrow(start, end, ", ".join(filter(None, found))) for (start, end), found in labels.items())
    return replace(diagram, arrows=arrows)
