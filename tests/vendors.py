"""Packages of vendors, written for one test each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from observance.conformance.implementations import resolve
from observance.conformance.usage import UsageError

SEED = "def prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs): return model\n"
FX = (
    "def prepare_fx(model, qconfig_mapping, example_inputs, prepare_custom_config=None,\n"
    "               _equalization_config=None, backend_config=None): return model\n"
)

Write = Callable[..., Path]


def refusal(spec: str) -> str:
    """Return what `resolve` answers, which has to be one sentence on one line."""
    with pytest.raises(UsageError) as caught:
        resolve(spec)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert ": " in sentence, "the sentence does not say what to do"
    return sentence
