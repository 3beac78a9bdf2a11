"""Calls of `prepare` that are right and rare: what drawing reaches seldom or never.

Each is a model, and what makes a call of it out of a plain one.  `misuses.py`
has them beside calls that only look wrong: both must be served.
"""

from __future__ import annotations

from itertools import permutations

from .rare_modules import RARE_MODULES
from .rarity import LINEAR, STANDALONE, Rarity, backend, forward, observed, with_parts

_INDEXES = 'pattern._set_input_type_to_index({"weight": 1, "bias": 2})'

_WITH_BIAS = with_parts(
    "self.weight = nn.Parameter(torch.randn(4, 4)); self.bias = nn.Parameter(torch.randn(4))",
    "return F.linear(x0, self.weight, self.bias)",
)

_SMALLEST = "scale_min_lower_bound=2**-12"
_NUMBER = backend(
    "",
    "tb.DTypeConfig(torch.quint8, torch.quint8, torch.qint8)",
    "pattern._set_pattern_complex_format((torch.add, nn.Linear, 2))",
    "pattern._set_root_node_getter(lambda nodes: nodes[1])",
)
_BYTES = "tb.DTypeConfig(torch.quint8, torch.quint8)"


def _weight_at(position: int) -> str:
    """Return the line that says where a pattern's weight is."""
    return f'pattern._set_input_type_to_index({{"weight": {position}}})'


_BACKENDS = (
    *(
        Rarity(
            f"activations of {dtype}",
            LINEAR,
            (
                observed(f"tq.PlaceholderObserver.with_args(dtype=torch.{dtype})"),
                *backend("nn.Linear", f"tb.DTypeConfig(torch.{dtype}, torch.{dtype}, torch.qint8)"),
            ),
            ("backend-configs",),
        )
        for dtype in ("int16", "qint32", "float8_e5m2", "float8_e4m3fn")
    ),
    Rarity(
        "a bias of half precision",
        _WITH_BIAS,
        (
            "half = tq.PlaceholderObserver.with_args(dtype=torch.float16)",
            observed("half", "half"),
            *backend("F.linear", "tb.DTypeConfig(*[torch.float16] * 4)", _INDEXES),
        ),
        ("backend-configs", "fp16"),
    ),
    Rarity(
        "another dtype for the bias alone",
        _WITH_BIAS,
        backend("F.linear", "tb.DTypeConfig(torch.quint8, torch.quint8, torch.qint8, torch.float16)", _INDEXES),
        ("backend-configs",),
    ),
    Rarity(
        "a dynamic operator of which nothing is said but its input",
        LINEAR,
        backend("nn.Linear", "tb.DTypeConfig(torch.quint8, weight_dtype=torch.qint8, is_dynamic=True)"),
        ("backend-configs",),
    ),
    Rarity(
        "a range for the input alone",
        LINEAR,
        backend("nn.Linear", "tb.DTypeConfig(tb.DTypeWithConstraints(torch.quint8, 0, 63), weight_dtype=torch.qint8)"),
        ("backend-configs",),
    ),
    *(
        Rarity(
            f"a range with too {what} limit",
            LINEAR,
            (
                observed(f"tq.MinMaxObserver.with_args(dtype=torch.qint8, quant_min={low}, quant_max={high})"),
                *backend(
                    "nn.Linear",
                    "tb.DTypeConfig(*[tb.DTypeWithConstraints(torch.qint8, -64, 63)] * 2, weight_dtype=torch.qint8)",
                ),
            ),
            ("backend-configs",),
        )
        for what, low, high in (("low a lower", -128, 63), ("high an upper", -64, 127))
    ),
    Rarity(
        "an observer without a smallest scale, where the backend has one",
        LINEAR,
        (
            observed("tq.FixedQParamsObserver.with_args(scale=1 / 256, zero_point=0)"),
            *backend(
                "nn.Linear",
                f"tb.DTypeConfig(*[tb.DTypeWithConstraints(torch.quint8, {_SMALLEST})] * 2, torch.qint8)",
            ),
        ),
        ("backend-configs",),
    ),
    *(
        Rarity(
            f"another dtype for the {what} alone",
            LINEAR,
            backend("nn.Linear", f"tb.DTypeConfig({dtypes}, torch.qint8)"),
            ("backend-configs",),
        )
        for what, dtypes in (("input", "torch.qint8, torch.quint8"), ("output", "torch.quint8, torch.qint8"))
    ),
    Rarity(
        "another dtype for the input of a dynamic operator",
        LINEAR,
        (
            observed("tq.PlaceholderObserver.with_args(dtype=torch.qint8, is_dynamic=True)"),
            *backend("nn.Linear", "tb.DTypeConfig(torch.quint8, torch.float, torch.qint8, is_dynamic=True)"),
        ),
        ("backend-configs", "dynamic"),
    ),
    *(
        Rarity(
            f"a weight of {norm}, which is never quantized",
            with_parts(
                f"self.weight = nn.Parameter(torch.randn({size}))", f"return F.{norm}(x0.reshape(1, 4, 2), {arguments})"
            ),
            backend(f"F.{norm}", "tb.DTypeConfig(torch.quint8, torch.quint8, torch.qint8)", weight),
            ("backend-configs",),
        )
        for norm, size, arguments, weight in (
            ("layer_norm", 2, "[2], self.weight", _weight_at(2)),
            ("group_norm", 4, "2, self.weight", _weight_at(2)),
            ("instance_norm", 4, "None, None, self.weight", _weight_at(3)),
        )
    ),
    Rarity(
        "an observer with a lower limit alone",
        LINEAR,
        (
            observed("tq.PlaceholderObserver.with_args(dtype=torch.quint8, quant_min=0)"),
            *backend(
                "nn.Linear",
                "tb.DTypeConfig(tb.DTypeWithConstraints(torch.quint8, 0, 127), torch.quint8, torch.qint8)",
            ),
        ),
        ("backend-configs",),
    ),
)

_PATTERNS = (
    Rarity(
        "a pattern with a number, and a tensor in its place",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), F.hardswish(x0))"),
        _NUMBER,
        ("backend-configs",),
    ),
    Rarity(
        "a pattern's end behind another beginning",
        with_parts(
            "self.pool = nn.MaxPool2d(1); self.norm = nn.BatchNorm2d(2); self.relu = nn.ReLU()",
            "return self.relu(self.norm(self.pool(x0.reshape(1, 2, 2, 2))))",
        ),
    ),
    Rarity(
        "a module with a method's name",
        with_parts("self.sigmoid = nn.Softplus()", "return self.sigmoid(x0).sigmoid()"),
        backend('"sigmoid"', _BYTES),
        ("backend-configs",),
    ),
)

_ARGUMENTS = (
    Rarity(
        "a pattern with a number",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), 2)"),
        _NUMBER,
        ("backend-configs",),
    ),
    Rarity(
        "another number than that of a pattern",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), 3)"),
        _NUMBER,
        ("backend-configs",),
    ),
    Rarity("a number before a tensor", forward("return 2 + F.hardswish(x0)")),
    Rarity("a tensor for a number", forward("y = F.hardswish(x0)", "return y.repeat(y.count_nonzero(), 1)")),
    Rarity("a part of what sorting gives", forward("return F.hardswish(torch.sort(x0)[0])")),
    Rarity("a part of a mask", forward("return F.hardswish(x0) + (x0 > 0)[0]")),
    Rarity("some of several tensors", forward("return torch.cat(torch.chunk(F.hardswish(x0), 2)[0:1])")),
    Rarity(
        "keywords in another order than the parameters",
        forward("return torch.matmul(other=x0.t(), input=x0)"),
        (
            observed("tq.PlaceholderObserver.with_args(dtype=torch.quint8, is_dynamic=True)"),
            *backend("torch.matmul", "tb.DTypeConfig(torch.quint8, torch.float, is_dynamic=True)"),
        ),
        ("backend-configs", "dynamic"),
    ),
    *(
        Rarity(f"a value for a number, {method}({arguments})", forward(f"return F.hardswish(x0).{method}({arguments})"))
        for method, arguments in (
            ("repeat", "x0.dim(), 1"),
            ("view", "x0.dim(), -1"),
            ("view", "(x0.dim(), -1)"),
            ("reshape", "x0.dim(), -1"),
            ("permute", "x0.dim() - 1, 0"),
            ("unsqueeze", "x0.dim() - 1"),
            ("unsqueeze_", "x0.dim() - 1"),
            ("transpose", "x0.dim() - 1, 0"),
            ("transpose", "0, x0.dim() - 1"),
            ("size", "x0.dim() - 1"),
        )
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
            "given.model.linear = given.float_model.linear = Scaling().eval()",
            'given.leaves = ["linear"], []',
            "inner = PrepareCustomConfig().set_input_quantized_indexes([1]).set_output_quantized_indexes([0])",
            "inputs = 2, torch.randn(2, 4)",
            'given.custom_config.set_standalone_module_name("linear", tq.QConfigMapping(), inputs, inner, None)',
        ),
        ("standalone-modules",),
    ),
)

_TWO = "self.first = nn.Linear(4, 4); self.second = nn.Linear(4, 4)"
_THREE = f"{_TWO}; self.third = nn.Linear(4, 4)"
_SHARED = "torch.cat([x0, torch.flatten(y, 0, 0), torch.cat([y, z.reshape(2, 4)]), z.unsqueeze(0).squeeze(0), y])"


def _each(**qconfigs: str) -> tuple[str, ...]:
    """Return the lines that give each module a qconfig of its own."""
    return tuple(f'given.qconfig_mapping.set_module_name("{name}", {one})' for name, one in qconfigs.items())


_LEGACY = (
    "from torch.ao.quantization.backend_config import native",
    "",
    "given.backend_config = native.get_test_only_legacy_native_backend_config()  # it has float16",
)

_NEIGHBOURS = (
    *(
        Rarity(
            f"{one} after {other}",
            with_parts(_TWO, "return F.hardswish(self.second(self.first(x0)))"),
            (*_LEGACY, *_each(first=qconfigs[other], second=qconfigs[one])),
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
        "one value that is read dynamically, statically and as float",
        with_parts(_THREE, "y = F.hardswish(x0)", "return self.first(y), self.second(y), self.third(y), y"),
        _each(first="tq.default_dynamic_qconfig", second="tq.default_qconfig", third="None"),
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
            *_each(first="tq.float16_static_qconfig", second="tq.default_qconfig", third="tq.float16_static_qconfig"),
        ),
        ("backend-configs", "fp16"),
    ),
    Rarity(
        "an observer at many places, by way of lists in one another",
        with_parts(_TWO, "y, z = self.first(x0), self.second(x0)", f"return torch.cat([{_SHARED}, x0])"),
    ),
    Rarity(
        "a dynamic operator that reads what a sharing one gives",
        with_parts(_TWO, "return self.second(torch.cat([self.first(x0), F.hardswish(x0)]).reshape(4, 4))"),
        _each(second="tq.default_dynamic_qconfig"),
        ("dynamic",),
    ),
)

RARITIES = (*_BACKENDS, *_PATTERNS, *_ARGUMENTS, *_SHARING, *_NEIGHBOURS, *RARE_MODULES)
"""All of them."""
