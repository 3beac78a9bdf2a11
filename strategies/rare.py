"""Calls of `prepare` that are right and rare: what drawing reaches seldom or never.

Each is a model, and what makes a call of it out of a plain one.  `misuses.py`
has them beside calls that only look wrong: both must be served.
"""

from __future__ import annotations

from itertools import permutations

from .rare_backends import NUMBER, RARE_BACKENDS
from .rare_configs import RARE_CONFIGS
from .rare_modules import RARE_MODULES
from .rare_numbers import RARE_NUMBERS
from .rare_standalone import RARE_STANDALONE
from .rare_training import RARE_IN_TRAINING
from .rare_values import RARE_VALUES
from .rarity import (
    EQUALIZED,
    STANDALONE,
    TWO,
    Rarity,
    backend,
    each,
    forward,
    instead,
    observed,
    own_class,
    qconfig,
    with_parts,
)

_ARGUMENTS = (
    Rarity(
        "a pattern with a number",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), 2)"),
        NUMBER,
        ("backend-configs",),
    ),
    Rarity(
        "another number than that of a pattern",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), 3)"),
        NUMBER,
        ("backend-configs",),
    ),
    *(
        Rarity(
            f"a module that is called like the method {name}, which takes two tensors",
            with_parts(f"self.{name} = nn.Bilinear(4, 4, 4)", f"return self.{name}(F.hardswish(x0), F.hardswish(x0))"),
            own_class("nn.Bilinear", "first, second"),
            ("custom-modules",),
        )
        for name in ("repeat", "masked_fill", "size", "transpose")
    ),
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
    Rarity("a number before a tensor", forward("return 2 + F.hardswish(x0)")),
    Rarity("a tensor for a number", forward("y = F.hardswish(x0)", "return y.repeat(y.count_nonzero(), 1)")),
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
    Rarity("a part of what sorting gives", forward("return F.hardswish(torch.sort(x0)[0])")),
    Rarity("no dimension, in an empty tuple", forward("return F.hardswish(x0).mean(())")),
    Rarity("a function that is named like a method which the backend knows", forward("return torch.detach(x0)")),
    Rarity("a part of a mask", forward("return F.hardswish(x0) + (x0 > 0)[0]")),
    *(
        Rarity(
            f"{what} of a dynamic operator",
            forward(f"return {function}({arguments})"),
            (
                observed("tq.PlaceholderObserver.with_args(dtype=torch.quint8, is_dynamic=True)"),
                *backend(function, "tb.DTypeConfig(torch.quint8, torch.float, is_dynamic=True)"),
            ),
            ("backend-configs", "dynamic"),
        )
        for what, function, arguments in (
            ("keywords in another order than the parameters", "torch.matmul", "other=x0.t(), input=x0"),
            ("the list", "torch.cat", "[x0, x0.sin()]"),
        )
    ),
    *(
        Rarity(f"a value for a number, {method}({arguments})", forward(f"return F.hardswish(x0).{method}({arguments})"))
        for method, arguments in (
            ("repeat", "x0.dim(), 1"),
            ("repeat", "1, x0.dim()"),
            ("view", "x0.dim(), -1"),
            ("view", "-1, x0.dim()"),
            ("view", "(x0.dim(), -1)"),
            ("reshape", "x0.dim(), -1"),
            ("reshape", "-1, x0.dim()"),
            ("permute", "x0.dim() - 1, 0"),
            ("permute", "1, x0.dim() - 2"),
            ("unsqueeze", "x0.dim() - 1"),
            ("unsqueeze_", "x0.dim() - 1"),
            ("transpose", "x0.dim() - 1, 0"),
            ("transpose", "0, x0.dim() - 1"),
            ("size", "x0.dim() - 1"),
            ("unsqueeze", "dim=x0.dim() - 1"),
            ("transpose", "dim0=x0.dim() - 1, dim1=0"),
            ("transpose", "dim0=0, dim1=x0.dim() - 1"),
            ("size", "dim=x0.dim() - 1"),
        )
    ),
    *(
        Rarity(
            f"a mask that has come a long way, by {method}",
            ("def forward(self, x0, x1):", f"    return F.hardswish(x0).masked_fill(x1{f'.{call}' * 4}, 0.0)"),
            ("given.example_inputs = torch.randn(2, 4), torch.randn(2, 4) > 0",),
        )
        for method, call in (("transpose", "transpose(0, 1)"), ("reshape", "reshape(2, 4)"))
    ),
    Rarity(
        "a mask that another operator stands beside",
        ("def forward(self, x0, x1):", "    return F.hardswish(x0.masked_fill(x1, 0.0)) + x0"),
        ("given.example_inputs = torch.randn(2, 4), torch.randn(2, 4) > 0",),
    ),
    *(
        Rarity(f"a tensor times {number}", forward(f"return F.hardswish(x0) * {number}"))
        for number in (
            "x0.ndim",
            "x0.dim()",
            "x0.shape[0]",
            "x0.size(0)",
            "x0.shape.numel()",
            "(x0.ndim + x0.dim())",
            "x0.shape[1:][0]",
            "x0.size()[:-1][-1]",
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
        "a number that is computed from a part of a size",
        forward("n = x0.size()[0] * 2", "return F.hardswish(x0).reshape(n, -1)"),
    ),
    Rarity(
        "a mask of several",
        forward("y = F.hardswish(x0)", "return y.repeat(2, 1).masked_fill(torch.cat([x0 > 0, x0 > 1]), 0.0)"),
    ),
    Rarity("a value to fill in, as a value", forward("return F.hardswish(x0).masked_fill(x0 > 0, x0.mean())")),
    Rarity("a value to fill in, by keyword", forward("return F.hardswish(x0).masked_fill(x0 > 0, value=x0.mean())")),
    Rarity(
        "a result that is no tensor",
        with_parts("self.linear = nn.Linear(4, 4)", "return F.hardswish(self.linear(x0)).size(0)"),
        (
            *backend("F.hardswish", "tb.DTypeConfig(torch.quint8, torch.quint8)"),
            "other = tb.BackendPatternConfig(nn.Linear).add_dtype_config(tb.DTypeConfig(*[torch.qint8] * 3))",
            "given.backend_config.set_backend_pattern_config(other)",
        ),
        ("backend-configs",),
    ),
)

_SHARING = (
    Rarity(
        "a list with what a standalone module gives",
        with_parts(
            "self.linear = nn.Linear(4, 4); self.second = nn.Linear(4, 4)",
            "return torch.cat([self.second(x0), self.linear(x0)])",
        ),
        (f"{STANDALONE}, PrepareCustomConfig().set_output_quantized_indexes([0]), None)",),
        ("standalone-modules",),
    ),
    Rarity(
        "a standalone module that takes a number first",
        with_parts("self.linear = nn.Linear(4, 4)", "return self.linear(2, x0).reshape(8)"),
        (
            "class Scaling(nn.Module):",
            "    def forward(self, factor, value):",
            "        return value * factor",
            "",
            *instead("Scaling().eval()"),
            "inner = PrepareCustomConfig().set_input_quantized_indexes([1]).set_output_quantized_indexes([0])",
            "inputs = 2, torch.randn(2, 4)",
            'given.custom_config.set_standalone_module_name("linear", tq.QConfigMapping(), inputs, inner, None)',
        ),
        ("standalone-modules",),
    ),
)

_THREE = f"{TWO}; self.third = nn.Linear(4, 4)"
_SHARED = "torch.cat([x0, torch.flatten(y, 0, 0), torch.cat([y, z.reshape(2, 4)]), z.unsqueeze(0).squeeze(0), y])"


_LEGACY = (
    "from torch.ao.quantization.backend_config import native",
    "",
    "given.backend_config = native.get_test_only_legacy_native_backend_config()  # it has float16",
)

_NEIGHBOURS = (
    *(
        Rarity(
            f"{one} after {other}",
            with_parts(TWO, "return F.hardswish(self.second(self.first(x0)))"),
            (*_LEGACY, *each(first=qconfigs[other], second=qconfigs[one])),
            ("backend-configs", *needs),
        )
        for qconfigs, needs in (
            ({"static": "tq.default_qconfig", "dynamic": "tq.default_dynamic_qconfig"}, ("dynamic",)),
            ({"int8": "tq.default_qconfig", "float16": "tq.float16_static_qconfig"}, ("fp16",)),
            (
                {"static int8": "tq.default_qconfig", "dynamic float16": "tq.float16_dynamic_qconfig"},
                ("dynamic", "fp16"),
            ),
        )
        for one, other in permutations(qconfigs)
    ),
    Rarity(
        "one value that is read with two fixed scales",
        with_parts(TWO, "y = x0.sin()", "return self.first(y), self.second(y)"),
        (
            "fixed = tq.FixedQParamsObserver.with_args(scale=1 / 256, zero_point=0)",
            "other = tq.FixedQParamsObserver.with_args(scale=1 / 128, zero_point=0)",
            *each(
                first="tq.QConfig(fixed, tq.default_weight_observer)",
                second="tq.QConfig(other, tq.default_weight_observer)",
            ),
        ),
    ),
    Rarity(
        "for calibration, a layer of a class for training, beside its float class that is switched off",
        with_parts(
            f"{TWO}; self.first = torch.ao.nn.qat.Linear(4, 4, qconfig=tq.get_default_qat_qconfig())",
            "return self.second(self.first(x0))",
        ),
        ("given.qconfig_mapping.set_object_type(nn.Linear, None)",),
    ),
    Rarity(
        "one value that is read dynamically, statically and as float",
        with_parts(_THREE, "y = F.hardswish(x0)", "return self.first(y), self.second(y), self.third(y), y"),
        each(first="tq.default_dynamic_qconfig", second="tq.default_qconfig", third="None"),
        ("dynamic",),
    ),
    Rarity(
        "one value that is read as int8 and as float16, by two each",
        with_parts(
            f"{_THREE}; self.fourth = nn.Linear(4, 4)",
            "y = F.hardswish(x0)",
            "return self.first(y) + self.second(y) + self.third(y) + self.fourth(y)",
        ),
        (
            *_LEGACY,
            *each(first="tq.float16_static_qconfig", second="tq.default_qconfig", third="tq.float16_static_qconfig"),
        ),
        ("backend-configs", "fp16"),
    ),
    *(
        Rarity(
            f"one value that is read by a {first}, then by a {second}",
            with_parts(TWO, "y = x0.sin()", "return self.first(y), self.second(y)"),
            each(first=qconfig("quint8", first), second=qconfig("quint8", second)),
        )
        for first, second in permutations(("MinMaxObserver", "MovingAverageMinMaxObserver"))
    ),
    Rarity(
        "a weight that two functions read",
        with_parts(
            "self.weight = nn.Parameter(torch.randn(4, 4))",
            "return F.linear(x0, self.weight) + F.linear(F.hardswish(x0), self.weight)",
        ),
    ),
    Rarity(
        "equalization of a fused module without weights",
        with_parts(
            "self.norm = torch.ao.nn.intrinsic.BNReLU2d(nn.BatchNorm2d(4), nn.ReLU())",
            "return self.norm(x0.reshape(1, 4, 2, 1))",
        ),
        EQUALIZED,
        ("equalization",),
    ),
    *(
        Rarity(
            f"equalization of a function alone, {function}",
            with_parts(f"self.weight = nn.Parameter(torch.randn({shape}))", f"return {function}({value}, self.weight)"),
            EQUALIZED,
            ("equalization",),
        )
        for function, shape, value in (
            ("F.linear", "4, 4", "x0"),
            ("F.conv1d", "2, 2, 1", "x0.reshape(1, 2, 4)"),
            ("F.conv2d", "2, 2, 1, 1", "x0.reshape(1, 2, 2, 2)"),
            ("F.conv3d", "2, 2, 1, 1, 1", "x0.reshape(1, 2, 1, 2, 2)"),
        )
    ),
    *(
        Rarity(
            f"equalization of the {which} of two functions that are one pattern",
            with_parts("self.weight = nn.Parameter(torch.randn(4, 4))", "return F.relu(F.linear(x0, self.weight))"),
            (
                *EQUALIZED[:-1],
                f"given.equalization = tq.QConfigMapping().set_object_type({function}, default_equalization_qconfig)",
            ),
            ("equalization",),
        )
        for which, function in (("first", "F.linear"), ("second", "F.relu"))
    ),
    Rarity(
        "equalization of two functions with one weight",
        with_parts(
            "self.weight = nn.Parameter(torch.randn(4, 4))",
            "return F.linear(F.linear(x0, self.weight), self.weight)",
        ),
        EQUALIZED,
        ("equalization",),
    ),
    Rarity(
        "an output that only an operator reads which is switched off",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.sin(self.linear(x0))"),
        ("given.qconfig_mapping.set_object_type(torch.sin, None)",),
    ),
    Rarity(
        "an observer at many places, by way of lists in one another",
        with_parts(TWO, "y, z = self.first(x0), self.second(x0)", f"return torch.cat([{_SHARED}, x0])"),
    ),
    Rarity(
        "a dynamic operator that reads what a sharing one gives",
        with_parts(TWO, "return self.second(torch.cat([self.first(x0), F.hardswish(x0)]).reshape(4, 4))"),
        each(second="tq.default_dynamic_qconfig"),
        ("dynamic",),
    ),
)

RARITIES = (
    *(*RARE_BACKENDS, *_ARGUMENTS, *_SHARING, *_NEIGHBOURS),
    *(*RARE_CONFIGS, *RARE_NUMBERS, *RARE_MODULES, *RARE_STANDALONE, *RARE_IN_TRAINING, *RARE_VALUES),
)
"""All of them."""
