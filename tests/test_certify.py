"""Certificates of whole runs: what they say, when there is none, and that running again finds what was changed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import torch

from observance.conformance import corpus
from observance.conformance.corpus import Entry
from observance.conformance.evidence import folder
from observance.conformance.evidence.identity import file_digest
from observance.conformance.evidence.split import Tally
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES

from .certificates import LINEAR
from .certifying import HONEST, SIGNATURE, Run, certify, observance, prepared
from .corpus_made import is_plain

ENOUGH = 150
"""So many cases leave no rule vacuous."""

FEW = ("--cases=2", "-q", "--tb=no", "-p", "no:xdist", "-k", "smoke or placement")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to run in, with a corpus of cases that everybody claims."""
    plain = [entry for entry in corpus.read(corpus.FILE) if is_plain(entry.case)]
    # Few of these are any that these rules speak of; the second one calls again, and sees one case in five.
    judge = Judge(resolve("reference"), 1)
    for rare in (RULES["PLACEMENT-2"], RULES["PLACEMENT-9"]):
        plain.insert(0, next(entry for entry in plain if judge.findings(rare, entry.case)))
    plain = list(dict.fromkeys(plain))
    return prepared(tmp_path_factory.mktemp("certify"), plain[:ENOUGH], acme=HONEST)


@pytest.fixture(scope="module")
def certified(place: Path) -> Run:
    """A run of a vendor that does everything right."""
    return certify(place, "cert", "--impl=acme", "--cases=10", "--tb=no", "-p", "no:xdist")


def test_who_does_everything_right_is_certified(certified: Run) -> None:
    assert certified.code == 0, certified.output
    assert certified.document["reasons"] == []
    assert certified.document["status"] == "certified"
    assert "certified: cert/certificate.html" in certified.output


def test_the_certificate_says_who_was_judged_by_what(certified: Run, place: Path) -> None:
    made = certified.document
    jsonschema.validate(made, folder.schema_text("certificate.schema.json"))
    assert made["implementation"] == {
        "spec": "acme",
        "name": "Acme",
        "version": "1.2",
        "shape": "prepare",
        "features": ["dynamic", "static", "weight-only"],
        "torch": None,
        "files": [{"path": "acme.py", "sha256": file_digest(place / "acme.py")}],
    }
    assert made["environment"]["torch"] == torch.__version__
    assert made["run"]["start"] <= made["run"]["end"]
    assert (made["run"]["register"], made["run"]["shard"]) == (None, None)


def test_each_rule_has_its_verdict_and_the_cases_that_could_have_failed_it(certified: Run) -> None:
    made = certified.document
    assert [rule["id"] for rule in made["rules"] if rule["level"] != "MUST"] == []
    assert {rule["id"] for rule in made["rules"]} == {
        rule.id for rule in RULES.values() if rule.level == "MUST" and "" in rule.profiles
    }
    for rule in made["rules"]:
        tally = Tally.from_plain(rule["counts"])
        assert (rule["verdict"] == "kept") == (tally.telling > 0)
        assert tally.telling <= min(tally.cases, tally.places)
        assert rule["verdict"] in ("kept", "not claimed")


def test_the_certificate_says_which_cases_were_tried(certified: Run) -> None:
    cases = certified.document["cases"]
    assert cases["recorded_unclaimed"] == 0
    assert cases["fresh"] <= cases["fresh_wanted"] == 10
    assert cases["seed"] == 0
    assert max(cases["features"].values()) <= cases["recorded"] + cases["fresh"]
    assert cases["features"]["static qconfig"] > 10
    assert cases["features"]["equalization"] == 0


def test_run_again_it_is_the_same_until_a_file_of_the_vendor_changes(certified: Run, place: Path) -> None:
    """One run again serves for both: what is otherwise here is found before it, what it gives afterwards."""
    source = place / "acme.py"
    before = source.read_text()
    assert observance(place, "verify", "cert", "--no-rerun").code == 0
    try:
        source.write_text(before + "\n# changed\n")
        run = observance(place, "verify", "cert")
    finally:
        source.write_text(before)
    told = [line for line in run.output.splitlines() if line.startswith(("the ", "not "))]
    lines = [line for line in told if not line.startswith("not claimed")]  # the summary of the run
    assert lines == ["the implementation's file acme.py has changed", "not verified: 1 thing is wrong"]
    assert run.code == 1


# When there is none


def test_a_vacuous_rule_stops_a_certificate(tmp_path: Path) -> None:
    place = prepared(tmp_path / "place", [Entry(LINEAR)], acme=HONEST)
    run = certify(place, "cert", "--impl=acme", "--cases=1", "-q", "-p", "no:xdist")
    assert run.code == 1
    assert run.document["status"] == "refused"
    assert all(" is vacuous: none of " in reason for reason in run.document["reasons"])
    assert "SHARING-4 is vacuous" in " ".join(run.document["reasons"])


# What is started in the background of a shell ignores SIGINT, and so would whatever it starts.
ENDING = f"""
import os, signal
from observance.reference import prepare as _prepare
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
calls, run = [], os.getpid()
{SIGNATURE}
    calls.append(1)
    if len(calls) == 5:
        os.kill(run, signal.SIG%s)
    return _prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs)
"""


@pytest.mark.parametrize("signal", ["INT", "TERM"])
def test_a_run_that_is_interrupted_leaves_a_valid_certificate_that_says_so(tmp_path: Path, signal: str) -> None:
    place = prepared(tmp_path / "place", [Entry(LINEAR)], ending=ENDING % signal)
    run = certify(place, "cert", "--impl=ending", *FEW)
    assert run.code == 2, run.output
    assert run.document["status"] == "incomplete"
    assert run.document["reasons"][0] == "the run was interrupted"
    assert observance(place, "verify", "--no-rerun", "cert").code == 0


EVIL = "<script>document.title='owned'</script>\x1b]0;owned\x07../../\u202e{{7*7}}"
HOSTILE = f"""
CONFORMANCE = dict(features={{"static"}}, torch=None, name={EVIL!r} + "A" * 2_000_000, version={EVIL!r})
{SIGNATURE}
    class Evil(Exception): pass
    Evil.__name__ = {EVIL!r}
    if len(list(model.graph.nodes)) > 3 or qconfig_mapping.global_qconfig is not None:
        raise Evil({EVIL!r} + "A" * 2_000_000)
    return model
"""


def test_a_hostile_vendor_harms_neither_the_terminal_nor_a_file(tmp_path: Path) -> None:
    place = prepared(tmp_path / "place", [Entry(LINEAR)], hostile=HOSTILE)
    run = certify(place, "cert", "--impl=hostile", "--cases=2", "-q", "-p", "no:xdist", "-k", "smoke or entry")
    assert run.code == 1
    assert run.document["status"] == "incomplete"
    assert "\x1b" not in run.output
    assert "\x07" not in run.output
    assert len(run.output) < 200_000
    page = (run.folder / "certificate.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "\x1b" not in page
    ElementTree.parse(run.folder / "junit.xml")
    names = {path.relative_to(place).parts[0] for path in place.rglob("*")}
    assert names <= {"cert", ".observance", "__pycache__", "hostile.py", "small_corpus.py", "corpus.jsonl.gz"}
    assert observance(place, "verify", "--no-rerun", "cert").code == 0


def test_an_adapter_does_not_stand_for_what_it_adapts(tmp_path: Path) -> None:
    place = prepared(tmp_path / "place", [Entry(LINEAR)], adapter=f"import inner.deep\n{SIGNATURE}\n    return model\n")
    (place / "inner").mkdir()
    for name in ("__init__.py", "deep.py", "kernel.so"):
        (place / "inner" / name).write_text("")
    run = certify(place, "cert", "--impl=adapter", *FEW)
    paths = [file["path"] for file in run.document["implementation"]["files"]]
    assert paths == ["adapter.py", "inner/__init__.py", "inner/deep.py", "inner/kernel.so"]


KNOWN = """
format = "observance-known-failures"
version = 1
[[failure]]
id = "blind"
rule = "PLACEMENT-5"
cause = "it is not written yet"
link = "https://example.com/1"
case = "case.json"
"""


@pytest.mark.parametrize("reason", ["known", "no longer known"])
def test_a_known_failure_is_a_waiver_with_its_reason(tmp_path: Path, reason: str) -> None:
    blind = f"{SIGNATURE}\n    return model\n"
    place = prepared(tmp_path / "place", [Entry(LINEAR)], vendor=blind if reason == "known" else HONEST)
    (place / "case.json").write_text(LINEAR.to_json())
    (place / "known.toml").write_text(KNOWN)
    run = certify(place, "cert", "--impl=vendor", "--known-failures=known.toml", *FEW[:-1], "smoke or known")
    (waiver,) = run.document["waivers"]
    assert (waiver["id"], waiver["reason"], waiver["kind"]) == ("blind", "it is not written yet", "known failure")
    assert waiver["state"] == ("in force" if reason == "known" else "no longer holds")
    assert run.document["run"]["known_failures"] == {"name": "known.toml", "sha256": file_digest(place / "known.toml")}
