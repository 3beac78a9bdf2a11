"""Nouns as plain JSON, and back: objects that leave defaults out, tuples as arrays."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "None": (type(None),),
    "Any": (str, int, float, bool, type(None), tuple),
}
"""For each plain type in an annotation, the types that a value may have exactly."""


def to_plain(value: Any) -> Any:
    """Turn nouns into JSON objects that leave defaults out, tuples into arrays."""
    if isinstance(value, tuple):
        return [to_plain(part) for part in value]
    if not dataclasses.is_dataclass(value):
        return value
    plain: dict[str, Any] = {"": type(value).__name__}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if field.default is dataclasses.MISSING or content != field.default:
            plain[field.name] = to_plain(content)
    return plain


@dataclasses.dataclass(frozen=True)
class Nouns:
    """What may stand in a JSON text: the classes of the nouns, and the type aliases that their fields use."""

    classes: Mapping[str, type]
    aliases: Mapping[str, str]

    def from_plain(self, plain: Any) -> Any:
        """Undo `to_plain`; a ValueError or TypeError says what is wrong."""
        if isinstance(plain, list):
            return tuple(self.from_plain(part) for part in plain)
        if not isinstance(plain, dict):
            return plain
        noun = self.classes.get(plain.get("", ""))
        if noun is None:
            raise ValueError(f"no part of a case is called {plain.get('')!r}")
        made = noun(**{key: self.from_plain(part) for key, part in plain.items() if key})
        for field in _fields(noun):
            if not self._fits(getattr(made, field.name), str(field.type)):
                raise ValueError(f"{noun.__name__}.{field.name} is no {field.type}")
        return made

    def _fits(self, value: Any, wanted: str) -> bool:
        """Whether a value is what an annotation of a noun says."""
        wanted = self.aliases.get(wanted, wanted)
        choices = _split(wanted, " | ")
        if len(choices) > 1:
            return any(self._fits(value, choice) for choice in choices)
        if wanted in self.classes:
            return isinstance(value, self.classes[wanted])
        if wanted in _PLAIN:
            return type(value) in _PLAIN[wanted]
        parts = _split(wanted.removeprefix("tuple[")[:-1], ", ")
        if not isinstance(value, tuple):
            return False
        if parts[-1] == "...":
            return all(self._fits(part, parts[0]) for part in value)
        return len(value) == len(parts) and all(map(self._fits, value, parts))


_fields = functools.cache(dataclasses.fields)


@functools.cache
def _split(annotation: str, separator: str) -> list[str]:
    """Split an annotation at a separator, but not inside brackets."""
    found = [""]
    for piece in annotation.split(separator):
        if found[-1].count("[") > found[-1].count("]"):
            found[-1] += separator + piece
        else:
            found.append(piece)
    return found[1:]
