"""Shards, joined, and processes beside each other give the certificate that one run would have given, byte for byte.

What is judged breaks many rules, so that failures are compared as well. Some chapters are enough: the split is the same
for all rules. Times and machines are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from observance.conformance import corpus
from observance.conformance.evidence import folder as folders
from observance.conformance.evidence.merge import merged
from observance.conformance.usage import UsageError

from .certifying import BLIND, Run, certify, observance, prepared

SOME = ("--impl=blind", "--cases=12", "-q", "--tb=no", "-k", "smoke or sharing or placement or patterns")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to run in."""
    plain = [entry for entry in corpus.read(corpus.FILE) if not entry.case.profile][:60:3]
    return prepared(tmp_path_factory.mktemp("shards"), plain, blind=BLIND)


@pytest.fixture(scope="module")
def whole(place: Path) -> Run:
    """One run."""
    return certify(place, "whole", *SOME, "-p", "no:xdist")


@pytest.fixture(scope="module")
def shards(place: Path) -> list[Run]:
    """The same in two shards."""
    return [certify(place, f"shard-{k}", *SOME, f"--shard={k}/2", "-p", "no:xdist") for k in (1, 2)]


def timeless(run: Run) -> bytes:
    """A certificate without what may differ."""
    made = run.document
    made["run"] |= {"start": "", "end": ""}
    made["environment"] |= {"platform": ""}
    return json.dumps(made).encode()


def test_what_is_compared_has_failures_of_recorded_and_of_drawn_cases(whole: Run) -> None:
    assert whole.code == 1, whole.output
    broken = [rule for rule in whole.document["rules"] if rule["verdict"] == "broken"]
    assert len(broken) >= 3
    assert all(rule["failure"]["findings"] for rule in broken)


def test_joined_shards_give_the_certificate_of_one_run(place: Path, whole: Run, shards: list[Run]) -> None:
    assert [shard.document["status"] for shard in shards] == ["shard", "shard"]
    counts = [[rule["counts"]["cases"] for rule in run.document["rules"]] for run in (whole, *shards)]
    assert counts[0] == [sum(both) for both in zip(*counts[1:], strict=True)]
    joined = observance(place, "merge", "shard-2", "shard-1", "-o", "joined")
    assert joined.code == 1, joined.output
    assert timeless(joined) == timeless(whole)
    assert {path.name for path in joined.folder.rglob("*")} == {path.name for path in whole.folder.rglob("*")}


def test_processes_beside_each_other_give_the_certificate_of_one(place: Path, whole: Run) -> None:
    run = certify(place, "beside", *SOME, "-n2")
    assert run.code == 1, run.output
    assert timeless(run) == timeless(whole)
    assert "incomplete: beside/certificate.html" in run.output
    assert "Blind 1: " in run.output


# What cannot be joined


def refused(documents: list[Any]) -> str:
    """What is said of shards that cannot be joined."""
    with pytest.raises(UsageError) as caught:
        merged(documents)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_a_shard_that_is_missing_is_named(shards: list[Run]) -> None:
    assert refused([shards[1].document]).startswith("of the shards of this run `1` are missing; ")


def test_a_shard_that_is_there_twice_is_named(shards: list[Run]) -> None:
    documents = [shard.document for shard in (*shards, shards[0])]
    assert refused(documents).startswith("the shards `1` are there more than once; ")


def test_a_whole_run_is_no_shard(whole: Run, shards: list[Run]) -> None:
    assert "is the certificate of a whole run" in refused([whole.document, shards[0].document])


def test_shards_of_runs_of_other_sizes_are_not_of_one_run(shards: list[Run]) -> None:
    other = shards[1].document
    other["run"]["shard"]["of"] = 3
    assert refused([shards[0].document, other]).startswith("the shards are of runs in `2`, `3` shards; ")


@pytest.mark.parametrize(
    ("where", "name", "value", "told"),
    [
        ("environment", "torch", "2.99", "the releases"),
        ("cases", "seed", 7, "the cases"),
        ("suite", "sha256", "0" * 64, "the suite"),
        ("implementation", "files", [], "the implementation"),
        ("run", "level", "upstream", "the level"),
    ],
)
def test_what_differs_between_shards_is_named(shards: list[Run], where: str, name: str, value: Any, told: str) -> None:
    other = shards[1].document
    other[where][name] = value
    assert f"they differ in {told};" in refused([shards[0].document, other])


def test_a_shard_that_was_changed_is_not_joined(place: Path, shards: list[Run]) -> None:
    damaged = place / "damaged"
    made = shards[0].document
    folders.write(made, damaged)
    (damaged / "badge.svg").write_text("<svg/>")
    run = observance(place, "merge", "damaged", "shard-2", "-o", "none")
    assert run.code == 2
    assert "the shard in damaged is damaged: badge.svg has changed since it was written; fetch it again." in run.output
    assert not (place / "none").exists()


def test_shards_on_several_machines_name_them_all(shards: list[Run]) -> None:
    other = shards[1].document
    other["environment"]["platform"] = "another"
    joined = merged([shards[0].document, other])
    assert joined["environment"]["platform"].endswith("; another")
    assert joined["run"]["shard"] is None
