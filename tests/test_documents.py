"""What the README and the vendor guide tell people to do is what there is."""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from pathlib import Path

import pytest

from observance.conformance import efforts, plugin
from observance.conformance.claims import FEATURES, read_claims
from observance.conformance.command import cli, subjects
from observance.conformance.deviations import load
from observance.conformance.efforts import EFFORTS, GATE
from observance.conformance.rules import RULES, import_rules

from .suites import Suite

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "vendor-guide.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code in a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_two_commands_are_those_of_the_checks() -> None:
    commands = [block.strip() for block in blocks(README, "sh")[:2]]
    assert all("\n" not in command for command in commands)
    assert {command.partition(" && ")[0] for command in commands} == {"python3 -m venv .venv"}
    assert {command.split(" && ")[1] for command in commands} == {".venv/bin/pip install -e '.[dev]'"}
    last = [command.split(" && ")[2].removeprefix(".venv/bin/") for command in commands]
    assert last == ["pytest conformance/ --impl=torch", "pytest tests/ -n auto"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(re.search(rf"^step \w+ {re.escape(command)}$", script, re.MULTILINE) for command in last)
    assert "install --quiet -e '.[dev]'" in script


def test_the_table_of_options_has_every_option_and_no_other() -> None:
    parser = pytest.Parser(_ispytest=True)
    plugin.pytest_addoption(parser)
    (group,) = (group for group in parser._groups if group.name == "observance")
    options = {name for option in group.options for name in option.names()}
    assert set(re.findall(r"^\| `(--[a-z-]+)", README, re.MULTILINE)) == options


def test_the_names_that_a_python_file_may_define_are_those_that_are_read() -> None:
    source = inspect.getsource(subjects._described)
    read = set(re.findall(r'found(?:\.get\(|\[)"(\w+)"', source))
    section = README.partition("a file of your own defines")[2].partition("Its model is traced")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == read
    assert set(re.findall(r"^``(\w+)``", subjects.__doc__ or "", re.MULTILINE)) == read


def test_the_table_of_commands_has_every_command_and_option() -> None:
    (commands,) = (action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction))
    section = README.partition("## The command `observance`")[2].partition("\n## ")[0]
    for name, parser in commands.choices.items():
        assert re.search(rf"^\| `observance {name} (FILE|DIR|A B|--impl)", section, re.MULTILINE)
        options = [
            action.option_strings for action in parser._actions if action.option_strings and action.dest != "help"
        ]
        assert all(any(option in section for option in names) for names in options), name


def test_the_efforts_are_those_that_there_are() -> None:
    parser = pytest.Parser(_ispytest=True)
    plugin.pytest_addoption(parser)
    (group,) = (group for group in parser._groups if group.name == "observance")
    (option,) = (option for option in group.options if "--effort" in option.names())
    assert tuple(EFFORTS) == option.attrs()["choices"]
    assert option.default == GATE.name
    for effort in EFFORTS.values():
        assert re.search(rf"^\| `{effort.name}` \| {effort.cases} \|", README, re.MULTILINE)
        assert re.search(rf"^{effort.name} +{effort.cases} ", efforts.__doc__ or "", re.MULTILINE)


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_that_can_be_claimed_is_told(feature: str) -> None:
    assert f"`{feature}`" in README
    assert f"| `{feature}` | {FEATURES[feature].rstrip('.').lower()} |" in GUIDE.lower()


def test_the_claims_in_the_readme_are_well_formed() -> None:
    (source,) = (block for block in blocks(README, "python") if block.startswith("CONFORMANCE"))
    found: dict[str, object] = {}
    exec(source, found)
    assert read_claims(found["CONFORMANCE"], "the README").name == "acme"


def test_the_readme_counts_the_rules() -> None:
    import_rules()
    (count,) = map(int, re.findall(r"more than (\d+) \[rules\]", README))
    assert count < len(RULES) <= count + 20


def test_what_the_readme_shows_is_what_explain_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = (block for block in blocks(README, "python") if "\nexample_inputs = " in block)
    (shown,) = (block for block in blocks(README, "text") if block.startswith("mymodel.py"))
    (tmp_path / "mymodel.py").write_text(source, encoding="utf-8")
    assert cli.main(["explain", str(tmp_path / "mymodel.py")]) == 0
    assert capsys.readouterr().out.partition("mymodel.py")[2].startswith(shown.removeprefix("mymodel.py"))


def test_the_failure_in_the_readme_is_what_its_command_says(suite: Suite) -> None:
    (command,) = (
        line for line in README.splitlines() if line.startswith("pytest ") and "--no-known-deviations" in line
    )
    (shown,) = (block for block in blocks(README, "text") if "is broken by torch" in block)
    done = suite(*command.split()[2:], f"--cases={GATE.cases}", "--in-process")
    assert done.code == 1
    for part in shown.split("    [...]\n"):
        assert part in done.output
    (drawn,) = re.findall(r"observance show (\S+) --impl=torch", README)
    assert Path(drawn).exists()


def test_the_code_in_the_readme_explains_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = (block for block in blocks(README, "python") if "decided.explain" in block)
    exec(source, {})
    assert "_0 asks for HistogramObserver(quint8) [PLACEMENT-1]" in capsys.readouterr().out


def test_the_register_in_the_vendor_guide_can_be_loaded(tmp_path: Path) -> None:
    (source,) = (block for block in blocks(GUIDE, "python") if "REGISTER" in block)
    path = tmp_path / "acme_deviations.py"
    path.write_text(textwrap.dedent(source))
    torch = load("torch")
    (tmp_path / "nothing-dynamic.json").write_text(torch.entries[0].pinned.to_json())
    register = load(str(path))
    own = register.entries[-1]
    assert own.pinned == torch.entries[0].pinned
    assert len(register.entries) == len(torch.entries)  # one mended, one of its own


@pytest.mark.parametrize(
    "document", ["README.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_the_links_of_a_document_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), target
