"""An explanation as text: every edge with its observers and reasons, and at the end the rules that were named."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from observance.conformance.command.explaining import Explanation, Place, Reason, Swap
from observance.conformance.rules import Rule
from observance.conformance.usage import printable

_WIDTH = 100


def explanation_text(name: str, explanation: Explanation, rules: Mapping[str, Rule]) -> str:
    """Return an explanation as text.

    Parameters
    ----------
    name
        What is explained.
    explanation
        What is to be said of it.
    rules
        All rules by id; those that are named are quoted at the end.
    """
    parts = [_summary(name, explanation), *_graph_parts(explanation, "")]
    parts += ["The rules\n" + "\n".join(_rule_line(rules[id]) for id in explanation.rules())]
    return "\n\n".join(parts) + "\n"


def _summary(name: str, explanation: Explanation) -> str:
    """Return how much there is to explain."""
    graphs = explanation.everything()
    objects = sum(len({place.group for place in one.observers()}) for one in graphs)
    edges = [story for one in graphs for story in one.stories]
    bare = sum(not story.chain for story in edges)
    counts = f"{_count(objects, 'observer')}, {_count(len(edges), 'edge')}, {bare} of them without one"
    return f"{name}: {counts}."


def _count(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _graph_parts(explanation: Explanation, inside: str) -> Iterator[str]:
    """Yield the paragraphs that tell of one graph, and then of those in it."""
    heading = f"Inside {inside}, where observers have numbers of their own, every edge" if inside else "Every edge"
    edges = "\n".join(
        _told(f"{story.edge}: {' then '.join(map(str, story.chain)) or 'no observer'}", story.reasons)
        for story in explanation.stories
    )
    yield f"{heading}, and what is on it\n{edges or '    there is none'}"
    if explanation.unread:
        lines = [_told(f"{_value(place)}: {place}", (reason,)) for place, reason in explanation.unread]
        yield "Observers that nothing reads\n" + "\n".join(lines)
    if explanation.groups:
        yield "One object at several places\n" + "\n".join(_group_text(*group) for group in explanation.groups)
    if explanation.swaps:
        yield "Modules that are swapped\n" + "\n".join(map(_swap_text, explanation.swaps))
    if explanation.warnings:
        yield "Warnings of prepare\n" + "\n".join(_filled(text, 4, 6) for text in explanation.warnings)
    for name, inner in explanation.inner:
        yield from _graph_parts(inner, f"{inside}.{name}" if inside else name)


def _told(what: str, reasons: tuple[Reason, ...]) -> str:
    """Return what is at a place, and below it the reasons."""
    return "\n".join([f"    {what}", *map(_reason_text, reasons)])


def _reason_text(reason: Reason) -> str:
    """Return a reason: the rule's id, and what it means here."""
    return _filled(f"{reason.rule}: {reason.text}", 8, 10)


def _value(place: Place) -> str:
    """Return the name of the value on which an observer stands."""
    return printable(place.slot.value.name, 60)


def _group_text(places: tuple[Place, ...], rules: tuple[str, ...]) -> str:
    """Return where one object stands, and the rules by which it is one."""
    values = ", ".join(dict.fromkeys(map(_value, places)))
    return _filled(f"{places[0]} stands on {values} [{', '.join(rules)}]", 4, 6)


def _swap_text(swap: Swap) -> str:
    """Return what a module becomes, and the observers inside."""
    lines = [_told(f"{swap.name} becomes {swap.becomes}", (swap.reason,))]
    lines += [textwrap.indent(_told(what, (reason,)), "    ") for what, reason in swap.inside]
    return "\n".join(lines)


def _rule_line(rule: Rule) -> str:
    """Return a rule's id and its sentence."""
    return _filled(f"{rule.id} ({rule.level}): {rule.sentence}", 4, 6)


def _filled(text: str, first: int, rest: int) -> str:
    """Return a text in lines that a terminal holds; a word that is longer than a line stays whole."""
    wrapper = textwrap.TextWrapper(_WIDTH, " " * first, " " * rest, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)
