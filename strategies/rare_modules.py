"""Calls that are right and rare because of a module: one of its own kind, or one that a config speaks of."""

from __future__ import annotations

from .rarity import (
    EQUALIZED,
    LAYER,
    LINEAR,
    PARAMETRIZED,
    STANDALONE,
    TRAINING,
    TWO,
    Rarity,
    backend,
    instead,
    observed,
    own_class,
    with_parts,
)

_NESTED = (
    *instead("nn.Sequential(nn.Sequential(nn.Linear(4, 4))).eval()"),
    "given.model.requires_grad_(False)",
)

LSTM = (
    "from torch.ao.nn import quantizable",
    "",
    "given.custom_config.set_float_to_observed_mapping(nn.LSTM, quantizable.LSTM)",
)
"""The lines that have LSTMs observed by torch's own class for that."""


def _subclass(name: str, kind: str) -> tuple[str, ...]:
    """Return the lines that put a module of a subclass in a layer's place, which is not traced."""
    return (
        f"class Other({kind}):",
        "    pass",
        "",
        *instead("Other(4, 4).eval().requires_grad_(False)", name),
    )


_INSIDE = (
    *(
        Rarity(
            f"{what} in a dict",
            LINEAR,
            (f"given.custom_config = {{'standalone_module_name': [('linear', {entry})]}}",),
            ("standalone-modules", "dict-configs"),
        )
        for what, entry in (
            (
                "a qconfig mapping",
                "tq.QConfigMapping().set_global(tq.default_qconfig._replace(activation=tq.HistogramObserver)), "
                "(torch.randn(2, 4),), None, None",
            ),
            (
                "a custom config",
                "None, (torch.randn(2, 4),), PrepareCustomConfig().set_input_quantized_indexes([0]), None",
            ),
            ("a backend config", "None, (torch.randn(2, 4),), None, tb.BackendConfig()"),
        )
    ),
    Rarity(
        "a standalone module in a standalone one",
        LINEAR,
        (
            *_NESTED,
            'inner = PrepareCustomConfig().set_standalone_module_name("0", None, (torch.randn(2, 4),), None, None)',
            f"{STANDALONE}, inner, None)",
        ),
        ("standalone-modules",),
    ),
    Rarity(
        "a class that is not traced, in a dict",
        LINEAR,
        (
            *_NESTED,
            'inner = {"non_traceable_module_class": [nn.Sequential]}',
            'entry = ("linear", None, (torch.randn(2, 4),), inner, None)',
            'given.custom_config = {"standalone_module_name": [entry]}',
        ),
        ("standalone-modules", "dict-configs"),
    ),
    *(
        Rarity(
            f"a layer that its qconfig does not fit, in a module whose {how} is not traced",
            LINEAR,
            (
                "made = nn.Sequential(nn.ConvTranspose1d(2, 2, 1)).eval().requires_grad_(False)",
                *instead("made", leaves=leaves),
                f"given.custom_config.set_non_traceable_module_{declared}",
                observed("tq.default_observer", "tq.default_per_channel_weight_observer"),
            ),
        )
        for how, leaves, declared in (
            ("name", '["linear"], []', 'names(["linear"])'),
            ("class", "[], [nn.Sequential]", "classes([nn.Sequential])"),
        )
    ),
)

_MODULES = (
    Rarity(
        "a module with two names",
        with_parts("self.linear = nn.Linear(4, 4)", "return self.linear(F.relu(self.linear(x0)))"),
        (
            "given.model.alias = given.model.linear",
            'node = next(node for node in given.model.graph.nodes if node.name == "linear_1")',
            'node.target = "alias"',
            "given.model.recompile()",
        ),
        raw=True,
    ),
    Rarity(
        "a standalone module without a custom config",
        LINEAR,
        (f"{STANDALONE}, None, None)",),
        ("standalone-modules",),
    ),
    Rarity(
        "a backend config as a dict in a dict",
        LINEAR,
        (
            f"{STANDALONE}, None, tb.get_native_backend_config().to_dict())",
            "given.custom_config = given.custom_config.to_dict()",
        ),
        ("standalone-modules", "dict-configs"),
    ),
    *(
        Rarity(
            f"a custom module with {what}", LINEAR, (*own_class(), observed(activation, weight)), ("custom-modules",)
        )
        for what, activation, weight in (
            ("weights of four bits", "tq.default_observer", "tq.default_float_qparams_observer_4bit"),
            ("activations and weights of float16", *["tq.PlaceholderObserver.with_args(dtype=torch.float16)"] * 2),
            (
                "activations of int32",
                "tq.MinMaxObserver.with_args(dtype=torch.int32)",
                "tq.default_weight_observer",
            ),
            (
                "activations of float8_e5m2",
                "tq.PlaceholderObserver.with_args(dtype=torch.float8_e5m2)",
                "tq.default_weight_observer",
            ),
        )
    ),
    Rarity(
        "a custom module that is called twice",
        with_parts("self.linear = nn.Linear(4, 4)", "return self.linear(self.linear(x0))"),
        own_class(),
        ("custom-modules",),
    ),
    Rarity(
        "a custom module that takes lists in a list",
        with_parts("self.linear = nn.Linear(4, 4)", "return self.linear(x0, [[x0.sin()], [x0.cos()]])"),
        (
            "class Nested(nn.Module):",
            "    def forward(self, value, lists):",
            "        return value + lists[0][0] + lists[1][0]",
            "",
            *instead("Nested()"),
            *own_class("Nested", "value, lists"),
        ),
        ("custom-modules",),
    ),
    Rarity(
        "a module that takes a number alone",
        with_parts(
            "self.second = nn.Linear(4, 4); self.linear = nn.Linear(4, 4)",
            "return self.second(self.linear(x0.size(0)))",
        ),
        (
            "class Table(nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
            "        self.weight = nn.Parameter(torch.randn(4, 4))",
            "",
            "    def forward(self, number):",
            "        return self.weight[:number]",
            "",
            *instead("Table().eval().requires_grad_(False)"),
        ),
    ),
    Rarity(
        "a custom LSTM whose states are read by a function",
        with_parts("self.lstm = nn.LSTM(4, 4)", "return (self.lstm(x0.unsqueeze(0))[1] * 1)[0]"),
        (*LSTM, "given.qconfig_mapping.set_object_type(operator.mul, None)"),
        ("custom-modules",),
    ),
    *(
        Rarity(
            f"a custom LSTM whose {what} a layer reads",
            with_parts(
                "self.lstm = nn.LSTM(4, 4); self.linear = nn.Linear(4, 4)",
                f"return self.linear(self.lstm(x0.unsqueeze(0)){part})",
            ),
            LSTM,
            ("custom-modules",),
        )
        for what, part in (("output", "[0]"), ("hidden state", "[1][0]"), ("cell state", "[1][1]"))
    ),
    Rarity(
        "a custom LSTM whose hidden state is passed on",
        with_parts("self.lstm = nn.LSTM(4, 4)", "return torch.flatten(self.lstm(x0.unsqueeze(0))[1][0])"),
        LSTM,
        ("custom-modules",),
    ),
    *(
        Rarity(
            f"an LSTM with an observed class of one's own, of which {what}",
            with_parts(
                "self.lstm = nn.LSTM(4, 4); self.linear = nn.Linear(4, 4)",
                f"return {read}",
            ),
            own_class("nn.LSTM"),
            ("custom-modules",),
        )
        for what, read in (
            ("a layer reads the output", "self.linear(self.lstm(x0.unsqueeze(0))[0])"),
            ("a layer reads a state", "self.linear(self.lstm(x0.unsqueeze(0))[1][0])"),
            ("all is returned", "self.lstm(x0.unsqueeze(0)), self.linear(x0)"),
        )
    ),
    Rarity(
        "a custom LSTM whose output two layers read",
        with_parts(
            "self.lstm = nn.LSTM(4, 4); self.first = nn.Linear(4, 4); self.second = nn.Linear(4, 4)",
            "y = self.lstm(x0.unsqueeze(0))[0]",
            "return self.first(y), self.second(y)",
        ),
        LSTM,
        ("custom-modules",),
    ),
    Rarity(
        "a standalone module with an empty qconfig mapping",
        LINEAR,
        ('given.custom_config = {"standalone_module_name": [("linear", {}, (torch.randn(2, 4),), None, None)]}',),
        ("standalone-modules", "dict-configs"),
    ),
    Rarity(
        "a custom LSTM whose activations stay float",
        with_parts("self.lstm = nn.LSTM(4, 4)", "return self.lstm(x0.unsqueeze(0))[0]"),
        (*LSTM, "given.qconfig_mapping.set_object_type(nn.LSTM, tq.float_qparams_weight_only_qconfig)"),
        ("custom-modules",),
    ),
    Rarity(
        "a class for training that takes its module alone",
        LINEAR,
        (
            "class Aware(nn.Linear):",
            "    @classmethod",
            "    def from_float(cls, linear):",
            "        made = cls(4, 4)",
            "        made.weight, made.bias = linear.weight, linear.bias",
            "        made.qconfig = linear.qconfig",
            "        return made",
            "",
            *TRAINING,
            "given.qconfig_mapping.set_global(tq.default_qat_qconfig)",
            *backend("nn.Linear", LAYER, "pattern.set_qat_module(Aware)"),
        ),
        ("backend-configs", "qat"),
    ),
    *(
        Rarity(
            f"equalization of {fused}",
            with_parts(
                f"self.both = torch.ao.nn.intrinsic.{fused}({layer}, nn.ReLU())",
                f"return self.both(x0.reshape({shape}))",
            ),
            EQUALIZED,
            ("equalization",),
        )
        for fused, layer, shape in (
            ("LinearReLU", "nn.Linear(4, 4)", "2, 4"),
            ("ConvReLU1d", "nn.Conv1d(2, 2, 1)", "1, 2, 4"),
            ("ConvReLU2d", "nn.Conv2d(2, 2, 1)", "1, 2, 2, 2"),
            ("ConvReLU3d", "nn.Conv3d(2, 2, 1)", "1, 2, 1, 2, 2"),
        )
    ),
    *(
        Rarity(
            f"equalization of {layer}",
            with_parts(f"self.layer = nn.{layer}", f"return self.layer(x0.reshape({shape}))"),
            EQUALIZED,
            ("equalization",),
        )
        for layer, shape in (
            ("Conv1d(2, 2, 1)", "1, 2, 4"),
            ("Conv2d(2, 2, 1)", "1, 2, 2, 2"),
            ("Conv3d(2, 2, 1)", "1, 2, 1, 2, 2"),
        )
    ),
    Rarity(
        "a fused module whose parts have qconfigs that are equal, and not the same",
        with_parts("self.both = torch.ao.nn.intrinsic.LinearReLU(nn.Linear(4, 4), nn.ReLU())", "return self.both(x0)"),
        (
            "class Holding(tq.MinMaxObserver):",
            "    def __init__(self, observer, **settings):",
            "        super().__init__(**settings)",
            "",
            "def made():",
            "    inner = tq.MinMaxObserver.with_args(dtype=torch.quint8)",
            "    return tq.QConfig(Holding.with_args(observer=inner), tq.default_weight_observer)",
            "",
            "given.qconfig_mapping.set_object_type(nn.Linear, made()).set_object_type(nn.ReLU, made())",
        ),
    ),
)

_OTHERS = (
    Rarity(
        "equalization of a subclass, which is not equalized",
        LINEAR,
        (
            *_subclass("linear", "nn.Linear"),
            *EQUALIZED,
            *backend("Other", LAYER),
        ),
        ("backend-configs", "equalization"),
    ),
    Rarity(
        "a parameter that is called like an observer",
        with_parts(
            "self.linear = nn.Linear(4, 4); self.activation_post_process_0 = nn.Parameter(torch.ones(1))",
            "return self.linear(x0) + self.activation_post_process_0",
        ),
    ),
    Rarity(
        "a class of standalone modules with a backend config, all in dicts",
        LINEAR,
        (
            "entry = (nn.Linear, None, (torch.randn(2, 4),), None, tb.BackendConfig().to_dict())",
            'given.custom_config = {"standalone_module_class": [entry]}',
        ),
        ("standalone-modules", "dict-configs"),
    ),
    Rarity(
        "a pattern whose last part is switched off",
        with_parts("self.linear = nn.Linear(4, 4); self.relu = nn.ReLU()", "return self.relu(self.linear(x0))"),
        ("given.qconfig_mapping.set_object_type(nn.ReLU, None)",),
    ),
    Rarity(
        "a parametrized layer",
        LINEAR,
        PARAMETRIZED,
    ),
    Rarity(
        "a subclass of a class that is observed by one's own",
        LINEAR,
        (*own_class(), *_subclass("linear", "nn.Linear")),
        ("custom-modules",),
    ),
    Rarity(
        "a subclass of a custom LSTM",
        with_parts("self.lstm = nn.LSTM(4, 4)", "return self.lstm(x0.unsqueeze(0))[0]"),
        (
            *_subclass("lstm", "nn.LSTM"),
            *LSTM[:2],
            "given.custom_config.set_float_to_observed_mapping(Other, quantizable.LSTM)",
        ),
        ("custom-modules",),
    ),
    Rarity(
        "a model that has a device by its buffers alone",
        with_parts(
            'self.register_buffer("there", torch.ones(4, device="meta"))', "return F.hardswish(x0 + self.there)"
        ),
        ('given.example_inputs = (torch.randn(2, 4, device="meta"),)',),
        ("other-devices",),
    ),
    Rarity(
        "a quantized input after one that nobody reads",
        ("def forward(self, x0, x1, x2):", "    return F.hardswish(x2) + F.hardswish(x0)"),
        (
            "given.example_inputs = given.example_inputs * 3",
            "given.custom_config.set_input_quantized_indexes([2])",
        ),
        ("quantized-inputs",),
    ),
    Rarity(
        "one value that is read by a layer that is equalized and by one that is not",
        with_parts(TWO, "return self.first(x0) + self.second(x0)"),
        (
            *EQUALIZED[:2],
            'given.equalization = tq.QConfigMapping().set_module_name("first", default_equalization_qconfig)',
        ),
        ("equalization",),
    ),
)

RARE_MODULES = (*_INSIDE, *_MODULES, *_OTHERS)
"""All of them."""
