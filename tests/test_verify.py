"""What is verified of a certificate without running anything again: each change is named, and bad files are told."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from observance.conformance.claims import FX
from observance.conformance.command import cli
from observance.conformance.evidence import folder, verify
from observance.conformance.evidence.document import concluded
from observance.conformance.evidence.identity import changed_files, file_digest
from observance.conformance.usage import UsageError

from .certificates import CERTIFIED, FAILED

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of a certificate that was refused, which has all kinds of files."""
    folder.write(FAILED, tmp_path / "cert")
    return tmp_path / "cert"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs the command `observance`, and returns its exit code and what it says."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_what_was_written_is_verified(place: Path, say: Say) -> None:
    assert say("verify", "--no-rerun", place) == (
        0,
        "verified, as it is written; nothing was run again: Acme 1.2: refused\n",
        "",
    )


@pytest.mark.parametrize("made", [CERTIFIED, FAILED], ids=["certified", "failed"])
def test_a_certificate_fits_its_published_schema(made: Any) -> None:
    schema = folder.schema_text("certificate.schema.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(made, schema)
    assert set(schema["properties"]) == set(made)


FILES = sorted([*folder.contents(FAILED), folder.MANIFEST])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_changed_byte_is_named(place: Path, say: Say, name: str, where: float) -> None:
    path = place / name
    content = bytearray(path.read_bytes())
    at = int(len(content) * where)
    content[at] ^= 1
    path.write_bytes(content)
    code, out, err = say("verify", "--no-rerun", place)
    assert code in (1, 2)
    # A digest that was changed in the manifest is that of a file, which is named then.
    assert name in out + err or (name == folder.MANIFEST and " has changed since it was written\n" in out)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(place: Path, say: Say, name: str) -> None:
    (place / name).unlink()
    code, out, err = say("verify", "--no-rerun", place)
    assert code in (1, 2)
    assert name in out + err


def test_a_file_that_does_not_belong_is_named(place: Path, say: Say) -> None:
    (place / "failures" / "evil\x1b[2J.py").touch()
    assert say("verify", "--no-rerun", place)[:2] == (
        1,
        "failures/evil\\x1b[2J.py does not belong to the certificate\nnot verified: 1 thing is wrong\n",
    )


def forged(change: Callable[[Any], None], place: Path) -> list[str]:
    """What is said of a certificate that was changed, and whose digests were made anew."""
    made = copy.deepcopy(FAILED)
    change(made)
    for path in sorted(place.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.write(made, place)
    return [*verify.problems_of_files(place), *verify.problems_of_content(made, place)]


def _set(rule: int, **values: Any) -> Callable[[Any], None]:
    """Set parts of a rule's record."""
    return lambda made: made["rules"][rule].update(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set(3, verdict="kept"), ["SHARING-4: the verdict is not what was counted", "reasons: it is not what"]),
        (lambda made: made.update(status="certified"), ["status: it is not what the verdicts amount to"]),
        (lambda made: made.update(reasons=[]), ["reasons: it is not what the verdicts amount to"]),
        (
            lambda made: made["rules"][3]["failure"].update(digest="0" * 12),
            ["SHARING-4: the failing case is not the one that its digest names"],
        ),
        (
            lambda made: made["rules"][3]["failure"]["case"].update(seed=3),
            ["SHARING-4: the failing case is not the one that its digest names"],
        ),
    ],
    ids=range(5),
)
def test_a_certificate_that_contradicts_itself_is_told(
    place: Path, change: Callable[[Any], None], said: list[str]
) -> None:
    found = forged(change, place)
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test_a_page_that_says_something_else_is_told_though_its_digest_is_right(place: Path) -> None:
    page, manifest = place / folder.PAGE, place / folder.MANIFEST
    page.write_text(page.read_text().replace("not certified", "certified"))
    digests = json.loads(manifest.read_text())
    digests["files"][folder.PAGE] = file_digest(page)
    manifest.write_text(json.dumps(digests))
    assert list(verify.problems_of_files(place)) == []
    assert list(verify.problems_of_content(FAILED, place)) == [
        "certificate.html does not say what certificate.json says"
    ]


def test_a_case_that_cannot_be_read_is_told(place: Path) -> None:
    made = copy.deepcopy(FAILED)
    made["rules"][3]["failure"]["case"] = {"": "Nothing"}
    found = list(verify.problems_of_content(made, place))
    assert [line.partition(" (")[0] for line in found] == [
        "SHARING-4: the failing case is not the one that its digest names",
        "a failing case cannot be read",
    ]


# Bad files


@pytest.mark.parametrize("name", [folder.CERTIFICATE, folder.MANIFEST])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"{", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"3", "is no observance "),
        (b"{}", "is no observance "),
        (b'{"format": "another"}', "is no observance "),
        (None, "cannot be read (No such file or directory)"),
    ],
    ids=range(8),
)
def test_a_file_that_is_no_certificate_is_one_sentence(
    place: Path, say: Say, name: str, content: bytes | None, told: str
) -> None:
    (place / name).unlink() if content is None else (place / name).write_bytes(content)
    code, out, err = say("verify", "--no-rerun", place)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert err.endswith(".\n")


@pytest.mark.parametrize("name", [folder.CERTIFICATE, folder.MANIFEST])
def test_a_file_of_a_future_version_is_one_sentence(place: Path, say: Say, name: str) -> None:
    path = place / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    code, _, err = say("verify", "--no-rerun", place)
    assert code == 2
    assert err.endswith("is of version 2, and this release reads version 1; use the release that wrote it.\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.pop("rules"),
        lambda made: made.update(surprise=1),
        lambda made: made.update(rules=[]),
        lambda made: made["rules"][0].update(id="../../evil"),
        lambda made: made["rules"][3]["failure"].update(digest="../evil"),
        lambda made: made["rules"][0]["counts"].update(cases=-1),
        lambda made: made["implementation"].update(name=3),
    ],
    ids=range(7),
)
def test_a_certificate_that_does_not_fit_its_schema_is_one_sentence(
    place: Path, say: Say, change: Callable[[Any], None]
) -> None:
    made = copy.deepcopy(FAILED)
    change(made)
    (place / folder.CERTIFICATE).write_text(json.dumps(made))
    code, _, err = say("verify", "--no-rerun", place)
    assert code == 2
    assert " is damaged (at $" in err


def test_a_manifest_that_leads_out_of_its_folder_is_one_sentence(place: Path, say: Say) -> None:
    manifest = json.loads((place / folder.MANIFEST).read_text())
    manifest["files"]["../../etc/passwd"] = "0" * 64
    (place / folder.MANIFEST).write_text(json.dumps(manifest))
    code, _, err = say("verify", "--no-rerun", place)
    assert code == 2
    assert "manifest.json is damaged" in err


# What is run again


def how(**changes: Any) -> verify.Rerun:
    """How a run is made again."""
    return verify.Rerun("acme", **changes)


def test_a_register_in_a_file_is_given_again_by_who_verifies(tmp_path: Path) -> None:
    register = tmp_path / "mine.py"
    register.write_text("raise SystemExit('executed')")
    made = copy.deepcopy(CERTIFIED)
    for given in (how(), how(deviations=str(register))):
        with pytest.raises(UsageError, match=r"by the file acme_deviations\.py; give the same file with --deviations="):
            verify.options_of(made, given)
    made["run"]["register"]["sha256"] = file_digest(register)
    assert f"--deviations={register}" in verify.options_of(made, how(deviations=str(register)))


@pytest.mark.parametrize(
    ("register", "option"), [(None, "--no-known-deviations"), ({"name": "torch", "sha256": None}, "--deviations=torch")]
)
def test_the_options_of_a_run_are_those_that_it_had(register: Any, option: str) -> None:
    made = copy.deepcopy(CERTIFIED)
    made["run"] |= {"register": register, "shard": {"number": 2, "of": 3}}
    assert verify.options_of(made, how()) == [
        "--impl=acme",
        "--level=must",
        "--draw-seed=3",
        "--cases=10",
        "--shard=2/3",
        option,
    ]


def test_a_register_that_a_certificate_names_is_no_file_to_be_executed() -> None:
    made = copy.deepcopy(CERTIFIED)
    made["run"]["register"] = {"name": "/tmp/evil.py", "sha256": None}
    with pytest.raises(UsageError, match="has no register"):
        verify.options_of(made, how())


def test_two_runs_that_differ_in_times_and_machines_are_the_same() -> None:
    other = copy.deepcopy(FAILED)
    other["run"] |= {"start": "later", "end": "later"}
    other["environment"] |= {"platform": "another"}
    other["rules"][3]["failure"]["pictures"] = {"expected": None, "found": None}
    assert list(verify.differences(FAILED, other)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_set(0, verdict="broken"), "ENTRY-1: the verdict was kept, and is broken"),
        (lambda made: made["rules"][0]["counts"].update(telling=13), "ENTRY-1: telling was 12, and is 13"),
        (lambda made: made["rules"].pop(), "SHARING-6 is gone"),
        (lambda made: made["rules"][3].update(failure=None), "SHARING-4: another failure is told"),
        (
            lambda made: made["waivers"][0].update(state="no longer holds"),
            "nothing-dynamic: the state was in force, and is no longer holds",
        ),
        (lambda made: made["cases"].update(fresh=11), "the cases differ in fresh"),
        (lambda made: made["run"].update(level="upstream"), "the level was must, and is upstream"),
    ],
    ids=range(7),
)
def test_what_differs_when_it_is_run_again_is_named(change: Callable[[Any], Any], told: str) -> None:
    other = copy.deepcopy(FAILED)
    change(other)
    assert list(verify.differences(FAILED, other)) == [told]


def test_files_that_changed_came_and_went_are_named() -> None:
    then = [{"path": name, "sha256": "a"} for name in ("same", "changed", "gone")]
    now = [{"path": "same", "sha256": "a"}, {"path": "changed", "sha256": "b"}, {"path": "new", "sha256": "a"}]
    assert changed_files(then, now) == ["changed has changed", "gone is gone", "new is new"]


def test_a_status_is_what_the_verdicts_amount_to() -> None:
    assert (CERTIFIED["status"], CERTIFIED["reasons"]) == ("certified", [])
    assert (FAILED["status"], FAILED["reasons"]) == (
        "refused",
        [
            "SHARING-4 is broken by 3 of 40 cases",
            "SHARING-5 itself failed on 2 of 2 cases",
            "SHARING-6 is vacuous: none of 40 cases could have broken it",
        ],
    )
    unfinished = copy.deepcopy(CERTIFIED)
    unfinished["rules"][0]["verdict"] = "not run"
    assert concluded(unfinished)["status"] == "incomplete"
    void = copy.deepcopy(CERTIFIED)
    void["waivers"][0]["state"] = "no longer holds"
    assert concluded(void)["reasons"] == ["the known deviation nothing-dynamic no longer holds"]


def test_what_was_run_in_a_profile_is_run_again_in_it() -> None:
    plain = copy.deepcopy(CERTIFIED)
    plain["run"] |= {"register": None, "known_failures": None}
    made = plain | {"run": plain["run"] | {"profile": FX}}
    jsonschema.validate(made, folder.schema_text("certificate.schema.json"))
    how = verify.Rerun("acme")
    assert set(verify.options_of(made, how)) - set(verify.options_of(plain, how)) == {f"--profile={FX}"}
