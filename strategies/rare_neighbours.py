"""Rare calls about values that several operators have to do with: each wants something else of them."""

from __future__ import annotations

from itertools import permutations

from .rarity import EQUALIZED, STANDALONE, TWO, Rarity, each, forward, instead, qconfig, with_parts

_THREE = f"{TWO}; self.third = nn.Linear(4, 4)"
_SHARED = "torch.cat([x0, torch.flatten(y, 0, 0), torch.cat([y, z.reshape(2, 4)]), z.unsqueeze(0).squeeze(0), y])"


_LEGACY = (
    "from torch.ao.quantization.backend_config import native",
    "",
    "given.backend_config = native.get_test_only_legacy_native_backend_config()  # it has float16",
)

RARE_NEIGHBOURS = (
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
        "a quantized input in a list, of which an operator that passes values on reads",
        forward("return torch.mean(torch.stack([x0], 0), 0)"),
        ("given.custom_config.set_input_quantized_indexes([0])",),
        ("quantized-inputs",),
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
"""All of them."""
