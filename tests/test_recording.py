"""The commands `record` and `compare`: what they write, what they say, and how they end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from observance.conformance import corpus
from observance.conformance.command import cli
from observance.conformance.records.files import read
from observance.strategies import Case

from .suites import SIGNATURE
from .test_explaining import LINEAR, MIXED
from .vendors import Write

CASES = (MIXED, LINEAR)

WITHOUT_OUTPUTS = """
    from observance.conformance.variants import Change, variant
    CONFORMANCE = {"features": None, "torch": None, "name": "With|out\\x1b[2J", "version": "1"}
    prepare = variant((Change("placement.place_output", lambda original, site, quantized: None),))
"""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in a folder of its own, with a corpus of two cases."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(corpus, "recorded", lambda: CASES)
    monkeypatch.setattr(corpus, "digest", lambda: "abc")

    def command(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def refusal(done: tuple[int, str, str]) -> str:
    """The one sentence of a command that was refused."""
    code, out, error = done
    assert (code, out) == (2, "")
    assert error.startswith("observance: ")
    assert error.count("\n") == 1
    assert error.endswith(".\n")
    return error.removeprefix("observance: ").strip()


def test_a_record_has_the_cases_of_the_corpus_and_its_digest(command: Command) -> None:
    code, out, error = command("record", "--impl=reference", "-o", "plan.jsonl")
    assert (code, error) == (0, "")
    assert out.endswith(": 2 cases, written to plan.jsonl\n")
    found = read("plan.jsonl")
    assert (tuple(found.entries), found.corpus) == (CASES, "abc")


def test_a_record_does_not_differ_from_its_implementation(command: Command, folder: Path) -> None:
    command("record", "--impl=reference", "-o", "plan.jsonl")
    code, out, error = command("compare", "plan.jsonl", "reference")
    assert (code, error) == (0, "")
    assert out.endswith(": all observers stand where they stood, in 2 cases\n")
    assert not (folder / ".observance").exists()


def test_what_differs_is_told_by_cause_and_the_smallest_case_is_saved(command: Command, write: Write) -> None:
    write(WITHOUT_OUTPUTS, "without.py")
    command("record", "--impl=reference", "-o", "plan.jsonl")
    code, out, error = command("compare", "plan.jsonl", "without", "--markdown=said.md", "--cases-in=found")
    assert (code, error) == (1, "")
    assert out.split("\n\n")[1].startswith("1. observer vanished between Linear and output, 1 place in 1 case\n")
    path = Path(f"found/changed-{LINEAR.digest}.json")
    assert f"   Explain: observance explain {path.as_posix()}\n" in out
    assert Case.from_json(path.read_text()) == LINEAR
    assert "With|out\\x1b[2J 1" in out
    assert "With\\|out\\\\x1b\\[2J 1" in Path("said.md").read_text()


def test_two_implementations_are_recorded_and_compared(command: Command) -> None:
    assert command("compare", "reference", "reference")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("record", "--impl=absent", "-o", "plan.jsonl"), "There is no module `absent`: "),
        (
            ("record", "--impl=reference", "-o", "absent/plan.jsonl"),
            "the record cannot be written to absent/plan.jsonl",
        ),
        (("compare", "absent.jsonl", "reference"), "the record absent.jsonl cannot be read"),
        (("compare", "reference", "absent"), "There is no module `absent`: "),
        (("compare", "foreign.txt", "reference"), "foreign.txt is no record"),
        (("compare", "reference", "reference", "--markdown=absent/said.md"), "--markdown cannot be written to "),
        (("compare", "empty.jsonl", "reference"), "the two records have no case in common that both claim"),
    ],
)
def test_bad_input_is_one_sentence(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], reason: str
) -> None:
    (folder / "foreign.txt").write_text("Dear reader,\n")
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "recorded", tuple)
        command("record", "--impl=reference", "-o", "empty.jsonl")
    assert refusal(command(*arguments)).startswith(reason)


def test_cases_that_cannot_be_saved_are_one_sentence(command: Command, write: Write, folder: Path) -> None:
    write(WITHOUT_OUTPUTS, "without.py")
    (folder / "taken").write_text("")
    done = command("compare", "reference", "without", "--cases-in=taken")
    assert refusal(done).startswith("the cases cannot be written into taken")


def test_an_implementation_that_refuses_every_call_is_not_recorded(command: Command, write: Write) -> None:
    write(f"{SIGNATURE} raise OSError(3)")
    said = refusal(command("record", "--impl=mypkg", "-o", "plan.jsonl"))
    assert said.endswith(" refuses every call (OSError: 3); mend it first.")
    assert not Path("plan.jsonl").exists()


def test_what_became_of_the_cases_is_said_where_a_record_is_written(command: Command, write: Write) -> None:
    narrow = WITHOUT_OUTPUTS.replace('"features": None', '"features": ["dynamic"]')
    write(narrow, "narrow.py")
    assert "2 cases (2 not claimed), written" in command("record", "--impl=narrow", "-o", "plan.jsonl")[1]


def test_two_versions_that_are_called_alike_go_by_what_was_named(command: Command) -> None:
    command("record", "--impl=reference", "-o", "plan.jsonl")
    assert command("compare", "plan.jsonl", "reference")[1].startswith("plan.jsonl -> reference: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_somebody_ends_says_so_and_leaves_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, folder: Path
) -> None:
    former = signal.getsignal(signal.SIGTERM)
    # Whoever starts these tests in the background lets them ignore it.
    asked = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(corpus, "recorded", lambda: signal.raise_signal(number))
    try:
        code, out, error = command("record", "--impl=reference", "-o", "plan.jsonl")
    finally:
        signal.signal(signal.SIGINT, asked)
    assert (code, out) == (130, "")
    assert error == "observance: record was ended before it was done; the same command begins anew.\n"
    assert not list(folder.iterdir())
    assert signal.getsignal(signal.SIGTERM) == former


def test_an_implementation_that_does_not_claim_this_torch_is_not_recorded(command: Command, write: Write) -> None:
    write(WITHOUT_OUTPUTS.replace('"torch": None', '"torch": ("2.1", "2.2")'), "old.py")
    assert "does not claim torch" in refusal(command("record", "--impl=old", "-o", "plan.jsonl"))
    assert "does not claim torch" in refusal(command("compare", "reference", "old"))


def test_wrong_use_of_the_command_line_ends_with_two(command: Command) -> None:
    with pytest.raises(SystemExit) as caught:
        command("compare", "alone.jsonl")
    assert caught.value.code == 2
