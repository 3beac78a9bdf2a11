"""The ten minutes of the vendor guide: every command is executed as it stands, and ends as the guide says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "vendor-guide.md").read_text(encoding="utf-8")
WALK = GUIDE.partition("## Ten minutes")[2].partition("\n## ")[0]

NARROW = "-k 'smoke or sharing'"
"""What the commands are narrowed to, by the environment: all other rules are green before and after."""


@dataclass(frozen=True)
class Done:
    """A command of the guide, how it ended, and what it said."""

    command: str
    code: int
    output: str


def blocks(language: str) -> list[str]:
    """The blocks of code in the walk."""
    return re.findall(rf"^```{language}\n(.*?)^```$", WALK, re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path) -> Done:
    """Execute a command of the guide."""
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    narrowed = {"PYTEST_ADDOPTS": f"{NARROW} -p no:cacheprovider"} if command.startswith("pytest") else {}
    environment = {**os.environ, "PATH": os.pathsep.join(places), "COLUMNS": "120", **narrowed}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Done(command, done.returncode, done.stdout + done.stderr)


def mend(folder: Path) -> None:
    """Change the package as the guide says."""
    (diff,) = blocks("diff")
    lines = diff.splitlines()
    path = folder / lines[0].removeprefix("--- ")
    old, new = ("".join(f"{line[1:]}\n" for line in lines[1:] if line[0] == sign) for sign in "-+")
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    path.write_text(source.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> list[Done]:
    """All commands of the walk, executed in a copy of the examples; the package is mended where the guide says so."""
    folder = tmp_path_factory.mktemp("walk") / "examples"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns(".observance", "__pycache__"))
    before, after = WALK.split("```diff")
    first, *commands = re.findall(r"^```sh\n(.*?)^```$", before, re.MULTILINE | re.DOTALL)
    assert first.startswith("cd examples\n")
    steps = [line for block in (first, *commands) for line in block.splitlines() if line != "cd examples"]
    done = [run(command, folder) for command in steps]
    mend(folder)
    rest = re.findall(r"^```sh\n(.*?)^```$", after, re.MULTILINE | re.DOTALL)
    return done + [run(command, folder) for block in rest for command in block.splitlines()]


def test_the_commands_are_green_and_red_as_the_guide_says(walk: list[Done]) -> None:
    codes = [(done.command.split()[0], done.code) for done in walk]
    red, green = ("pytest", 1), ("pytest", 0)
    expected = [red, red, ("observance", 0), ("observance", 0), green, green, green]
    assert codes == expected, "\n".join(done.output for done in walk)


def test_the_failure_is_the_one_that_the_guide_shows(walk: list[Done]) -> None:
    red = walk[0].output
    (model,) = blocks("python")
    (graph,) = blocks("text")
    assert "SHARING-1 (MUST) is broken by tinyvendor 1.0." in red
    assert all(line.strip() in red for line in (*model.splitlines(), *graph.splitlines()))
    assert "\nSHARING-1 (MUST)" in walk[1].output


def test_the_explanation_says_what_the_guide_says(walk: list[Done]) -> None:
    sharing = walk[2].output.partition("One object at several places\n")[2].partition("\n\n")[0]
    assert re.search(r"stands on x0, x1, cat \[SHARING-1\]", sharing)


def test_the_rules_of_the_chapter_pass_when_the_package_is_mended(walk: list[Done]) -> None:
    passed = [re.search(r"^sharing +\d+ +(\d+)", done.output, re.MULTILINE) for done in walk[-3:]]
    assert [found and int(found[1]) for found in passed] == [1, 4, 5]


def test_the_package_claims_the_releases_that_the_project_is_tested_with() -> None:
    source = (ROOT / "examples" / "tinyvendor" / "__init__.py").read_text(encoding="utf-8")
    assert '"torch": ("2.5", "2.15")' in source
    assert {"torch25", "torch215"} <= set(re.findall(r"torch\d+", (ROOT / "tox.ini").read_text(encoding="utf-8")))
