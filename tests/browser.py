"""A real browser without a window, where the machine has one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def found() -> str | None:
    """Return the path of a browser; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def browser() -> str:
    """Return the path of a browser; without one the test is skipped, and says so."""
    path = found()
    if path is None:
        pytest.skip(f"no browser is installed that could open the page: none of {', '.join(NAMES)} is in PATH")
    return path


def dom(page: Path, width: int = 1200) -> str:
    """Open a page, let its scripts run if it has any, and return its document as the browser understands it."""
    return _run(page, "--dump-dom", f"--window-size={width},900")


def screenshot(page: Path, target: Path, width: int = 1200, height: int = 1600) -> bytes:
    """Take a picture of a page, as PNG."""
    _run(page, f"--screenshot={target}", "--hide-scrollbars", f"--window-size={width},{height}")
    return target.read_bytes()


def _run(page: Path, *options: str) -> str:
    """Open a page, without a network and without any sandbox that a container does not allow."""
    alone = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = [browser(), *alone, f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, check=True, timeout=300)
    return done.stdout.decode("utf-8")
