"""The ready files for CI are well formed, and every command in them, and in docs/ci.md, has options that there are."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from observance.conformance import plugin
from observance.conformance.command import cli
from observance.conformance.known import load
from observance.conformance.records.changes import KINDS

ROOT = Path(__file__).resolve().parents[1]
READY = ROOT / "examples" / "ci"
DOCUMENT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((READY / "github-workflow.yml").read_text(encoding="utf-8"))
HOOKS = yaml.safe_load((READY / "pre-commit-config.yaml").read_text(encoding="utf-8"))

STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
COMMANDS = [
    line.strip()
    for text in (
        *(step["run"] for step in STEPS if "run" in step),
        *(hook["entry"] for repository in HOOKS["repos"] for hook in repository["hooks"]),
        *re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL),
    )
    for line in text.splitlines()
    if line.strip()
]


_KEPT = ("action", "choices", "type", "default")


def suite_parser() -> argparse.ArgumentParser:
    """A parser of the suite's own options, and of those of pytest that the files use."""
    made = pytest.Parser(_ispytest=True)
    plugin.pytest_addoption(made)
    (group,) = (group for group in made._groups if group.name == "observance")
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    for option in group.options:
        kept: dict[str, Any] = {
            k: v for k, v in option.attrs().items() if k in ("action", "choices", "type", "default")
        }
        parser.add_argument(*option.names(), **kept)
    parser.add_argument("--pyargs")
    parser.add_argument("--junitxml")
    parser.add_argument("-q", action="store_true")
    return parser


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_options_that_there_are(command: str) -> None:
    program, *words = shlex.split(command)
    match program:
        case "pytest":
            given, unknown = suite_parser().parse_known_args(words)
            assert unknown == []
            assert given.pyargs == "observance.conformance"
            assert given.impl
        case "observance":
            assert cli.parser().parse_args(words).command in ("record", "compare")
        case _:
            assert command == 'pip install "$OBSERVANCE" -e .'


def test_there_are_commands_for_the_gate_for_the_night_and_before_a_commit() -> None:
    efforts = [word for command in COMMANDS for word in shlex.split(command) if word.startswith("--effort=")]
    assert {"--effort=gate", "--effort=explore", "--effort=smoke"} == set(efforts)


def test_the_workflow_is_one_of_github_actions() -> None:
    # YAML reads the key `on` as true, and so does everybody's parser.
    assert set(WORKFLOW) == {"name", True, "permissions", "env", "jobs"}
    for job in WORKFLOW["jobs"].values():
        assert {"runs-on", "steps"} <= set(job)
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in STEPS if "uses" in step)


def test_the_hook_has_all_that_pre_commit_demands() -> None:
    ((hook,),) = (repository["hooks"] for repository in HOOKS["repos"])
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert re.compile(hook["files"]).search("mypkg/placement.py")


def test_the_known_failures_of_the_examples_can_be_loaded_and_are_those_of_the_document() -> None:
    (entry,) = load(str(READY / "known.toml")).entries
    assert entry.rule == "SHARING-1"
    (shown,) = re.findall(r"^```toml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert shown in (READY / "known.toml").read_text(encoding="utf-8")


def test_the_document_tells_every_kind_of_change() -> None:
    table = DOCUMENT.partition("| kind |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table.replace("`prepare`", ""))) == set(KINDS)
