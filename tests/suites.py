"""Runs of the suite, started inside this process from an empty folder, so that torch is imported once."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SIGNATURE = "def prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs):"
HONEST = f"""
    from observance.reference import prepare as _prepare
    {SIGNATURE}
        return _prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs)
"""
FORK = "from torch.ao.quantization.fx.prepare import prepare"
BLIND = f"{SIGNATURE} return model"
BROKEN = f"{SIGNATURE} return None"
REFUSING = f"{SIGNATURE} raise ValueError('not today')"


@dataclass(frozen=True)
class Run:
    """How a run of the suite ended, and what it said."""

    code: int
    output: str

    @property
    def errors(self) -> list[str]:
        """The lines that tell of a usage error."""
        return [line.removeprefix("ERROR: ") for line in self.output.splitlines() if line.startswith("ERROR: ")]

    @property
    def last(self) -> str:
        """The line that counts."""
        return next(line for line in reversed(self.output.splitlines()) if line.startswith("==")).strip("= ")


Suite = Callable[..., Run]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Iterator[Suite]:
    """Runs the suite with some options, on a few cases unless they say otherwise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def run(*options: str) -> Run:
        few = [] if any(option.startswith(("--cases", "--case")) for option in options) else ["--cases=5"]
        quiet = ["-p", "no:cacheprovider", "-p", "no:xdist", "--capture=no", "-c", "/dev/null", f"--rootdir={tmp_path}"]
        capsys.readouterr()
        code = pytest.main(["--pyargs", "observance.conformance", *quiet, *few, *options])
        said = capsys.readouterr()
        return Run(int(code), said.out + said.err)

    yield run
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def write(path: str, source: str) -> str:
    """Write a file into the current folder; return its path."""
    Path(path).write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def refusal(run: Run) -> str:
    """The one sentence of a usage error; nothing ran, and there is no traceback."""
    assert run.code == pytest.ExitCode.USAGE_ERROR, run.output
    assert "Traceback" not in run.output
    assert not re.search(r"\b(passed|failed)\b", run.output)
    (sentence,) = run.errors
    assert sentence.endswith(".")
    return sentence
