"""Pictures: that they are well-formed whatever the names, show what is one object, and put nothing upon another."""

from __future__ import annotations

import itertools
import sys
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import torch
from hypothesis import assume, example, given
from torch import nn
from torch.ao.quantization import MinMaxObserver
from torch.fx import Graph, GraphModule, symbolic_trace

from observance.conformance.command.diagrams import Arrow, Box, Diagram, of_explanation, of_prepared
from observance.conformance.command.drawing import ALONE, SHARED, svg
from observance.conformance.implementations import resolve
from observance.conformance.outcomes import is_fusible, run
from observance.conformance.usage import UsageError
from observance.reference import RefusalError
from observance.strategies import Case, cases
from observance.strategies.case import Call

from .test_explaining import LINEAR, MIXED, STATIC, explained

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>&amp;'\x1b[31m\u202e\ud800]]>" + "x" * 100_000


def parsed(diagram: Diagram) -> Element:
    """The picture of a diagram, read as XML."""
    return ElementTree.fromstring(svg(diagram))


def boxes(picture: Element) -> dict[tuple[str, ...], Element]:
    """The boxes of a picture by their lines; they must differ."""
    found = [(tuple(text.text or "" for text in g.iter(f"{SVG}text")), g) for g in picture.iter(f"{SVG}g")]
    assert len(dict(found)) == len(found)
    return dict(found)


def outline(box: Element) -> Element:
    """The outline of a box."""
    (found,) = box.iter(f"{SVG}rect")
    return found


def prepared(case: Case) -> GraphModule:
    """What the reference makes of a case that it does not refuse."""
    made = run(resolve("reference"), case).prepared
    assert made is not None
    return made


def hostile_graph() -> GraphModule:
    """A graph with an observer, in which the name of every node is hostile: FX would not give such names itself."""
    graph = Graph()
    read = graph.placeholder("x")
    for name in ("observer", "linear"):
        read = graph.call_module(name, (read,))
    graph.output(read)
    made = GraphModule({"observer": MinMaxObserver(), "linear": nn.Linear(2, 2)}, graph)
    for number, node in enumerate(made.graph.nodes):
        node.name = f"{number}{HOSTILE}"
    return made


def test_hostile_names_become_no_markup_and_no_text_without_end() -> None:
    text = svg(of_prepared("heading", hostile_graph()))
    picture = ElementTree.fromstring(text)
    kinds = {element.tag.removeprefix(SVG) for element in picture.iter()}
    assert kinds == {"svg", "defs", "marker", "path", "rect", "g", "title", "text"}
    assert r"\x1b[31m\u202e\ud800]]>" in "".join(picture.itertext())
    assert len(text) < 20_000
    assert all(character.isprintable() or character == "\n" for character in text)


def test_every_node_of_a_prepared_graph_has_a_box_and_every_read_an_arrow() -> None:
    made = prepared(MIXED)
    diagram = of_prepared("heading", made)
    assert list(diagram.boxes) == [node.name for node in made.graph.nodes]
    read = {(value.name, node.name) for node in made.graph.nodes for value in node.all_input_nodes}
    assert {(arrow.start, arrow.end) for arrow in diagram.arrows} == read
    arrows = [path for path in parsed(diagram).iter(f"{SVG}path") if path.get("marker-end")]
    assert len(arrows) == len(read)


def test_observers_that_are_one_object_have_one_colour_and_no_other_has_it() -> None:
    found = boxes(parsed(of_prepared("heading", prepared(MIXED))))
    fills = {
        lines: outline(box).get("fill")
        for lines, box in found.items()
        if lines[0].startswith("activation_post_process")
    }
    shared = {fill for lines, fill in fills.items() if lines[1].endswith("#1")}
    alone = {fill for lines, fill in fills.items() if not lines[1].endswith("#1")}
    assert len(fills) == 5
    assert shared == {SHARED[0]}
    assert alone == {ALONE}


def test_where_there_is_no_observer_the_picture_names_the_rules() -> None:
    texts = [text.text for text in parsed(of_explanation("heading", explained(MIXED))).iter(f"{SVG}text")]
    assert texts[texts.index("no observer") + 1] == "PATTERNS-1"
    assert texts.count("no observer") == 2


def test_an_argument_is_named_beside_the_arrow_where_the_reader_has_several() -> None:
    diagram = of_explanation("heading", explained(MIXED))
    assert {arrow.label for arrow in diagram.arrows if arrow.end == "cat"} == {"0[0]", "0[1]"}
    assert {arrow.label for arrow in diagram.arrows if arrow.end == "linear_0"} == {""}


def test_two_reads_of_one_value_are_one_arrow_that_names_both() -> None:
    twice = symbolic_trace(lambda x: torch.add(x, x))
    texts = [text.text for text in parsed(of_prepared("heading", twice)).iter(f"{SVG}text")]
    assert "0, 1" in texts


CROWDED = Case(("t",), tuple(Call("F_linear", (number - 1,)) for number in range(3)), 2, STATIC)
"""A case for which grandalf's layout has boxes that overlap."""


@given(cases())
@example(CROWDED)
def test_no_box_stands_upon_another_and_all_are_on_the_paper(case: Case) -> None:
    try:
        diagram = of_explanation("heading", explained(case))
    except RefusalError:
        assume(False)
    picture = parsed(diagram)
    _, _, width, height = map(float, (picture.get("viewBox") or "").split())
    places = [
        tuple(float(outline(g).get(name) or "nan") for name in ("x", "y", "width", "height"))
        for g in picture.iter(f"{SVG}g")
    ]
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in places)
    for (x, y, w, h), (x1, y1, w1, h1) in itertools.combinations(places, 2):
        assert x + w <= x1 or x1 + w1 <= x or y + h <= y1 or y1 + h1 <= y


@given(cases())
def test_what_the_reference_prepares_can_be_drawn(case: Case) -> None:
    assume(is_fusible(case, prefused=False))
    made = run(resolve("reference"), case).prepared
    assume(made is not None)
    assert made is not None
    parsed(of_prepared("heading", made))


def test_the_same_graph_has_the_same_picture() -> None:
    first, second = (svg(of_prepared("heading", prepared(MIXED))) for _ in range(2))
    assert first == second


def test_an_empty_graph_and_a_box_alone_can_be_drawn() -> None:
    parsed(Diagram("empty", {}, ()))
    assert len(boxes(parsed(Diagram("one", {"a": Box("end", ("a",))}, ())))) == 1


def test_a_long_chain_can_be_drawn_and_leaves_the_limit_of_recursion_as_it_was() -> None:
    limit = sys.getrecursionlimit()
    chain = {str(number): Box("operator", (str(number),)) for number in range(1500)}
    arrows = tuple(Arrow(str(number), str(number + 1)) for number in range(1499))
    assert len(boxes(parsed(Diagram("long", chain, arrows)))) == 1500
    assert sys.getrecursionlimit() == limit


def test_a_missing_library_is_one_sentence_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "grandalf"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grandalf", None)
    with pytest.raises(UsageError, match=r"pip install 'observance\[pictures\]'"):
        svg(of_prepared("heading", prepared(LINEAR)))
