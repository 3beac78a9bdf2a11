"""What a call of an implementation did: the only place where implementations are called."""

from __future__ import annotations

import functools
import inspect
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.ao.quantization.fx.fuse import fuse
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.ao.quantization.fx.utils import assert_and_get_unique_device
from torch.fx import Graph, GraphModule
from torch.fx.node import map_aggregate

from observance.conformance import process
from observance.conformance.implementations import Implementation, resolve
from observance.conformance.isolation import HERE, DiedError
from observance.conformance.observation import Inner, Observation, ObservationError, callee_of, observe
from observance.conformance.raised import as_exceptions
from observance.conformance.replaying import Replaying
from observance.reference import modules
from observance.reference.entry import Configs, read_configs
from observance.strategies import Arguments, Case, build

BROUGHT = ("quantizer", "backend_config")
"""The shapes of what is no `prepare`, and says how the reference's is called."""


@dataclass
class Outcome:
    """What one call of `prepare` did.

    Attributes
    ----------
    case
        What was called for.
    float_graph
        The graph that was given, as it was before the call.
    arguments
        What was given, as it is after the call.
    prepared
        The result, or None if the call raised ``error``.
    warnings
        The warnings of the call: category and text.
    observation
        The result seen without names; None if there is none, or if it is not the
        float model plus observers, which ``misshapen`` then says.
    before
        What the caller's objects looked like before the call, if they were looked at.
    inner
        The float graphs of the standalone modules that are called, by their targets.
    settings
        What the call left set otherwise for the whole process: what it was, and what it is.
    """

    case: Case
    float_graph: Graph
    arguments: Arguments
    prepared: GraphModule | None
    error: Exception | None
    warnings: list[tuple[type[Warning], str]]
    observation: Observation | None = None
    misshapen: str | None = None
    before: dict[str, str] = field(default_factory=dict)
    inner: Mapping[str, Inner] = field(default_factory=dict)
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def names_aloud(self, name: str) -> bool:
        """Whether a warning of the call names a node; what observers say when they are made speaks of none."""
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        return any(word.search(text) for _, text in self.warnings if _OF_OBSERVERS not in text)


_OF_OBSERVERS = "reduce_range will be deprecated"
"""What torch's observers warn of when they are made."""


def run(
    implementation: Implementation,
    case: Case,
    prefused: bool = False,
    watched: bool = False,
    names: Mapping[str, Any] | None = None,
) -> Outcome:
    """Build the case's arguments, call the implementation with them, and look at the result.

    Parameters
    ----------
    implementation
        Whose `prepare` is called.
    case
        The case.
    prefused
        Whether the model is fused first, as implementations of the user-facing
        shape fuse on their own (see `fused`).
    watched
        Whether the caller's objects are looked at before the call.
    names
        What some of the names mean with which the arguments are made (see `build`).
    """
    arguments = arguments_of(case, prefused, names)
    before, settings = (fingerprints(arguments), process.settings()) if watched else ({}, {})
    with HERE.doing(case, implementation.name) as death:
        if death is not None:
            graph = copy_graph(arguments.model.graph)
            return Outcome(case, graph, arguments, None, DiedError(f"the process {death}"), [], before=before)
        if implementation.shape in BROUGHT:
            outcome = _brought(implementation, case, arguments)
        else:
            outcome = _prepared(implementation, case, arguments, before)
    return replace(outcome, settings=process.changes(settings, process.settings())) if watched else outcome


def _brought(implementation: Implementation, case: Case, arguments: Arguments) -> Outcome:
    """Let the reference do what a quantizer, or a backend config, asks for, and look at the result."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = implementation.function(arguments)
    except Exception as raised:  # whatever it raises is an outcome
        return Outcome(case, copy_graph(arguments.model.graph), arguments, None, raised, [])
    return _prepared(_found("reference", implementation.profile), case, asked, {})


_found = functools.cache(resolve)
"""What obeys that which is brought: it is the same for every case, and to find it takes longer than most of them."""


def _prepared(implementation: Implementation, case: Case, arguments: Arguments, before: dict[str, str]) -> Outcome:
    """Call an implementation with some arguments, and look at the result."""
    float_graph, inner = copy_graph(arguments.model.graph), inner_graphs(arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result, error = call(implementation, arguments), None
        except Exception as raised:  # whatever an implementation raises is an outcome
            result, error = None, raised
    said = [(warning.category, str(warning.message)) for warning in caught]
    outcome = Outcome(case, float_graph, arguments, None, error, said, before=before, inner=inner)
    if error is None and not isinstance(result, GraphModule):
        outcome.misshapen = f"prepare returned a {type(result).__name__}, not a GraphModule"
    elif error is None:
        outcome.prepared = result
        try:
            outcome.observation = observe(float_graph, result, inner)
        except (ObservationError, AttributeError, KeyError, IndexError) as broken:
            outcome.misshapen = str(broken)
    return outcome


def arguments_of(case: Case, prefused: bool = False, names: Mapping[str, Any] | None = None) -> Arguments:
    """Return new arguments for a case, with a model that is fused already if it is to be; `names` as in `build`."""
    return fused(build(case, names)) if prefused else build(case, names)


def prepared_or_error(implementation: Implementation, arguments: Arguments) -> GraphModule | Exception:
    """Call an implementation with some arguments, and return the model or what was raised; warnings are not told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = call(implementation, arguments)
        except Exception as raised:  # whatever an implementation raises is an outcome
            return raised
    return result if isinstance(result, GraphModule) else TypeError(f"prepare returned a {type(result).__name__}")


def run_after(implementation: Implementation, case: Case, earlier: Case) -> Outcome:
    """Prepare a case's float model for another case's qconfig mapping, and then, traced anew, for its own."""
    arguments = build(case)
    prepared_or_error(implementation, replace(arguments, qconfig_mapping=build(earlier).qconfig_mapping))
    return _prepared(implementation, case, retraced(arguments), {})


def run_with_dict(calls: Calls, case: Case, config: str) -> Outcome | None:
    """Prepare a case with one of its configs as a dict and the others as objects; None if it passes no such config.

    Parameters
    ----------
    calls
        Those of the implementation.
    case
        The case.
    config
        The field of `Arguments` that has the config.
    """
    case = replace(case, as_dicts=False)
    arguments = arguments_of(case, calls.prefused)
    given = getattr(arguments, config)
    if given is None:
        return None
    return _prepared(calls.implementation, case, replace(arguments, **{config: given.to_dict()}), {})


def call(implementation: Implementation, arguments: Arguments) -> Any:
    """Call an implementation in the shape that it has.

    What it raises is an `Exception` that can be told (see `as_exceptions`).
    """
    _let_models_go()
    with as_exceptions():
        return _call(implementation, arguments)


def _call(implementation: Implementation, arguments: Arguments) -> Any:
    if implementation.shape == "prepare_annotated":
        return implementation.function(arguments.model, arguments.scopes, arguments.is_qat)
    if implementation.shape == "prepare_pt2e":
        return implementation.function(arguments.model, Replaying(arguments.model))
    configs = {
        "prepare_custom_config": arguments.custom_config,
        "backend_config": arguments.backend_config,
    }
    if arguments.equalization is not None:
        configs["_equalization_config"] = arguments.equalization
    mapping, inputs = arguments.qconfig_mapping, arguments.example_inputs
    if implementation.shape == "prepare_fx":
        return implementation.function(arguments.float_model, mapping, inputs, **configs)
    scopes = arguments.scopes
    if arguments.is_standalone:
        configs["is_standalone_module"] = True
    return implementation.function(arguments.model, mapping, arguments.is_qat, scopes, inputs, **configs)


def _let_models_go() -> None:
    """Empty the cache in which torch keeps every model that it ever prepared.

    Of thousands of models that stay, each makes every later trace and collection
    of garbage a little slower: the second thousand of cases would take twice as long.
    """
    clear = getattr(assert_and_get_unique_device, "cache_clear", None)  # torch 2.5 had no cache here
    if clear is not None:
        clear()


def fused(arguments: Arguments) -> Arguments:
    """Return the arguments with a model in which nothing is left to fuse.

    `prepare_fx` traces and fuses before it prepares; what it prepares can only
    be held against a graph that is fused already.  Where there is nothing to
    fuse, the model is handed over as it is, with its submodules.  What the
    nodes of the traced graph carry is taken from them: `prepare_fx` cannot see it.
    """
    for node in arguments.model.graph.nodes:
        node.meta.pop("val", None)
    model = fuse(retraced(arguments).model, False, None, arguments.backend_config)
    if len(model.graph.nodes) == len(arguments.model.graph.nodes):
        return arguments
    return retraced(replace(arguments, float_model=model))


@functools.lru_cache(maxsize=256)
def is_fusible(case: Case, prefused: bool) -> bool:
    """Whether torch can fuse the model, if that comes first, and what is inside of its standalone modules.

    Where it cannot, a call fails before there is anything to prepare: some backend configs fuse what torch has
    no fused module for, and a fused module is called as its first part was, whatever its parameters are named.
    """
    if not prefused and not any(declared.kind in ("standalone", "prepared") for declared in case.declared):
        return True
    try:
        arguments = arguments_of(case, prefused)
        return can_be_called(Inner(arguments.model.graph, inner_graphs(arguments)))
    except Exception:  # fusing raises what it likes
        return False


def can_be_called(inside: Inner) -> bool:
    """Whether all modules of a graph, and of the standalone modules in it, take what they are called with."""
    model = inside.graph.owning_module
    assert model is not None
    for node in inside.graph.nodes:
        if node.op == "call_module":
            try:
                inspect.signature(model.get_submodule(str(node.target)).forward).bind(*node.args, **node.kwargs)
            except TypeError:
                return False
    return all(map(can_be_called, inside.inner.values()))


def retraced(arguments: Arguments) -> Arguments:
    """Return the arguments with the same float model, traced once more; the configs are the same objects."""
    tracer = QuantizationTracer(*map(list, arguments.leaves))
    tracer.record_stack_traces = False
    model = GraphModule(arguments.float_model, tracer.trace(arguments.float_model))
    return replace(arguments, model=model, scopes=dict(tracer.node_name_to_scope))


def inner_graphs(arguments: Arguments) -> dict[str, Inner]:
    """Return the float graphs of the standalone modules that are called, by their targets.

    They are traced and fused, as every model is before it is prepared.
    """
    if not any(arguments.leaves):
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dicts
        given = arguments.qconfig_mapping, arguments.custom_config, arguments.backend_config, arguments.is_qat
        configs = read_configs(*given)
    return _inner_graphs(arguments.model, configs)


def _inner_graphs(model: GraphModule, configs: Configs) -> dict[str, Inner]:
    """Return the float graphs of the standalone modules that a graph calls, by their targets."""
    called = {str(node.target): node for node in model.graph.nodes if node.op == "call_module"}
    found = {}
    for name in called:
        module = model.get_submodule(name)
        if modules.is_standalone(name, module, configs.custom) and not modules.is_prepared(module):
            inside = modules.inside(name, module, None, configs)
            found[name] = Inner(copy_graph(inside.model.graph), _inner_graphs(inside.model, inside.configs))
    return found


def copy_graph(graph: Graph) -> Graph:
    """Return a copy of a graph, its nodes under the same names."""
    copy = Graph()
    returned = copy.graph_copy(graph, {})
    if any(node.op == "output" for node in graph.nodes):
        copy.output(returned)
    copy.owning_module = graph.owning_module
    return copy


def fingerprints(arguments: Arguments) -> dict[str, str]:
    """Return what the caller's objects look like, to be compared after the call."""
    weights = arguments.float_model.state_dict(keep_vars=True)
    return {
        "qconfig_mapping": repr(arguments.qconfig_mapping),
        "prepare_custom_config": _content(arguments.custom_config),
        "backend_config": _content(arguments.backend_config),
        "_equalization_config": repr(arguments.equalization),
        "example_inputs": repr(map_aggregate(arguments.example_inputs, values_of)),
        "node_name_to_scope": repr(arguments.scopes),
        "weights": repr({name: _state_of(value) for name, value in weights.items()}),
        "modules": repr({name: callee_of(module) for name, module in arguments.float_model.named_modules()}),
    }


def _state_of(value: Any) -> tuple[Any, bool]:
    """Return what is in a parameter or a buffer, and whether it wants a gradient."""
    return values_of(value), getattr(value, "requires_grad", False)


def values_of(tensor: Any) -> Any:
    """Return what is in a tensor; of one on the meta device, its form; what is no tensor stands for itself."""
    if not isinstance(tensor, torch.Tensor):
        return tensor
    return (tensor.dtype, tensor.shape) if tensor.is_meta else tensor.tolist()


def _content(config: Any) -> str:
    """Return the whole content of a config as text."""
    return repr(config.to_dict() if hasattr(config, "to_dict") else config)


_KEPT = 64
"""How many outcomes are kept: all that the rules derive from one case, and some more."""


class Calls:
    """The outcomes of one implementation, each computed once while it is among the newest.

    ``watched`` says that it is asked what becomes of the caller's objects, ``definitions`` are those of the process
    before the first call, if it is asked what becomes of these.  ``names`` are what some of the names mean with which
    arguments are made.
    """

    def __init__(
        self,
        implementation: Implementation,
        prefused: bool = False,
        watched: bool = False,
        definitions: process.Definitions | None = None,
        names: Mapping[str, Any] | None = None,
    ) -> None:
        self.implementation = implementation
        self.prefused, self.watched, self.definitions, self.names = prefused, watched, definitions, names
        self._run = functools.lru_cache(maxsize=_KEPT)(self._call)
        self._heard: Case | None = None

    def outcome(self, case: Case) -> Outcome:
        """Return what the implementation does with a case."""
        return self._run(case, self.watched and case == self._heard)

    def heard(self, case: Case) -> Outcome:
        """Return what the implementation does with a case that rules are held against, and what becomes of its objects.

        To look at the caller's objects takes half as long as to make them.  Of a case that is only derived from
        another nobody asks what became of them.
        """
        self._heard = case
        return self.outcome(case)

    def fresh(self, case: Case) -> Outcome:
        """Return what the implementation does with a case when it is called once more."""
        return self._call(case, False)

    def forget(self) -> None:
        """Forget all outcomes."""
        self._run.cache_clear()

    def _call(self, case: Case, is_watched: bool) -> Outcome:
        return run(self.implementation, case, self.prefused, is_watched, self.names)
