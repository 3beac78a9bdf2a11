"""The recorded corpus covers all of `prepare`, gives every saboteur away, and cannot be mistaken for another."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from observance.conformance import corpus
from observance.conformance.corpus import Entry
from observance.conformance.rules import RULES, import_rules
from observance.conformance.usage import UsageError
from observance.strategies import build
from observance.strategies.case import Call, Case, Mapping
from observance.strategies.case import Entry as Line
from observance.strategies.features import FEATURES, features
from observance.strategies.operators import OPERATORS

from . import corpus_made
from .saboteurs import SABOTEURS

import_rules()

LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(None, (Line("global", "default_qconfig"),)))
LEAST = 10


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is taken for the corpus."""
    monkeypatch.setattr(corpus, "FILE", tmp_path / "corpus.jsonl.gz")
    return tmp_path / "corpus.jsonl.gz"


@pytest.fixture(autouse=True)
def _forget() -> None:
    """Let nothing that one test has read be read by another."""
    corpus._telling.cache_clear()
    corpus.recorded.cache_clear()
    corpus._body.cache_clear()


# What is in it


def test_no_case_is_there_twice_and_none_is_written_by_hand() -> None:
    cases = corpus.recorded()
    assert len(cases) == len(set(cases)) >= corpus_made.SIZE
    assert not [case for case in cases if case.written]


def test_every_feature_is_met_often() -> None:
    met = Counter(name for case in corpus.recorded() for name in features(case))
    assert {name: met[name] for name in FEATURES if met[name] < LEAST} == {}


def test_every_operator_is_met() -> None:
    met = {call.operator for case in corpus.recorded() for call in case.calls}
    assert set(OPERATORS) - met == set()


def test_every_rule_that_sees_drawn_cases_has_a_recorded_one_that_tells_it() -> None:
    told = {rule for case in corpus.telling() for rule in corpus.tells(case)}
    assert {name for name in SABOTEURS if not RULES[name].own} - told == set()


def test_every_case_can_be_built() -> None:
    for case in corpus.recorded()[::7]:
        build(case)


def test_what_is_read_is_the_same_each_time() -> None:
    assert corpus.recorded() == corpus.recorded()
    text = gzip.decompress(corpus.FILE.read_bytes()).partition(b"\n")[2]
    assert corpus.digest() == hashlib.sha256(text).hexdigest()


# A file that is not the one that was shipped


def test_what_is_written_is_read(path: Path) -> None:
    corpus.write([Entry(LINEAR, ("ENTRY-1",))], path)
    assert corpus.recorded() == (LINEAR,)
    assert corpus.tells(LINEAR) == ("ENTRY-1",)
    written = path.read_bytes()
    corpus.write([Entry(LINEAR, ("ENTRY-1",))], path)
    assert path.read_bytes() == written


def _with_header(**said: object) -> bytes:
    """A corpus without cases, with a header that says something else."""
    header = {"format": corpus.FORMAT, "version": 1, "cases": 0, "sha256": hashlib.sha256(b"").hexdigest()} | said
    return gzip.compress(json.dumps(header).encode() + b"\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip at all",
        gzip.compress(b""),
        gzip.compress(b"\xff\xfe"),
        gzip.compress(b"[" * 100_000),
        gzip.compress(b"3\n"),
        gzip.compress(b"{}\n"),
        _with_header(cases=3),
        _with_header(sha256="0" * 64),
        _with_header(format="another"),
    ],
    ids=range(10),
)
def test_a_file_that_is_no_corpus_is_one_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for ask in (corpus.recorded, corpus.digest):
        with pytest.raises(UsageError, match=r"^the corpus .* cannot be read \(.*\); install observance again\.$"):
            ask()


def test_a_corpus_that_is_missing_is_one_sentence(path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        corpus.recorded()


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_corpus_that_is_cut_off_is_one_sentence(path: Path, cut: int) -> None:
    corpus.write([Entry(LINEAR)] * 50, path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UsageError, match="cannot be read"):
        corpus.recorded()


def test_a_line_that_holds_no_case_is_one_sentence(path: Path) -> None:
    body = b'{"tells": [], "case": {"": "Nothing"}}\n'
    header = {"format": corpus.FORMAT, "version": 1, "cases": 1, "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(gzip.compress(json.dumps(header).encode() + b"\n" + body))
    with pytest.raises(UsageError, match="a line is no case"):
        corpus.recorded()


def test_a_corpus_of_a_future_release_is_told_as_that(path: Path) -> None:
    path.write_bytes(_with_header(version=2))
    with pytest.raises(UsageError, match=r"is of version 2, and this release reads version 1; use the release"):
        corpus.recorded()
