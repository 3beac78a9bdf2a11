"""How torch's `prepare` reads qconfigs, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from torch import nn
from torch.ao.quantization import QConfigMapping
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig

from observance.conformance.variants import Change
from observance.reference.entry import Configs
from observance.reference.qconfigs import is_per_channel_transposed, with_fused_types

Decision = Callable[..., Any]


def _needs_observers(original: Decision, qconfig: Any) -> Any:
    """Fail where a qconfig constructs something that has no dtype."""
    for constructor in (qconfig.activation, qconfig.weight):
        made = constructor() if callable(constructor) and not isinstance(constructor, nn.Module) else None
        if isinstance(made, nn.Module) and not hasattr(made, "dtype"):
            raise AttributeError("no dtype")
    return original(qconfig)


def propagated(
    root: nn.Module, mapping: QConfigMapping, custom: PrepareCustomConfig
) -> Iterator[tuple[nn.Module, Any]]:
    """Yield each module with the qconfig that eager mode's propagation gives it.

    It knows types and names, and a module inherits what its parent has.  What a
    module says itself, because it is prepared already, counts more.  Of what is
    not to be traced it knows the root's own children alone.
    """
    flat: dict[Any, Any] = {"": mapping.global_qconfig, **mapping.object_type_qconfigs, **mapping.module_name_qconfigs}
    untraced = {
        child
        for name, child in root.named_children()
        if name in custom.non_traceable_module_names or type(child) in custom.non_traceable_module_classes
    }
    return _propagated(root, "", flat, None, untraced)


def _propagated(
    module: nn.Module, path: str, flat: dict[Any, Any], inherited: Any, untraced: Collection[nn.Module] = ()
) -> Iterator[tuple[nn.Module, Any]]:
    """Yield a module and all inside, each with its qconfig, but for some."""
    own = vars(module).get("qconfig", flat.get(path, flat.get(type(module), inherited)))
    yield module, own
    for name, child in module.named_children():
        if child not in untraced:
            yield from _propagated(child, f"{path}.{name}" if path else name, flat, own)


def given_in_training(model: Any, modules: Mapping[str, nn.Module], configs: Configs) -> dict[nn.Module, Any]:
    """Return what propagation gives to each module of a model, before some are swapped for training."""
    found: dict[nn.Module, Any] = {}
    mapping = with_fused_types(model.graph, modules, configs.qconfigs)
    for module, qconfig in propagated(model, mapping, configs.custom):
        found.setdefault(module, qconfig)
    return found


_SURVEYED: list[Configs] = []
"""The configs of the call that is served, and of the standalone modules that are prepared for it."""


def _remembers_configs(original: Decision, model: Any, configs: Configs, *rest: Any) -> Any:
    """Remember the configs while a graph is surveyed."""
    _SURVEYED.append(configs)
    try:
        return original(model, configs, *rest)
    finally:
        _SURVEYED.pop()


def _refuses_by_propagation(original: Decision, graph: Any, modules: Any, mapping: Any, scopes: Any) -> Any:
    """Refuse per-channel transposed convolutions by what eager mode would give them.

    Those inside standalone modules have what their parents gave them.
    """
    if len(_SURVEYED) > 1:
        return original(graph, modules, mapping, scopes)
    custom = _SURVEYED[-1].custom if _SURVEYED else PrepareCustomConfig()
    for module, qconfig in propagated(graph.owning_module, mapping, custom):
        has_weight = getattr(qconfig, "weight", None) is not None
        if has_weight and is_per_channel_transposed(module, qconfig):
            raise AssertionError("per-channel weights for a transposed convolution")
    return original(graph, modules, mapping, scopes)


def _refuses_none(original: Decision, node: Any, qconfig: Any, modules: Any) -> None:
    """Leave the refusal to `_refuses_by_propagation`."""


def _module_first(original: Decision, node: Any, scope_type: Any) -> tuple[Any, ...]:
    """Let the type of the module around a method go before the method."""
    return scope_type, node.target


def _both_bounds(original: Decision, observer: Any, constraint: Any) -> Any:
    """Look at the range only where both of its bounds are given."""
    if constraint.quant_min_lower_bound is None or constraint.quant_max_upper_bound is None:
        return None
    return original(observer, constraint)


def _both_parameters(original: Decision, instance: Any, observer: Any, constraint: Any) -> Any:
    """Look at fixed parameters only where both of them are given."""
    if constraint.scale_exact_match is None or constraint.zero_point_exact_match is None:
        return None
    return original(instance, observer, constraint)


ONE_SIDED = (
    Change("backends._broken_range", _both_bounds),
    Change("backends._broken_parameters", _both_parameters),
)
MODULE_FIRST = (Change("qconfigs.called_types", _module_first),)
NO_OBSERVER = (Change("dtypes.ask_of", _needs_observers),)
EAGER_REFUSAL = (
    Change("prepare.survey", _remembers_configs),
    Change("qconfigs.refuse_misfit", _refuses_none),
    Change("qconfigs.assign", _refuses_by_propagation),
)
