"""Known failures: what is expected and nothing else, and what is said of a file that is wrong."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observance.conformance.judge import Judge
from observance.conformance.known import KnownFailure, KnownFailures, load
from observance.conformance.rules import RULES, import_rules
from observance.conformance.usage import UsageError
from observance.conformance.variants import varied
from observance.strategies import Case
from observance.strategies.case import Call, Entry, Mapping

from .saboteurs import SABOTEURS
from .test_explaining import LINEAR

import_rules()

RULE = RULES["PLACEMENT-1"]
TWO = replace(LINEAR, calls=(Call("linear", (-1,)), Call("linear", (0,))), output=1)
OTHER_QCONFIG = replace(LINEAR, mapping=Mapping(None, (Entry("global", "default_qat_qconfig_v2"),)), is_qat=True)
TODAY = datetime.date(2026, 6, 1)


def judge_of(case: Case, known: KnownFailures | None = None, rule: str = RULE.id) -> Judge:
    """A judge of the saboteur of a rule, for one case."""
    return Judge(varied("tried", SABOTEURS[rule]), 1, only=case, known_failures=known)


def known(case: Case, **changes: Any) -> KnownFailure:
    """A known failure with a pinned case."""
    return replace(KnownFailure("mine", RULE.id, "a cause", "a link", case), **changes)


def verdict(case: Case, *entries: KnownFailure, rule: str = RULE.id) -> Any:
    """What comes of a rule on a case of its saboteur."""
    judge = judge_of(case, KnownFailures(entries), rule)
    judge.examine([RULES[rule]])
    return judge.verdicts[rule]


# What is known


def test_a_failure_that_fails_as_the_pinned_case_does_is_known() -> None:
    assert verdict(TWO).case == TWO
    found = verdict(TWO, known(LINEAR))
    assert (found.case, found.excused) == (None, 0)
    assert found.known > 0


def test_a_failure_that_is_found_to_be_something_else_is_not_known() -> None:
    other = verdict(OTHER_QCONFIG)
    assert other.case == OTHER_QCONFIG
    assert verdict(OTHER_QCONFIG, known(LINEAR)).case == OTHER_QCONFIG


def test_a_failure_of_another_rule_is_not_known() -> None:
    assert verdict(TWO, known(LINEAR, rule="PLACEMENT-5")).case == TWO


def test_what_is_known_is_not_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(varied("tried", SABOTEURS[RULE.id]), 30)
    judge.examine([RULE])
    failing = [case for case in judge.corpus if judge.unexplained(RULE, case)]
    entries = [known(case, id=f"number-{number}") for number, case in enumerate(failing)]
    patient = Judge(varied("tried", SABOTEURS[RULE.id]), 30, known_failures=KnownFailures(entries))
    monkeypatch.setattr(Judge, "smaller", None)
    patient.examine([RULE])
    assert failing
    assert patient.verdicts[RULE.id].case is None


def test_an_entry_that_still_fails_is_in_order() -> None:
    entry = known(LINEAR, until=TODAY)
    failures = KnownFailures([entry])
    assert failures.complaint(judge_of(LINEAR, failures), entry, TODAY) is None


def test_an_entry_that_no_longer_fails_is_an_error() -> None:
    entry = known(LINEAR)
    failures = KnownFailures([entry])
    judge = Judge(varied("mended", ()), 1, known_failures=failures)
    said = failures.complaint(judge, entry, TODAY)
    assert said == "mine: its pinned case breaks PLACEMENT-1 no longer; take the entry out of the file."


def test_an_entry_past_its_last_date_is_an_error() -> None:
    entry = known(LINEAR, until=TODAY)
    failures = KnownFailures([entry])
    said = failures.complaint(judge_of(LINEAR, failures), entry, TODAY + datetime.timedelta(1))
    assert said == "mine: its last date, 2026-06-01, has passed; mend the failure, or agree on another date."


# The file

FILE = """
format = "observance-known-failures"
version = 1

[[failure]]
id = "mine"
rule = "PLACEMENT-1"
cause = "our runtime quantizes inputs by itself"
link = "https://issues.example/17"
until = 2026-12-31
case = "pinned/mine.json"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of known failures with a pinned case."""
    (tmp_path / "pinned").mkdir()
    (tmp_path / "pinned" / "mine.json").write_text(LINEAR.to_json())
    path = tmp_path / "known.toml"
    path.write_text(FILE)
    return path


def test_a_file_is_read(file: Path) -> None:
    (entry,) = load(str(file)).entries
    assert (entry.id, entry.rule, entry.case) == ("mine", "PLACEMENT-1", LINEAR)
    assert (entry.until, entry.link) == (datetime.date(2026, 12, 31), "https://issues.example/17")


def test_a_last_date_may_be_left_out(file: Path) -> None:
    file.write_text(FILE.replace("until = 2026-12-31\n", ""))
    assert load(str(file)).entries[0].until is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (FILE, "", "is no file of known failures"),
        (FILE, "{}", "are no TOML"),
        (FILE, "a = " + "[" * 5000, "are no TOML"),
        ('format = "observance-known-failures"', 'format = "\\u001b[2J"', "is no file of known failures"),
        ("version = 1", "version = 2", "are of a newer release of observance"),
        ("version = 1", "version = true", "are malformed (version: "),
        ("version = 1", "version = 1\nsurprise = 2", "are malformed ("),
        ("[[failure]]", "[failure]", "are malformed (failure: "),
        ('cause = "our', 'course = "our', "are malformed (failure[0]: "),
        ('id = "mine"', 'id = "../mine"', "are malformed (failure[0].id: "),
        ('id = "mine"', 'id = "\\u001b]0;x"', "are malformed (failure[0].id: "),
        ("until = 2026-12-31", 'until = "someday"', "are malformed (failure[0].until: "),
        ("until = 2026-12-31", "until = 2026-12-31T10:00:00", "are malformed (failure[0].until: "),
        ("until = 2026-12-31", 'until = "2026-12-31"', "has a date in quotes"),
        ("until = 2026-12-31", "until = 2026-13-41", "are no TOML"),
        ('rule = "PLACEMENT-1"', 'rule = "PLACEMENT-99"', "names 'PLACEMENT-99', which is no rule"),
        ("pinned/mine.json", "pinned/absent.json", "cannot be read"),
        ("pinned/mine.json", "known.toml", "cannot be read"),
        (FILE, FILE + FILE.partition("version = 1")[2], "have two entries 'mine'"),
    ],
    ids=range(19),
)
def test_a_file_that_is_wrong_is_one_sentence(file: Path, old: str, new: str, reason: str) -> None:
    assert old in FILE
    file.write_text(FILE.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load(str(file))
    sentence = str(caught.value)
    assert reason in sentence
    assert sentence.endswith(".")
    assert sentence.isprintable()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "known.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read"):
        load(str(path))
