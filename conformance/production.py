"""torchao, where it is installed: what production makes of an annotated graph."""

from __future__ import annotations

import copy
import functools
import importlib
import importlib.util
import warnings

import torch
from torch.fx import GraphModule

from observance.conformance.differences import differences
from observance.conformance.implementations import Implementation, resolve
from observance.conformance.observation import ObservationError, observe
from observance.conformance.outcomes import Outcome, prepared_or_error
from observance.conformance.usage import told
from observance.strategies import Arguments


class NotPreparedError(Exception):
    """torchao does not prepare an annotated graph."""


def is_there() -> bool:
    """Whether torchao is installed."""
    return importlib.util.find_spec("torchao") is not None


@functools.cache
def _torchao() -> Implementation:
    """Return torchao's `prepare`, which is looked for once."""
    return resolve("torchao")


def prepared(arguments: Arguments) -> GraphModule:
    """Return what torchao makes of an annotated graph, which it changes.

    Raises
    ------
    NotPreparedError
        If it raises anything.
    """
    made = prepared_or_error(_torchao(), arguments)
    if isinstance(made, Exception):
        raise NotPreparedError(told(made)) from made
    return made


def differences_from(outcome: Outcome, arguments: Arguments) -> list[tuple[str, str, str]]:
    """Return where torchao has other observers than an outcome has: the place, what that has, and what torchao has.

    Parameters
    ----------
    outcome
        The reference's, with a result that can be observed.
    arguments
        Those of the same annotated graph once more, which is changed.
    """
    assert outcome.observation is not None
    try:
        seen = observe(outcome.float_graph, prepared(arguments), {})
    except NotPreparedError as error:
        return [("the call", "a prepared model", str(error))]
    except ObservationError as error:
        return [("the result", "the graph with observers", str(error))]
    return [(one.place, one.expected, one.found) for one in differences(outcome.observation, seen)]


def quantized(arguments: Arguments) -> GraphModule | Exception:
    """Return the quantized model that an annotated graph becomes, if that runs, or what was raised on the way."""
    convert = importlib.import_module("torchao.quantization.pt2e.quantize_pt2e").convert_pt2e
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = prepared(arguments)
            made(*copy.deepcopy(arguments.example_inputs))
            converted: GraphModule = convert(made)
            converted(*copy.deepcopy(arguments.example_inputs))
    except Exception as error:  # whatever is raised is an answer
        return error
    return converted
