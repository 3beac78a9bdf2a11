"""The two books that are written from the code: they are up to date, and nothing in them is blank."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from observance.conformance import book
from observance.conformance.claims import SHIPPED_REGISTERS
from observance.conformance.deviations import Deviation, load
from observance.conformance.rules import MUST, RULES, UPSTREAM, Rule, import_rules
from observance.strategies import build

import_rules()

ENTRIES = [entry for name in SHIPPED_REGISTERS for entry in load(name).entries]


@pytest.mark.parametrize("path", book.books(), ids=lambda path: path.name)
def test_the_book_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == book.books()[path], "run `python -m observance.conformance.book`"


def test_a_book_that_is_not_up_to_date_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {tmp_path / "rules.md": "new\n", tmp_path / "deviations.md": "new\n"}
    monkeypatch.setattr(book, "books", lambda: texts)
    assert book.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/rules.md is not up to date; run `python -m observance.conformance.book`.\n"
    assert book.main([]) == 0
    assert book.main(["--check"]) == 0
    assert [path.read_text() for path in texts] == ["new\n", "new\n"]
    (tmp_path / "deviations.md").write_text("old\n")
    assert book.main(["--check"]) == 1
    assert capsys.readouterr().err.startswith("docs/deviations.md is not up to date")


def test_where_there_is_no_checkout_that_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(book, "books", lambda: {tmp_path / "docs" / "rules.md": ""})
    assert book.main([]) == 1
    assert capsys.readouterr().err == "There is no docs/ beside the suite; run this in a checkout.\n"


def test_an_option_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert book.main(["--chek"]) == 2
    assert capsys.readouterr().err == "'--chek' is no option; the one option is --check.\n"


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_every_rule_has_a_sentence_an_origin_a_level_and_a_chapter(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z].*\.", rule.sentence)
    assert rule.origin.strip()
    assert rule.level in (MUST, UPSTREAM)
    assert re.fullmatch(r"[A-Z]+-[1-9]\d*", rule.id)
    assert rule.check.__module__.rpartition(".")[2] == f"test_{book.chapter_of(rule)}"
    assert book.chapter_of(rule) in book.CHAPTERS


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_every_entry_has_a_cause_an_origin_rules_and_a_pinned_case(entry: Deviation) -> None:
    assert entry.cause.strip()
    assert entry.origin.strip()
    assert entry.rules
    assert set(entry.rules) <= set(RULES)
    assert entry.changes
    assert all(change.instead.__doc__ for change in entry.changes)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.id)
    assert build(entry.pinned).model.graph.nodes


def test_no_two_entries_have_one_id() -> None:
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES)


def test_every_pinned_case_belongs_to_an_entry() -> None:
    (folder,) = {entry.folder for entry in ENTRIES}
    assert {path.stem for path in folder.glob("*.json")} == {entry.id for entry in ENTRIES}


def test_the_rules_of_a_chapter_are_numbered_without_gaps() -> None:
    for chapter in book.chapters_of(RULES.values()):
        numbers = sorted(int(name.partition("-")[2]) for name in RULES if name.lower().startswith(f"{chapter}-"))
        assert numbers == list(range(1, len(numbers) + 1)), chapter


def test_a_rule_is_found_in_the_book_by_its_id() -> None:
    text = book.rules_text(RULES.values(), [load("torch")])
    headings = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(RULES)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("is_zeroth_arg asks for node.args[0]", "`is_zeroth_arg` asks for node.args[0]"),
        ("torch.add(x, other=y) is treated as x + 2", "`torch.add(x, other=y)` is treated as x + 2"),
        ("INPUT_OUTPUT_NOT_OBSERVED: never", "`INPUT_OUTPUT_NOT_OBSERVED`: never"),
        ("a `name_of_code` is_marked", "a `name_of_code` is_marked"),
    ],
)
def test_names_of_code_are_marked(text: str, marked: str) -> None:
    assert book.coded(text) == marked


def test_the_links_between_the_books_lead_somewhere() -> None:
    texts = {path.name: text for path, text in book.books().items()}
    anchors = {
        name: {heading.lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        for name, text in texts.items()
    }
    for name, text in texts.items():
        for file, anchor in re.findall(r"\]\(((?:rules|deviations)\.md)?#([^)]*)\)", text):
            assert anchor in anchors[file or name], f"{name}: #{anchor}"
