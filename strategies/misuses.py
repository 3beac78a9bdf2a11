"""Wrong calls of `prepare`, and calls that only look wrong or are rare: what each is, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass

from .rare import RARITIES
from .rarity import CONFIGS, LINEAR, MAKERS, own_class, with_parts

REFUSED = "refused"
"""The call raises an exception."""

ALOUD = "aloud"
"""The call raises an exception, or a warning is given."""

SERVED = "served"
"""The call is served like any other."""

HARMLESS = "harmless"
"""The call is refused or served; what it gives is then what it gives without the flaw."""


@dataclass(frozen=True)
class Misuse:
    """A call that is wrong in one respect, or only looks wrong.

    Attributes
    ----------
    name
        What is wrong, in words.
    spoil
        The lines of the function ``spoil(given)``, which makes the plain call wrong.
    demand
        What must come of it.
    culprit
        A regular expression that finds the culprit's name in what is said.
    promised
        Whether torch's documentation, an annotation or an assertion promises that.
    raw
        Whether it is about what only `prepare` takes, and `prepare_fx` does not.
    needs
        The features that an implementation must claim.
    model
        The lines of the model's class, if it is not the plain one.
    """

    name: str
    spoil: tuple[str, ...]
    demand: str = REFUSED
    culprit: str = ""
    promised: bool = True
    raw: bool = False
    needs: tuple[str, ...] = ()
    model: tuple[str, ...] = ()


PLAIN = "a plain call"
"""The name of the call that every other one departs from."""


def _output(constant: str) -> tuple[str, ...]:
    """Return the lines that let a model return a constant beside its value."""
    return (
        'output = next(node for node in given.model.graph.nodes if node.op == "output")',
        f"output.args = ((output.args[0], {constant}),)",
        "given.model.recompile()",
    )


def _renamed(name: str) -> tuple[str, ...]:
    """Return a model whose second layer has a name of its own."""
    return (
        "def __init__(self):",
        "    super().__init__()",
        "    self.linear = nn.Linear(4, 4)",
        f"    self.{name} = nn.Linear(4, 4)",
        "",
        "def forward(self, x0):",
        f"    return self.{name}(F.relu(self.linear(x0)))",
    )


_TYPES = (
    Misuse("a model that is not traced", ("given.model = given.float_model",), REFUSED, "graph|model", False, True),
    Misuse("a name for the qconfig mapping", ('given.qconfig_mapping = "x86"',), REFUSED, "qconfig.?mapping"),
    Misuse(
        "a qconfig for the qconfig mapping",
        ("given.qconfig_mapping = tq.default_qconfig",),
        REFUSED,
        "qconfig.?mapping",
    ),
    Misuse("no scopes", ("given.scopes = None",), REFUSED, "scope", False, True),
    Misuse("a node without a scope", ("del given.scopes['linear']",), REFUSED, "linear", False, True),
    Misuse(
        "a name for the equalization mapping",
        ('given.equalization = "default"',),
        REFUSED,
        "equalization",
        needs=("equalization",),
    ),
    Misuse("a name for the custom config", ('given.custom_config = "plain"',), REFUSED, "custom.?config"),
    Misuse("a name for the backend config", ('given.backend_config = "x86"',), REFUSED, "backend.?config"),
)

_VALUES = (
    *(
        Misuse(
            f"{what} for a quantized {end}",
            (f"given.custom_config.set_{end}_quantized_indexes([{index}])",),
            ALOUD,
            f"quantized.{end}|{end}.quantized|index",
            needs=("quantized-inputs",),
        )
        for end in ("input", "output")
        for what, index in (("an index too large", "5"), ("text", '"0"'))
    ),
    Misuse(
        "parameters on two devices",
        (
            "class Elsewhere(torch.Tensor):",
            "    device = torch.device('cpu', 1)",
            "",
            "there = torch.zeros(4).as_subclass(Elsewhere)",
            "given.float_model.second.register_buffer('there', there)  # the traced model calls it, too",
        ),
        REFUSED,
        "device",
    ),
    Misuse(
        "a call of a module that is not there",
        (
            'node = next(node for node in given.model.graph.nodes if node.name == "linear")',
            'node.target = "nowhere"',
        ),
        REFUSED,
        "nowhere",
        raw=True,
    ),
    *(
        Misuse(f"{what} at the output", _output(constant), REFUSED, f"output|return|{constant}", False, True)
        for what, constant in (("a number", "3"), ("text", "'text'"), ("a slice", "slice(0, 1)"))
    ),
)

_QCONFIGS = (
    *(
        Misuse(f"a qconfig whose {part} is {what}", (f"given.qconfig_mapping.set_global({qconfig})",), REFUSED, culprit)
        for part, what, qconfig, culprit in (
            ("activation", "a number", "tq.QConfig(3, tq.default_weight_observer)", "(?i)qconfig|activation"),
            ("weight", "a number", "tq.QConfig(tq.default_observer, 3)", "(?i)qconfig|weight"),
            ("activation", "made a number", "tq.QConfig(lambda: 3, tq.default_weight_observer)", "(?i)qconfig|activ"),
            ("weight", "made a number", "tq.QConfig(tq.default_observer, lambda: 3)", "(?i)qconfig|weight"),
            (
                "activation",
                "an observer and not its constructor",
                "tq.default_qconfig._replace(activation=tq.MinMaxObserver())",
                "(?i)qconfig|activation",
            ),
        )
    ),
    *(
        Misuse(
            f"a custom module {whose}",
            (*own_class(), f"given.qconfig_mapping.set_global(tq.QConfig(tq.default_observer, {weight}))"),
            REFUSED,
            "linear|dtype",
            promised=False,
            needs=("custom-modules",),
            model=LINEAR,
        )
        for whose, weight in (
            ("with weights of half precision", "tq.PlaceholderObserver.with_args(dtype=torch.float16)"),
            ("whose weight nobody observes", "nn.Identity"),
        )
    ),
    *(
        Misuse(
            f"parts of a fused module with different {what}",
            (
                f"for kind, inner in ((nn.Linear, tq.{first}), (nn.ReLU, tq.{second})):",
                f"    given.qconfig_mapping.set_object_type(kind, tq.QConfig({asked}))",
            ),
            REFUSED,
            "LinearReLU|ReLU",
            model=with_parts(
                "self.both = torch.ao.nn.intrinsic.LinearReLU(nn.Linear(4, 4), nn.ReLU())", "return self.both(x0)"
            ),
        )
        for what, first, second, asked in (
            (
                "fake quantizers",
                "MinMaxObserver",
                "HistogramObserver",
                "tq.FakeQuantize.with_args(observer=inner), tq.default_weight_observer",
            ),
            (
                "observers of their weights alone",
                "default_weight_observer",
                "default_per_channel_weight_observer",
                "tq.default_observer, inner",
            ),
            (
                "arguments of one observer",
                "MinMaxObserver.with_args(reduce_range=False)",
                "MinMaxObserver.with_args(reduce_range=True)",
                "inner, tq.default_weight_observer",
            ),
        )
    ),
    Misuse(
        "a transposed convolution with a moving average for each channel of its weight",
        (
            "weight = tq.MovingAveragePerChannelMinMaxObserver.with_args(dtype=torch.qint8)",
            "given.qconfig_mapping.set_global(tq.QConfig(tq.default_observer, weight))",
        ),
        ALOUD,
        "(?i)channel|layer|ConvTranspose",
        model=with_parts("self.layer = nn.ConvTranspose1d(2, 2, 1)", "return self.layer(x0.reshape(1, 2, 4))"),
    ),
    Misuse("a name for a qconfig", ('given.qconfig_mapping.set_global("x86")',), REFUSED, "(?i)qconfig|x86"),
    Misuse(
        "an observer for a qconfig",
        ("given.qconfig_mapping.set_object_type(nn.Linear, tq.MinMaxObserver)",),
        REFUSED,
        "(?i)qconfig",
    ),
)

_GOOD = (
    *(
        Misuse(f"{what} with an observer's name", (), SERVED, model=_renamed(name))
        for what, name in (
            ("a submodule", "activation_post_process_0"),
            ("a submodule between two", "activation_post_process_1"),
        )
    ),
    Misuse(
        "a parameter with an observer's name",
        (),
        SERVED,
        model=(
            "def __init__(self):",
            "    super().__init__()",
            "    self.activation_post_process_0 = nn.Parameter(torch.randn(4, 4))",
            "",
            "def forward(self, x0):",
            "    return F.relu(F.linear(x0, self.activation_post_process_0))",
        ),
    ),
    Misuse(
        "an input with an observer's name",
        (),
        SERVED,
        model=("def forward(self, activation_post_process_0):", "    return F.hardswish(activation_post_process_0)"),
    ),
    *(
        Misuse(f"a qconfig for {what}", (f"given.qconfig_mapping.set_{selector}",), SERVED)
        for what, selector in (
            ("a module that is not there", 'module_name("nowhere", None)'),
            ("an expression that no name matches", 'module_name_regex("nowhere", None)'),
            ("a call that is not there", 'module_name_object_type_order("", F.relu, 7, None)'),
            ("a type that is not there", "object_type(nn.Conv2d, None)"),
        )
    ),
    Misuse("a tensor for the example inputs", ("given.example_inputs = given.example_inputs[0]",), HARMLESS),
    Misuse("an example input too many", ("given.example_inputs = given.example_inputs * 2",), HARMLESS),
    Misuse(
        "a graph without an output",
        (
            'output = next(node for node in given.model.graph.nodes if node.op == "output")',
            "given.model.graph.erase_node(output)",
            "given.model.recompile()",
        ),
        HARMLESS,
        raw=True,
    ),
    Misuse(
        "a standalone module without an output",
        (
            'output = next(node for node in given.model.graph.nodes if node.op == "output")',
            "given.model.graph.erase_node(output)",
            "given.model.recompile()",
            "given.is_standalone = True",
        ),
        HARMLESS,
        raw=True,
        needs=("standalone-modules",),
    ),
    Misuse(
        "a standalone module that is not there",
        ('given.custom_config.set_standalone_module_name("nowhere", None, (), None, None)',),
        HARMLESS,
    ),
)

_RARE = tuple(Misuse(one.name, one.lines, SERVED, raw=one.raw, needs=one.needs, model=one.model) for one in RARITIES)

MISUSES = {misuse.name: misuse for misuse in (*_TYPES, *_VALUES, *_QCONFIGS, *_GOOD, *_RARE)}
"""All of them, by name."""

_PLAIN_MODEL = _renamed("second")

_TEXT = """\
class Model(nn.Module):
    {model}


{makers}

def make_mapping():
    return tq.QConfigMapping().set_global(tq.default_qconfig)


{configs}"""

_SPOIL = """

def spoil(given):
    {lines}
"""


def source(misuse: Misuse | None) -> str:
    """Return the functions that make the arguments of a call, and the one that spoils them; None is the plain call."""
    model = misuse.model if misuse and misuse.model else _PLAIN_MODEL
    text = _TEXT.format(model=_block(model), makers=MAKERS, configs=CONFIGS)
    return text + (_SPOIL.format(lines=_block(misuse.spoil)) if misuse and misuse.spoil else "")


def _block(lines: tuple[str, ...]) -> str:
    """Return lines as an indented block, its first line aside."""
    return "\n".join(f"    {line}" if line else "" for line in lines).removeprefix("    ")
