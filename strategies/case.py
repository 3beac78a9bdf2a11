"""What a case is: one call of `prepare`, written down as plain data.

A `Case` holds no tensor, no module and no torch object.  It can be printed,
hashed, compared, written as JSON and read back without loss; `source.py` turns
it into Python and `arguments.py` into the objects that `prepare` takes.

Values of the drawn graph are numbered: ``0, 1, ...`` are the results of the
calls, in order, and ``-1, -2, ...`` are the graph's inputs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from .plain import Nouns, to_plain

Operand: TypeAlias = "int | tuple[Operand, ...]"
"""A value's number, or a sequence of operands (an operator that takes a list)."""

Tree: TypeAlias = "int | tuple[Any, ...] | None"
"""What the graph returns: a value's number, None, ``("constant", c)`` with a
number, a bool or a text, or ``("list", t, ...)``, ``("tuple", t, ...)``,
``("dict", ("key", t), ...)``."""

Scalar: TypeAlias = "int | float | bool | str | None"

Nested: TypeAlias = "tuple[Any, ...] | None"
"""A pattern that is no chain, reversed and nested (see `forms`)."""

Key: TypeAlias = "tuple[str, ...]"
"""What an annotation speaks of, by the names of nodes: a value ``(node,)``, or an edge ``(value, reader)``."""

Path: TypeAlias = "tuple[int, ...] | None"
"""Indexes that lead to a part of a nested pattern."""


class CaseError(ValueError):
    """A case that cannot be read or built; its text says what to do."""


@dataclass(frozen=True)
class Observer:
    """A constructor of observers: an exported name and the arguments it is given.

    ``arguments`` are pairs of a name and a number, a bool, the text of a
    torch constant such as ``"torch.qint8"``, or, for a fake quantizer, the
    constructor of the observer inside.
    """

    factory: str
    arguments: tuple[tuple[str, Scalar | Observer], ...] = ()


@dataclass(frozen=True)
class QConfig:
    """A qconfig of its own: what observes activations, and what observes weights."""

    activation: Observer
    weight: Observer


QConfigChoice: TypeAlias = "str | QConfig | None"
"""The name of a qconfig that torch exports or of the backend whose default it is, a
qconfig of its own, or None (off)."""


@dataclass(frozen=True)
class Entry:
    """One line of a qconfig mapping.

    ``selector`` is ``global``, ``object_type``, ``regex``, ``name`` or ``order``;
    ``target`` is the operator's target as the operator table writes it (for
    ``object_type`` and ``order``), ``name`` a module name or a regular
    expression, ``index`` the occurrence that ``order`` means.
    """

    selector: str
    qconfig: QConfigChoice
    name: str = ""
    target: str = ""
    index: int = 0


@dataclass(frozen=True)
class Mapping:
    """A qconfig mapping: torch's default for ``base``, if any, then the entries in order."""

    base: str | None = None
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Constraint:
    """A dtype with what a backend demands of the observer that gives it."""

    dtype: str | None = None
    quant_min: int | None = None
    quant_max: int | None = None
    scale_min: float | None = None
    scale_exact: float | None = None
    zero_point_exact: int | None = None


@dataclass(frozen=True)
class DTypes:
    """One dtype config of a backend pattern."""

    input: Constraint = Constraint()
    output: Constraint = Constraint()
    weight: Constraint = Constraint()
    bias: str | None = None
    is_dynamic: bool | None = None


@dataclass(frozen=True)
class Pattern:
    """What a backend says of one pattern.

    ``targets`` stand in the order in which the data flows; ``observation`` is
    the name of an ``ObservationType``; ``by_tensor_count`` overrides it by how
    many tensor arguments the root has; ``positions`` says which positional
    argument of a function is its ``weight`` or ``bias``.  With ``swaps``, the
    backend has a class for training in place of each module of the pattern that
    torch has one for, and says the same of the pattern of these classes.  A pattern
    that is no chain is written in ``nested``, of which ``targets`` are the
    operators; ``root`` says which of them is the root, the last one if it is None.
    """

    targets: tuple[str, ...]
    observation: str
    dtypes: tuple[DTypes, ...]
    by_tensor_count: tuple[tuple[int, str], ...] = ()
    positions: tuple[tuple[str, int], ...] = ()
    swaps: bool = False
    nested: Nested = None
    root: Path = None


@dataclass(frozen=True)
class Backend:
    """A backend config of its own."""

    patterns: tuple[Pattern, ...]


@dataclass(frozen=True)
class Call:
    """One operator of the graph.

    ``operator`` names an entry of the operator table; ``spelling`` is
    ``positional`` or ``keyword``; ``sequence`` says how a list operand is
    written (``list`` or ``tuple``); ``scope`` is the dotted path of the submodule
    it stands in; ``shares`` is an earlier call whose module or parameters it
    uses; ``ties`` an earlier call whose module's weight its own module has.
    """

    operator: str
    operands: tuple[Operand, ...]
    spelling: str = "positional"
    sequence: str = "list"
    scope: str = ""
    shares: int | None = None
    ties: int | None = None


@dataclass(frozen=True)
class Declared:
    """A module that the custom config declares to be of a kind of its own.

    ``kind`` is ``standalone``, ``non_traceable``, ``custom``, or ``prepared`` (a
    standalone module that is prepared already).  ``name`` is the dotted name of a
    submodule or of a call's module, and with ``by_class`` it stands for its class;
    for a custom module it is a class, as the operator table writes it.  A standalone
    module may have a ``mapping`` and a ``backend`` of its own; which of its inputs,
    and whether its output, are quantized is said by their indexes.
    """

    kind: str
    name: str
    by_class: bool = False
    mapping: Mapping | None = None
    backend: str | Backend | None = None
    quantized_inputs: tuple[int, ...] = ()
    quantized_output: bool = False


@dataclass(frozen=True)
class QSpec:
    """How an annotation wants a tensor quantized.

    ``kind`` is ``plain``, ``fixed``, ``shared`` or ``derived``; ``observer`` is the
    constructor of a plain one, without the settings that stand beside it; ``keys`` are
    what it is shared with (one), or what it is derived from.
    """

    kind: str
    observer: Observer | None = None
    dtype: str | None = None
    quant_min: int | None = None
    quant_max: int | None = None
    qscheme: str | None = None
    ch_axis: int | None = None
    is_dynamic: bool = False
    scale: float | None = None
    zero_point: int | None = None
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Annotation:
    """What a quantizer has written on a node: how its inputs, by name, and its output are quantized.

    ``reuses`` says whether its inputs have no observers of their own; None leaves that unsaid.
    """

    node: str
    inputs: tuple[tuple[str, QSpec | None], ...] = ()
    output: QSpec | None = None
    allows_sharing: bool = True
    reuses: bool | None = None


PROFILES = ("", "annotations-pt2e", "annotations-fx", "quantizer", "backend-config")
"""What can tell how a model is quantized: qconfigs; annotations, alone or beside qconfigs; what is brought."""


@dataclass(frozen=True)
class Case:
    """A recipe for one call of `prepare`.

    ``inputs`` are the kinds of the graph's inputs (see the operator table);
    ``backend`` is None (pass none), a shipped config's name, or one of its own;
    ``quantized_inputs`` are the inputs declared as already quantized;
    ``as_dicts`` passes the configs in their deprecated form; ``is_qat`` prepares
    for quantization-aware training; ``training`` is the mode of the model, None for
    training mode if ``is_qat`` and else for eval mode; with ``hooked``, the modules
    that are swapped for training have hooks.  Weights come from ``seed``.  A case
    that is ``written`` has a text of that name, of a ``size`` if it has one, in
    place of all this (see `written.py`).  ``declared`` are modules of their own
    kind; with ``is_standalone``, the model itself is a standalone module.
    ``quantized_outputs`` are the outputs declared as quantized;
    ``equalization`` is a mapping of equalization qconfigs: the name of one that
    torch has, or a pair of equalization observers; ``has_values`` stores in each
    node what it gives; ``device`` is where the model is: ``cpu``, ``meta``, or
    ``mixed`` (on the CPU, with one more parameter that is not).  ``profile`` is
    ``annotations-pt2e`` for an annotated graph, ``annotations-fx`` for an annotated
    model with qconfigs; ``annotations`` are those on it, and
    with ``exported``, the graph is an exported one, which a shipped ``quantizer`` may
    have annotated in place of them.  It is ``quantizer`` where a
    quantizer is to annotate the graph, and ``backend-config`` where a config is brought.
    """

    inputs: tuple[str, ...]
    calls: tuple[Call, ...]
    output: Tree
    mapping: Mapping
    backend: str | Backend | None = None
    quantized_inputs: tuple[int, ...] = ()
    as_dicts: bool = False
    is_qat: bool = False
    written: str = ""
    size: int = 0
    training: bool | None = None
    hooked: bool = False
    declared: tuple[Declared, ...] = ()
    is_standalone: bool = False
    quantized_outputs: tuple[int, ...] = ()
    equalization: Mapping | None = None
    has_values: bool = False
    device: str = "cpu"
    profile: str = ""
    annotations: tuple[Annotation, ...] = ()
    exported: bool = False
    quantizer: str = ""
    seed: int = 0

    @property
    def has_qconfigs(self) -> bool:
        """Whether qconfigs say how the model is quantized, and not annotations alone."""
        return self.profile not in ("annotations-pt2e", "quantizer")

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that depend on the content alone."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Return the case as one line of JSON; `from_json` gives an equal case back."""
        return json.dumps(to_plain(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Case:
        """Read a case that `to_json` wrote.

        Raises
        ------
        CaseError
            If the text is no JSON, or not a case's.
        """
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CaseError(_NO_CASE.format(error)) from error
        return Case.from_plain(plain)

    @staticmethod
    def from_plain(plain: Any) -> Case:
        """Read what the JSON of a case says, once it is parsed; raises as `from_json` does."""
        try:
            case = _NOUNS.from_plain(plain)
        except (ValueError, TypeError, RecursionError) as error:
            raise CaseError(_NO_CASE.format(error)) from error
        if not isinstance(case, Case):
            raise CaseError("this is JSON but not a case; write it with Case.to_json()")
        return case


def operand_values(operand: Operand) -> list[int]:
    """Return the numbers of all values in an operand, in order, repeats included."""
    if isinstance(operand, int):
        return [operand]
    return [value for part in operand for value in operand_values(part)]


def map_operand(operand: Operand, change: dict[int, int]) -> Operand:
    """Return the operand with its values renumbered; those not in `change` stay."""
    if isinstance(operand, int):
        return change.get(operand, operand)
    return tuple(map_operand(part, change) for part in operand)


def tree_values(tree: Tree) -> list[int]:
    """Return the numbers of all values that a returned structure holds, in order."""
    match tree:
        case int():
            return [tree]
        case None:
            return []
        case ("constant", bool() | int() | float() | str()):
            return []
        case ("dict", *items) if all(isinstance(item, tuple) and len(item) == 2 for item in items):
            return [value for _, part in items for value in tree_values(part)]
        case ("list" | "tuple", *parts):
            return [value for part in parts for value in tree_values(part)]
    raise CaseError(f"{tree!r} is no output structure; it is a value, None, constant, list, tuple or dict")


def map_tree(tree: Tree, change: dict[int, int]) -> Tree:
    """Return the structure with its values renumbered; those not in `change` stay."""
    match tree:
        case int():
            return change.get(tree, tree)
        case None | ("constant", _):
            return tree
        case ("dict", *items):
            return ("dict", *((key, map_tree(part, change)) for key, part in items))
        case (kind, *parts):
            return (kind, *(map_tree(part, change) for part in parts))
    raise CaseError(f"{tree!r} is no output structure")


_NO_CASE = "this is not the JSON of a case ({}); write it with Case.to_json()"

_CLASSES = (
    *(Annotation, Backend, Call, Case, Constraint, Declared, DTypes, Entry),
    *(Mapping, Observer, Pattern, QConfig, QSpec),
)
_ALIASES = ("Key", "Nested", "Operand", "Path", "QConfigChoice", "Scalar", "Tree")
_NOUNS = Nouns({noun.__name__: noun for noun in _CLASSES}, {name: globals()[name] for name in _ALIASES})
