"""Rare calls about how configs are written, and about which qconfig is whose."""

from __future__ import annotations

from .rarity import (
    LAYER,
    LINEAR,
    STANDALONE,
    TWO,
    Rarity,
    backend,
    each,
    forward,
    linear_of,
    own_class,
    qconfig,
    with_parts,
)

RARE_CONFIGS = (
    Rarity(
        "an order selector for the second call of a function, of which the first is switched off",
        forward("y = torch.add(x0, x0.sin())", "return torch.add(y, x0.cos())"),
        (
            "given.qconfig_mapping.set_object_type(torch.add, None)",
            f"one = {qconfig('quint8')}",
            'given.qconfig_mapping.set_module_name_object_type_order("", torch.add, 1, one)',
        ),
        ("order-selectors",),
    ),
    *(
        Rarity(
            f"a layer that is selected by the name of {what}",
            with_parts(
                "self.box = nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.Linear(4, 4)))",
                "return self.box(x0)",
            ),
            (f'given.qconfig_mapping.set_object_type(nn.Linear, {qconfig("quint8")}).set_module_name("{name}", None)',),
        )
        for what, name in (("what holds it", "box.0.0"), ("what holds that", "box.0"), ("the outermost", "box"))
    ),
    *(
        Rarity(
            f"one of two modules of a class is switched off by its name, the {which}",
            (
                "class Part(nn.Module):",
                "    def forward(self, x0):",
                "        return F.hardswish(x0).relu()",
                "",
                *with_parts(
                    "self.first = Model.Part(); self.second = Model.Part()", "return self.second(self.first(x0))"
                ),
            ),
            (f'given.qconfig_mapping.set_module_name("{which}", None)',),
        )
        for which in ("first", "second")
    ),
    *(
        Rarity(
            f"a method that {what}, in a module of which the type has another qconfig",
            (
                "class Part(nn.Module):",
                "    def forward(self, x0):",
                "        return x0.relu()",
                "",
                *with_parts("self.part = Model.Part()", "return self.part(x0)"),
            ),
            (
                f'given.qconfig_mapping.set_object_type("relu", {own})',
                f"given.qconfig_mapping.set_object_type(type(given.float_model.part), {around})",
            ),
        )
        for what, own, around in (
            ("is observed in its own way", qconfig("quint8"), qconfig("quint8", "HistogramObserver")),
            ("is switched off", "None", qconfig("quint8")),
            ("alone is observed", qconfig("quint8"), "None"),
        )
    ),
    *(
        Rarity(
            f"an order selector for {function}, with {index}, beside another function of that name",
            forward("y = x0 + x0.sin()", "return torch.add(y, x0.cos())"),
            (
                "import operator",
                "",
                f'given.qconfig_mapping.set_module_name_object_type_order("", {function}, {index}, None)',
            ),
            ("order-selectors",),
        )
        for function in ("torch.add", "operator.add")
        for index in (0, 1)
    ),
    *(
        Rarity(
            f"an order selector for the {which} of two modules of one class",
            (
                "class Half(nn.Module):",
                "    def __init__(self):",
                "        super().__init__()",
                "        self.weight = nn.Parameter(torch.randn(4, 4))",
                "",
                "    def forward(self, value):",
                "        return F.linear(value, self.weight)",
                "",
                "def __init__(self):",
                "    super().__init__()",
                "    self.first, self.second = self.Half(), self.Half()",
                "",
                *forward("return self.second(self.first(x0))"),
            ),
            (
                "given.qconfig_mapping = tq.QConfigMapping()",
                f'given.qconfig_mapping.set_module_name_object_type_order("{which}", F.linear, 0, tq.default_qconfig)',
            ),
            ("order-selectors",),
        )
        for which in ("first", "second")
    ),
    Rarity(
        "a dictionary of qconfigs with one for the first call of a function",
        forward("return torch.cat([x0, x0])"),
        (
            'given.qconfig_mapping.set_module_name_object_type_order("", torch.cat, 0, None)',
            "given.qconfig_mapping = given.qconfig_mapping.to_dict()",
        ),
        ("order-selectors",),
    ),
    *(
        Rarity(
            f"a custom config as a dictionary, with {what}",
            LINEAR,
            (*lines, "given.custom_config = given.custom_config.to_dict()"),
            ("dict-configs", *needs),
        )
        for what, lines, needs in (
            ("inputs", ("given.custom_config.set_input_quantized_indexes([0])",), ("quantized-inputs",)),
            ("outputs", ("given.custom_config.set_output_quantized_indexes([0])",), ("quantized-inputs",)),
            ("a custom module", own_class(), ("custom-modules",)),
            ("a standalone module", (f"{STANDALONE}, None, None)",), ("standalone-modules",)),
        )
    ),
    Rarity(
        "a dictionary of what a backend supports, with functions that have weights",
        with_parts("self.weight = nn.Parameter(torch.randn(4, 4))", "return F.linear(x0, self.weight)"),
        ("given.backend_config = tb.get_native_backend_config().to_dict()",),
    ),
    Rarity(
        "a backend with a pattern for which it has no dtypes",
        LINEAR,
        ("given.backend_config = tb.BackendConfig().set_backend_pattern_config(tb.BackendPatternConfig(nn.Linear))",),
        ("backend-configs",),
    ),
    *(
        Rarity(
            f"a {role} by keyword of a function of which nobody says where its {role} is",
            with_parts("self.given = nn.Parameter(torch.randn(4))", f"return {function}({arguments}=self.given)"),
            backend(function, LAYER),
            ("backend-configs",),
        )
        for role, function, arguments in (
            ("weight", "torch.prelu", "x0, weight"),
            ("bias", "F.layer_norm", "x0, (4,), bias"),
        )
    ),
    Rarity(
        "three readers of one value, of which the second asks for another dtype",
        with_parts(f"{TWO}; self.third = nn.Linear(4, 4)", "return self.first(x0), self.second(x0), self.third(x0)"),
        (
            *linear_of("quint8", "qint8"),
            *each(first=qconfig("quint8"), second=qconfig("qint8"), third=qconfig("quint8")),
        ),
        ("backend-configs",),
    ),
    *(
        Rarity(
            f"a {what} that is selected by the type of the module around it alone",
            (
                "class Inside(nn.Module):",
                "    def forward(self, x0):",
                f"        return {call}",
                "",
                *with_parts("self.inside = self.Inside()", "return self.inside(x0)"),
            ),
            (
                "kind = type(given.float_model.inside)",
                "given.qconfig_mapping = tq.QConfigMapping().set_object_type(kind, tq.default_qconfig)",
            ),
        )
        for what, call in (("function", "torch.cat([x0, x0])"), ("method", "x0.relu()"))
    ),
    *(
        Rarity(
            f"{what} that is said twice, of which the last counts",
            with_parts(f"{TWO}", "return self.second(self.first(x0))"),
            (
                "mapping = given.qconfig_mapping = tq.QConfigMapping()",
                *(f"mapping.set_{selector}, {said})" for selector, said in lines),
            ),
            needs,
        )
        for what, lines, needs in (
            (
                "a regular expression before another one",
                (
                    ('module_name_regex("f.*"', "None"),
                    ('module_name_regex(".*"', "tq.float16_static_qconfig"),
                    ('module_name_regex("f.*"', "tq.default_qconfig"),
                ),
                ("regex-selectors",),
            ),
            ("a type", (("object_type(nn.Linear", "tq.default_qconfig"), ("object_type(nn.Linear", "None")), ()),
            ("a name", (('module_name("first"', "None"), ('module_name("first"', "tq.default_qconfig")), ()),
            (
                "the index of a layer",
                (
                    ('module_name_object_type_order("", nn.Linear, 1', "None"),
                    ('module_name_object_type_order("", nn.Linear, 1', "tq.default_qconfig"),
                ),
                ("order-selectors",),
            ),
        )
    ),
    *(
        Rarity(
            f"an observer of the input that is to be reused by {what}",
            with_parts("self.linear = nn.Linear(4, 4); self.second = nn.Linear(4, 4)", f"return {call}"),
            (f"given.qconfig_mapping.set_{selector}, tq.default_reuse_input_qconfig)",),
        )
        for what, call, selector in (
            ("a function", "F.leaky_relu(self.linear(x0))", "object_type(F.leaky_relu"),
            ("a layer", "self.second(self.linear(x0))", 'module_name("second"'),
        )
    ),
    *(
        Rarity(
            f"the weight of a {what} that breaks the backend's bounds",
            with_parts("self.weight = nn.Parameter(torch.randn(4, 4))", f"return {call}"),
            (
                "weight = tb.DTypeWithConstraints(torch.qint8, -127, 127)",
                *backend(
                    pattern,
                    "tb.DTypeConfig(torch.quint8, torch.quint8, weight)",
                    'pattern._set_input_type_to_index({"weight": 1})',
                ),
            ),
            ("backend-configs",),
        )
        for what, call, pattern in (
            ("function", "F.linear(x0, self.weight)", "F.linear"),
            ("function by keyword", "F.linear(x0, weight=self.weight)", "F.linear"),
        )
    ),
)
