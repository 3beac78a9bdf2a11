"""A diagram as SVG.

The standard library's ElementTree writes it, so that no text of the user's can
become markup; `layers` gives each box its place.
"""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from observance.conformance.command.diagrams import Arrow, Box, Diagram, merged
from observance.conformance.command.layers import LAYERS, LINE, MARGIN, PADDING, Frame, Point, place, width_of

_FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
_SIZE = 12
"""The size of letters."""

SHARED = ("#9ecae9", "#ffbf79", "#88d27a", "#f5a3a0", "#d6a5c9", "#f2cf5b", "#83bcb6", "#d8b5a5", "#b8b0ee", "#bab0ac")
"""The colours of observers that are one object at several places; each is light enough for black letters."""
ALONE = "#ffffff"
"""The colour of an observer that stands at one place."""

_FILLS = {"end": "#e8e8e8", "operator": "#f4f4f4", "observer": ALONE, "note": "none"}
_INK, _FAINT = "#222222", "#6b6b6b"


def svg(diagram: Diagram) -> str:
    """Return a diagram as the text of an SVG file.

    Raises
    ------
    UsageError
        If grandalf is not installed.
    """
    root = Element("svg", xmlns="http://www.w3.org/2000/svg")
    root.set("font-family", _FONT)
    root.set("font-size", str(_SIZE))
    _define_arrowhead(root)
    paper = SubElement(root, "rect", width="100%", height="100%", fill="white")
    paper.tail = "\n"
    width, height = _draw(root, diagram, float(MARGIN))
    height = _draw_legend(root, height)
    width = max(width, 560.0)
    root.set("viewBox", f"0 0 {width:g} {height:g}")
    root.set("width", f"{width:g}")
    root.set("height", f"{height:g}")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _draw(root: Element, diagram: Diagram, top: float) -> tuple[float, float]:
    """Draw a diagram and those in it, one below the other; return how far that reaches to the right and down."""
    diagram = merged(diagram)
    heading = SubElement(root, "text", x=str(MARGIN), y=f"{top + 14:g}", fill=_INK)
    heading.set("font-weight", "bold")
    heading.set("font-size", str(_SIZE + 3))
    heading.text = diagram.heading
    layout = place(diagram, top + 36)
    for arrow, points in zip(diagram.arrows, layout.routes, strict=True):
        _draw_arrow(root, arrow, points)
    for key, box in diagram.boxes.items():
        _draw_box(root, box, layout.frames[key])
    bottom = layout.bottom
    width = max(layout.right, 2 * MARGIN + width_of(diagram.heading) * 1.3)
    for inner in diagram.inner:
        right, bottom = _draw(root, inner, bottom + LAYERS)
        width = max(width, right)
    return width, bottom


def _define_arrowhead(root: Element) -> None:
    """Define the head that all arrows have."""
    marker = SubElement(SubElement(root, "defs"), "marker", id="head", viewBox="0 0 8 8", refX="8", refY="4")
    marker.set("markerWidth", "8")
    marker.set("markerHeight", "8")
    marker.set("markerUnits", "userSpaceOnUse")
    marker.set("orient", "auto")
    SubElement(marker, "path", d="M0,0 L8,4 L0,8 z", fill=_FAINT)


def _draw_arrow(root: Element, arrow: Arrow, points: list[Point]) -> None:
    """Draw an arrow as a curve that leaves and reaches every layer straight down, and its label beside the head."""
    (x, y), *_ = points
    steps = [f"M{x:g},{y:g}"]
    for (x1, y1), (x2, y2) in pairwise(points):
        middle = (y1 + y2) / 2
        steps.append(f"C{x1:g},{middle:g} {x2:g},{middle:g} {x2:g},{y2:g}")
    path = SubElement(root, "path", d=" ".join(steps), fill="none", stroke=_FAINT)
    path.set("marker-end", "url(#head)")
    path.tail = "\n"
    if arrow.label:
        x, y = points[-1]
        label = SubElement(root, "text", x=f"{x + 5:g}", y=f"{y - 9:g}", fill=_FAINT)
        label.set("font-size", str(_SIZE - 2))
        label.text = arrow.label


def _draw_box(root: Element, box: Box, frame: Frame) -> None:
    """Draw a box with its lines; the first one is the heaviest."""
    group = SubElement(root, "g")
    group.tail = "\n"
    SubElement(group, "title").text = box.tooltip
    outline = SubElement(group, "rect", x=f"{frame.left:g}", y=f"{frame.top:g}", width=f"{frame.w:g}")
    outline.set("height", f"{frame.h:g}")
    outline.set("fill", colour_of(box))
    outline.set("stroke", "none" if box.kind == "note" else _INK)
    outline.set("rx", str({"end": 2, "operator": 2, "observer": 12, "note": 2}[box.kind]))
    for number, line in enumerate(box.lines):
        y = frame.top + PADDING / 2 + (number + 0.75) * LINE
        text = SubElement(group, "text", x=f"{frame.xy[0]:g}", y=f"{y:g}", fill=_FAINT if box.kind == "note" else _INK)
        text.set("text-anchor", "middle")
        text.text = line


def colour_of(box: Box) -> str:
    """Return the colour of a box: that of an observer's object, if it stands at several places."""
    return _FILLS[box.kind] if box.colour is None else SHARED[box.colour % len(SHARED)]


def _draw_legend(root: Element, top: float) -> float:
    """Draw what the boxes mean; return how far down it reaches."""
    y = top + LAYERS
    texts = (
        ("Round boxes are observers; # numbers the objects.", ALONE),
        ("Coloured: one object stands at several places, all of one number and colour.", SHARED[0]),
    )
    for text, colour in texts:
        mark = SubElement(root, "rect", x=str(MARGIN), y=f"{y:g}", width="22", height="14", rx="7", fill=colour)
        mark.set("stroke", _INK)
        words = SubElement(root, "text", x=str(MARGIN + 32), y=f"{y + 11:g}", fill=_INK)
        words.text = text
        y += 22
    return y + MARGIN / 2
