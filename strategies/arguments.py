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
from torch.fx import Graph, GraphModule

from .case import Case
from .source import CONFIGS, definitions


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


def build(case: Case, names: Mapping[str, Any] | None = None) -> Arguments:
    """Build the arguments of a case, all of them new.

    Parameters
    ----------
    case
        The case.
    names
        What some of the names mean that the definitions of a case import, such as ``tq``; None for what they import.

    Raises
    ------
    CaseError
        If the case names what does not exist.
    """
    exported = _copied(_exported(replace(case, annotations=(), quantizer=""))) if case.exported else None
    model, *configs = _sources(case)
    # What is declared may say what the tracer goes into.
    traced = _traced(model, *(configs if case.declared else ())) if configs else None
    return assemble(_factories(case, names), case.is_qat, case.is_standalone, exported, traced)


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
    traced: Traced | None = None,
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
    traced
        What a model that these functions made was traced to, if one was.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what prepares a module that is prepared already
        float_model = make["make_model"]() if exported is None else exported[0]
    tracer = _tracer(make)
    if "export" in make:
        (_, model), tracer.node_name_to_scope = exported or _export(make, float_model), {}
    elif traced is not None:
        found = traced.at(make)
        model, tracer.node_name_to_scope = GraphModule(float_model, found.graph), found.scopes
    else:
        model = GraphModule(float_model, _trace(tracer, float_model))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has doubts about some of its own default qconfigs
        mapping = make["make_mapping"]() if "make_mapping" in make else None
        equalization = make["make_equalization"]() if "make_equalization" in make else None
    if "store_values" in make and traced is None:
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


@dataclass(frozen=True)
class Traced:
    """The traced graph and the scopes of a model, which are those of all models that one source makes.

    The values that are stored in the nodes are theirs as well: fake tensors, which hold nothing.
    """

    graph: Graph
    scopes: dict[str, tuple[str, type]]

    def at(self, namespace: Mapping[str, Any]) -> Traced:
        """Return a copy that has nothing in common with this, with the classes and functions of another namespace.

        To trace a model takes as long as to copy ten graphs.
        """

        def found(thing: Any) -> Any:
            return namespace[thing.__name__] if getattr(thing, "__module__", None) == _TRACED else thing

        graph = copy.deepcopy(self.graph)
        for node in graph.nodes:
            node.target = found(node.target)
            node.meta = {key: copy.copy(value) if key != "val" else value for key, value in node.meta.items()}
            modules = node.meta.get("nn_module_stack", {})
            modules.update({key: (path, found(kind)) for key, (path, kind) in modules.items()})
        return Traced(graph, {name: (path, found(kind)) for name, (path, kind) in self.scopes.items()})


_TRACED = "case"
"""The name of the namespace in which a model is traced, to be copied."""


@functools.lru_cache(maxsize=64)
def _traced(*sources: str) -> Traced:
    """Trace a model that sources make."""
    make = _executed(sources, _TRACED)
    tracer, model = _tracer(make), make["make_model"]()
    graph = _trace(tracer, model)
    if "store_values" in make:
        make["store_values"](GraphModule(model, graph))
    return Traced(graph, tracer.node_name_to_scope)


def _tracer(make: Mapping[str, Any]) -> QuantizationTracer:
    return make["make_tracer"]() if "make_tracer" in make else QuantizationTracer([], [])


def _trace(tracer: QuantizationTracer, model: nn.Module) -> Graph:
    tracer.record_stack_traces = False  # half of the time of tracing, and nothing here reads them
    return tracer.trace(model)


@functools.lru_cache(maxsize=4096)
def _sources(case: Case) -> tuple[str, ...]:
    """Return the definitions of a case: those of its model and inputs by themselves, if these need no others.

    What comes after them is all that most of the cases change that are derived from one.
    """
    source = definitions(case)
    is_one = case.exported or case.written or any(declared.kind == "prepared" for declared in case.declared)
    start = -1 if is_one else source.find(CONFIGS)
    return (source,) if start < 0 else (source[:start], source[start:])


def _factories(case: Case, names: Mapping[str, Any] | None = None) -> dict[str, Callable[..., Any]]:
    """Execute the definitions of a case in a namespace of its own, in which some names mean something else."""
    namespace = _executed(_sources(case), f"case_{case.digest}")
    namespace.update(names or {})
    return namespace


def _executed(sources: Sequence[str], name: str) -> dict[str, Any]:
    """Execute sources, one after the other, in a namespace of that name."""
    namespace: dict[str, Any] = {"__name__": name}
    for source in sources:
        exec(_compiled(source), namespace)
    return namespace


@functools.lru_cache(maxsize=4096)
def _compiled(source: str) -> CodeType:
    """Return the compiled definitions of a case, or of a part of one."""
    return compile(source, "<case>", "exec")
