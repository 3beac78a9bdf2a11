"""Rare calls about what a value is: items of containers, and operands of modules of one's own."""

from __future__ import annotations

from .rarity import Rarity, calling, instead, own_class, with_parts

_SCALED = (
    "class Scaled(nn.Module):",
    "    def forward(self, value, weight, bias):",
    "        return value * weight + bias",
    "",
    *instead("Scaled()"),
    *own_class("Scaled", "value, weight, bias"),
)
"""The lines that put a module of one's own in the layer's place, which takes a weight and a bias with each call."""


def _inputs(expression: str, *before: str) -> tuple[str, ...]:
    """Return the lines that give other example inputs."""
    return (*before, "x = given.example_inputs[0]", f"given.example_inputs = {expression}")


RARE_VALUES = (
    *(
        Rarity(
            f"a module of one's own that takes a weight and a bias {how}",
            with_parts("self.linear = nn.Linear(4, 4)", f"return self.linear({arguments})"),
            _SCALED,
            ("custom-modules",),
        )
        for how, arguments in (
            ("by position", "x0, x0 + 1, x0 + 2"),
            ("by keyword", "x0, weight=x0 + 1, bias=x0 + 2"),
        )
    ),
    *(
        Rarity(f"an input that is {what}", with_parts("self.linear = nn.Linear(4, 4)", f"return {read}"), inputs)
        for what, read, inputs in (
            ("a dict", 'self.linear(x0["x"])', _inputs('({"x": x},)')),
            (
                "a dict of more than one kind of tensor",
                'self.linear(x0["x"]) + x0["n"]',
                _inputs('({"x": x, "n": x > 0},)'),
            ),
            ("a list of dicts", 'self.linear(x0[0]["x"])', _inputs('([{"x": x}],)')),
            (
                "a named tuple",
                "self.linear(x0.x)",
                _inputs("(Named(x),)", "import collections", "", 'Named = collections.namedtuple("Named", "x")'),
            ),
            (
                "an object",
                "self.linear(x0.x)",
                _inputs("(types.SimpleNamespace(x=x),)", "import types", ""),
            ),
        )
    ),
    Rarity(
        "a new tensor of ones and noughts",
        calling(
            with_parts(
                "self.linear = nn.Linear(4, 4)", "return self.linear(self.call(x0, torch.eye, x0.size(1))) + x0.sum()"
            )
        ),
    ),
)
