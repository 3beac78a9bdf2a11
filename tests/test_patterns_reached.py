"""Every pattern of every backend config that torch ships is written, matched, run, quantized and drawn."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, seed, settings
from torch.ao.quantization.backend_config import BackendConfig

from observance.conformance.deviations import load
from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.rules import RULES, import_rules
from observance.reference import RefusalError, survey
from observance.reference.entry import read_configs
from observance.reference.site import Site
from observance.strategies import Case, build, cases
from observance.strategies.case import Backend, Call, Entry, Mapping, QConfigChoice
from observance.strategies.configs_source import SHIPPED_BACKENDS
from observance.strategies.graphs import Descriptor, Graph
from observance.strategies.motifs import NUMBERS, Motif, drawable, motifs, pattern_of
from observance.strategies.operators import OPERATORS

from .results import compute, same

NO_TENSOR_HAS = {"hardsigmoid", "hardsigmoid_", "leaky_relu", "shape"}
"""What some backend configs name as methods, and no tensor has: no model that runs can call it."""


LINEAR = Case(("t",), (Call("linear", (-1,)),), 0, Mapping())


def possible(backend: str) -> list[Motif]:
    """The motifs of a shipped backend config, without those that no model can have."""
    return [motif for motif in motifs(backend) if motif.pattern not in NO_TENSOR_HAS]


def cases_of(motif: Motif, backend: str, qconfig: QConfigChoice = None) -> Iterator[Case]:
    """Each way to write a pattern, as a case of its own with one qconfig for everything."""
    mapping = Mapping(None, (Entry("global", qconfig),))
    for steps in motif.forms:
        graph = Graph()
        graph.add_steps(steps, [Descriptor("linear", (0, 1, 2, 3))] * len(steps), False)
        yield Case(tuple(graph.inputs), tuple(graph.calls), len(graph.calls) - 1, mapping, backend)


@functools.cache
def shipped(backend: str) -> BackendConfig:
    """A backend config that torch ships; the reference changes none."""
    config: BackendConfig = build(replace(LINEAR, backend=backend)).backend_config
    return config


def site_of(case: Case) -> Site:
    """Who asks for what in a case with a shipped backend config."""
    made = build(replace(case, backend=None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        configs = read_configs(made.qconfig_mapping, None, shipped(str(case.backend)))
        return survey(made.model, configs, made.scopes, made.example_inputs)


def shown(pattern: Any) -> str:
    """A pattern in words."""
    if isinstance(pattern, tuple):
        return f"({', '.join(map(shown, pattern))})"
    return f"{getattr(pattern, '__module__', '')}.{getattr(pattern, '__name__', pattern)}"


def matched(case: Case) -> set[Any]:
    """The patterns of its backend config that match something in a case."""
    configs = [match.config for match in site_of(case).matches.values()]
    # A module of its own kind is a match without a pattern.
    return {pattern_of(config) for config in configs if config.to_dict().keys() & {"pattern", "pattern_complex_format"}}


def gives_tensor(case: Case) -> bool:
    """Whether the last call of a case gives a tensor or several: what gives a number is never quantized."""
    return OPERATORS[case.calls[-1].operator].gives not in "nz"


def test_what_no_model_can_have_is_what_no_tensor_has() -> None:
    unwritten = {motif.pattern for backend in SHIPPED_BACKENDS for motif in motifs(backend) if not motif.forms}
    assert unwritten == NO_TENSOR_HAS
    assert not any(callable(getattr(torch.Tensor, name, None)) for name in NO_TENSOR_HAS)


@pytest.mark.parametrize("backend", SHIPPED_BACKENDS)
def test_every_pattern_of_a_shipped_backend_config_is_matched(backend: str) -> None:
    missing = [
        shown(motif.pattern)
        for motif in possible(backend)
        if motif.pattern not in matched(next(cases_of(motif, backend)))
    ]
    assert not missing, f"{len(missing)} of {len(motifs(backend))} patterns of {backend} are missing: {missing}"


def test_every_model_with_a_pattern_of_a_shipped_backend_config_runs() -> None:
    found = [case for backend in SHIPPED_BACKENDS for motif in possible(backend) for case in cases_of(motif, "native")]
    for case in dict.fromkeys(found):
        traced = build(replace(case, backend=None))
        assert same(compute(case), traced.model(*traced.example_inputs)), case.calls


@pytest.mark.parametrize("backend", SHIPPED_BACKENDS)
def test_every_pattern_of_a_shipped_backend_config_is_quantized_as_each_dtype_config_says(backend: str) -> None:
    missing = []
    for motif in possible(backend):
        for number, qconfig in enumerate(motif.qconfigs):
            found = [case for case in cases_of(motif, backend, qconfig) if gives_tensor(case)]
            if found and not any(motif.pattern in quantized(case) for case in found):
                missing.append(f"{shown(motif.pattern)}, dtype config {number}")
    assert not missing, f"{len(missing)} are missing: {missing}"


def quantized(case: Case) -> set[Any]:
    """The patterns of its backend config that are quantized in a case."""
    return {pattern_of(one.match.config) for one in site_of(case).quantized.values()}


def test_every_pattern_with_each_of_its_qconfigs_is_prepared_as_torch_prepares_it() -> None:
    import_rules()
    register = load("torch").at(torch.__version__)
    judge = Judge(resolve("torch"), 1, register)
    wrong, seen = [], set()
    for backend in SHIPPED_BACKENDS:
        for motif in possible(backend):
            for qconfig in motif.qconfigs:
                case = next(cases_of(motif, backend, qconfig))
                if replace(case, backend=None) not in seen:  # the configs have most patterns in common
                    seen.add(replace(case, backend=None))
                    for rule in ("ENTRY-1", "PLACEMENT-5", "PLACEMENT-13"):
                        wrong += [(rule, backend, shown(motif.pattern)) for _ in judge.unexplained(RULES[rule], case)]
    assert len(seen) > len(possible("onednn"))
    assert not wrong, f"{len(wrong)} of {len(seen)}: {wrong}"


# What is drawn


@pytest.mark.parametrize("backend", SHIPPED_BACKENDS)
def test_every_pattern_of_a_shipped_backend_config_can_be_drawn(backend: str) -> None:
    drawn = [drawable(backend)[number % len(drawable(backend))] for number in NUMBERS]
    assert set(drawn) == set(possible(backend))


def test_nearly_every_pattern_is_matched_in_some_two_thousand_drawn_cases() -> None:
    found: set[Any] = set()

    @seed(20)
    @settings(max_examples=2_000, phases=[Phase.generate], derandomize=False)
    @given(cases())
    def draw(case: Case) -> None:
        if case.backend is not None and not isinstance(case.backend, Backend):
            plain = replace(case, mapping=Mapping(), as_dicts=False)
            with suppress(RefusalError):  # what it returns may be refused, or that it is on two devices
                found.update(matched(plain))

    draw()
    every = {motif.pattern for backend in SHIPPED_BACKENDS for motif in possible(backend)}
    missing = sorted(map(shown, every - found))
    assert len(missing) <= len(every) // 20, f"{len(missing)} of {len(every)} are missing: {missing}"
