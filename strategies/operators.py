"""The table of operators that graphs are drawn from.

A new operator is one entry in one of the tables of modules, fused modules,
functions and others.  An entry says what it is in torch (its target), the kinds
of value that it takes and gives, and how it is written, once with positional and
once with keyword arguments.  What the kinds are is in `entries`.
"""

from __future__ import annotations

from .entries import FLOAT_KINDS, INPUT_SHAPES, Operator
from .table_functions import ARITHMETIC, BUFFERED, FUNCTIONS, IN_PLACE, WEIGHTED
from .table_fused import FUSED, PARTS, TRAINED
from .table_modules import MODULES
from .table_others import INTEGERS, LISTS, MASKS, MULTI, SHAPES

__all__ = [
    "FLOAT_KINDS",
    "INPUT_SHAPES",
    "OPERATORS",
    "PARTS",
    "PLAIN_OPERATORS",
    "SEVERAL",
    "TIEABLE",
    "TRAINED",
    "Operator",
]

OPERATORS: dict[str, Operator] = {
    entry.name: entry
    for entry in (
        *MODULES,
        *FUSED,
        *WEIGHTED,
        *ARITHMETIC,
        *LISTS,
        *FUNCTIONS,
        *IN_PLACE,
        *SHAPES,
        *MASKS,
        *INTEGERS,
        *MULTI,
        *BUFFERED,
    )
}
"""All operators, by name."""

PLAIN_OPERATORS = tuple(name for name, entry in OPERATORS.items() if entry not in BUFFERED)
"""The names of those that tracing gives; the others are as export writes them, and drawn for annotated graphs."""

SEVERAL = "mrcsga"
"""The kinds of what is made of several values."""

TIEABLE = frozenset({"nn.Linear", "nn.Conv1d", "nn.Conv2d", "nn.Conv3d", "nn.Embedding"})
"""The targets of modules that may have the weight of another one."""
