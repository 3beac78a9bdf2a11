"""Drawing cases for what a vendor brings in place of a `prepare`: a quantizer, or a backend config.

A quantizer is given an exported graph on which nothing is written yet.  A backend
config takes the place of torch's native one, with qconfigs as they are drawn.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from .annotations import is_buildable, usual
from .case import Case, Mapping
from .cases import cases, spared
from .graphs import OUTPUTS, descriptors, resolve_graph, resolve_output

QUANTIZER, BACKEND_CONFIG = "quantizer", "backend-config"
"""The profiles of such cases."""

MAX_CALLS = 8
"""The most operators that are drawn for a quantizer: to export a graph takes as long as twenty that are traced."""

_COMMON = (
    *("conv2d", "relu_wide", "operator_add_wide", "F_relu_uu", "F_max_pool2d_uu", "batch_norm2d", "operator_mul_wide"),
    *("conv2d", "relu_wide", "F_conv2d", "adaptive_avg_pool2d", "conv_transpose2d", "hardtanh", "torch_flatten_ut"),
    *("linear", "relu", "operator_add", "cat", "sigmoid", "torch_mul", "max_pool1d", "conv1d", "embedding"),
    *("linear", "relu", "F_linear", "cat_narrow", "torch_permute_tt", "reshape_method_tt", "matmul", "stack"),
)
"""The operators that quantizers know, and what meets them in patterns."""

_IS_QAT = st.sampled_from((False, False, True))


@functools.cache
def _drawn(max_calls: int) -> st.SearchStrategy[list[Any]]:
    """Draw all that such a case is made of, as the one element of a list (see `spared`)."""
    return spared(st.tuples(descriptors(max_calls, _COMMON), OUTPUTS, _IS_QAT))


@st.composite
def exported_cases(draw: st.DrawFn, max_calls: int = MAX_CALLS) -> Case:
    """Draw one case of an exported graph, in training mode if it is to be trained.

    Parameters
    ----------
    draw
        Hypothesis's.
    max_calls
        The most operators to draw; those that an operand needs come on top.
    """
    operators, output, is_qat = draw(_drawn(max_calls))[0]
    graph = resolve_graph(usual(operators))
    case = Case(tuple(graph.inputs), tuple(graph.calls), resolve_output(graph, output), Mapping(), profile=QUANTIZER)
    case = replace(case, is_qat=is_qat, training=is_qat, exported=True)
    assume(is_buildable(case))
    return case


def configured_cases() -> st.SearchStrategy[Case]:
    """Draw one case with qconfigs, to be prepared for a backend whose config is brought."""
    return cases().map(lambda case: replace(case, profile=BACKEND_CONFIG, backend=None, as_dicts=False))
