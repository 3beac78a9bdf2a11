"""Two portraits of one case held against each other: which observers are not where, or what, they were.

The unit is an observer on a value: if three operators read it, it has moved, or
vanished, once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from observance.conformance.observation import describe
from observance.conformance.records.portraits import PREPARED, REFUSED, UNCLAIMED, Plain
from observance.conformance.usage import printable

KINDS = {
    "unclaimed": "what is asked for is no longer claimed, so nothing can be said of it",
    "refused": "a call is refused that was not before",
    "accepted": "a call is no longer refused",
    "raised": "a refusal is another exception than before",
    "misshapen": "a result cannot be held against the float graph, or can again",
    "traced": "the float graph is another one: it was traced otherwise, by another release of torch",
    "appeared": "an observer stands where none stood",
    "vanished": "an observer is no longer there",
    "moved": "an observer stands on another value than before, next to where it stood",
    "changed": "an observer is of another class, dtype, range, scheme or the like",
    "split": "places that had one observer object have several",
    "merged": "places that had several observer objects have one",
    "module": "a module that is called is another one, or has other observers inside",
    "stubs": "dequant stubs stand on other parts of an output",
}
"""The kinds of a change, and what each means, from now on seen from the second record."""

_TELLING = 3
"""So many settings that have changed are told."""


@dataclass(frozen=True)
class Change:
    """One thing that is not what it was.

    Attributes
    ----------
    kind
        One of `KINDS`.
    what
        What sort of thing it is, or what has changed of it.
    around
        What kind of operator gives the value, and what kinds read it, in words.
    place
        Where it is in this case.
    before, after
        What was there, and what is there.
    """

    kind: str
    what: str
    around: str
    place: str = field(compare=False)
    before: str = field(compare=False)
    after: str = field(compare=False)

    @property
    def cause(self) -> tuple[str, str, str]:
        """What changes of one cause have in common."""
        return self.kind, self.what, self.around


def changes(before: Plain, after: Plain) -> list[Change]:
    """Return what differs between two portraits of one case; nothing where the first does not claim it."""
    outcomes = before["outcome"], after["outcome"]
    if outcomes[0] == UNCLAIMED:
        return []
    if outcomes[1] == UNCLAIMED:
        return [Change("unclaimed", "", "", "the call", _outcome_text(before), UNCLAIMED)]
    if outcomes == (PREPARED, PREPARED):
        return list(_Comparison(before, after).changes())
    texts = _outcome_text(before), _outcome_text(after)
    if outcomes[0] != outcomes[1]:
        kind = "refused" if outcomes[1] == REFUSED else "accepted" if outcomes[0] == REFUSED else "misshapen"
        return [Change(kind, _error(after if kind == "refused" else before), "", "the call", *texts)]
    if outcomes == (REFUSED, REFUSED) and before["error"] != after["error"]:
        return [Change("raised", f"{_error(before)} -> {_error(after)}", "", "the call", *texts)]
    return []


def _error(told: Plain) -> str:
    """Return the class of an exception; nothing where there is none."""
    return printable(told.get("error", ""), 60)


def _outcome_text(told: Plain) -> str:
    """Return what came of a call."""
    return f"{told['outcome']}: {printable(told['says'])}" if "says" in told else str(told["outcome"])


@dataclass(frozen=True)
class _Spot:
    """An observer object on a value, and who reads it there; `reader` names are for the eye."""

    value: int
    group: int


class _Comparison:
    """Two graphs of one case, edge by edge."""

    def __init__(self, before: Plain, after: Plain, inside: str = "") -> None:
        self.before, self.after, self.inside = before, after, inside
        self.gone: dict[_Spot, list[int]] = {}
        self.new: dict[_Spot, list[int]] = {}
        self.altered: dict[tuple[_Spot, int], list[int]] = {}
        self.twins: dict[tuple[int, int], list[int]] = {}

    def changes(self) -> Iterator[Change]:
        """Yield all changes of this graph, and of those inside."""
        if _shape(self.before) != _shape(self.after):
            yield Change("traced", "", "", self.inside or "the graph", _names(self.before), _names(self.after))
            return
        for mine, theirs in zip(self.before["edges"], self.after["edges"], strict=True):
            self._enter(mine[0], mine[2], mine[3], theirs[3])
        for value, old, new in _unread_pairs(self.before["unread"], self.after["unread"], self._told):
            self._enter(None, value, old, new)
        yield from self._moved()
        yield from self._one_sided("vanished", self.gone, self.before)
        yield from self._one_sided("appeared", self.new, self.after)
        yield from self._altered()
        yield from self._regrouped()
        yield from self._modules()
        for (number, old), (_, new) in zip(self.before["inside"], self.after["inside"], strict=False):
            yield from _Comparison(old, new, f"{self.inside}inside {self._name(number)}: ").changes()

    def _enter(self, reader: int | None, value: int, old: list[int], new: list[int]) -> None:
        """Enter what has happened to the observers at one place."""
        readers = [] if reader is None else [reader]
        pairs, gone, came = self._aligned(old, new)
        for first, second in pairs:
            self.twins.setdefault((first, second), []).append(value)
            if unlike(self.before["observers"][first], self.after["observers"][second]):
                self.altered.setdefault((_Spot(value, first), second), []).extend(readers)
        for group in gone:
            self.gone.setdefault(_Spot(value, group), []).extend(readers)
        for group in came:
            self.new.setdefault(_Spot(value, group), []).extend(readers)

    def _aligned(self, old: list[int], new: list[int]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        """Return which observers of two chains stand for each other, and which of either for none."""
        left, right, pairs = list(old), list(new), []
        for exactly in (True, False):
            for first in list(left):
                alike = (n for n in right if not exactly or not self._unlike(first, n))
                second = next(alike, None)
                if second is not None:
                    pairs.append((first, second))
                    left.remove(first)
                    right.remove(second)
        return pairs, left, right

    def _unlike(self, first: int, second: int) -> list[str]:
        """Return the settings in which two observers differ."""
        return unlike(self.before["observers"][first], self.after["observers"][second])

    def _moved(self) -> Iterator[Change]:
        """Yield the observers that are gone in one place and stand next to it; they are neither gone nor new."""
        for old in list(self.gone):
            for new in list(self.new):
                near = {old.value, *self.gone[old]} & {new.value, *self.new[new]}
                if old.value == new.value or not near or self._unlike(old.group, new.group):
                    continue
                places = self._place(old, self.gone.pop(old)), self._place(new, self.new.pop(new))
                around = f"from {self._kind(old.value)} to {self._kind(new.value)}"
                sort, told = self._sort(self.before, old.group), self._told(self.before, old.group)
                texts = (f"{told} at {place}" for place in places)
                yield Change("moved", sort, around, f"{self.inside}{places[0]}", *texts)
                break

    def _one_sided(self, kind: str, spots: dict[_Spot, list[int]], graph: Plain) -> Iterator[Change]:
        """Yield the observers that only one of the two has."""
        for spot, readers in spots.items():
            told = self._told(graph, spot.group)
            texts = (told, "no observer") if kind == "vanished" else ("no observer", told)
            sort = self._sort(graph, spot.group)
            yield Change(kind, sort, self._around(spot, readers), self._place(spot, readers, True), *texts)

    def _altered(self) -> Iterator[Change]:
        """Yield the observers that are there, and not what they were."""
        for (spot, other), readers in self.altered.items():
            first, second = self.before["observers"][spot.group], self.after["observers"][other]
            texts = self._told(self.before, spot.group), self._told(self.after, other)
            what = difference(first, second)
            yield Change("changed", what, self._around(spot, readers), self._place(spot, readers, True), *texts)

    def _regrouped(self) -> Iterator[Change]:
        """Yield the objects that became several, and those that became one."""
        for kind, side in (("split", 0), ("merged", 1)):
            partners: dict[int, dict[int, list[int]]] = {}
            for pair, values in self.twins.items():
                partners.setdefault(pair[side], {}).setdefault(pair[1 - side], []).extend(values)
            for group, others in partners.items():
                if len(others) > 1:
                    yield from self._regroup(kind, self._sort((self.before, self.after)[side], group), others)

    def _regroup(self, kind: str, what: str, others: dict[int, list[int]]) -> Iterator[Change]:
        """Yield, for each operator at which they part, that one object became several, or several one.

        `others` has the values that each of the several observes.
        """
        values = sorted({value for found in others.values() for value in found})
        texts = ["one object", f"{len(others)} objects"]
        place = f"{self.inside}on {', '.join(map(self._name, values))}"
        for around in [f"at {part}" for part in self._parting(others)] or [f"on {self._kinds(values)}"]:
            yield Change(kind, what, around, place, *(texts if kind == "split" else texts[::-1]))

    def _parting(self, others: dict[int, list[int]]) -> list[str]:
        """Return what operators give a value that another object observes than what they read: there objects part."""
        of: dict[int, set[int]] = {}
        for other, values in others.items():
            for value in values:
                of.setdefault(value, set()).add(other)
        edges = [(reader, value) for reader, _, value, _ in self.before["edges"] if reader in of and value in of]
        return sorted({self._kind(reader) for reader, value in edges if not of[reader] & of[value]})

    def _modules(self) -> Iterator[Change]:
        """Yield the modules that are others, and the stubs that stand elsewhere."""
        for kind, key, missing in (("module", "modules", None), ("stubs", "stubs", [])):
            mine, theirs = (dict(map(tuple, graph[key])) for graph in (self.before, self.after))
            for number in dict.fromkeys([*mine, *theirs]):
                old, new = mine.get(number, missing), theirs.get(number, missing)
                if not _same_part(old, new):
                    what, texts = _part_difference(old, new), (_part_text(old), _part_text(new))
                    yield Change(kind, what, f"at {self._kind(number)}", f"{self.inside}{self._name(number)}", *texts)

    def _kind(self, number: int) -> str:
        """Return what a node is."""
        return printable(self.before["nodes"][number][1], 60)

    def _name(self, number: int) -> str:
        """Return what a node is called."""
        return printable(self.before["nodes"][number][0], 60)

    def _kinds(self, numbers: Iterable[int]) -> str:
        """Return what some nodes are."""
        return " and ".join(sorted({self._kind(number) for number in numbers}))

    def _around(self, spot: _Spot, readers: Iterable[int]) -> str:
        """Return what kind of operator gives a value, and what kinds read it."""
        return f"between {self._kind(spot.value)} and {self._kinds(readers) or 'nothing'}"

    def _sort(self, graph: Plain, group: int) -> str:
        """Return what sort of observer one is; what it is in full comes from the qconfig of the case."""
        settings = graph["observers"][group]
        if "Equalization" in settings["class"]:
            return "equalization observer"
        return "dynamic observer" if settings.get("is_dynamic") else "observer"

    def _place(self, spot: _Spot, readers: Iterable[int], whole: bool = False) -> str:
        """Return where an observer stands, in words."""
        names = ", ".join(dict.fromkeys(self._name(reader) for reader in readers)) or "nothing"
        return f"{self.inside if whole else ''}{self._name(spot.value)} -> {names}"

    def _told(self, graph: Plain, group: int) -> str:
        """Return an observer in words."""
        return told_settings(graph["observers"][group])


def _shape(graph: Plain) -> Any:
    """Return what two portraits must have in common to be compared: who reads what, where."""
    return len(graph["nodes"]), [edge[:3] for edge in graph["edges"]]


def _names(graph: Plain) -> str:
    """Return the nodes of a graph in a line."""
    return printable(", ".join(name for name, _ in graph["nodes"]))


def _unread_pairs(old: Any, new: Any, told: Any) -> Iterator[tuple[int, list[int], list[int]]]:
    """Yield for each value the observers that nothing reads there, before and after."""
    for value in sorted({row[0] for row in [*old, *new]}):
        mine, theirs = ([row[1][-1] for row in rows if row[0] == value and row[1]] for rows in (old, new))
        yield value, mine, theirs


def unlike(first: Plain, second: Plain) -> list[str]:
    """Return the settings in which two observers differ.

    What only one of two observers of one class has comes from the release of
    torch that defines the class, and is nothing that `prepare` decides.
    """
    names = [name for name in first if name in second]
    found = []
    for name in names:
        one, other = first[name], second[name]
        if isinstance(one, dict) and isinstance(other, dict):
            found += [f"{name}.{inner}" for inner in unlike(one, other)]
        elif one != other:
            found.append(name)
    return ["class"] if "class" in found else found


def difference(first: Plain, second: Plain) -> str:
    """Return in what two observers differ, in words."""
    names = unlike(first, second)
    texts = [f"{name} {_setting(first, name)} -> {_setting(second, name)}" for name in names[:_TELLING]]
    return ", ".join(texts) + (f" and {len(names) - _TELLING} more" if len(names) > _TELLING else "")


def _setting(settings: Any, path: str) -> str:
    """Return a setting in words."""
    for name in path.split("."):
        settings = settings[name]
    text = str(settings)
    return printable(text.rpartition(".")[2] if text.startswith("torch.") else text, 60)


def told_settings(settings: Plain) -> str:
    """Return an observer in words, as a report has it; what cannot be told so, by its class."""
    try:
        return printable(describe(tuple((name, _as_seen(value)) for name, value in settings.items())))
    except (TypeError, ValueError, KeyError, IndexError):  # a file that was written by hand may hold anything
        return printable(str(settings["class"]))


def _as_seen(value: Any) -> Any:
    """Return a setting as an observation has it."""
    return tuple(map(_as_seen, value)) if isinstance(value, list) else value


def _same_part(old: Any, new: Any) -> bool:
    """Whether two modules, or two lists of stubs, are the same."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return bool(old == new)
    plain = [{**part, "observers": sorted(part["observers"])} for part in (old, new)]
    own, other = old["observers"], new["observers"]
    return plain[0] == plain[1] and not any(unlike(own[name], other[name]) for name in own)


def _part_difference(old: Any, new: Any) -> str:
    """Return in what two modules, or two lists of stubs, differ, in words."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ""
    own, other = old["observers"], new["observers"]
    found = [f"{key} {old[key]} -> {new[key]}" for key in ("class", "training", "hooks") if old[key] != new[key]]
    found += [f"no {name}" for name in own if name not in other] + [f"a {name}" for name in other if name not in own]
    found += [
        f"{name}: {difference(own[name], other[name])}"
        for name in own
        if name in other and unlike(own[name], other[name])
    ]
    return printable(", ".join(found))


def _part_text(part: Any) -> str:
    """Return a module, or a list of stubs, in words."""
    if not isinstance(part, dict):
        return f"stubs on {json.dumps(part)}" if part else "none"
    mode = "training" if part["training"] else "eval"
    inside = [f"{name} {told_settings(settings)}" for name, settings in part["observers"].items()]
    hooks = [f"the hook {hook}" for hook in part["hooks"]]
    with_ = f" with {', '.join([*hooks, *inside])}" if hooks or inside else ""
    return printable(f"{part['class'].rpartition('.')[2]} in {mode} mode{with_}")
