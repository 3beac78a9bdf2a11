"""torchao, where it is installed: what production makes of an annotated graph."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import GraphModule

from observance.conformance.differences import differences
from observance.conformance.observation import ObservationError, observe
from observance.conformance.outcomes import Outcome
from observance.conformance.usage import told


class NotPreparedError(Exception):
    """torchao does not prepare an annotated graph."""


def is_there() -> bool:
    """Whether torchao is installed."""
    return importlib.util.find_spec("torchao") is not None


def prepared(model: GraphModule, is_qat: bool) -> GraphModule:
    """Return what torchao makes of an annotated graph, which it changes.

    Raises
    ------
    NotPreparedError
        If it raises anything.
    """
    prepare = importlib.import_module("torchao.quantization.pt2e.prepare").prepare
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: GraphModule = prepare(model, {}, is_qat)
    except Exception as error:  # it raises what it likes
        raise NotPreparedError(told(error)) from error
    return made


def differences_from(outcome: Outcome, model: GraphModule) -> list[tuple[str, str, str]]:
    """Return where torchao has other observers than an outcome has: the place, what that has, and what torchao has.

    Parameters
    ----------
    outcome
        The reference's, with a result that can be observed.
    model
        The same annotated graph once more, which is changed.
    """
    assert outcome.observation is not None
    try:
        seen = observe(outcome.float_graph, prepared(model, outcome.case.is_qat), {})
    except NotPreparedError as error:
        return [("the call", "a prepared model", str(error))]
    except ObservationError as error:
        return [("the result", "the graph with observers", str(error))]
    return [(one.place, one.expected, one.found) for one in differences(outcome.observation, seen)]


def quantized(model: GraphModule, inputs: Sequence[Any], is_qat: bool) -> GraphModule | Exception:
    """Return the quantized model that an annotated graph becomes, if that runs, or what was raised on the way."""
    convert = importlib.import_module("torchao.quantization.pt2e.quantize_pt2e").convert_pt2e
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = prepared(model, is_qat)
            made(*copy.deepcopy(inputs))
            converted: GraphModule = convert(made)
            converted(*copy.deepcopy(inputs))
    except Exception as error:  # whatever is raised is an answer
        return error
    return converted
