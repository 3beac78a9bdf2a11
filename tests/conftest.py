"""How Hypothesis runs in the project's tests.

Tests draw other examples each time.  Under ``--hypothesis-profile=gate`` they
draw the same ones each time, so that a change is judged by what it changes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from observance.strategies.steady import steady

settings.register_profile(
    "tests",
    max_examples=100,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("gate", settings.get_profile("tests"), derandomize=True)
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def _steady() -> Iterator[None]:
    """Draw the same from the same seed, whatever tests are run."""
    with steady():
        yield
