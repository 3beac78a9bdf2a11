"""What is drawn: every model runs, every entry of the tables is right, everything is reached, and it shrinks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
import torch.ao.quantization as tq
from hypothesis import Phase, find, given, seed, settings

from observance.strategies import Case, build, cases
from observance.strategies.case import Backend, Call, Observer, QConfig, operand_values
from observance.strategies.cases import target_chains
from observance.strategies.configs_source import SHIPPED_BACKENDS
from observance.strategies.features import FEATURES, features
from observance.strategies.forms import forms
from observance.strategies.observers import ACTIVATIONS, WEIGHTS
from observance.strategies.operators import OPERATORS, PLAIN_OPERATORS
from observance.strategies.qconfigs import DYNAMIC, OBSERVERLESS, STATIC, WEIGHT_ONLY
from observance.strategies.training import QAT, faked

from .results import compute, run, same

DRAWN = 3_000

MAKERS = ("size", "sizes", "chunk", "lstm", "lstm_cell", "lstm_states", "hidden_state", "gru", "attention")
"""Those that make an operand of an operator come on top: a size, or what has several outputs."""


# Every drawn model runs


@settings(max_examples=200)
@given(cases())
def test_every_drawn_model_runs_before_and_after_tracing(case: Case) -> None:
    traced = build(case)
    assert same(compute(case), run(traced.model, traced.example_inputs))


@given(cases(max_calls=3))
def test_no_more_operators_are_drawn_than_allowed(case: Case) -> None:
    assert sum(call.operator not in MAKERS for call in case.calls) <= 3


@settings(max_examples=300)
@given(cases())
def test_every_feature_of_a_case_is_a_known_one(case: Case) -> None:
    found = features(case)
    assert set(found) <= FEATURES.keys()
    assert found == [name for name in FEATURES if name in found]


# Everything is reached


@pytest.fixture(scope="module")
def corpus() -> list[Case]:
    """Some 3,000 drawn cases, the same ones each time."""
    found: list[Case] = []

    @seed(20)
    @settings(max_examples=DRAWN, phases=[Phase.generate], derandomize=False)
    @given(cases())
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return found


@pytest.fixture(scope="module")
def shares(corpus: list[Case]) -> dict[str, float]:
    """For each feature, the share of the cases that have it, in percent."""
    counts = Counter(feature for case in corpus for feature in features(case))
    return {feature: 100 * counts[feature] / len(corpus) for feature in FEATURES}


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_reached(shares: dict[str, float], feature: str) -> None:
    assert shares[feature] >= 0.5, f"{feature}: {shares[feature]:.2f} % of the cases"


def test_hardly_a_case_is_drawn_twice(corpus: list[Case]) -> None:
    assert len({case.digest for case in corpus}) >= 0.98 * len(corpus)


def test_hardly_a_graph_is_drawn_twice(corpus: list[Case]) -> None:
    graphs = {(case.inputs, case.calls, case.output) for case in corpus if len(case.calls) > 2}
    assert len(graphs) >= 0.98 * sum(len(case.calls) > 2 for case in corpus)


def test_every_operator_is_drawn(corpus: list[Case]) -> None:
    assert set(PLAIN_OPERATORS) == {call.operator for case in corpus for call in case.calls}


def test_graphs_of_all_sizes_are_drawn(corpus: list[Case]) -> None:
    sizes = Counter(min(len(case.calls) // 10, 2) for case in corpus)
    assert all(sizes[size] >= 0.01 * len(corpus) for size in range(3)), sizes


def test_every_backend_config_is_drawn(corpus: list[Case]) -> None:
    drawn = Counter("own" if isinstance(case.backend, Backend) else case.backend for case in corpus)
    for backend in (None, "own", *SHIPPED_BACKENDS):
        assert drawn[backend] >= 0.01 * len(corpus), backend


@pytest.fixture(scope="module")
def qconfigs(corpus: list[Case]) -> list[str | QConfig]:
    """All qconfigs of the drawn cases' mappings."""
    return [entry.qconfig for case in corpus for entry in case.mapping.entries if entry.qconfig is not None]


EXPORTED = (*STATIC, *DYNAMIC, *WEIGHT_ONLY, *OBSERVERLESS, *QAT)


def test_every_qconfig_that_torch_exports_is_drawn(qconfigs: list[str | QConfig]) -> None:
    exported = {name for name in tq.qconfig.__all__ if isinstance(getattr(tq.qconfig, name), tq.QConfig)}
    assert exported <= set(EXPORTED)
    assert set(EXPORTED) <= set(qconfigs)


def test_every_observer_that_torch_exports_is_drawn(qconfigs: list[str | QConfig]) -> None:
    own = [qconfig for qconfig in qconfigs if isinstance(qconfig, QConfig)]
    held = [observer for qconfig in own for observer in (qconfig.activation, qconfig.weight)]
    inside = [value for observer in held for _, value in observer.arguments if isinstance(value, Observer)]
    drawn = {observer.factory for observer in (*held, *inside)}
    exported = {
        name
        for name in tq.observer.__all__
        if hasattr(getattr(tq.observer, name), "with_args") and not name.endswith("Base")
    }
    # These two are the class itself under another name.
    assert exported - {"default_debug_observer", "default_reuse_input_observer"} <= drawn | {"ReuseInputObserver"}
    assert {"default_debug_observer", "default_reuse_input_observer"} <= drawn


def test_no_fused_fake_quantizer_is_drawn_on_an_axis_that_its_kernel_does_not_know() -> None:
    drawn = [faked(observer) for observer in (*ACTIVATIONS, *WEIGHTS)]
    axes = {dict(one.arguments).get("ch_axis") for one in drawn if one.factory == "FusedMovingAvgObsFakeQuantize"}
    assert axes <= {None, 0}


def test_every_fake_quantizer_that_torch_exports_can_be_drawn() -> None:
    drawn = {faked(observer).factory for observer in (*ACTIVATIONS, *WEIGHTS)} | {"FusedMovingAvgObsFakeQuantize"}
    exported = {
        name
        for name in tq.fake_quantize.__all__
        if hasattr(getattr(tq.fake_quantize, name), "with_args") and not name.endswith("Base")
    }
    # These two stand in exported qconfigs.
    assert exported <= drawn | {"default_fused_wt_fake_quant", "default_fused_per_channel_wt_fake_quant"}


def test_every_way_to_prepare_is_drawn(corpus: list[Case]) -> None:
    drawn = {(case.is_qat, case.training) for case in corpus}
    assert drawn == {(False, None), (False, True), (True, None), (True, False)}


@pytest.mark.parametrize(
    "constant",
    [
        *("torch.quint8", "torch.qint8", "torch.uint8", "torch.int8", "torch.int16", "torch.int32", "torch.qint32"),
        *("torch.float16", "torch.per_tensor_affine", "torch.per_tensor_symmetric", "torch.per_channel_affine"),
        *("torch.per_channel_symmetric", "torch.per_channel_affine_float_qparams"),
    ],
)
def test_every_dtype_and_scheme_is_drawn(qconfigs: list[str | QConfig], constant: str) -> None:
    own = [qconfig for qconfig in qconfigs if isinstance(qconfig, QConfig)]
    assert any(
        constant in dict(q.activation.arguments).values() or constant in dict(q.weight.arguments).values() for q in own
    )


def test_every_selector_is_drawn_with_a_qconfig_and_with_none(corpus: list[Case]) -> None:
    drawn = {(entry.selector, entry.qconfig is None) for case in corpus for entry in case.mapping.entries}
    selectors = ("global", "object_type", "regex", "name", "order")
    assert drawn == {(selector, off) for selector in selectors for off in (False, True)}


def test_drawn_patterns_are_chains_of_the_graph(corpus: list[Case]) -> None:
    for case in corpus:
        if isinstance(case.backend, Backend):
            chains = {pattern.targets for pattern in case.backend.patterns if pattern.nested is None}
            nested = {pattern.nested for pattern in case.backend.patterns if pattern.nested is not None}
            assert chains <= set(target_chains(case))
            assert nested <= {form.nested for form in forms(case)}


# Everything shrinks


def smallest(has: Callable[[Case], bool]) -> Case:
    """The smallest case that Hypothesis finds with a property, of four that it finds: shrinking may get stuck."""
    found = [
        find(
            cases(),
            has,
            settings=settings(max_examples=5_000, phases=[Phase.generate, Phase.shrink]),
            random=random.Random(start),
        )
        for start in range(4)
    ]
    return min(
        found, key=lambda case: (len(case.calls), len({call.operator for call in case.calls}), len(case.to_json()))
    )


def plain(case: Case) -> bool:
    """Whether nothing about a case is special but its calls."""
    return (
        len(case.inputs) == 1
        and isinstance(case.output, int)
        and [entry.selector for entry in case.mapping.entries] == ["global"]
        and case.mapping.base is None
        and case.mapping.entries[0].qconfig == "default_qconfig"
        and case.backend is None
        and not case.quantized_inputs
        and not case.is_qat
        and case.training is None
        and all(call.scope == "" and call.sequence == "list" for call in case.calls)
    )


def test_the_smallest_case_is_one_linear_layer_with_the_default_qconfig() -> None:
    case = smallest(lambda case: True)
    assert case.calls == (Call("linear", (-1,)),)
    assert plain(case)


SHAPES: dict[str, tuple[Callable[[Case], bool], list[str]]] = {
    "a cat of two values": (
        lambda case: any(call.operator == "cat" and len(operand_values(call.operands)) > 1 for call in case.calls),
        ["cat"],
    ),
    "a cat of two different values": (
        lambda case: any(call.operator == "cat" and len(set(operand_values(call.operands))) > 1 for call in case.calls),
        ["linear", "cat"],
    ),
    "a module called twice": (
        lambda case: any(call.shares is not None and OPERATORS[call.operator].module for call in case.calls),
        ["linear", "linear"],
    ),
    "tied weights": (lambda case: any(call.ties is not None for call in case.calls), ["linear", "linear"]),
    "an operator deep in the table": (
        lambda case: any(call.operator == "hardswish" for call in case.calls),
        ["hardswish"],
    ),
    "an output of several": (
        lambda case: any(call.operator == "lstm_output" for call in case.calls),
        ["lstm", "lstm_output"],
    ),
    "a keyword": (lambda case: any(call.spelling == "keyword" for call in case.calls), ["linear"]),
    "a chain of three": (
        lambda case: any(len(chain) == 3 and chain[2] == "torch.sin" for chain in target_chains(case)),
        ["linear", "linear", "torch_sin_tt"],
    ),
    "five calls": (lambda case: sum(call.operator not in MAKERS for call in case.calls) >= 5, ["linear"] * 5),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_graph_shrinks_to_what_is_asked_of_it(shape: str) -> None:
    has, expected = SHAPES[shape]
    case = smallest(has)
    assert sorted(call.operator for call in case.calls) == sorted(expected)
    assert plain(case)


CONFIGS: dict[str, Callable[[Case], bool]] = {
    "a value that three read": lambda case: "fan-out" in features(case),
    "a container": lambda case: "container at the output" in features(case),
    "two inputs": lambda case: len(case.inputs) == 2,
    "a submodule of a submodule": lambda case: "nested submodule" in features(case),
    "a quantized input": lambda case: bool(case.quantized_inputs),
    "a default mapping": lambda case: case.mapping.base == "qnnpack",
    "a qconfig of its own": lambda case: "own qconfig" in features(case),
    "a regular expression": lambda case: "regex selector" in features(case),
    "an occurrence": lambda case: "order selector" in features(case),
    "two qconfigs": lambda case: "mixed qconfigs" in features(case),
    "nothing but off": lambda case: all(entry.qconfig is None for entry in case.mapping.entries),
    "a late backend config": lambda case: case.backend == "tensorrt",
    "a backend config of its own": lambda case: "own backend config" in features(case),
    "a constraint": lambda case: "constraint" in features(case),
}


@pytest.mark.parametrize("config", CONFIGS)
def test_a_graph_shrinks_to_nearly_nothing_where_something_else_is_asked(config: str) -> None:
    case = smallest(CONFIGS[config])
    assert len(case.calls) <= 2
    assert len(case.mapping.entries) <= 2
    if isinstance(case.backend, Backend):
        assert len(case.backend.patterns) == 1
        assert len(case.backend.patterns[0].dtypes) == 1


def test_an_own_observer_shrinks_to_the_one_setting_that_matters() -> None:
    def has(case: Case) -> bool:
        own = [entry.qconfig for entry in case.mapping.entries if isinstance(entry.qconfig, QConfig)]
        return any("eps" in dict(qconfig.activation.arguments) for qconfig in own)

    entries = smallest(has).mapping.entries
    assert len(entries) <= 2
    (qconfig,) = {entry.qconfig for entry in entries if isinstance(entry.qconfig, QConfig)}
    assert qconfig.weight == Observer("default_weight_observer")
    assert dict(qconfig.activation.arguments).keys() == {"dtype", "qscheme", "eps"}


def test_a_pattern_of_three_shrinks_to_a_chain_of_three() -> None:
    def has(case: Case) -> bool:
        return isinstance(case.backend, Backend) and any(len(pattern.targets) == 3 for pattern in case.backend.patterns)

    case = smallest(has)
    assert len(case.calls) == 3
    assert isinstance(case.backend, Backend)
    assert [pattern.targets for pattern in case.backend.patterns] == [("nn.Linear",) * 3]
