"""How Hypothesis runs in the project's tests.

Tests draw other examples each time.  Under ``--hypothesis-profile=gate`` they
draw the same ones each time, so that a change is judged by what it changes.
"""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from observance.strategies.steady import steady

from .suites import suite as suite
from .vendors import Write

settings.register_profile(
    "tests",
    max_examples=100,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("gate", settings.get_profile("tests"), derandomize=True)
# What fails with a change passed without it.  `--hypothesis-profile=tests` draws other cases at every run.
settings.load_profile("gate")


@pytest.fixture(scope="session", autouse=True)
def _steady() -> Iterator[None]:
    """Draw the same from the same seed, whatever tests are run."""
    with steady():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are imported from; nothing of it is left behind."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - before:
        place = getattr(sys.modules[name], "__file__", None) or ""
        if place.startswith(str(tmp_path)) or name.partition(".")[0] == "mypkg":
            del sys.modules[name]


@pytest.fixture
def write(folder: Path) -> Write:
    """Write a file of a vendor's, by default the `__init__` of `mypkg`."""

    def write(source: str, path: str = "mypkg/__init__.py") -> Path:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(source), encoding="utf-8")
        importlib.invalidate_caches()
        return place

    return write


@pytest.fixture
def declare(write: Write) -> Callable[..., None]:
    """Install a distribution that declares entry points."""

    def declare(lines: str, distribution: str = "acme") -> None:
        write(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", f"{distribution}-1.0.dist-info/METADATA")
        write(f"[observance.implementations]\n{lines}\n", f"{distribution}-1.0.dist-info/entry_points.txt")

    return declare
