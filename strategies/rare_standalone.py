"""Calls that are right and rare because of what is inside a module of its own kind, or of how often there is one."""

from __future__ import annotations

from .rare_modules import LSTM
from .rarity import LAYER, LINEAR, STANDALONE, TWO, Rarity, backend, instead, own_class, with_parts


def _standalone(*lines: str, config: str = "None, None", inputs: str = "(torch.randn(2, 4),)") -> tuple[str, ...]:
    """Return the lines that put a module in the layer's place, and have it prepared by itself."""
    *classes, made = lines
    return (
        *classes,
        *instead(f"{made}.eval()"),
        f'given.custom_config.set_standalone_module_name("linear", None, {inputs}, {config})',
    )


_SUM = ("class Sum(nn.Module):", "    def forward(self, first, second):", "        return first + second", "", "Sum()")

_TWICE = (
    "class Twice(nn.Module):",
    "    def __init__(self):",
    "        super().__init__()",
    "        self.sum = torch.ao.nn.quantized.FloatFunctional()",
    "",
    "    def forward(self, value):",
    "        return self.sum.add(value, value)",
    "",
    "nn.Sequential(Twice())",
)

_UNFUSED = (
    "given.backend_config = tb.BackendConfig()",
    "for kind in (nn.Linear, nn.ReLU):",
    "    pattern = tb.BackendPatternConfig(kind)",
    f"    pattern.add_dtype_config({LAYER})",
    "    given.backend_config.set_backend_pattern_config(pattern)",
)

_AFTER_ANOTHER = "self.first = nn.Linear(4, 4); self.linear = nn.Linear(4, 4)"
"""The parts of a model in which another layer stands before the standalone one."""

RARE_STANDALONE = (
    Rarity(
        "what a standalone module gives, in a list with what it reads",
        with_parts(
            _AFTER_ANOTHER,
            "y = self.first(x0)",
            "return torch.cat([y, self.linear(y)])",
        ),
        (f"{STANDALONE}, None, None)",),
        ("standalone-modules",),
    ),
    Rarity(
        "a standalone module whose input is quantized, and observed already",
        with_parts(_AFTER_ANOTHER, "return self.linear(self.first(x0))"),
        ("inner = PrepareCustomConfig().set_input_quantized_indexes([0])", f"{STANDALONE}, inner, None)"),
        ("standalone-modules", "quantized-inputs"),
    ),
    Rarity(
        "a standalone module that is named, and whose class is",
        LINEAR,
        (
            "inputs = (torch.randn(2, 4),)",
            "named = tq.QConfigMapping().set_global(tq.default_qconfig)",
            'given.custom_config.set_standalone_module_name("linear", named, inputs, None, None)',
            "given.custom_config.set_standalone_module_class(nn.Linear, tq.QConfigMapping(), inputs, None, None)",
        ),
        ("standalone-modules",),
    ),
    Rarity(
        "a standalone module without a backend config, beside one",
        LINEAR,
        (
            f"{STANDALONE}, None, None)",
            *backend("nn.Linear", "tb.DTypeConfig(torch.qint8, torch.qint8, torch.qint8)"),
        ),
        ("standalone-modules", "backend-configs"),
    ),
    *(
        Rarity(
            f"a standalone module that is named, and whose class is, with {what}",
            LINEAR,
            (
                f"inner = PrepareCustomConfig(){indexes}",
                f"by_class = nn.Linear, {mapping}, (torch.randn(2, 4),), inner, None",
                "given.custom_config.set_standalone_module_class(*by_class)",
                f"{STANDALONE}, None, None)",
            ),
            ("standalone-modules",),
        )
        for what, mapping, indexes in (
            ("a mapping by its class", "tq.QConfigMapping().set_global(None)", ""),
            ("indexes by its class", "None", ".set_input_quantized_indexes([0]).set_output_quantized_indexes([0])"),
        )
    ),
    Rarity(
        "a standalone module without a custom config, in a model that has one",
        LINEAR,
        ("given.custom_config.set_input_quantized_indexes([0])", f"{STANDALONE}, None, None)"),
        ("standalone-modules", "quantized-inputs"),
    ),
    *(
        Rarity(
            f"a standalone module that is given one value twice, and expects input {index} quantized",
            with_parts("self.linear = nn.Linear(4, 4)", "y = x0.sin()", "return self.linear(y, y)"),
            _standalone(
                *_SUM,
                inputs="(torch.randn(2, 4), torch.randn(2, 4))",
                config=f"PrepareCustomConfig().set_input_quantized_indexes([{index}]), None",
            ),
            ("standalone-modules",),
        )
        for index in (0, 1)
    ),
    Rarity(
        "two standalone modules of one class, one after the other",
        with_parts(TWO, "return self.second(self.first(x0))"),
        (
            "given.custom_config.set_standalone_module_class(nn.Linear, None, (torch.randn(2, 4),), None, None)",
            "given.leaves = [], [nn.Linear]",
        ),
        ("standalone-modules",),
    ),
    *(
        Rarity(
            f"a standalone module in which a {kind} is followed by its normalization",
            with_parts("self.linear = nn.Linear(4, 4)", f"return self.linear(torch.cat([x0, x0]).reshape({shape}))"),
            _standalone(
                f"normalized = nn.Sequential(nn.{layer}, nn.BatchNorm1d({width}))",
                f"normalized[1].running_mean += torch.arange({width}.0)",
                f"normalized[1].running_var *= torch.arange(1.0, {width + 1}.0)",
                "normalized.requires_grad_(False)",
                "normalized",
                inputs=f"(torch.randn({shape}),)",
            ),
            ("standalone-modules",),
        )
        for kind, layer, width, shape in (
            ("transposed convolution", "ConvTranspose1d(2, 2, 2)", 2, "2, 2, 4"),
            ("convolution", "Conv1d(2, 2, 2)", 2, "2, 2, 4"),
            ("linear layer", "Linear(4, 4)", 4, "4, 4"),
        )
    ),
    Rarity(
        "a prepared module that is no standalone one, and not to be traced",
        LINEAR,
        (
            "from torch.ao.quantization.quantize_fx import prepare_fx",
            "",
            "mapping = tq.QConfigMapping().set_global(tq.default_qconfig)",
            *instead("prepare_fx(nn.Sequential(nn.Linear(4, 4)).eval(), mapping, (torch.randn(2, 4),))"),
            'given.custom_config.set_non_traceable_module_names(["linear"])',
            "given.model.requires_grad_(False)",
        ),
        ("standalone-modules",),
    ),
    Rarity(
        "a standalone module that the backend does not fuse",
        LINEAR,
        (*_standalone("nn.Sequential(nn.Linear(4, 4), nn.ReLU())"), *_UNFUSED),
        ("standalone-modules", "backend-configs"),
    ),
    *(
        Rarity(
            f"a standalone module in which a module is not traced, by its {what}",
            LINEAR,
            _standalone(
                "class Kept(nn.Module):",
                "    def __init__(self):",
                "        super().__init__()",
                "        self.layer = nn.Linear(4, 4)",
                "",
                "    def forward(self, value):",
                "        return self.layer(value)",
                "",
                "nn.Sequential(nn.Linear(4, 4), Kept())",
                config=f"PrepareCustomConfig().set_non_traceable_module_{how}, None",
            ),
            ("standalone-modules",),
        )
        for what, how in (("name", 'names(["1"])'), ("class", "classes([Kept])"))
    ),
    Rarity(
        "a standalone module with a sum that eager mode observes",
        LINEAR,
        _standalone(*_TWICE),
        ("standalone-modules",),
    ),
    *(
        Rarity(
            f"custom LSTMs of which one gets {what} of the other's",
            with_parts(
                "self.first = nn.LSTM(4, 4); self.second = nn.LSTM(4, 4)", "y = self.first(x0)", f"return {result}[0]"
            ),
            (*LSTM, "given.example_inputs = (torch.randn(2, 3, 4),)"),
            ("custom-modules",),
        )
        for what, result in (
            ("the output and the states", "self.second(y[0], y[1])"),
            ("the states alone", "self.second(x0, y[1])"),
            ("both states, put together anew,", "self.second(y[0], (y[1][0], y[1][1]))"),
        )
    ),
    Rarity(
        "custom modules of one name in two modules",
        with_parts(
            "self.first = nn.Sequential(nn.Linear(4, 4)); self.second = nn.Sequential(nn.Linear(4, 4))",
            "return self.second(self.first(x0))",
        ),
        own_class(),
        ("custom-modules",),
    ),
)
"""All of them."""
