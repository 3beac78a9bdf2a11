"""What torch's `prepare` leaves behind, and where that goes wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.ao.quantization import QConfig
from torch.fx import Graph, GraphModule, Node

from observance.conformance.variants import Change
from observance.reference import backends, dtypes
from observance.reference.entry import Configs, RefusalError
from observance.reference.patterns import Match
from observance.reference.plan import Plan
from observance.reference.qconfigs import is_per_channel_transposed
from observance.reference.specs import is_observer

from .register import Deviation
from .torch_qconfigs import propagated
from .torch_values import holds_no_tensor_or_input, known_in_order

Decision = Callable[..., Any]

_FLOAT = dtypes.Ask(None, None, None, False)
"""What a pattern asks for that has been reset to float."""

_KEPT: deque[GraphModule] = deque(maxlen=1)
"""The newest model, as torch's cache keeps all of them."""

_TENSORLESS: WeakKeyDictionary[Graph, dict[Node, bool]] = WeakKeyDictionary()
"""Which nodes of a graph read no tensor, as far as it was asked: each node is asked once."""


_KEY = "qconfig_from_around"
"""An attribute of modules inside of a standalone one: what propagation over the model around it gives them."""

_AROUND: WeakKeyDictionary[GraphModule, dict[str, QConfig]] = WeakKeyDictionary()
"""The same by the modules' paths, until a standalone module is prepared."""


def _counts_float_patterns(
    original: Decision,
    result: Plan,
    match: Match,
    assigned: Mapping[Node, Any],
    known: dtypes.Values,
    reader: backends.Reader,
) -> Any:
    """Count a pattern that stays float as observed, if its backend takes it as it is."""
    chosen = original(result, match, assigned, known, reader)
    asked = any(assigned.get(node) is not None for node in match.nodes)
    if asked and not chosen and _is_taken_as_it_is(match, reader):
        result.observed.update(match.nodes)
    return chosen


def _is_taken_as_it_is(match: Match, reader: backends.Reader) -> bool:
    """Whether a backend takes a pattern that has been reset: to float, or to nothing if it seems to read no tensor."""
    graph = match.last.graph
    known = _TENSORLESS.get(graph) or _TENSORLESS.setdefault(graph, known_in_order(graph))
    if any(holds_no_tensor_or_input(node, known) for node in match.nodes):
        return any(c.input_dtype is None and c.output_dtype is None for c in match.config.dtype_configs)
    return backends.judge(match, _FLOAT, reader).supported


def keeps_the_newest(original: Decision, model: GraphModule, plan: Plan) -> GraphModule:
    """Remember the prepared model."""
    prepared: GraphModule = original(model, plan)
    _KEPT.append(prepared)
    return prepared


def _with_devices(original: Decision, model: GraphModule, *rest: Any) -> dict[str, QConfig | None]:
    """Let the qconfigs of modules put observers on their module's device, by a function made on the spot."""
    found: dict[str, QConfig | None] = original(model, *rest)
    for node in model.graph.nodes:
        qconfig = found.get(node.name)
        if node.op == "call_module" and isinstance(qconfig, QConfig):
            found[node.name] = with_device(qconfig, None)
    return found


def with_device(qconfig: Any, device: torch.device | None) -> QConfig:
    """Return a qconfig whose constructors look up a device, if they take one."""
    return QConfig(looking_up(qconfig.activation, device), looking_up(qconfig.weight, device))


def _marks_inside(original: Decision, prepared: GraphModule, *rest: Any) -> None:
    """Let what is inside of a module that has a qconfig of its own, for training, have it too."""
    own = [(part, module.qconfig) for module in prepared.modules() for part in module.children() if _says(module)]
    original(prepared, *rest)
    for part, qconfig in own:
        if is_observer(part):
            part.qconfig = with_device(qconfig, None)  # type: ignore[assignment]


def _says(module: nn.Module) -> bool:
    """Whether a module has a qconfig."""
    return isinstance(getattr(module, "qconfig", None), QConfig)


def looking_up(constructor: Any, device: torch.device | None) -> Any:
    """Return a constructor that looks up a device, if it takes one."""
    try:
        constructor.with_args(factory_kwargs=None)()
    except (AttributeError, TypeError):
        return constructor
    return constructor.with_callable_args(factory_kwargs=lambda: None if device is None else {"device": device})


def _remembers_refusals(original: Decision, graph: Any, modules: Any, mapping: Any, scopes: Any) -> Any:
    """Leave qconfigs on the caller's modules when a call is refused, and believe what is left there."""
    root = graph.owning_module
    flat = {"": mapping.global_qconfig, **mapping.object_type_qconfigs, **mapping.module_name_qconfigs}
    if "qconfig" in vars(root):
        _mark(root, "", flat, None)
    try:
        return original(graph, modules, mapping, scopes)
    except (AssertionError, RefusalError):
        with suppress(AssertionError):
            _mark(root, "", flat, None)
        raise


def _mark(module: nn.Module, path: str, flat: dict[Any, Any], inherited: Any) -> None:
    """Write a qconfig on a module and on those inside, up to the first that is refused."""
    own = vars(module).get("qconfig", flat.get(path, flat.get(type(module), inherited)))
    has_weight = own is not None and own.weight is not None
    if has_weight and is_per_channel_transposed(module, own):
        raise AssertionError("per-channel weights for a transposed convolution")
    module.qconfig = own
    for name, child in module.named_children():
        _mark(child, f"{path}.{name}" if path else name, flat, own)


def _marks_all_weights(original: Decision, prepared: GraphModule, observed: Any, positions: Any) -> None:
    """Say where the weight stands on the nodes of all functions, those that stay float included."""
    original(prepared, {node.name for node in prepared.graph.nodes}, positions)


def _marks_around(
    original: Decision, result: Plan, own: Mapping[Node, Match], called: Mapping[str, nn.Module], configs: Configs
) -> Any:
    """Remember what propagation over the model around a standalone module gives to what is inside.

    It stands on the modules while the standalone ones are traced, so that it goes along where fusing copies them.
    """
    if not own:
        return original(result, own, called, configs)
    root: Any = next(iter(own)).graph.owning_module
    within = {part for node in own for part in called[str(node.target)].modules()}
    marked: list[nn.Module] = []
    for part, qconfig in propagated(root, configs.qconfigs, configs.custom):
        if part in within and isinstance(qconfig, QConfig):
            vars(part)[_KEY] = qconfig
            marked.append(part)
    try:
        calls = original(result, own, called, configs)
        for one in result.standalone.values():
            parts = dict(one.inside.model.named_modules(remove_duplicate=False))
            _AROUND[one.inside.model] = {path: vars(part)[_KEY] for path, part in parts.items() if _KEY in vars(part)}
            marked += parts.values()
        return calls
    finally:
        for part in marked:
            vars(part).pop(_KEY, None)


def _keeps_around(original: Decision, prepared: GraphModule, model: GraphModule, *rest: Any) -> GraphModule:
    """Let what is inside of a standalone module have what it was given from around, where it has nothing else."""
    saved: GraphModule = original(prepared, model, *rest)
    for path, qconfig in _AROUND.pop(model, {}).items():
        part = saved.get_submodule(path)
        if getattr(part, "qconfig", None) is None and not is_observer(part):
            part.qconfig = with_device(qconfig, None)  # type: ignore[assignment]
    return saved


def _marks_parts(original: Decision, prepared: GraphModule, names: Any, configs: Configs, decided: Plan) -> None:
    """Let the parts of a module have what propagation gives them by name, where it is switched off at its call.

    Propagation knows nothing of calls, so it does so as well where one of them has a qconfig by its order.
    """
    modules = dict(prepared.named_modules(remove_duplicate=False))
    called = {modules[str(node.target)] for node in prepared.graph.nodes if node.op == "call_module"}
    seen = [module for module in called if not is_observer(module)]
    within = {part: module for module in seen for part in module.modules() if part is not module}
    given = [p for p in propagated(prepared, configs.qconfigs, configs.custom) if p[0] in within]
    by_order = {kind for _, kind, _ in configs.qconfigs.module_name_object_type_order_qconfigs}
    original(prepared, names, configs, decided)
    for part, qconfig in given:
        is_open = getattr(part, "qconfig", None) is None or type(within[part]) in by_order
        if qconfig is not None and is_open and not is_observer(part):
            part.qconfig = with_device(qconfig, None)  # type: ignore[assignment]


COUNTED_FLOAT = (Change("prepare.select", _counts_float_patterns),)
FLOAT_WEIGHTS = (Change("state.mark_weights", _marks_all_weights),)
KEPT_ALIVE = (Change("prepare.rewrite", keeps_the_newest),)
LOCAL_FUNCTIONS = (
    Change("state.node_qconfigs", _with_devices),
    Change("state.mark_modules", _marks_inside),
    Change("state.mark_modules", _marks_parts),
    Change("prepare.survey_standalone", _marks_around),
    Change("state.save", _keeps_around),
)
REMEMBERED_REFUSALS = (Change("qconfigs.assign", _remembers_refusals),)

ENTRIES = (
    Deviation(
        "float-patterns-counted-as-observed",
        ("STATE-6",),
        "insert_observers_for_model asks the backend a second time after step 3 has reset to float what is "
        "not supported; a pattern that computes with no tensor, or that the backend takes as float, then "
        "is entered in observed_node_names, without an observer",
        "prepare: record names for the set of observed node",
        COUNTED_FLOAT,
    ),
    Deviation(
        "float-weights-marked",
        ("STATE-9",),
        "step 3 writes the position of the weight on functions that it resets to float; conversion then runs what "
        "makes that weight, and fails if that is an input of the graph",
        "_run_weight_observers: the weight for a dynamically quantized or a weight-only operator",
        FLOAT_WEIGHTS,
    ),
    Deviation(
        "prepared-models-not-pickled",
        ("EFFECTS-12",),
        "_add_module_to_qconfig_obs_ctr puts a local function into the qconfig of every module, and a local "
        "function cannot be pickled",
        "pytorch#57352, a prepared model is to be picklable, was closed as done",
        LOCAL_FUNCTIONS,
    ),
    Deviation(
        "models-kept-alive",
        ("EFFECTS-14",),
        "assert_and_get_unique_device has a functools.cache whose key is the model: no model that was "
        "prepared is ever freed, nor are its observers",
        "pytorch#63326: tensors that outlive prepare are a leak; the cache came with pytorch#162550",
        KEPT_ALIVE,
        first="2.10",
    ),
    Deviation(
        "refused-qconfigs-stay",
        ("EFFECTS-10",),
        "propagate_qconfig_ writes module.qconfig on the way to its refusal, and the next call believes what is "
        "written there more than its mapping, and is refused as well",
        "propagate_qconfig_: this config applies to all submodules; it is the mapping of this call that counts",
        REMEMBERED_REFUSALS,
    ),
)
"""The entries of the chapter *state*."""
