"""What the reference is given in place of torch's classes of configs: ones that do what their documentation says.

An implementation is called with torch's.  If a setter of torch's forgot what it is told, a reference with the same
config would forget it, too, and no rule would be broken.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch.ao.quantization as tq
import torch.ao.quantization.backend_config as tb

from observance.reference.configs import DOCUMENTED

_CLASSES = {kind.__name__: made for kind, made in DOCUMENTED.items()}


class _Over:
    """What a module has, with the documented classes over torch's, of which its functions give configs, too."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name in _CLASSES:
            return _CLASSES[name]
        found = getattr(self._module, name)
        return _documenting(found) if name.endswith(("_qconfig_mapping", "_backend_config")) else found


def _documenting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gives a config, so that it gives one of the documented class."""

    @functools.wraps(function)
    def documented(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        made.__class__ = DOCUMENTED[type(made)]
        return made

    return documented


DOCUMENTED_NAMES = {"tq": _Over(tq), "tb": _Over(tb), "PrepareCustomConfig": _CLASSES["PrepareCustomConfig"]}
"""The names with which the definitions of a case make configs, and what they mean where the reference is called."""
