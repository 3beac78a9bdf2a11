"""Records: what is written of an outcome, what is read back, and what differs between two."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from torch.ao.quantization import MinMaxObserver

from observance.conformance.implementations import Implementation, resolve
from observance.conformance.outcomes import is_fusible
from observance.conformance.records.changes import KINDS, Change, changes
from observance.conformance.records.comparing import compare, save_smallest
from observance.conformance.records.files import Record, entry, read, record, write
from observance.conformance.usage import UsageError
from observance.conformance.variants import Change as Altered
from observance.conformance.variants import varied
from observance.reference.plan import Slot
from observance.strategies import Case, cases
from observance.strategies.case import Call, Declared

from .saboteurs import SABOTEURS
from .test_explaining import LINEAR, MIXED, TRAINED

CONCATENATION = replace(
    LINEAR, inputs=("t", "t"), calls=(Call("sigmoid", (-1,)), Call("cat_narrow", ((0, -2),))), output=1
)
TWO_LINEARS = replace(LINEAR, calls=(Call("linear", (-1,)), Call("linear", (0,))), output=1)
ACTIVATED = replace(LINEAR, calls=(Call("linear", (-1,)), Call("relu", (0,))), output=1)
PARTS = replace(LINEAR, calls=(Call("linear", (-1,), scope="a"),), declared=(Declared("standalone", "a"),))
QAT = replace(LINEAR, mapping=TRAINED, is_qat=True)
REFERENCE = resolve("reference")


def altered(*changed: tuple[str, Callable[..., Any]]) -> Implementation:
    """The reference with some decisions made otherwise."""
    return varied("altered", [Altered(*one) for one in changed])


def changed(case: Case, other: Implementation, first: Implementation = REFERENCE) -> list[Change]:
    """What another implementation does otherwise with a case."""
    return changes(entry(first, case), entry(other, case))


def kinds(found: Sequence[Change]) -> list[str]:
    """The kinds of some changes."""
    return [change.kind for change in found]


# What is written


@given(cases(max_calls=6))
def test_a_portrait_is_plain_and_nothing_differs_from_itself(case: Case) -> None:
    assume(is_fusible(case, False))
    told = entry(REFERENCE, case)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert changes(told, json.loads(json.dumps(entry(REFERENCE, case)))) == []


def test_a_portrait_does_not_depend_on_the_names_of_observers_or_their_order() -> None:
    def other_names(original: Callable[..., Any], model: Any, prefix: str) -> Any:
        return original(model, "seen")

    other, torchs = altered(("rewrite.free_names", other_names)), resolve("torch")
    for case in (LINEAR, MIXED, CONCATENATION, PARTS):
        told = entry(REFERENCE, case)
        assert entry(other, case) == told == entry(torchs, case)


def test_a_portrait_has_the_nodes_the_observers_and_who_reads_what() -> None:
    told = entry(REFERENCE, LINEAR)
    assert told["outcome"] == "prepared"
    assert told["nodes"] == [["x0", "input"], ["linear_0", "Linear"], ["output", "output"]]
    assert told["edges"] == [[1, [0], 0, [0]], [2, [0], 1, [1]]]
    assert [observer["dtype"] for observer in told["observers"]] == ["torch.quint8"] * 2


# What differs


def test_an_observer_that_is_no_longer_there_has_vanished_and_the_other_way_round_appeared() -> None:
    def nowhere(original: Callable[..., Any], site: Any, quantized: Any) -> None:
        return None

    other = altered(("placement.place_output", nowhere))
    (gone,), (new,) = changed(LINEAR, other), changed(LINEAR, REFERENCE, other)
    assert (gone.kind, gone.what, gone.around, gone.place) == (
        "vanished",
        "observer",
        "between Linear and output",
        "linear_0 -> output",
    )
    assert (gone.before, gone.after) == ("MinMaxObserver(quint8, 0..127)", "no observer")
    assert (new.kind, new.before, new.after) == ("appeared", gone.after, gone.before)


def test_an_observer_that_stands_next_to_where_it_stood_has_moved() -> None:
    def before_the_activation(original: Callable[..., Any], site: Any) -> None:
        original(site)
        slot = next(s for s in site.plan.slots if s.value.name == "relu_1")
        moved = Slot(next(n for n in site.graph.nodes if n.name == "linear_0"), None, slot.spec, "", "")
        site.plan.slots[site.plan.slots.index(slot)] = moved
        site.plan.shares[moved] = moved
        reads = site.plan.reads
        for place in [place for place, found in reads.items() if found is slot]:
            del reads[place]
        relu = next(n for n in site.graph.nodes if n.name == "relu_1")
        reads[relu, (0,)] = moved

    (found,) = changed(ACTIVATED, altered(("placement.place", before_the_activation)))
    assert (found.kind, found.around) == ("moved", "from ReLU to Linear")
    assert found.before.endswith(" at relu_1 -> output")
    assert found.after.endswith(" at linear_0 -> relu_1")


def test_an_observer_of_another_range_has_changed_in_that() -> None:
    def wider(original: Callable[..., Any], qconfig: Any) -> Any:
        ask = original(qconfig)
        made = MinMaxObserver.with_args(dtype=torch.quint8, quant_min=0, quant_max=63)
        return replace(ask, activation=replace(ask.activation, make=made))

    found = changed(LINEAR, altered(("dtypes.ask_of", wider)))
    assert kinds(found) == ["changed", "changed"]
    assert found[0].what.startswith("quant_max 127 -> 63")
    assert found[0].around == "between input and Linear"


def test_what_only_one_release_of_an_observer_has_is_no_change() -> None:
    old, new = entry(REFERENCE, LINEAR), entry(REFERENCE, LINEAR)
    for observer in new["observers"]:
        observer["novelty"] = True
    assert changes(old, new) == []
    for observer in new["observers"]:
        observer["qscheme"] = "torch.per_tensor_symmetric"
    assert [change.what for change in changes(old, new)] == ["qscheme per_tensor_affine -> per_tensor_symmetric"] * 2


def test_one_object_that_became_several_is_split_and_several_that_became_one_are_merged() -> None:
    apart = varied("apart", SABOTEURS["SHARING-1"])
    split, merged = changed(CONCATENATION, apart), changed(CONCATENATION, REFERENCE, apart)
    assert [(one.kind, one.around, one.before) for one in split] == [
        ("split", "at cat", "one object"),
        ("split", "at narrow", "one object"),
    ]
    assert [(one.kind, one.around, one.after) for one in merged] == [
        ("merged", "at cat", "one object"),
        ("merged", "at narrow", "one object"),
    ]
    assert len({one.place for one in (*split, *merged)}) == 1
    together = varied("together", SABOTEURS["SHARING-2"])
    assert kinds(changed(TWO_LINEARS, together)) == ["merged"]


def test_a_refusal_is_told_by_its_exception() -> None:
    def refuses(original: Callable[..., Any], *args: Any) -> None:
        raise ValueError("\x1b[31mnot today\n")

    def refuses_otherwise(original: Callable[..., Any], *args: Any) -> None:
        raise LookupError

    one, other = altered(("prepare.survey", refuses)), altered(("prepare.survey", refuses_otherwise))
    (now,), (before,), (otherwise,) = changed(LINEAR, one), changed(LINEAR, REFERENCE, one), changed(LINEAR, other, one)
    assert (now.kind, now.what, now.before, now.after) == (
        "refused",
        "ValueError",
        "prepared",
        "refused: ValueError: \\x1b[31mnot today",
    )
    assert before.kind == "accepted"
    assert (otherwise.kind, otherwise.what) == ("raised", "ValueError -> LookupError")


def test_a_result_that_is_not_the_float_graph_is_misshapen() -> None:
    dead_end = replace(LINEAR, calls=(*LINEAR.calls, Call("hardswish", (-1,))))
    assert kinds(changed(dead_end, varied("tried", SABOTEURS["ENTRY-4"]))) == ["misshapen"]


def test_a_module_that_is_not_swapped_is_another_module() -> None:
    def swaps_nothing(original: Callable[..., Any], *args: Any) -> dict[str, Any]:
        return {}

    found = changed(QAT, altered(("qat.swaps", swaps_nothing)))
    assert kinds(found) == ["module"]
    assert found[0].what.startswith("class torch.ao.nn.qat.modules.linear.Linear -> torch.nn.modules.linear.Linear")


def test_what_is_inside_of_a_standalone_module_is_compared() -> None:
    def nowhere(original: Callable[..., Any], site: Any, quantized: Any) -> None:
        return None

    places = [change.place for change in changed(PARTS, altered(("placement.place_output", nowhere)))]
    assert any(place.startswith("inside a: ") for place in places)


def test_a_graph_that_was_traced_otherwise_is_not_compared_edge_by_edge() -> None:
    assert kinds(changes(entry(REFERENCE, LINEAR), entry(REFERENCE, TWO_LINEARS))) == ["traced"]


def test_every_kind_of_change_is_explained_and_the_stubs_are_compared() -> None:
    old, new = entry(REFERENCE, LINEAR), entry(REFERENCE, LINEAR)
    new["stubs"] = [[1, [[0]]]]
    (found,) = changes(old, new)
    assert found.kind == "stubs"
    assert {"appeared", "vanished", "moved", "changed", "split", "merged", found.kind} <= set(KINDS)


# What is said of it


def test_causes_come_in_the_order_of_the_smallest_case_that_shows_them(tmp_path: Path) -> None:
    def nowhere(original: Callable[..., Any], site: Any, quantized: Any) -> None:
        return None

    both = [MIXED, TWO_LINEARS, LINEAR]
    other = altered(("placement.place_output", nowhere))
    found = compare(record(REFERENCE, both), record(other, both))
    assert found.causes[0].heading == "observer vanished between Linear and output"
    assert {cause.smallest for cause in found.causes[1:]} == {MIXED}
    sizes = [len(cause.smallest.calls) for cause in found.causes]
    assert sizes == sorted(sizes)
    (cause,) = (cause for cause in found.causes if cause.heading == "observer vanished between Linear and output")
    assert list(cause.seen) == [LINEAR, TWO_LINEARS]
    assert cause.count == "2 places in 2 cases"
    save_smallest(found, tmp_path)
    text = found.text(tmp_path)
    assert f"Case {LINEAR.digest}, 1 call, at linear_0 -> output" in text
    assert f"Also: {TWO_LINEARS.digest}" in text
    path = tmp_path / f"changed-{LINEAR.digest}.json"
    assert f"Explain: observance explain {path}" in text
    assert Case.from_json(path.read_text()) == LINEAR


def test_cases_that_one_of_the_two_has_not_are_counted_and_left_out() -> None:
    found = compare(record(REFERENCE, [LINEAR, MIXED]), record(REFERENCE, [LINEAR]))
    assert (found.causes, found.compared) == ((), 1)
    assert found.notes == ("only one of the two has 1 case, left out",)


def _narrow(implementation: Implementation) -> Implementation:
    return replace(implementation, claims=replace(implementation.claims, features=frozenset({"static"})))


def test_what_is_not_claimed_is_not_compared() -> None:
    other = replace(_narrow(REFERENCE), name="another")
    found = compare(record(REFERENCE, [LINEAR, QAT]), record(other, [LINEAR, QAT]))
    assert (found.causes, found.compared, found.notes) == ((), 1, ("not claimed: 1 case",))
    found = compare(record(_narrow(REFERENCE), [LINEAR, QAT]), record(REFERENCE, [LINEAR, QAT]))
    assert (found.causes, found.compared, found.notes) == ((), 1, ("not claimed: 1 case",))


def test_what_an_implementation_claims_no_longer_is_a_change() -> None:
    found = compare(record(REFERENCE, [LINEAR, QAT]), record(_narrow(REFERENCE), [LINEAR, QAT]))
    (cause,) = found.causes
    assert (cause.heading, cause.smallest, found.compared) == ("unclaimed", QAT, 2)
    assert (cause.shown.before, cause.shown.after) == ("prepared", "not claimed")


def test_calls_that_both_refuse_are_counted() -> None:
    def refuses(*_: Any) -> Any:
        raise ValueError

    refusing = altered(("prepare.survey", refuses))
    found = compare(record(refusing, [LINEAR]), record(refusing, [LINEAR]))
    assert (found.causes, found.notes) == ((), ("refused by both: 1 case",))


def test_the_markdown_of_a_comparison_is_a_table_whatever_the_names(tmp_path: Path) -> None:
    told = entry(REFERENCE, LINEAR)
    told["nodes"][1] = ["|`<b>`|\x1b[2J", "[x](y)|"]
    old, new = Record("a|b", {LINEAR: entry(REFERENCE, LINEAR)}), Record("<i>", {LINEAR: told})
    told["edges"][1][3] = []
    old.entries[LINEAR]["nodes"][1] = told["nodes"][1]
    text = compare(old, new).markdown()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    assert "<" not in text.replace("\\<", "").replace("`<b>`", "")
    assert "\x1b" not in text


# Files


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A record of two cases."""
    path = tmp_path / "plan.jsonl"
    write(str(path), record(REFERENCE, [LINEAR, MIXED], "abc"), REFERENCE)
    return path


def test_a_record_that_is_read_is_the_one_that_was_written(written: Path) -> None:
    found = read(str(written))
    assert (found.name, found.corpus) == (f"reference {REFERENCE.version}", "abc")
    assert found.entries == record(REFERENCE, [LINEAR, MIXED]).entries
    head = json.loads(written.read_text().splitlines()[0])
    assert (head["torch"], head["cases"]) == (torch.__version__, 2)


def test_the_same_record_is_the_same_file(written: Path, tmp_path: Path) -> None:
    write(str(tmp_path / "again.jsonl"), record(REFERENCE, [LINEAR, MIXED], "abc"), REFERENCE)
    assert (tmp_path / "again.jsonl").read_bytes() == written.read_bytes()


def test_a_record_that_cannot_be_written_leaves_what_was_there(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written.read_bytes()
    broken = Record("x", {LINEAR: {"outcome": {1, 2}}})
    with pytest.raises(TypeError):
        write(str(written), broken, REFERENCE)
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    with pytest.raises(UsageError, match="cannot be written to"):
        write(str(written / "below.jsonl"), record(REFERENCE, []), REFERENCE)


def refusal(path: Path) -> str:
    """The sentence with which a record is refused."""
    with pytest.raises(UsageError) as caught:
        read(str(path))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert sentence.isprintable()
    return sentence


@pytest.mark.parametrize("content", [b"", b"\n", b"{}", b"3\n", b"[]\n", b"\x00\xff", b"[" * 100_000, b'{"format": 1}'])
def test_a_foreign_file_is_no_record(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.jsonl"
    path.write_bytes(content)
    assert "is no record" in refusal(path) or "cannot be read" in refusal(path)


def test_a_record_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "absent.jsonl")


def test_a_record_that_is_cut_off_is_told_wherever_it_is_cut(written: Path) -> None:
    whole = written.read_bytes()
    for end in (len(whole) // 4, len(whole) // 2, len(whole) - 20):
        written.write_bytes(whole[:end])
        assert "is cut off" in refusal(written) or "is damaged in line " in refusal(written)


def test_a_record_of_the_future_asks_for_a_newer_release(written: Path) -> None:
    written.write_text(written.read_text().replace('"version":1,', '"version":2,', 1))
    assert refusal(written).endswith("is of a newer release of observance than this one; update observance.")


def damaged(path: Path, change: Callable[[Any], Any]) -> None:
    """Change the first case of a record."""
    head, first, *rest = path.read_text().splitlines()
    told = json.loads(first)
    made = change(told)
    path.write_text("\n".join([head, json.dumps(told if made is None else made), *rest]) + "\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda told: [],
        lambda told: told.pop("digest") and None,
        lambda told: told.update(digest="000000000000"),
        lambda told: told.update(outcome="eaten"),
        lambda told: told.update(case={}),
        lambda told: told["case"].update(calls=[{"": "Call"}]),
        lambda told: told["edges"][0].__setitem__(0, 99),
        lambda told: told["edges"][0].__setitem__(3, [99]),
        lambda told: told["edges"][0].__setitem__(3, [-1]),
        lambda told: told["edges"][0].pop() and None,
        lambda told: told["unread"].append([0, [7]]),
        lambda told: told["nodes"].append("x"),
        lambda told: told["observers"].append({}),
        lambda told: told["inside"].append([0, {}]),
        lambda told: told.update(outcome="refused"),
    ],
    ids=range(15),
)
def test_a_damaged_case_is_told_by_its_line(written: Path, change: Callable[[Any], Any]) -> None:
    damaged(written, change)
    assert f"{written} is damaged in line 2 (" in refusal(written).replace("\\", "")


def test_names_in_a_record_harm_no_terminal(written: Path) -> None:
    def hostile(told: Any) -> None:
        told["nodes"] = [[f"\x1b]0;{name}\x07\u202e" + "x" * 10**6, "[red]\r"] for name, _ in told["nodes"]]
        told["observers"][0].update({"class": "\x1b[2Jclass", "dtype": {"a": 1}, "quant_min": "\x1b"})

    clean = read(str(written))
    damaged(written, hostile)
    text = compare(clean, read(str(written))).text() + compare(clean, read(str(written))).markdown()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert len(text) < 10_000
