"""How what is measured grows with the size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import linear_regression


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return the exponent with which something grows: the slope of a line through the logarithms.

    Parameters
    ----------
    points
        Two sizes or more, and what was measured at each.
    """
    sizes, values = zip(*points, strict=True)
    return linear_regression([math.log(size) for size in sizes], [math.log(value) for value in values]).slope
