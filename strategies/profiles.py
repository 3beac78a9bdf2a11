"""What is drawn for an implementation: cases with qconfigs, annotated graphs, or models with both."""

from __future__ import annotations

from hypothesis import strategies as st

from .annotations import MAX_CALLS as MOST_OF_GRAPHS
from .annotations import annotated_cases
from .annotations_fx import MAX_CALLS as MOST_OF_MODELS
from .annotations_fx import annotated_models
from .annotations_source import FX, PT2E
from .brought import BACKEND_CONFIG, QUANTIZER, configured_cases, exported_cases
from .case import Case
from .cases import MAX_CALLS, cases


def drawn_in(profile: str, max_calls: int | None = None) -> st.SearchStrategy[Case]:
    """Return the strategy for the cases of a profile; the empty one is that of qconfigs alone.

    Parameters
    ----------
    profile
        What says how to quantize.
    max_calls
        The most operators to draw; None for the usual number.
    """
    if profile == PT2E:
        return annotated_cases(MOST_OF_GRAPHS if max_calls is None else max_calls)
    if profile == FX:
        return annotated_models(MOST_OF_MODELS if max_calls is None else max_calls)
    if profile == QUANTIZER:
        return exported_cases()
    if profile == BACKEND_CONFIG:
        return configured_cases()
    return cases(MAX_CALLS if max_calls is None else max_calls)
