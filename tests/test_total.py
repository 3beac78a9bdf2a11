"""Certificates of several seeds are added up, and only what belongs together is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from observance.conformance.corpus import Entry
from observance.conformance.evidence import folder as folders
from observance.conformance.evidence.document import concluded
from observance.conformance.evidence.total import heading, report, total
from observance.conformance.usage import UsageError

from .certificates import CERTIFIED, FAILED, LINEAR
from .certifying import observance, prepared

KEPT: Any = concluded(
    FAILED
    | {"rules": [CERTIFIED["rules"][0] | {"id": rule["id"], "sentence": rule["sentence"]} for rule in FAILED["rules"]]}
)
"""A certificate of the rules of which `FAILED` breaks some, all kept."""


def of_seed(certificate: Any, seed: int) -> Any:
    """The certificate of another seed."""
    made = copy.deepcopy(certificate)
    made["cases"]["seed"] = seed
    return made


def refused(*documents: Any) -> str:
    """What is said of certificates that cannot be added up."""
    with pytest.raises(UsageError) as caught:
        total(documents)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_counts_of_all_seeds_are_added_up() -> None:
    made = total([of_seed(CERTIFIED, seed) for seed in (3, 1, 2)])
    assert made["status"] == "certified"
    assert made["cases"]["seeds"] == [1, 2, 3]
    assert made["cases"]["fresh"] == 3 * CERTIFIED["cases"]["fresh"]
    assert made["cases"]["recorded"] == CERTIFIED["cases"]["recorded"]
    for rule, one in zip(made["rules"], CERTIFIED["rules"], strict=True):
        for name in ("cases", "telling", "places", "excused"):
            assert rule["counts"][name] == 3 * one["counts"][name]
        assert rule["broken_by"] == []


def test_what_one_seed_breaks_is_broken_and_its_seed_is_named() -> None:
    made = total([of_seed(KEPT, 1), of_seed(FAILED, 2)])
    assert made["status"] == "refused"
    broken = [rule for rule in made["rules"] if rule["verdict"] == "broken"]
    assert broken
    assert all(rule["broken_by"] == [2] for rule in broken)
    assert any(broken[0]["id"] in reason for reason in made["reasons"])


def test_a_rule_that_is_vacuous_with_one_seed_is_kept_if_another_tells() -> None:
    vacuous = of_seed(CERTIFIED, 2)
    vacuous["rules"][0] |= {"verdict": "vacuous", "counts": vacuous["rules"][0]["counts"] | {"telling": 0}}
    made = total([of_seed(CERTIFIED, 1), vacuous])
    assert made["rules"][0]["verdict"] == "kept"
    assert made["rules"][0]["broken_by"] == [2]


def test_an_incomplete_run_leaves_the_total_incomplete() -> None:
    incomplete = of_seed(CERTIFIED, 2) | {"status": "incomplete"}
    assert total([of_seed(CERTIFIED, 1), incomplete])["status"] == "incomplete"


def test_the_report_tells_each_rule() -> None:
    made = total([of_seed(KEPT, 1), of_seed(FAILED, 2)])
    text = report(made)
    assert heading(made).startswith("Acme 1.2: ")
    assert all(rule["id"].replace("_", "\\_") in text for rule in made["rules"])
    assert text.count("\n|") == 2 + len(made["rules"])


def test_one_seed_is_not_counted_twice() -> None:
    assert refused(CERTIFIED, CERTIFIED).startswith("the seeds ")


def test_a_shard_is_no_certificate() -> None:
    shard = of_seed(CERTIFIED, 2)
    shard["run"]["shard"] = {"number": 1, "of": 2}
    assert "join the shards with `observance merge` first" in refused(CERTIFIED, shard)


@pytest.mark.parametrize(
    ("where", "name", "value", "told"),
    [
        ("environment", "torch", "2.99", "differ in the releases;"),
        ("suite", "sha256", "0" * 64, "differ in the suite;"),
        ("implementation", "version", "7", "differ in the implementation;"),
        ("run", "level", "upstream", "differ in the level;"),
        ("cases", "recorded_digest", "0" * 64, "two recorded corpora;"),
    ],
)
def test_what_differs_between_certificates_is_named(where: str, name: str, value: Any, told: str) -> None:
    other = of_seed(CERTIFIED, 2)
    other[where][name] = value
    assert told in refused(of_seed(CERTIFIED, 1), other)


def test_the_command_adds_up_folders_and_writes_the_report(tmp_path: Path) -> None:
    prepared(tmp_path, [Entry(LINEAR, ())])
    for seed, certificate in ((1, KEPT), (2, FAILED)):
        folders.write(of_seed(certificate, seed), tmp_path / f"cert-{seed}")
    run = observance(tmp_path, "total", "cert-1", "-o", "total.md")
    assert run.code == 0, run.output
    assert "certified: Acme 1.2: " in run.output
    assert (tmp_path / "total.md").read_text().startswith("### Acme 1.2: ")
    run = observance(tmp_path, "total", "cert-1", "cert-2")
    assert run.code == 1
    assert "SHARING-4 is broken by 3 of 80 cases" in run.output
    run = observance(tmp_path, "total", "cert-1", "cert-2", "-o", "nowhere/total.md")
    assert run.code == 2
    assert "the report cannot be written to nowhere/total.md" in run.output
    (tmp_path / "cert-2" / "badge.svg").write_text("<svg/>")
    run = observance(tmp_path, "total", "cert-1", "cert-2")
    assert run.code == 2
    assert "the certificate in cert-2 is damaged: badge.svg has changed" in run.output
