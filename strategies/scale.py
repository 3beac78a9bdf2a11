"""Models by size: what must not cost more than in proportion, and must not be too deep.

They are not drawn.  A family is a model whose `__init__` and `forward` are loops,
so that one small text stands for every size.
"""

from __future__ import annotations

from dataclasses import dataclass

from .rarity import CONFIGS, MAKERS


@dataclass(frozen=True)
class Family:
    """A model of any size.

    Attributes
    ----------
    name
        What it is, in words.
    forward
        The lines of `forward`, in which ``SIZE`` stands for the size.
    members
        The lines of `__init__`, likewise.
    qconfigs
        The expression of the qconfig mapping.
    size
        The smallest size at which it is tried; the others are its multiples.
    depth
        The size at which it must not be too deep, or 0 where that is not asked.
    """

    name: str
    forward: tuple[str, ...]
    members: tuple[str, ...] = ()
    qconfigs: str = "tq.QConfigMapping().set_global(tq.default_qconfig)"
    size: int = 8
    depth: int = 0


DEPTH = 500
"""More operators in a row than functions may call one another where depth is looked at."""

_LINEARS = ("self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(SIZE))",)
_REUSING = "tq.QConfigMapping().set_global(tq.default_reuse_input_qconfig)"

_FAMILIES = (
    Family("a chain of modules", ("for layer in self.layers:", "    x0 = layer(x0)", "return x0"), _LINEARS),
    Family(
        "a chain of functions",
        ("for _ in range(SIZE):", "    x0 = F.hardswish(x0)", "return x0"),
        depth=DEPTH,
    ),
    Family(
        "a chain of functions that share an observer",
        ("x0 = F.hardswish(x0)", "for _ in range(SIZE):", "    x0 = F.hardtanh(x0)", "return x0"),
        depth=DEPTH,
    ),
    Family(
        "a chain of modules without an observer to share",
        ("for layer in self.layers:", "    x0 = layer(x0)", "return x0"),
        ("self.layers = nn.ModuleList(nn.Identity() for _ in range(SIZE))",),
        _REUSING,
        size=16,
    ),
    Family(
        "a chain of methods without an observer to share",
        ("for _ in range(SIZE):", "    x0 = x0.reshape(2, 4)", "return x0"),
        (),
        _REUSING,
        depth=DEPTH,
    ),
    Family("a value with many readers", ("return [layer(x0) for layer in self.layers]",), _LINEARS),
    Family(
        "a value with many readers of many kinds",
        ("return [layer(x0) for layer in self.layers]",),
        _LINEARS,
        "many_kinds(SIZE)",
    ),
    Family("a list of many values", ("return torch.cat([F.hardswish(x0) for _ in range(SIZE)])",)),
    Family(
        "a long shape computation",
        ("rows = x0.size(0)", "for _ in range(SIZE):", "    rows = rows * 1", "return x0.reshape(rows, -1)"),
        depth=DEPTH,
    ),
    Family(
        "a shape computation that reads each number twice",
        ("rows = x0.size(0)", "for _ in range(SIZE):", "    rows = (rows + rows) // 2", "return x0.reshape(rows, -1)"),
        size=3,
    ),
    Family(
        "modules within modules",
        ("return self.inner(x0)",),
        (
            "self.inner = nn.Linear(4, 4)",
            "for _ in range(SIZE):",
            "    self.inner = nn.Sequential(self.inner)",
        ),
    ),
)

FAMILIES = {family.name: family for family in _FAMILIES}
"""All families, by name."""

_MANY_KINDS = """\
def many_kinds(size):
    mapping = tq.QConfigMapping()
    for number in range(size):
        activation = tq.MinMaxObserver.with_args(eps=1e-4 * (number + 1))
        mapping.set_module_name(f"layers.{number}", tq.QConfig(activation, tq.default_weight_observer))
    return mapping


"""

_TEXT = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        {members}

    def forward(self, x0):
        {forward}


{makers}

{helper}def make_mapping():
    return {qconfigs}


{configs}"""


def source(family: Family, size: int) -> str:
    """Return the functions that make the arguments of a family's member of a size."""
    text = _TEXT.format(
        members="\n        ".join(family.members),
        forward="\n        ".join(family.forward),
        helper=_MANY_KINDS if "many_kinds" in family.qconfigs else "",
        qconfigs=family.qconfigs,
        makers=MAKERS,
        configs=CONFIGS,
    )
    return text.replace("        \n\n    def forward", "\n    def forward").replace("SIZE", str(size))
