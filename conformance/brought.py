"""What a vendor may bring in place of a `prepare`: a quantizer, or a backend config.

Either is judged like an implementation.  It says how a model is quantized, the
reference does as it says, and the rules look at what comes of that.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch.ao.quantization.backend_config import BackendConfig
from torch.fx import GraphModule

from observance.conformance.implementations import Implementation, resolve, resolve_brought
from observance.conformance.usage import UsageError, told
from observance.strategies import Arguments

METHODS = ("transform_for_annotation", "annotate", "validate")
"""What a quantizer has, in the order in which it is called."""


@dataclass(frozen=True)
class Quantizing:
    """The arguments of a call with a graph that a vendor's quantizer has annotated, in place of one that nobody has.

    ``make`` makes a quantizer; where it has a parameter ``is_qat``, it is told whether the graph is to be trained.
    """

    make: Callable[..., Any]

    @property
    def is_told_of_training(self) -> bool:
        """Whether ``make`` is told if the graph is to be trained."""
        return "is_qat" in inspect.signature(self.make).parameters

    def quantizer(self, is_qat: bool) -> Any:
        """Return a new quantizer; what it warns of is its own affair."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.make(is_qat=is_qat) if self.is_told_of_training else self.make()

    def __call__(self, arguments: Arguments) -> Arguments:
        """Let a new quantizer annotate the graph; whatever it raises is raised."""
        quantizer = self.quantizer(arguments.is_qat)
        model = annotate(quantizer, quantizer.transform_for_annotation(arguments.model))
        return replace(arguments, model=model, is_annotated=True)


class InvalidError(Exception):
    """A quantizer's `validate` says that its backend does not support a graph, which is what it is for."""


def annotate(quantizer: Any, model: GraphModule) -> GraphModule:
    """Let a quantizer annotate and validate a graph.

    What `annotate` returns counts for nothing: torchao's `prepare_pt2e` goes on with the model that it gave.

    Raises
    ------
    InvalidError
        If `validate` raises anything; what `annotate` raises is raised as it is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantizer.annotate(model)
        try:
            quantizer.validate(model)
        except Exception as error:
            raise InvalidError(f"validate raised {told(error)}") from error
    return model


@dataclass(frozen=True)
class Configuring:
    """The arguments of a call with a vendor's backend config, which ``make`` makes, in place of torch's native one."""

    make: Callable[[], BackendConfig]

    def __call__(self, arguments: Arguments) -> Arguments:
        """Let the backend be the vendor's; whatever it raises is raised."""
        return replace(arguments, backend_config=self.make())


def resolve_quantizer(spec: str) -> Implementation:
    """Find a quantizer.

    Parameters
    ----------
    spec : str
        The value of ``--quantizer``: ``module:object``, where the object is a class or a function that can be called
        without arguments, or with ``is_qat`` alone, and gives a quantizer.

    Raises
    ------
    UsageError
        If there is none, or what is there gives none.
    """
    implementation = resolve_brought(spec, "quantizer", Quantizing)
    quantizing: Any = implementation.function
    made = _made(spec, lambda: quantizing.quantizer(False), "`is_qat` alone, or nothing")
    missing = [name for name in METHODS if not callable(getattr(made, name, None))]
    if missing:
        raise UsageError(
            f"`{spec}` gives a {type(made).__name__} without `{missing[0]}`: "
            f"let it give a quantizer, which has {', '.join(METHODS)}."
        )
    return implementation


def resolve_backend_config(spec: str) -> Implementation:
    """Find a backend config.

    Parameters
    ----------
    spec : str
        The value of ``--backend-config``: ``module:object``, where the object is a function that gives a
        `BackendConfig`, and takes no arguments.

    Raises
    ------
    UsageError
        If there is none, or what is there gives none.
    """
    implementation = resolve_brought(spec, "backend_config", Configuring)
    configuring: Any = implementation.function
    made = _made(spec, configuring.make, "no arguments")
    if not isinstance(made, BackendConfig):
        raise UsageError(f"`{spec}` gives a {type(made).__name__}: let it give a BackendConfig.")
    return implementation


def _made(spec: str, make: Callable[[], Any], arguments: str) -> Any:
    """Return what a vendor's function makes; one that fails is a `UsageError`."""
    try:
        return make()
    except Exception as error:  # it is the vendor's
        raise UsageError(
            f"`{spec}` cannot be called ({told(error)}): name a class or a function that takes {arguments}."
        ) from error


RESOLVERS: dict[str, Callable[[str], Implementation]] = {
    "quantizer": resolve_quantizer,
    "backend_config": resolve_backend_config,
}
"""What finds that which is brought, by its shape; the option that names it is called like the shape."""


def option_of(shape: str) -> str:
    """Return the option of the suite that names what is judged, by its shape."""
    return f"--{shape.replace('_', '-')}" if shape in RESOLVERS else "--impl"


def resolve_as(shape: str, spec: str, profile: str = "") -> Implementation:
    """Find what is judged, by its shape; errors are those of `resolve`."""
    return RESOLVERS[shape](spec) if shape in RESOLVERS else resolve(spec, profile)
