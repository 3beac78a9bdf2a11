"""Runs that certify, on a corpus that is small enough for a test.

The corpus of such a run has a few of the recorded cases. Where the run is made in another process, which must find
them as well, a plug-in of pytest's puts them there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observance.conformance import corpus
from observance.conformance.corpus import Entry

SIGNATURE = "def prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs):"
HONEST = f"""
from observance.reference import prepare as _prepare
CONFORMANCE = dict(features={{"static", "dynamic", "weight-only"}}, torch=None, name="Acme", version="1.2")
{SIGNATURE}
    return _prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs)
"""
BLIND = f"""
CONFORMANCE = dict(features={{"static", "dynamic", "weight-only"}}, torch=None, name="Blind", version="1")
{SIGNATURE}
    return model
"""


@dataclass(frozen=True)
class Run:
    """How a run ended, what it said, and where its certificate is."""

    code: int
    output: str
    folder: Path

    @property
    def document(self) -> Any:
        """What the certificate says."""
        return json.loads((self.folder / "certificate.json").read_text(encoding="utf-8"))


def prepared(folder: Path, entries: Iterable[Entry], **vendors: str) -> Path:
    """Make a folder to run in: a small corpus, the plug-in that puts it there, and vendors' modules."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus.write(entries, folder / "corpus.jsonl.gz")
    plugin = f"""
        from pathlib import Path
        from observance.conformance import corpus
        corpus.FILE = Path({str(folder / "corpus.jsonl.gz")!r})
    """
    for name, source in {"small_corpus": plugin, **vendors}.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The environment in which the small corpus of a folder is the recorded one."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTEST_PLUGINS": "small_corpus", "PYTHONPATH": os.pathsep.join(paths)}


def certify(folder: Path, target: str, *options: str) -> Run:
    """Run the suite in a process of its own, from a prepared folder."""
    command = [sys.executable, "-m", "pytest", "--pyargs", "observance.conformance", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, f"--rootdir={folder}", f"--certify={target}", *options]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    return Run(done.returncode, done.stdout + done.stderr, folder / target)


def observance(folder: Path, *arguments: str) -> Run:
    """Run the command `observance` in a process of its own, from a prepared folder."""
    start = (
        "import sys, small_corpus; from observance.conformance.command.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", start, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    return Run(done.returncode, done.stdout + done.stderr, folder / arguments[-1])
