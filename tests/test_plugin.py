"""The options, what they answer when they are wrong, and how a run is summed up.

Runs of the suite are started inside this process, from an empty folder: torch is imported once.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from observance.conformance.deviations import load
from observance.conformance.rules import RULES, import_rules
from observance.strategies.case import Call, Case, Entry, Mapping

from .suites import BLIND, BROKEN, FORK, HONEST, REFUSING, Run, Suite, refusal, write

import_rules()

LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, Mapping(None, (Entry("global", "default_qconfig"),)))


def pinned(entry: str) -> str:
    """Write the pinned case of one of torch's known deviations into the current folder; return its path."""
    found = next(each for each in load("torch").entries if each.id == entry)
    return write(f"{entry}.json", found.pinned.to_json())


# Wrong use is one sentence, before any test runs


def test_without_an_implementation_the_suite_asks_for_one(suite: Suite) -> None:
    text = "say what to judge with --impl, such as --impl=torch or --impl=mypkg, --quantizer, or --backend-config."
    assert refusal(suite()) == text


@pytest.mark.parametrize("files", ["test_smoke.py", "test_deviations.py", "test_sharing.py"])
def test_without_an_implementation_each_file_of_the_suite_asks_for_one(suite: Suite, files: str) -> None:
    folder = Path(RULES["SHARING-1"].check.__code__.co_filename).parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder / files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "say what to judge with --impl" in refusal(Run(done.returncode, done.stdout + done.stderr))


def test_an_implementation_that_is_not_there_is_one_sentence(suite: Suite) -> None:
    assert refusal(suite("--impl=absent_package")).startswith("There is no module `absent_package`: ")


def test_an_implementation_that_cannot_be_called_is_one_sentence(suite: Suite) -> None:
    write("uncallable.py", "prepare = 3")
    assert refusal(suite("--impl=uncallable")).startswith("`uncallable:prepare` is of type `int`, ")


def test_an_implementation_that_does_not_claim_this_torch_is_one_sentence(suite: Suite) -> None:
    write("old.py", f"{BLIND}\nCONFORMANCE = dict(features=None, torch=('2.5', '2.5'), name='Old', version='1')")
    assert refusal(suite("--impl=old")).startswith("Old does not claim torch ")


def test_a_rule_that_is_not_there_is_one_sentence(suite: Suite) -> None:
    sentence = refusal(suite("--impl=reference", "--rule=sharing-1"))
    assert sentence.startswith("there is no rule 'sharing-1'; the nearest are SHARING-1, ")
    sentence = refusal(suite("--impl=reference", "--rule=absent"))
    assert sentence.startswith("there is no rule 'absent'; the rules are ")
    assert "SHARING-1, SHARING-2, " in sentence


@pytest.mark.parametrize("count", ["0", "-3"])
def test_no_cases_are_one_sentence(suite: Suite, count: str) -> None:
    assert refusal(suite("--impl=reference", f"--cases={count}")) == "--cases must be 1 or more."


def test_a_case_file_that_is_not_there_is_one_sentence(suite: Suite) -> None:
    assert refusal(suite("--impl=reference", "--case=absent.json")).startswith("the case absent.json cannot be read: ")


_PLAIN = json.loads(LINEAR.to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "3",
        "[]",
        "{}",
        '{"": "Case"}',
        '{"": "Call", "operator": "linear", "operands": [-1]}',
        '{"": "Nothing"}',
        '{"": []}',
        "[" * 100_000,
        "\x00\xff",
        json.dumps(_PLAIN | {"surprise": 1}),
        json.dumps(_PLAIN | {"inputs": 3}),
        json.dumps(_PLAIN | {"inputs": ["q"]}),
        json.dumps(_PLAIN | {"calls": None}),
        json.dumps(_PLAIN | {"calls": ["linear"]}),
        json.dumps(_PLAIN | {"calls": [_PLAIN["calls"][0] | {"operator": "absent"}]}),
        json.dumps(_PLAIN | {"calls": [_PLAIN["calls"][0] | {"operands": ["x"]}]}),
        json.dumps(_PLAIN | {"output": 9}),
        json.dumps(_PLAIN | {"output": ["set", 0]}),
        json.dumps(_PLAIN | {"mapping": None}),
        json.dumps(_PLAIN | {"backend": "absent"}),
        json.dumps(_PLAIN | {"seed": "x"}),
    ],
    ids=range(23),
)
def test_a_file_that_holds_no_case_is_one_sentence(suite: Suite, text: str) -> None:
    Path("case.json").write_text(text, encoding="utf-8")
    assert refusal(suite("--impl=reference", "--case=case.json")).startswith("the case case.json cannot be ")


def test_a_case_that_the_implementation_is_not_called_with_is_one_sentence(suite: Suite) -> None:
    write("case.json", load("torchao").entry("dicts-passed-by").pinned.to_json())
    said = "the case has an annotated graph, and reference is called with others; choose another --impl or --profile."
    assert refusal(suite("--impl=reference", "--case=case.json")) == said


def test_a_torch_that_obeys_no_annotations_is_one_sentence(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.__version__", "2.7.0")
    said = "The `prepare` of torch 2.7.0 obeys no annotations: judge that of torch 2.5 or 2.6, or torchao's with"
    assert refusal(suite("--impl=torch", "--profile=annotations-fx")) == f"{said} --impl=torchao."


def test_annotated_models_are_judged_in_their_profile(suite: Suite) -> None:
    run = suite("--impl=reference", "--profile=annotations-fx", "--rule=ANNOTATIONS-13")
    assert run.code == 0, run.output


def test_a_case_file_in_another_encoding_is_one_sentence(suite: Suite) -> None:
    Path("case.json").write_bytes(b"\xff\xfe\x00")
    assert refusal(suite("--impl=reference", "--case=case.json")).startswith("the case case.json cannot be read: ")


@pytest.mark.parametrize("name", ["trch", "absent.py", "folder.py"])
def test_a_register_that_is_not_there_is_one_sentence(suite: Suite, name: str) -> None:
    Path("folder.py").mkdir()
    sentence = refusal(suite("--impl=reference", f"--deviations={name}"))
    assert sentence.startswith(f"there is no register of deviations {name!r}: ")


def register(rule: str, decision: str) -> str:
    """The source of a register with one entry, named `mine`."""
    return f"""
        from pathlib import Path
        from observance.conformance.deviations import Deviation, Register
        from observance.conformance.variants import Change
        def instead(original, *args):
            return original(*args)
        changes = (Change({decision!r}, instead),)
        entry = Deviation("mine", ({rule!r},), "cause", "origin", changes, folder=Path(__file__).parent)
        REGISTER = Register("mine", (entry,))
    """


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def", "cannot be loaded (SyntaxError: "),
        ("1 / 0", "cannot be loaded (ZeroDivisionError: "),
        ("import absent_package", "cannot be loaded (ModuleNotFoundError: "),
        ("", "defines no REGISTER"),
        ("REGISTER = ()", "defines no REGISTER"),
        (register("ENTRY-1", "placement.absent"), "changes what is not there"),
        (register("ENTRY-1", "absent.fitting"), "changes what is not there"),
        (register("ENTRY-99", "placement.fitting"), "names `ENTRY-99`"),
    ],
)
def test_a_register_that_is_malformed_is_one_sentence(suite: Suite, source: str, reason: str) -> None:
    write("mine.json", LINEAR.to_json())
    write("register.py", source)
    assert reason in refusal(suite("--impl=reference", "--deviations=register.py"))


@pytest.mark.parametrize("text", [None, "{}"])
def test_a_register_without_its_pinned_cases_is_one_sentence(suite: Suite, text: str | None) -> None:
    write("register.py", register("ENTRY-1", "placement.fitting"))
    if text is not None:
        write("mine.json", text)
    sentence = refusal(suite("--impl=reference", "--deviations=register.py"))
    assert sentence.startswith("the pinned case of the deviation 'mine' cannot be read from ")


def test_a_shard_of_nothing_that_is_written_is_one_sentence(suite: Suite) -> None:
    assert refusal(suite("--impl=reference", "--shard=1/2")).startswith("--shard needs --certify=DIR: ")


def test_a_malformed_shard_is_one_sentence(suite: Suite) -> None:
    assert refusal(suite("--impl=reference", "--certify=new", "--shard=3/2")).startswith(
        "--shard must be two numbers, "
    )


@pytest.mark.parametrize("option", ["--rule=ENTRY-1", "--case=case.json", "--against=torch"])
def test_a_certificate_of_less_than_everything_is_one_sentence(suite: Suite, option: str) -> None:
    write("case.json", LINEAR.to_json())
    sentence = refusal(suite("--impl=reference", "--certify=new", option))
    assert sentence == "--certify speaks of all rules and cases: leave --rule, --case and --against out."
    assert not Path("new").exists()


def test_a_certificate_overwrites_nothing(suite: Suite) -> None:
    Path("full").mkdir()
    write("full/thing", "mine")
    assert refusal(suite("--impl=reference", "--certify=full")).startswith(
        "the folder full is not empty; name a new one"
    )
    assert Path("full/thing").read_text() == "mine"


def test_a_certificate_that_cannot_be_written_is_one_sentence(suite: Suite) -> None:
    write("file", "")
    assert refusal(suite("--impl=reference", "--certify=file/cert")).startswith("nothing can be written to file/cert (")


# What is said of a run


def test_a_rule_that_holds_passes(suite: Suite) -> None:
    run = suite("--impl=reference", "--rule=ENTRY-4")
    assert run.code == pytest.ExitCode.OK
    assert run.last.startswith("2 passed, ")
    assert re.search(r"^reference \S+: \d cases, seed 0$", run.output, re.MULTILINE)


def test_several_rules_are_held_when_the_option_is_given_again(suite: Suite) -> None:
    assert suite("--impl=reference", "--rule=ENTRY-4", "--rule=PLACEMENT-5").last.startswith("3 passed, ")


def test_a_rule_that_is_broken_fails_with_its_text_and_without_a_traceback(suite: Suite) -> None:
    write("blind.py", BLIND)
    run = suite("--impl=blind", "--rule=PLACEMENT-1", f"--case={write('case.json', LINEAR.to_json())}")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert "PLACEMENT-1 (MUST) is broken by blind unknown." in run.output
    assert f"--impl=blind --rule=PLACEMENT-1 --case=.observance/PLACEMENT-1-{LINEAR.digest}.json" in run.output
    assert "Traceback" not in run.output


def test_a_failure_is_told_once_in_continuous_integration_too(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    write("blind.py", BLIND)
    done = suite("--impl=blind", "--rule=PLACEMENT-1")
    assert done.output.count("Rerun:") == 1
    listed = done.output.split("short test summary info")[1].splitlines()
    assert [line for line in listed if line.startswith("FAILED")] == [listed[1]]
    assert listed[1].endswith("PLACEMENT-1 (MUST) is broken by blind unknown.")


@pytest.mark.parametrize(
    ("source", "reason"),
    [(BROKEN, "prepare returned a NoneType, not a GraphModule"), (REFUSING, "it raised ValueError: not today")],
)
def test_a_smoke_test_that_fails_blocks_all_rules(suite: Suite, source: str, reason: str) -> None:
    write("broken.py", source)
    run = suite("--impl=broken")
    must = [rule for rule in RULES.values() if rule.level == "MUST" and "" in rule.profiles]
    blocked = len(must)
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert re.fullmatch(rf"1 failed, \d+ deselected, {blocked} blocked in .*", run.last)
    assert f"broken cannot be called as prepare: {reason}. Mend the adapter first" in run.output
    assert f"{blocked} rules and entries blocked: the smoke tier failed: {reason}" in run.output


def test_a_rule_that_no_case_could_break_is_vacuous(suite: Suite) -> None:
    options = "--impl=reference", "--rule=SHARING-4", f"--case={write('case.json', LINEAR.to_json())}"
    run, at_length = suite(*options), suite(*options, "-v")
    assert run.code == pytest.ExitCode.OK
    assert re.fullmatch(r"1 passed, \d+ deselected, 1 vacuous in .*", run.last)
    assert "\nvacuous: SHARING-4\n" in run.output
    assert "vacuous: none of 1 cases could break SHARING-4\n" in at_length.output


def test_what_is_not_claimed_is_not_claimed(suite: Suite) -> None:
    write(
        "narrow.py",
        HONEST + "    CONFORMANCE = dict(features={'static'}, torch=None, name='Narrow', version='1')\n",
    )
    run = suite("--impl=narrow", "--rule=DTYPES-2", "--cases=20", "-v")
    assert run.code == pytest.ExitCode.OK
    assert re.fullmatch(r"1 passed, \d+ deselected, 1 not claimed in .*", run.last)
    assert "not claimed: Narrow does not claim 'dynamic'" in run.output


def test_cases_that_have_what_is_not_claimed_are_counted(suite: Suite) -> None:
    write(
        "narrow.py",
        HONEST + "    CONFORMANCE = dict(features={'static'}, torch=None, name='Narrow', version='1')\n",
    )
    run = suite("--impl=narrow", "--rule=ENTRY-4", "--cases=20")
    found = re.search(r"^Narrow 1: \d+ cases, seed 0$[^=]*^not claimed: (\d+) cases$", run.output, re.MULTILINE)
    assert found is not None
    assert int(found[1]) > 0


def test_the_level_says_which_rules_gate(suite: Suite) -> None:
    levels = {
        level: suite("--impl=reference", f"--level={level}", "--collect-only", "-q") for level in ("must", "upstream")
    }
    customary = RULES["PLACEMENT-10"]
    assert customary.level == "UPSTREAM"
    name = customary.check.__name__
    assert [name in run.output for run in levels.values()] == [False, True]


# One case


def test_a_case_in_a_file_is_tried_alone(suite: Suite) -> None:
    run = suite("--impl=reference", f"--case={write('case.json', LINEAR.to_json())}", "--rule=ENTRY-1")
    assert run.code == pytest.ExitCode.OK
    assert re.search(r"^reference \S+: 1 case from a file$", run.output, re.MULTILINE)


def test_the_line_that_reruns_a_failure_breaks_the_same_rule(suite: Suite) -> None:
    write("blind.py", BLIND)
    first = suite("--impl=blind", "--rule=PLACEMENT-5", "--cases=40")
    assert first.code == pytest.ExitCode.TESTS_FAILED
    line = re.search(r"^Rerun: +pytest --pyargs observance\.conformance (.*)$", first.output, re.MULTILINE)
    assert line is not None
    second = suite(*line[1].split())
    assert second.code == pytest.ExitCode.TESTS_FAILED
    case = re.compile(r"^Case .*?^Rerun: ", re.MULTILINE | re.DOTALL)
    assert case.findall(first.output) == case.findall(second.output) != []


# Known deviations


def test_torch_is_judged_by_its_own_register(suite: Suite) -> None:
    run = suite("--impl=torch", "--rule=PLACEMENT-5", f"--case={pinned('integers-observed')}", "-v")
    assert run.code == pytest.ExitCode.OK
    assert re.search(r"^ *placement +1 +1 +\d+$", run.output, re.MULTILINE)
    assert re.search(r"^known deviations excuse \d+ of \d+ places of PLACEMENT-5$", run.output, re.MULTILINE)


def test_without_known_deviations_nothing_is_excused(suite: Suite) -> None:
    case = pinned("integers-observed")
    run = suite("--impl=torch", "--rule=PLACEMENT-5", f"--case={case}", "--no-known-deviations")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert "--impl=torch --no-known-deviations --rule=PLACEMENT-5 --case=" in run.output


def test_a_register_is_lent_to_another_implementation(suite: Suite) -> None:
    write("fork.py", FORK)
    options = ("--impl=fork", "--rule=PLACEMENT-5", f"--case={pinned('integers-observed')}")
    alone, lent = suite(*options), suite(*options, "--deviations=torch")
    assert (alone.code, lent.code) == (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.OK)
    assert "places excused" in lent.output


def test_a_register_that_is_lent_demands_nothing(suite: Suite) -> None:
    write("honest.py", HONEST)
    run = suite("--impl=honest", "--deviations=torch", "-k", "deviation or ENTRY-4 or float_model")
    assert run.code == pytest.ExitCode.OK
    assert not re.search(r"\bskipped\b", run.last)


def test_an_entry_of_an_own_register_that_is_no_longer_there_is_an_error(suite: Suite) -> None:
    write("honest.py", HONEST)
    write("register.py", register("PLACEMENT-5", "placement.fitting"))
    write("mine.json", LINEAR.to_json())
    run = suite("--impl=honest", "--deviations=register.py", "-k", "mine")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert "mine: its pinned case breaks PLACEMENT-5 no longer." in run.output
    assert "Traceback" not in run.output


# What has nothing to do with the suite


def test_other_tests_are_left_alone_and_torch_is_not_imported(tmp_path: Path) -> None:
    source = """
        import sys, pytest
        @pytest.fixture
        def judge(): return 3
        def test_own(judge): assert judge == 3 and "torch" not in sys.modules
    """
    (tmp_path / "test_own.py").write_text(textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "observance ==" not in done.stdout
