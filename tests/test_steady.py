"""What is drawn from a seed depends on the seed alone."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from sortedcontainers import SortedSet

from observance.strategies.steady import steady


def drawn(is_steady: bool) -> list[int]:
    """Some numbers that are drawn from one seed."""
    found: list[int] = []

    @seed(1)
    @settings(max_examples=200, phases=[Phase.generate])
    @given(st.integers(0, 10**6))
    def draw(number: int) -> None:
        found.append(number)

    with steady() if is_steady else nullcontext():
        providers.CONSTANTS_CACHE.cache.clear()
        draw()
    return found


@pytest.fixture
def other_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Hypothesis have read some constants in the modules of the user."""
    pool = Constants(integers=SortedSet(range(70_000, 71_000)))
    monkeypatch.setattr(providers, "_get_local_constants", lambda: pool)


def test_constants_in_the_modules_of_a_user_change_what_is_drawn(other_constants: None) -> None:
    assert any(70_000 <= number < 71_000 for number in drawn(False))


def test_steady_draws_do_not_depend_on_constants(request: pytest.FixtureRequest) -> None:
    before = drawn(True)
    request.getfixturevalue("other_constants")
    assert drawn(True) == before


def test_what_was_read_is_read_again_afterwards(other_constants: None) -> None:
    drawn(True)
    assert any(70_000 <= number < 71_000 for number in drawn(False))
