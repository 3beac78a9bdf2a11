"""Rare calls about what a backend supports, and about its patterns."""

from __future__ import annotations

from itertools import permutations

from .rarity import (
    BYTES,
    LAYER,
    LINEAR,
    TRAINING,
    TWO,
    Rarity,
    backend,
    beside,
    each,
    forward,
    linear_of,
    observed,
    qconfig,
    with_parts,
)

_INDEXES = 'pattern._set_input_type_to_index({"weight": 1, "bias": 2})'

_WEIGHT_AND_BIAS = "self.weight = nn.Parameter(torch.randn(4, 4)); self.bias = nn.Parameter(torch.randn(4))"

_WITH_BIAS = with_parts(_WEIGHT_AND_BIAS, "return F.linear(x0, self.weight, self.bias)")

_OTHER_SCALE = (
    "tq.FixedQParamsFakeQuantize.with_args(observer=tq.FixedQParamsObserver.with_args("
    "scale=2 / 256, zero_point=128, dtype=torch.quint8, quant_min=0, quant_max=255))"
)
_SMALLEST = "scale_min_lower_bound=2**-12"


def _weight_at(position: int) -> str:
    """Return the line that says where a pattern's weight is."""
    return f'pattern._set_input_type_to_index({{"weight": {position}}})'


def _either(pattern: str, dtypes: str, *more: str) -> tuple[str, ...]:
    """Return the lines that give a backend config with two dtype configs, of which one has the dtypes swapped."""
    return (
        f"pattern = tb.BackendPatternConfig({pattern})",
        "for first, second in ((torch.quint8, torch.qint8), (torch.qint8, torch.quint8)):",
        f"    pattern.add_dtype_config({dtypes})",
        *more,
        "given.backend_config = tb.BackendConfig().set_backend_pattern_config(pattern)",
    )


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
        "dtypes that are set where others were added",
        LINEAR,
        backend("nn.Linear", "tb.DTypeConfig()", f"pattern.set_dtype_configs([{LAYER}])"),
        ("backend-configs",),
    ),
    Rarity(
        "a weight that the backend does not take, at the beginning of a pattern of two",
        with_parts("self.weight = nn.Parameter(torch.randn(4, 4))", "return F.relu(F.linear(x0, self.weight))"),
        (
            observed(*["tq.MinMaxObserver.with_args(dtype=torch.quint8)"] * 2),
            *backend("(F.linear, F.relu)", LAYER),
            *beside("F.linear", LAYER, _INDEXES),
        ),
        ("backend-configs",),
    ),
    Rarity(
        "three tensors, of which a backend says something else than of two",
        forward("return torch.addcmul(x0, x0.sin(), x0.cos())"),
        backend(
            "torch.addcmul",
            BYTES,
            "own = tb.ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT",
            "shared = tb.ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT",
            "pattern._set_num_tensor_args_to_observation_type({2: own, 3: shared})",
        ),
        ("backend-configs",),
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
    *(
        Rarity(
            f"a bias that the backend does not take, at the {which} of two functions",
            with_parts(_WEIGHT_AND_BIAS, f"return F.linear(F.linear(x0, self.weight{first}), self.weight{second})"),
            backend("F.linear", "tb.DTypeConfig(torch.quint8, torch.quint8, torch.qint8, torch.float16)", _INDEXES),
            ("backend-configs",),
        )
        for which, first, second in (("first", ", self.bias", ""), ("second", "", ", self.bias"))
    ),
    Rarity(
        "values in a list that the backend does not take, and an output that it gives",
        forward("return torch.cat([x0.sin(), x0.cos()])"),
        (
            observed("tq.MinMaxObserver.with_args(dtype=torch.quint8)"),
            *backend("torch.cat", "tb.DTypeConfig(torch.qint8, torch.quint8)"),
        ),
        ("backend-configs",),
    ),
    Rarity(
        "a weight by keyword that the backend does not take",
        with_parts("self.weight = nn.Parameter(torch.randn(4, 4))", "return F.linear(x0, weight=self.weight)"),
        (observed(*["tq.MinMaxObserver.with_args(dtype=torch.quint8)"] * 2),),
    ),
    Rarity(
        "a bias beside dynamic half precision",
        _WITH_BIAS,
        ("given.qconfig_mapping.set_global(tq.float16_dynamic_qconfig)",),
        ("dynamic", "fp16"),
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
        for what, low, high in (
            ("low a lower", -128, 63),
            ("high an upper", -64, 127),
            ("low a lower, and as low an upper,", -65, 62),
            ("high a lower, and too high an upper,", -63, 64),
        )
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
    *(
        Rarity(
            f"a fixed scale that the backend does not have, in a fake quantizer{when}",
            forward("return torch.sigmoid(x0)"),
            (*lines, f"given.qconfig_mapping.set_object_type(torch.sigmoid, tq.QConfig({_OTHER_SCALE}, {weight}))"),
            needs,
        )
        for when, lines, weight, needs in (
            ("", (), "tq.default_weight_observer", ()),
            (", for training", TRAINING, "tq.default_weight_fake_quant", ("qat",)),
        )
    ),
    *(
        Rarity(
            f"fixed parameters of which the backend does not have the {what}",
            forward("return torch.sigmoid(x0)"),
            (
                f"fixed = tq.FixedQParamsObserver.with_args(scale={scale}, zero_point={zero_point})",
                "given.qconfig_mapping.set_object_type(torch.sigmoid, tq.QConfig(fixed, tq.default_weight_observer))",
            ),
        )
        for what, scale, zero_point in (
            ("scale", "1 / 128", 0),
            ("zero point", "1 / 256", 128),
            ("scale and the zero point", "1 / 128", 128),
        )
    ),
    *(
        Rarity(
            f"{one} after {other}",
            with_parts(TWO, "return self.second(self.first(x0))"),
            (*linear_of(one, other), *each(first=qconfig(other), second=qconfig(one))),
            ("backend-configs",),
        )
        for one, other in (*permutations(("quint8", "uint8")), *permutations(("quint8", "qint8")))
    ),
    *(
        Rarity(
            f"one value that is read as {first}, then as {second}",
            with_parts(TWO, "y = x0.sin()", "return self.first(y), self.second(y)"),
            (*linear_of(first, second), *each(first=qconfig(first), second=qconfig(second))),
            ("backend-configs",),
        )
        for first, second in permutations(("quint8", "qint8"))
    ),
    Rarity(
        "an input that one dtype config has, and an output that another has",
        LINEAR,
        (
            observed("tq.MinMaxObserver.with_args(dtype=torch.quint8)"),
            *_either("nn.Linear", "tb.DTypeConfig(first, second, torch.qint8)"),
        ),
        ("backend-configs",),
    ),
    Rarity(
        "an input that one dtype config has, and a weight that another has",
        _WITH_BIAS,
        (
            observed(*["tq.MinMaxObserver.with_args(dtype=torch.quint8)"] * 2),
            *_either("F.linear", "tb.DTypeConfig(first, torch.quint8, second)", _INDEXES),
        ),
        ("backend-configs",),
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
            backend(f"F.{norm}", LAYER, weight),
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

_DTYPES = (
    Rarity(
        "float16 activations beside a weight of eight bits, and a float bias",
        with_parts(
            "self.weight = nn.Parameter(torch.randn(4, 4)); self.bias = nn.Parameter(torch.randn(4))",
            "return F.linear(x0, self.weight, self.bias)",
        ),
        (
            observed("tq.PlaceholderObserver.with_args(dtype=torch.float16)"),
            *backend(
                "F.linear",
                "tb.DTypeConfig(torch.float16, torch.float16, torch.qint8, torch.float)",
                'pattern._set_input_type_to_index({"weight": 1, "bias": 2})',
            ),
        ),
        ("backend-configs",),
    ),
    Rarity(
        "a mask beside an input that is quantized, and activations of qint8",
        (
            "def __init__(self):",
            "    super().__init__()",
            "    self.linear = nn.Linear(4, 4)",
            "",
            "def forward(self, x0, x1):",
            "    return self.linear(x0).masked_fill(x1, 0.0)",
        ),
        (
            "given.example_inputs = torch.randn(2, 4), torch.randn(2, 4) > 0",
            observed("tq.MinMaxObserver.with_args(dtype=torch.qint8)"),
            *backend("nn.Linear", "tb.DTypeConfig(torch.qint8, torch.qint8, torch.qint8)"),
            "given.custom_config.set_input_quantized_indexes([0])",
        ),
        ("backend-configs", "quantized-inputs"),
    ),
)

RARE_BACKENDS = (*_BACKENDS, *_DTYPES)
"""All of them."""
