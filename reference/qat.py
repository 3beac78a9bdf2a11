"""Chapter *qat*: which modules are swapped for quantization-aware training.

A backend may have a class for training for a type of module.  A module of that
type that has a qconfig is swapped for one of this class, unless the backend says that
the qconfig is ignored (QAT-1); the class fake-quantizes its weight as the qconfig
says (QAT-2).  The qconfig is that of the module before
it was swapped, however it is selected (QAT-3).  What is swapped is in the result
alone: the caller's model keeps its own modules (QAT-7).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.ao.quantization import QConfig, QConfigMapping
from torch.ao.quantization.backend_config import BackendConfig, BackendPatternConfig
from torch.fx import Graph, Node
from torch.nn.utils.parametrize import is_parametrized

from . import backends
from .devices import tensors_of
from .dtypes import Ask, Asks
from .entry import Configs, RefusalError
from .patterns import operator_of
from .qconfigs import with_types

_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
)
"""Where a module keeps what is called before and after it."""


def swaps(
    graph: Graph, modules: Mapping[str, nn.Module], assigned: Mapping[Node, QConfig | None], configs: Configs
) -> dict[str, nn.Module]:
    """Return the module for training for each name of a module that is swapped; nothing but for training.

    Raises
    ------
    RefusalError
        If the class for training refuses a module or its qconfig.
    """
    if not configs.is_qat:
        return {}
    classes = training_classes(configs.backend)
    made: dict[nn.Module, nn.Module] = {}  # a module under two names is one module (QAT-5)
    found: dict[str, nn.Module] = {}
    for node, qconfig in chosen(modules, served(modules, assigned, configs.backend)).items():
        kind, name = classes.get(operator_of(node, modules)), str(node.target)
        if kind is None:
            continue
        module = modules[name]
        if module not in made:
            made[module] = swapped(name, module, qconfig, kind)
        found[name] = made[module]
    return found


def with_trained_types(mapping: QConfigMapping, configs: Configs) -> QConfigMapping:
    """Return the mapping in which the qconfig of a type is that of its class for training, too (QAT-12).

    A model may have modules of such a class before it is prepared.
    """
    if not configs.is_qat:
        return mapping
    by_type, classes = mapping.object_type_qconfigs, training_classes(configs.backend)
    return with_types(mapping, {kind: by_type[given] for given, kind in classes.items() if given in by_type})


def training_classes(backend: BackendConfig) -> dict[Any, type[nn.Module]]:
    """Return the backend's class for training, for each type of module that it has one for."""
    return {config.pattern: config.qat_module for config in backend.configs if config.qat_module is not None}


def served(
    modules: Mapping[str, nn.Module], assigned: Mapping[Node, QConfig | None], backend: BackendConfig
) -> dict[Node, QConfig]:
    """Return the qconfigs of calls of modules that have a class for training, but those that are ignored (QAT-1)."""
    patterns = {config.pattern: config for config in backend.configs if config.qat_module is not None}
    found, asks = dict[Node, QConfig](), Asks()
    for node, qconfig in assigned.items():
        pattern = patterns.get(operator_of(node, modules)) if node.op == "call_module" else None
        if qconfig is None or pattern is None:
            continue
        if is_served(modules[str(node.target)], asks.of(qconfig), pattern):
            found[node] = qconfig
    return found


def is_served(module: nn.Module, ask: Ask, pattern: BackendPatternConfig) -> bool:
    """Whether one of the dtype configs of a module's type serves what its qconfig asks for, if there is any."""
    roles = frozenset({"activation", *backends.roles_of_module(module)})
    return not pattern.dtype_configs or backends.verdict_on(pattern, ask, roles).supported


def chosen(modules: Mapping[str, nn.Module], assigned: Mapping[Node, QConfig | None]) -> dict[Node, QConfig]:
    """Return one call of each name that has a qconfig, and by which qconfig the module there is swapped.

    Of several calls it is the first one that is not switched off.
    """
    first: dict[str, tuple[Node, QConfig]] = {}
    for node, qconfig in assigned.items():
        if node.op == "call_module" and qconfig is not None:
            first.setdefault(str(node.target), (node, qconfig))
    return dict(first.values())


def swapped(name: str, module: nn.Module, qconfig: QConfig, kind: Any) -> nn.Module:
    """Return a module for training in place of one that is called `name`.

    Raises
    ------
    RefusalError
        If the class refuses.
    """
    try:
        made: nn.Module = kind.from_float(with_qconfig(module, qconfig))
    except Exception as error:  # a backend's class raises what it likes
        raise RefusalError(
            f"module {name!r} cannot become a {kind.__module__}.{kind.__name__} ({error}); "
            "give it a qconfig that suits this class, or None"
        ) from error
    kept(module, made)
    return made


def with_qconfig(module: nn.Module, qconfig: QConfig | None) -> nn.Module:
    """Return a stand-in for a module, its parts included, that says its qconfig; the module itself does not."""
    stand_in: Any = shallow_copy(module)
    stand_in.qconfig = qconfig
    stand_in._modules = {name: with_qconfig(part, qconfig) for name, part in module.named_children()}
    return stand_in  # type: ignore[no-any-return]


def shallow_copy(module: nn.Module) -> nn.Module:
    """Return a shallow copy of a module; one that is parametrized refuses to be copied in the usual way."""
    if not is_parametrized(module):
        return copy.copy(module)
    copied = type(module).__new__(type(module))
    vars(copied).update(vars(module))
    return copied


def kept(module: nn.Module, made: nn.Module) -> None:
    """Let a new module have the hooks, the mode and the device of the one that it stands for (QAT-6)."""
    for hooks in _HOOKS:
        getattr(made, hooks).update(getattr(module, hooks))
    tensor = next(tensors_of(module), None)
    if tensor is not None:
        made.to(tensor.device)
    made.train(module.training)
