"""How implementations are called: the shapes, and the signature that each of them has."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

from observance.conformance.claims import BACKEND_CONFIG, PT2E, QUANTIZER
from observance.conformance.usage import UsageError, told

Shape = Literal["prepare", "prepare_fx", "prepare_annotated", "prepare_pt2e", "quantizer", "backend_config"]
"""How an implementation is called: as `prepare` or the user-facing `prepare_fx` of a model with qconfigs, or as
`prepare` or the user-facing `prepare_pt2e` of an annotated graph.  A quantizer and a backend config are brought in
place of one (see `brought`)."""

PROFILES: dict[Shape, str] = {
    "prepare_annotated": PT2E,
    "prepare_pt2e": PT2E,
    "quantizer": QUANTIZER,
    "backend_config": BACKEND_CONFIG,
}
"""What tells an implementation of a shape how to quantize, where it is not qconfigs."""

_CONFIGS = ("prepare_custom_config", "_equalization_config", "backend_config")

# For each shape the arguments that the suite passes by position and by keyword.
_SHAPES: dict[Shape, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "prepare": (
        ("model", "qconfig_mapping", "is_qat", "node_name_to_scope", "example_inputs"),
        (*_CONFIGS, "is_standalone_module"),
    ),
    "prepare_fx": (("model", "qconfig_mapping", "example_inputs"), _CONFIGS),
    "prepare_annotated": (("model", "node_name_to_scope", "is_qat"), ()),
    "prepare_pt2e": (("model", "quantizer"), ()),
}


def shape_of(function: Callable[..., Any], place: str) -> Shape:
    """Tell by the signature how a function is to be called; a signature that fits no shape is a `UsageError`.

    The names of the parameters say which shape is tried first. Where they say nothing, as in ``(*args, **kwargs)``,
    which fits both, it is the name of the function that does.

    Parameters
    ----------
    function
        The function.
    place
        Where it was found, as ``module:object``.
    """
    try:
        signature = inspect.signature(function)
    except Exception as error:
        raise UsageError(
            f"`{place}` has no signature that can be read ({told(error)}): "
            f"wrap it in a function that is one of {_shapes_in_words()}."
        ) from error
    order: list[Shape] = ["prepare", "prepare_fx", "prepare_annotated", "prepare_pt2e"]
    if not {"is_qat", "node_name_to_scope"} & set(signature.parameters):
        order.sort(key=lambda shape: not place.endswith(shape))
    for shape in order:
        if _fits(signature, shape):
            return shape
    raise UsageError(
        f"`{place}` takes `{_bare(signature)}`, which the suite cannot call: "
        f"wrap it in a function that is one of {_shapes_in_words()}."
    )


def _fits(signature: inspect.Signature, shape: Shape) -> bool:
    """Whether a call of `shape` is accepted, and every argument reaches the parameter of its name if there is one.

    The shapes of annotated graphs have few arguments, so that many a function would take them: there, a parameter of
    another name is not what is meant.
    """
    positional, keywords = _SHAPES[shape]
    try:
        bound = signature.bind(*positional, **{name: name for name in keywords})
    except TypeError:
        return False
    if shape in ("prepare_annotated", "prepare_pt2e"):
        named = {name for name, p in signature.parameters.items() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD}
        return all(value == name for name, value in bound.arguments.items() if name in named)
    return all(value == name for name, value in bound.arguments.items() if name in positional + keywords)


def _bare(signature: inspect.Signature) -> str:
    """Write a signature without its annotations."""
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(parameters))


def _shapes_in_words() -> str:
    """Write all shapes as calls."""
    *first, last = (
        f"`{shape.removesuffix('_annotated')}({', '.join([*positional, *(f'{name}=None' for name in keywords)])})`"
        for shape, (positional, keywords) in _SHAPES.items()
    )
    return f"{', '.join(first)} and {last}"
