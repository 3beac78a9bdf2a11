"""Where the boxes and arrows of a diagram are on the paper: in layers, from the inputs down to the output.

grandalf finds the layers, the order in them, and the way of each arrow between
the boxes of the layers that it crosses.  Here it is told how large boxes are,
and its answer is put on the paper.
"""

from __future__ import annotations

import contextlib
import math
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from observance.conformance.command.diagrams import Box, Diagram
from observance.conformance.usage import UsageError

LINE, PADDING, MARGIN = 16, 10, 24
"""The height of a line of text, the space around the text of a box, and that around everything."""
BETWEEN, LAYERS = 30, 36
"""The space between boxes side by side, and between layers."""

Point = tuple[float, float]


@dataclass
class Frame:
    """The place of a box: what grandalf asks, its size, and what it answers, the middle."""

    w: float
    h: float
    xy: tuple[float, float] = (0.0, 0.0)

    @property
    def left(self) -> float:
        """Where it begins on the left."""
        return self.xy[0] - self.w / 2

    @property
    def top(self) -> float:
        """Where it begins above."""
        return self.xy[1] - self.h / 2

    @property
    def bottom(self) -> float:
        """Where it ends below."""
        return self.xy[1] + self.h / 2


class _Route:
    """The points through which grandalf leads an arrow."""

    def __init__(self) -> None:
        self.points: list[Point] = []

    def setpath(self, points: list[Point]) -> None:
        """Take the points: grandalf calls this."""
        self.points = points


@dataclass(frozen=True)
class Layout:
    """The place of each box, the points of each arrow, and how far all of it reaches to the right and down."""

    frames: dict[str, Frame]
    routes: list[list[Point]]
    right: float
    bottom: float


def place(diagram: Diagram, top: float) -> Layout:
    """Return where the boxes and arrows of a diagram are; parts that nothing connects stand side by side.

    Raises
    ------
    UsageError
        If grandalf is not installed.
    """
    try:
        from grandalf.graphs import Edge, Graph, Vertex
    except ImportError as error:
        raise UsageError(
            "pictures need grandalf, which is not installed: run `pip install 'observance[pictures]'`."
        ) from error
    frames = _frames(diagram)
    vertices = {key: Vertex(key) for key in frames}
    edges = [Edge(vertices[arrow.start], vertices[arrow.end]) for arrow in diagram.arrows]
    for key, vertex in vertices.items():
        vertex.view = frames[key]
    for edge in edges:
        edge.view = _Route()
    left = float(MARGIN)
    with _deep(len(vertices) + len(edges)):
        for part in Graph(list(vertices.values()), edges).C:
            _lay_out(part)
            left = _move([v.view for v in part.sV], [e.view for e in part.sE], left, top) + 2 * BETWEEN
    routes = _routes(diagram, frames, [edge.view.points for edge in edges])
    right = [frame.left + frame.w for frame in frames.values()] + [x for points in routes for x, _ in points]
    bottom = max((frame.bottom for frame in frames.values()), default=top)
    return Layout(frames, routes, max(right, default=0.0) + MARGIN, bottom)


def _lay_out(part: Any) -> None:
    """Let grandalf lay out a part of a graph in which everything is connected."""
    from grandalf.layouts import SugiyamaLayout

    layout = SugiyamaLayout(part)
    layout.xspace, layout.yspace = BETWEEN, LAYERS
    layout.route_edge = lambda edge, points: None  # the points are taken as they are
    layout.init_all(roots=[vertex for vertex in part.sV if not vertex.e_in()], optimize=True)
    layout.draw(12)
    for layer in layout.layers:
        _separate([vertex.view for vertex in layer])
    layout.draw_edges()  # once more, as the boxes are now


def _separate(frames: Sequence[Any]) -> None:
    """Move the boxes of a layer apart, from left to right, and then all of them back by half of what that took.

    grandalf lets them overlap where it takes the middle of four places that each would do.
    """
    shifts, end = [], -math.inf
    for frame in frames:
        x = max(frame.xy[0], end + frame.w / 2)
        shifts.append(x - frame.xy[0])
        end = x + frame.w / 2 + BETWEEN
    back = max(shifts) / 2
    for frame, shift in zip(frames, shifts, strict=True):
        frame.xy = (frame.xy[0] + shift - back, frame.xy[1])


def _frames(diagram: Diagram) -> dict[str, Frame]:
    """Return the size of each box: its lines have room in it, and above it the labels of the arrows that end there."""
    labels: dict[str, list[str]] = {}
    for arrow in diagram.arrows:
        labels.setdefault(arrow.end, []).append(arrow.label)
    return {key: _frame(box, labels.get(key, [])) for key, box in diagram.boxes.items()}


@contextlib.contextmanager
def _deep(size: int) -> Iterator[None]:
    """Let functions call themselves as often as a graph is large: grandalf allows for that, but not for its callers."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 4 * size)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _move(frames: Sequence[Frame], routes: Sequence[_Route], left: float, top: float) -> float:
    """Move a part of a graph to where there is room for it; return how far it reaches to the right."""
    inner = [x for route in routes for x, _ in route.points[1:-1]]
    right = left - min([*(frame.left for frame in frames), *inner])
    down = top - min(frame.top for frame in frames)
    for frame in frames:
        frame.xy = (frame.xy[0] + right, frame.xy[1] + down)
    for route in routes:
        route.points = [(x + right, y + down) for x, y in route.points]
    return max([*(frame.left + frame.w for frame in frames), *(x + right for x in inner)])


def _routes(diagram: Diagram, frames: dict[str, Frame], inner: Sequence[list[Point]]) -> list[list[Point]]:
    """Return the points of each arrow, from the lower edge of a box to the upper edge of another.

    Arrows that meet at one box keep apart from each other along its edge, in the order in which they come.
    """
    tails: dict[str, list[int]] = {}
    heads: dict[str, list[int]] = {}
    for number, arrow in enumerate(diagram.arrows):
        tails.setdefault(arrow.start, []).append(number)
        heads.setdefault(arrow.end, []).append(number)
    starts = _spread(tails, frames, lambda number: inner[number][1][0])
    ends = _spread(heads, frames, lambda number: inner[number][-2][0])
    return [
        [(starts[n], frames[arrow.start].bottom), *inner[n][1:-1], (ends[n], frames[arrow.end].top)]
        for n, arrow in enumerate(diagram.arrows)
    ]


def _spread(meeting: dict[str, list[int]], frames: dict[str, Frame], other: Callable[[int], float]) -> dict[int, float]:
    """Return where each arrow touches its box, from left to right as their other ends are."""
    found = {}
    for key, numbers in meeting.items():
        frame = frames[key]
        for place, number in enumerate(sorted(numbers, key=other), start=1):
            found[number] = frame.left + frame.w * place / (len(numbers) + 1)
    return found


def _frame(box: Box, labels: Sequence[str]) -> Frame:
    """Return the size of a box with some labels above it."""
    lines = max(map(width_of, box.lines)) + 2 * PADDING
    beside = max(map(width_of, labels), default=0.0)
    return Frame(max(lines, (beside + 8) * (len(labels) + 1) if beside else 0.0), len(box.lines) * LINE + PADDING)


def width_of(text: str) -> float:
    """Return about how wide a text is; letters of East Asia are twice as wide."""
    return sum(13.0 if unicodedata.east_asian_width(c) in "WF" else 7.4 for c in text)
