"""From a case to the objects that `prepare` takes.  Two builds share nothing."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import CodeType, SimpleNamespace
from typing import Any

from torch import nn
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.fx import GraphModule

from .case import Case
from .source import definitions


@dataclass(frozen=True)
class Arguments:
    """One set of arguments for one call of `prepare`, made for that call alone.

    ``float_model`` is the model before tracing; ``model`` the traced one;
    ``scopes`` maps the name of each node to the path and the type of the module
    that it stands in.  ``is_standalone`` says that the model is a standalone
    module, ``leaves`` are the names and the classes of the modules that were not
    traced, ``is_annotated`` that annotations of the graph alone say how it is quantized.
    """

    float_model: nn.Module
    model: GraphModule
    scopes: dict[str, tuple[str, type]]
    qconfig_mapping: Any
    example_inputs: tuple[Any, ...]
    custom_config: Any
    backend_config: Any
    is_qat: bool
    is_standalone: bool = False
    leaves: tuple[Sequence[str], Sequence[Any]] = ((), ())
    equalization: Any = None
    is_annotated: bool = False


def build(case: Case) -> Arguments:
    """Build the arguments of a case, all of them new.

    Raises
    ------
    CaseError
        If the case names what does not exist.
    """
    exported = _copied(_exported(replace(case, annotations=(), quantizer=""))) if case.exported else None
    return assemble(_factories(case), case.is_qat, case.is_standalone, exported)


@functools.lru_cache(maxsize=256)
def _exported(case: Case) -> tuple[nn.Module, GraphModule]:
    """Return the float model of a case and its exported graph: to export one takes as long as to copy fifty."""
    make = _factories(case)
    return _export(make, make["make_model"]())


def _export(make: Mapping[str, Any], float_model: nn.Module) -> tuple[nn.Module, GraphModule]:
    """Return a float model and its exported graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of recurrent layers, which assign what they have anyway
        return float_model, make["export"](float_model)


def _copied(exported: tuple[nn.Module, GraphModule]) -> tuple[nn.Module, GraphModule]:
    """Return copies that have nothing in common with what they are of, but for what is stored in the nodes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how torch copies the containers of an exported graph
        return copy.deepcopy(exported)


def assemble(
    make: Mapping[str, Any],
    is_qat: bool,
    is_standalone: bool,
    exported: tuple[nn.Module, GraphModule] | None = None,
) -> Arguments:
    """Build arguments, all of them new, with the functions that the definitions of a case define.

    Parameters
    ----------
    make
        The namespace of an executed script: ``make_model`` and its like, by name.
    is_qat, is_standalone
        What the script says of the call beside them.
    exported
        The float model and its exported graph, if they are made already.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what prepares a module that is prepared already
        float_model = make["make_model"]() if exported is None else exported[0]
    tracer = make["make_tracer"]() if "make_tracer" in make else QuantizationTracer([], [])
    tracer.record_stack_traces = False  # half of the time of tracing, and nothing here reads them
    if "export" in make:
        (_, model), tracer.node_name_to_scope = exported or _export(make, float_model), {}
    else:
        model = GraphModule(float_model, tracer.trace(float_model))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has doubts about some of its own default qconfigs
        mapping = make["make_mapping"]() if "make_mapping" in make else None
        equalization = make["make_equalization"]() if "make_equalization" in make else None
    if "store_values" in make:
        make["store_values"](model)
    if "annotate" in make:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of quantizers that are deprecated
            model = make["annotate"](model) or model
    arguments = Arguments(
        float_model,
        model,
        dict(tracer.node_name_to_scope),
        mapping,
        make["make_inputs"](),
        make["make_custom_config"]() if "make_custom_config" in make else None,
        make["make_backend"]() if "make_backend" in make else None,
        is_qat,
        is_standalone,
        (tracer.skipped_module_names, tracer.skipped_module_classes),
        equalization,
        "annotate" in make and "make_mapping" not in make,
    )
    return _spoiled(arguments, make["spoil"]) if "spoil" in make else arguments


def _spoiled(arguments: Arguments, spoil: Callable[[Any], None]) -> Arguments:
    """Return the arguments of a call that is wrong on purpose."""
    given = SimpleNamespace(**vars(arguments))
    spoil(given)
    return Arguments(**vars(given))


def example_inputs(case: Case) -> tuple[Any, ...]:
    """Return new example inputs of a case; the same values each time."""
    inputs: tuple[Any, ...] = _factories(case)["make_inputs"]()
    return inputs


@functools.lru_cache(maxsize=4096)
def _code(case: Case) -> CodeType:
    """Return the compiled definitions of a case."""
    return compile(definitions(case), f"<case {case.digest}>", "exec")


def _factories(case: Case) -> dict[str, Callable[..., Any]]:
    """Execute the definitions of a case in a namespace of its own."""
    namespace: dict[str, Any] = {"__name__": f"case_{case.digest}"}
    exec(_code(case), namespace)
    return namespace
