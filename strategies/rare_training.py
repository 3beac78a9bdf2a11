"""Calls that are right and rare, and prepare for training: modules that have others inside, or hooks."""

from __future__ import annotations

from .rarity import LINEAR, PARAMETRIZED, STANDALONE, TRAINING, Rarity, forward, instead, own_class, with_parts

_LAYER = "nn.Linear(4, 4)"

_BOX = (
    "class Box(nn.Module):",
    "    def __init__(self, *layers):",
    "        super().__init__()",
    "        self.layers = nn.Sequential(*layers)",
    "",
    "    def forward(self, value):",
    "        return self.layers(value)",
    "",
)
"""The lines of a class of modules with others inside."""


def _instead(module: str, leaves: str = "") -> tuple[str, ...]:
    """Return the lines that prepare for training, with another module in the place of a layer."""
    return (*TRAINING, *instead(f"{module}.train().requires_grad_(False)", leaves=leaves))


def _alone(outside: str, inside: str, layers: str = _LAYER) -> tuple[str, ...]:
    """Return the lines that prepare a standalone module for training, by a qconfig of its own."""
    return (
        *_instead(f"nn.Sequential({layers})"),
        f"given.qconfig_mapping.set_global({outside})",
        f"own = tq.QConfigMapping().set_global({inside})",
        'given.custom_config.set_standalone_module_name("linear", own, (torch.randn(2, 4),), None, None)',
    )


_FIXED = Rarity(
    "for training, fixed parameters inside of a fake quantizer that can learn others",
    forward("return torch.sigmoid(x0)"),
    (
        *TRAINING,
        "limits = dict(dtype=torch.quint8, quant_min=0, quant_max=255)",
        "fixed = dict(observer=tq.FixedQParamsObserver, scale=1 / 256, zero_point=0)",
        "fake = tq.FakeQuantize.with_args(**fixed, **limits)",
        "given.qconfig_mapping.set_global(tq.QConfig(fake, tq.default_weight_fake_quant))",
    ),
    ("qat",),
)

_IGNORED = tuple(
    Rarity(
        f"for training, a qconfig that the backend does not support for {what}",
        with_parts(f"self.layer = nn.{layer}", f"return self.layer({value})"),
        (*TRAINING, f"given.qconfig_mapping.set_object_type(nn.{layer.partition('(')[0]}, {asked})"),
        ("qat",),
    )
    for what, layer, value, asked in (
        ("an embedding", "Embedding(4, 4)", "(x0 * 0).long()", "tq.default_qconfig"),
        ("a bag of embeddings", "EmbeddingBag(4, 4)", "(x0 * 0).long()", "tq.default_qconfig"),
        ("a linear layer", "Linear(4, 4)", "x0", "tq.QConfig(tq.default_weight_observer, tq.default_weight_observer)"),
        ("a layer's weight", "Linear(4, 4)", "x0", "tq.QConfig(tq.default_observer, tq.default_observer)"),
        ("a convolution, float16", "Conv1d(2, 2, 1)", "x0.reshape(1, 2, 4)", "tq.float16_static_qconfig"),
    )
)

_EMBEDDED = tuple(
    Rarity(
        f"for training, {what} that learns what its weight becomes",
        with_parts(f"self.layer = nn.{kind}(4, 4)", "return self.layer((x0 * 0).long())"),
        (*TRAINING, "given.qconfig_mapping.set_global(tq.qconfig.default_embedding_qat_qconfig)"),
        ("qat", "weight-only"),
    )
    for what, kind in (("an embedding", "Embedding"), ("a bag of embeddings", "EmbeddingBag"))
)

_INHERITED = Rarity(
    "for training, a layer that has the qconfig of what holds it, where what holds that has another",
    with_parts("self.box = nn.Sequential(nn.Sequential(nn.Linear(4, 4)))", "return self.box(x0)"),
    (
        *TRAINING,
        "near = tq.QConfig(tq.default_fake_quant, tq.default_per_channel_weight_fake_quant)",
        'given.qconfig_mapping.set_module_name("box", tq.default_qat_qconfig).set_module_name("box.0", near)',
    ),
    ("qat",),
)

RARE_IN_TRAINING = (
    _INHERITED,
    *_IGNORED,
    *_EMBEDDED,
    _FIXED,
    Rarity(
        "for training, a layer that brings a qconfig, and whose type is switched off",
        with_parts(
            "self.linear = nn.Linear(4, 4); self.linear.qconfig = tq.get_default_qat_qconfig()",
            "return self.linear(x0)",
        ),
        (*TRAINING, "given.qconfig_mapping.set_object_type(nn.Linear, None)"),
        ("qat",),
    ),
    Rarity(
        "for training, a layer that is named like a method which is switched off",
        LINEAR,
        (
            *TRAINING,
            "mapping = given.qconfig_mapping = tq.QConfigMapping()",
            'mapping.set_object_type("linear", None).set_module_name("linear", tq.get_default_qat_qconfig())',
        ),
        ("qat",),
    ),
    Rarity("for training, a parametrized layer", LINEAR, (*TRAINING, *PARAMETRIZED), ("qat",)),
    Rarity(
        "for training, an LSTM that can be quantized",
        with_parts(
            "self.lstm = torch.ao.nn.quantizable.LSTM(4, 4); self.linear = nn.Linear(4, 4)",
            "return self.linear(self.lstm(x0.unsqueeze(0))[0])",
        ),
        TRAINING,
        ("qat",),
    ),
    Rarity(
        "for training, a module with two names",
        with_parts("self.linear = nn.Linear(4, 4)", "return self.linear(F.relu(self.linear(x0)))"),
        (
            *TRAINING,
            "given.model.alias = given.model.linear",
            'node = next(node for node in given.model.graph.nodes if node.name == "linear_1")',
            'node.target = "alias"',
            "given.model.recompile()",
        ),
        ("qat",),
        raw=True,
    ),
    Rarity(
        "a layer for training that is selected by its type, and switched off by its name",
        LINEAR,
        (
            *TRAINING,
            "given.qconfig_mapping = tq.QConfigMapping().set_object_type(nn.Linear, tq.default_qconfig)",
            'given.qconfig_mapping.set_module_name("linear", None)',
        ),
        ("qat",),
    ),
    Rarity(
        "a fused module for training that is selected by the types of its parts alone",
        with_parts(
            "self.linear = torch.ao.nn.intrinsic.LinearReLU(nn.Linear(4, 4), nn.ReLU())", "return self.linear(x0)"
        ),
        (
            *TRAINING,
            "given.qconfig_mapping = tq.QConfigMapping()",
            "for kind in (nn.Linear, nn.ReLU):",
            "    given.qconfig_mapping.set_object_type(kind, tq.default_qconfig)",
        ),
        ("qat",),
    ),
    *(
        Rarity(f"a standalone module for training {how}", LINEAR, lines, ("standalone-modules", "qat"))
        for how, lines in (
            ("that is switched off inside", _alone("tq.default_qconfig", "None")),
            ("that is switched off outside", _alone("None", "tq.default_qconfig")),
            ("with other weights inside", _alone("tq.default_qconfig", "tq.default_per_channel_qconfig")),
            ("with layers that are fused", _alone("tq.default_qconfig", "tq.default_qconfig", f"{_LAYER}, nn.ReLU()")),
            ("with its parent's qconfig", (*_instead(f"nn.Sequential({_LAYER})"), f"{STANDALONE}, None, None)")),
            ("that is a layer", (*TRAINING, f"{STANDALONE}, None, None)")),
            (
                "of a layer's class",
                (
                    *TRAINING,
                    "inputs = (torch.randn(2, 4),)",
                    "given.custom_config.set_standalone_module_class(nn.Linear, None, inputs, None, None)",
                ),
            ),
        )
    ),
    *(
        Rarity(f"a custom module for training that {what}", LINEAR, lines, ("custom-modules", "qat"))
        for what, lines in (
            ("is a layer", (*TRAINING, *own_class())),
            (
                "has layers",
                (
                    *_BOX,
                    *_instead(f"Box({_LAYER})", "[], [Box]"),
                    *own_class("Box"),
                ),
            ),
        )
    ),
    *(
        Rarity(f"for training, layers inside of {what}", LINEAR, lines, ("qat",))
        for what, lines in (
            (
                "a module that torch.nn has whole",
                _instead("nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)"),
            ),
            (
                "a module that is not traced",
                (
                    *_instead(f"nn.Sequential({_LAYER})"),
                    'given.custom_config.set_non_traceable_module_names(["linear"])',
                ),
            ),
        )
    ),
    *(
        Rarity(
            f"for training, a hook {when} a layer that takes keywords",
            LINEAR,
            (
                *TRAINING,
                f"def look({taken}):",
                "    assert not keywords",
                "",
                f"given.model.linear.register_{register}(look, with_kwargs=True)",
            ),
            ("qat",),
        )
        for when, register, taken in (
            ("before", "forward_pre_hook", "module, inputs, keywords"),
            ("behind", "forward_hook", "module, inputs, keywords, output"),
        )
    ),
    Rarity(
        "for training, layers inside of a module that is not traced, and is in another",
        with_parts("self.box = nn.Module(); self.box.linear = nn.Linear(4, 4)", "return self.box.linear(x0)"),
        (
            *(
                line.replace("model.linear", "model.box.linear")
                for line in _instead(f"nn.Sequential({_LAYER})", '["box.linear"], []')
            ),
            'given.custom_config.set_non_traceable_module_names(["box.linear"])',
        ),
        ("qat",),
    ),
)
"""All of them."""
