"""Every origin says where it is to be read, and what it names stands there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from observance.conformance.origins import FILES, PAGES, name_of, place_of
from observance.conformance.rules import RULES, import_rules

import_rules()

INSTALLED = [name for name, path in FILES.items() if importlib.util.find_spec(path.partition("/")[0])]
"""The names that stand in a library that is there: torchao may not be."""


def text_of(path: str) -> str:
    """Return a file of an installed library."""
    package, _, rest = path.partition("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / rest).read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", sorted(RULES))
def test_an_origin_begins_with_a_name_whose_place_is_known(rule: str) -> None:
    origin = RULES[rule].origin
    assert ": " in origin
    assert place_of(origin)


@pytest.mark.parametrize("name", INSTALLED)
def test_what_an_origin_names_is_defined_in_the_file_that_is_named(name: str) -> None:
    text = text_of(FILES[name])
    for part in name.split(", "):
        word = re.escape(part.rpartition(".")[2])
        assert re.search(rf"(?m)^\s*((def|class) {word}\b|(self\.)?{word}\b\s*[:=])", text), f"{FILES[name]}: {part}"


def test_no_place_is_kept_that_no_origin_names() -> None:
    assert {*FILES, *PAGES} == {name_of(rule.origin) for rule in RULES.values()}
