"""Calls of `prepare` that are right and rare: what drawing reaches seldom or never.

Each is a model, and what makes a call of it out of a plain one.  `misuses.py`
has them beside calls that only look wrong: both must be served.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rarity:
    """A call that is right and rare.

    Attributes
    ----------
    name
        What is rare in it, in words.
    model
        The lines of the model's class, after ``class Model(nn.Module):``; none for the plain model.
    lines
        The lines that make the call out of a plain one.
    needs
        The features that an implementation must claim.
    raw
        Whether it is about what only `prepare` takes, and `prepare_fx` does not.
    """

    name: str
    model: tuple[str, ...]
    lines: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    raw: bool = False


def _forward(*lines: str) -> tuple[str, ...]:
    """Return a model without modules."""
    return ("def forward(self, x0):", *(f"    {line}" for line in lines))


def _with(parts: str, *lines: str) -> tuple[str, ...]:
    """Return a model that has a module or a parameter, or some."""
    made = (f"    {part}" for part in parts.split("; "))
    return ("def __init__(self):", "    super().__init__()", *made, "", *_forward(*lines))


def _backend(pattern: str, dtypes: str, *more: str) -> tuple[str, ...]:
    """Return the lines that give a backend config with one pattern."""
    return (
        f"pattern = tb.BackendPatternConfig({pattern}).add_dtype_config({dtypes})",
        "pattern.set_observation_type(tb.ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT)",
        *more,
        "given.backend_config = tb.BackendConfig().set_backend_pattern_config(pattern)",
    )


def _observed(activation: str, weight: str = "tq.default_weight_observer") -> str:
    """Return the line that has everything observed in one way."""
    return f"given.qconfig_mapping.set_global(tq.QConfig({activation}, {weight}))"


_LINEAR = _with("self.linear = nn.Linear(4, 4)", "return self.linear(x0)")
_INDEXES = 'pattern._set_input_type_to_index({"weight": 1, "bias": 2})'
_HALF, _BYTE = "dtype=torch.float16", "torch.quint8"
_NUMBER = _backend(
    "",
    "tb.DTypeConfig(torch.quint8, torch.quint8, torch.qint8)",
    "pattern._set_pattern_complex_format((torch.add, nn.Linear, 2))",
    "pattern._set_root_node_getter(lambda nodes: nodes[1])",
)
_BYTES = "tb.DTypeConfig(torch.quint8, torch.quint8)"
_NESTED = (
    "given.model.linear = given.float_model.linear = nn.Sequential(nn.Sequential(nn.Linear(4, 4))).eval()",
    "given.model.requires_grad_(False)",
    'given.leaves = ["linear"], []',
)
_STANDALONE = 'given.custom_config.set_standalone_module_name("linear", None, (torch.randn(2, 4),)'

_OWN_CLASS = (
    "class Observed(nn.Module):",
    "    @classmethod",
    "    def from_float(cls, linear):",
    "        made = cls()",
    "        made.inside = linear",
    "        return made",
    "",
    "    def forward(self, value):",
    "        return self.inside(value)",
    "",
    "given.custom_config.set_float_to_observed_mapping(nn.Linear, Observed)",
)

_BACKENDS = (
    *(
        Rarity(
            f"activations of {dtype}",
            _LINEAR,
            (
                _observed(f"tq.PlaceholderObserver.with_args(dtype=torch.{dtype})"),
                *_backend("nn.Linear", f"tb.DTypeConfig(torch.{dtype}, torch.{dtype}, torch.qint8)"),
            ),
            ("backend-configs",),
        )
        for dtype in ("int16", "float8_e5m2", "float8_e4m3fn")
    ),
    Rarity(
        "a bias of half precision",
        _with(
            "self.weight = nn.Parameter(torch.randn(4, 4)); self.bias = nn.Parameter(torch.randn(4))",
            "return F.linear(x0, self.weight, self.bias)",
        ),
        (
            "half = tq.PlaceholderObserver.with_args(dtype=torch.float16)",
            _observed("half", "half"),
            *_backend("F.linear", "tb.DTypeConfig(*[torch.float16] * 4)", _INDEXES),
        ),
        ("backend-configs", "fp16"),
    ),
    Rarity(
        "a dynamic operator of which nothing is said but its input",
        _LINEAR,
        _backend("nn.Linear", "tb.DTypeConfig(torch.quint8, weight_dtype=torch.qint8, is_dynamic=True)"),
        ("backend-configs",),
    ),
    Rarity(
        "a range for the input alone",
        _LINEAR,
        _backend("nn.Linear", "tb.DTypeConfig(tb.DTypeWithConstraints(torch.quint8, 0, 63), weight_dtype=torch.qint8)"),
        ("backend-configs",),
    ),
    *(
        Rarity(
            f"a range with too {what} limit",
            _LINEAR,
            (
                _observed(f"tq.MinMaxObserver.with_args(dtype=torch.qint8, quant_min={low}, quant_max={high})"),
                *_backend(
                    "nn.Linear",
                    "tb.DTypeConfig(*[tb.DTypeWithConstraints(torch.qint8, -64, 63)] * 2, weight_dtype=torch.qint8)",
                ),
            ),
            ("backend-configs",),
        )
        for what, low, high in (("low a lower", -128, 63), ("high an upper", -64, 127))
    ),
    Rarity(
        "an observer with a lower limit alone",
        _LINEAR,
        (
            _observed("tq.PlaceholderObserver.with_args(dtype=torch.quint8, quant_min=0)"),
            *_backend(
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
        _with("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), F.hardswish(x0))"),
        _NUMBER,
        ("backend-configs",),
    ),
    Rarity(
        "a module with a method's name",
        _with("self.sigmoid = nn.Softplus()", "return self.sigmoid(x0).sigmoid()"),
        _backend('"sigmoid"', _BYTES),
        ("backend-configs",),
    ),
)

_ARGUMENTS = (
    Rarity(
        "a pattern with a number",
        _with("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), 2)"),
        _NUMBER,
        ("backend-configs",),
    ),
    Rarity("a number before a tensor", _forward("return 2 + F.hardswish(x0)")),
    Rarity("how often to repeat, as a value", _forward("return F.hardswish(x0).repeat(x0.dim(), 1)")),
    *(
        Rarity(f"where to {method}, as a value", _forward(f"return F.hardswish(x0).{method}(x0.dim() - 1)"))
        for method in ("unsqueeze", "unsqueeze_")
    ),
    Rarity("which dimension to transpose, as a value", _forward("return F.hardswish(x0).transpose(x0.dim() - 1, 0)")),
    Rarity(
        "a mask of several",
        _forward("y = F.hardswish(x0)", "return y.repeat(2, 1).masked_fill(torch.cat([x0 > 0, x0 > 1]), 0.0)"),
    ),
    Rarity("a value to fill in, as a value", _forward("return F.hardswish(x0).masked_fill(x0 > 0, x0.mean())")),
    Rarity(
        "a result that is no tensor",
        _with("self.linear = nn.Linear(4, 4)", "return F.hardswish(self.linear(x0)).size(0)"),
        (
            *_backend("F.hardswish", "tb.DTypeConfig(torch.quint8, torch.quint8)"),
            "other = tb.BackendPatternConfig(nn.Linear).add_dtype_config(tb.DTypeConfig(*[torch.qint8] * 3))",
            "given.backend_config.set_backend_pattern_config(other)",
        ),
        ("backend-configs",),
    ),
)

_LSTM = (
    "from torch.ao.nn import quantizable",
    "",
    "given.custom_config.set_float_to_observed_mapping(nn.LSTM, quantizable.LSTM)",
)

_EQUALIZED = (
    "from torch.ao.quantization.fx._equalize import default_equalization_qconfig",
    "",
    "given.equalization = tq.QConfigMapping().set_global(default_equalization_qconfig)",
)

_SHARING = (
    Rarity(
        "a list with what a standalone module gives",
        _with(
            "self.linear = nn.Linear(4, 4); self.second = nn.Linear(4, 4)",
            "return torch.cat([self.second(x0), self.linear(x0)])",
        ),
        (f"{_STANDALONE}, PrepareCustomConfig().set_output_quantized_indexes([0]), None)",),
        ("standalone-modules",),
    ),
    Rarity(
        "a standalone module that takes a number first",
        _with("self.linear = nn.Linear(4, 4)", "return self.linear(2, x0).reshape(8)"),
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

_INSIDE = (
    *(
        Rarity(
            f"{what} in a dict",
            _LINEAR,
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
        _LINEAR,
        (
            *_NESTED,
            'inner = PrepareCustomConfig().set_standalone_module_name("0", None, (torch.randn(2, 4),), None, None)',
            f"{_STANDALONE}, inner, None)",
        ),
        ("standalone-modules",),
    ),
    Rarity(
        "a class that is not traced, in a dict",
        _LINEAR,
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
            f"a module that is not traced {how}, and has what its qconfig does not fit inside",
            _LINEAR,
            (
                "made = nn.Sequential(nn.ConvTranspose1d(2, 2, 1)).eval().requires_grad_(False)",
                "given.model.linear = given.float_model.linear = made",
                f"given.leaves = {leaves}",
                f"given.custom_config.set_non_traceable_module_{declared}",
                _observed("tq.default_observer", "tq.default_per_channel_weight_observer"),
            ),
        )
        for how, leaves, declared in (
            ("by its name", '["linear"], []', 'names(["linear"])'),
            ("by its class", "[], [nn.Sequential]", "classes([nn.Sequential])"),
        )
    ),
)

_MODULES = (
    Rarity(
        "a module with two names",
        _with("self.linear = nn.Linear(4, 4)", "return self.linear(F.relu(self.linear(x0)))"),
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
        _LINEAR,
        (f"{_STANDALONE}, None, None)",),
        ("standalone-modules",),
    ),
    Rarity(
        "a backend config as a dict in a dict",
        _LINEAR,
        (
            f"{_STANDALONE}, None, tb.get_native_backend_config().to_dict())",
            "given.custom_config = given.custom_config.to_dict()",
        ),
        ("standalone-modules", "dict-configs"),
    ),
    *(
        Rarity(
            f"a custom module with {what}", _LINEAR, (*_OWN_CLASS, _observed(activation, weight)), ("custom-modules",)
        )
        for what, activation, weight in (
            ("weights of four bits", "tq.default_observer", "tq.default_float_qparams_observer_4bit"),
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
        "a custom LSTM whose states are read by a function",
        _with("self.lstm = nn.LSTM(4, 4)", "return (self.lstm(x0.unsqueeze(0))[1] * 1)[0]"),
        (*_LSTM, "given.qconfig_mapping.set_object_type(operator.mul, None)"),
        ("custom-modules",),
    ),
    Rarity(
        "a custom LSTM whose output a layer reads",
        _with(
            "self.lstm = nn.LSTM(4, 4); self.linear = nn.Linear(4, 4)",
            "return self.linear(self.lstm(x0.unsqueeze(0))[0])",
        ),
        _LSTM,
        ("custom-modules",),
    ),
    Rarity(
        "a custom LSTM whose activations stay float",
        _with("self.lstm = nn.LSTM(4, 4)", "return self.lstm(x0.unsqueeze(0))[0]"),
        (*_LSTM, "given.qconfig_mapping.set_object_type(nn.LSTM, tq.float_qparams_weight_only_qconfig)"),
        ("custom-modules",),
    ),
    Rarity(
        "a class for training that takes its module alone",
        _LINEAR,
        (
            "class Aware(nn.Linear):",
            "    @classmethod",
            "    def from_float(cls, linear):",
            "        made = cls(4, 4)",
            "        made.weight, made.bias = linear.weight, linear.bias",
            "        made.qconfig = linear.qconfig",
            "        return made",
            "",
            "given.is_qat = True",
            "given.qconfig_mapping.set_global(tq.default_qat_qconfig)",
            "given.float_model.train()",
            "given.model.train()",
            *_backend(
                "nn.Linear", "tb.DTypeConfig(torch.quint8, torch.quint8, torch.qint8)", "pattern.set_qat_module(Aware)"
            ),
        ),
        ("backend-configs", "qat"),
    ),
    Rarity(
        "equalization of a function",
        _with(
            "self.weight = nn.Parameter(torch.randn(4, 4, 1, 1))",
            "return F.conv2d(x0.reshape(1, 4, 2, 1), self.weight)",
        ),
        _EQUALIZED,
        ("equalization",),
    ),
    *(
        Rarity(
            f"equalization of {fused}",
            _with(
                f"self.both = torch.ao.nn.intrinsic.{fused}({layer}, nn.ReLU())",
                f"return self.both(x0.reshape({shape}))",
            ),
            _EQUALIZED,
            ("equalization",),
        )
        for fused, layer, shape in (
            ("LinearReLU", "nn.Linear(4, 4)", "2, 4"),
            ("ConvReLU1d", "nn.Conv1d(2, 2, 1)", "1, 2, 4"),
            ("ConvReLU2d", "nn.Conv2d(2, 2, 1)", "1, 2, 2, 2"),
            ("ConvReLU3d", "nn.Conv3d(2, 2, 1)", "1, 2, 1, 2, 2"),
        )
    ),
)

RARITIES = (*_BACKENDS, *_PATTERNS, *_ARGUMENTS, *_SHARING, *_INSIDE, *_MODULES)
"""All of them."""
