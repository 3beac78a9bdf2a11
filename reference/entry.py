"""Chapter *entry*: what is taken in, and in which form.

Every config may be an object or, deprecated, a dict that means the same
(ENTRY-2).  No backend config means the native one (ENTRY-3).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch.ao.quantization import QConfigMapping
from torch.ao.quantization.backend_config import BackendConfig
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig

from . import configs
from .native import native_config

T = TypeVar("T")


class RefusalError(ValueError):
    """`prepare` will not do what it is asked; the text names the culprit and the cure."""


class DisagreementError(RefusalError, LookupError):
    """The parts of one fused module are to be quantized in different ways."""


@dataclass(frozen=True)
class Configs:
    """The configs of one call, as objects, and whether the model is prepared for training."""

    qconfigs: QConfigMapping
    custom: PrepareCustomConfig
    backend: BackendConfig
    is_qat: bool = False
    equalization: QConfigMapping = field(default_factory=QConfigMapping)


native = functools.cache(native_config)
"""Returns torch's native backend config: one object, which no caller is ever given, so that nobody can change it."""


def once_for_native(read: Callable[[BackendConfig], T]) -> Callable[[BackendConfig], T]:
    """Let what is read from a backend config be read once from the native one, which most calls are made with."""
    known = functools.cache(lambda: read(native()))

    def reading(backend: BackendConfig) -> T:
        return known() if backend is native() else read(backend)

    return reading


def read_configs(
    qconfig_mapping: Any, custom_config: Any, backend_config: Any, is_qat: bool = False, equalization: Any = None
) -> Configs:
    """Return the configs as objects, and the defaults for those that are None.

    Warns with a `FutureWarning` for every config that is a dict.

    Raises
    ------
    RefusalError
        If a config is neither its object nor a dict, or a dict in which a key that is known says something else;
        other keys are passed over, as `from_dict` does.
    """
    if custom_config is None:
        custom_config = PrepareCustomConfig()
    if backend_config is None:
        backend_config = native()
    if equalization is None:
        equalization = QConfigMapping()
    return Configs(
        _as_object(qconfig_mapping, QConfigMapping, "qconfig_mapping"),
        _as_object(custom_config, PrepareCustomConfig, "prepare_custom_config"),
        _as_object(backend_config, BackendConfig, "backend_config"),
        is_qat,
        _as_object(equalization, QConfigMapping, "_equalization_config"),
    )


def _as_object(config: Any, kind: type, name: str) -> Any:
    """Return the config as an object of its kind; raises as `read_configs` does."""
    if isinstance(config, kind):
        return config
    if not isinstance(config, dict):
        raise RefusalError(f"{name} is a {type(config).__name__}; pass a {kind.__name__} or, deprecated, a dict")
    warnings.warn(
        f"{name} is a dict, which is deprecated; pass a {kind.__name__}",
        FutureWarning,
        stacklevel=4,
    )
    try:
        return configs.read(kind, config)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RefusalError(
            f"{name} is a dict that does not say what {kind.__name__}.from_dict documents ({error}); "
            f"pass a {kind.__name__}"
        ) from error
