"""Cases are split among machines and processes, and what is counted is what one process would have counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observance.conformance.evidence.split import SHARES_EACH, Split, Tally
from observance.conformance.usage import UsageError

CASES = 100


def count(seen: list[int]) -> Callable[[Callable[[int], bool]], dict[str, Tally]]:
    """Hold one rule against some cases, of which every seventh breaks it and every fortieth makes it fail."""

    def counting(is_ours: Callable[[int], bool]) -> dict[str, Tally]:
        tally = Tally()
        for number in filter(is_ours, range(CASES)):
            seen.append(number)
            tally.cases += 1
            tally.places += number
            if number % 7 == 3:
                tally.break_((CASES - number, number))
            if number % 40 == 39:
                tally.fail((0, number))
        return {"RULE-1": tally}

    return counting


ALL = Split().tallies(["RULE-1"], count([]))


def test_one_process_sees_every_case() -> None:
    seen: list[int] = []
    tally = Split().tallies(["RULE-1"], count(seen))["RULE-1"]
    assert seen == list(range(CASES))
    assert (tally.breaking, tally.broken, tally.failing, tally.failed) == (14, (6, 94), 2, (0, 39))


@given(st.integers(1, 9))
def test_the_shards_of_a_run_add_up_to_the_run(of: int) -> None:
    seen: list[int] = []
    shards = [Split(number, of).tallies(["RULE-1"], count(seen))["RULE-1"] for number in range(1, of + 1)]
    assert sorted(seen) == list(range(CASES))
    assert sum(shards, Tally()) == ALL["RULE-1"]


@pytest.mark.parametrize("shard", [(1, 1), (2, 3)])
def test_processes_beside_each_other_see_every_case_once_and_count_the_same(
    tmp_path: Path, shard: tuple[int, int]
) -> None:
    seen: list[int] = []
    split, found = Split(*shard, tmp_path, 3), {}

    def process(name: int) -> None:
        found[name] = split.tallies(["RULE-1"], count(seen))

    threads = [threading.Thread(target=process, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = replace(split, folder=None).tallies(["RULE-1"], count([]))
    assert found == {0: alone, 1: alone, 2: alone}
    assert sorted(seen) == list(range(shard[0] - 1, CASES, shard[1]))


def test_what_a_process_left_undone_when_it_ended_is_done_by_another(tmp_path: Path) -> None:
    split = Split(1, 1, tmp_path, 2)
    for share in range(0, 2 * SHARES_EACH, 3):  # it had begun them, and its locks are gone with it
        (tmp_path / f"share-{share}.lock").touch()
        (tmp_path / f"share-{share}.new").write_text('{"RULE-1": ')
    assert split.tallies(["RULE-1"], count([])) == ALL


def test_a_tally_is_read_as_it_was_written() -> None:
    tally = ALL["RULE-1"]
    plain = asdict(tally)
    assert Tally.from_plain({**plain, "broken": list(plain["broken"])}) == tally
    assert Tally.from_plain(asdict(Tally())) == Tally()


@pytest.mark.parametrize(
    "text", ["", "2", "/", "0/2", "3/2", "-1/2", "1/-2", "1/0", "a/b", "1/2/3", "²/³", "9" * 5000 + "/9"]
)
def test_a_shard_that_is_none_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--shard must be two numbers, such as 2/8 for the second one of eight"):
        Split.read(text)


def test_without_a_shard_all_is_judged() -> None:
    assert Split.read(None) == Split()
    assert Split.read("2/8") == Split(2, 8)
