"""Chapter *devices*: where a model is, its observers are too (DEVICES-1)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .entry import RefusalError


def tensors_of(module: nn.Module) -> Iterator[Tensor]:
    """Yield the parameters and buffers of a module; what has several names may come several times."""
    for part in module.modules():
        for tensor in (*part._parameters.values(), *part._buffers.values()):
            if tensor is not None:
                yield tensor


def device_of(model: nn.Module) -> torch.device | None:
    """Return the one device on which a model's parameters and buffers are; None if it has none.

    Raises
    ------
    RefusalError
        If they are on several (DEVICES-2).
    """
    devices = {tensor.device for tensor in tensors_of(model)}
    if len(devices) > 1:
        found = ", ".join(sorted(map(str, devices)))
        raise RefusalError(f"the model is on several devices ({found}); move it to one of them")
    return next(iter(devices), None)
