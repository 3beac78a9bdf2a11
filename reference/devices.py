"""Chapter *devices*: where a model is, its observers are too (DEVICES-1)."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn

from .entry import RefusalError


def device_of(model: nn.Module) -> torch.device | None:
    """Return the one device on which a model's parameters and buffers are; None if it has none.

    Raises
    ------
    RefusalError
        If they are on several (DEVICES-2).
    """
    devices = {tensor.device for tensor in chain(model.parameters(), model.buffers())}
    if len(devices) > 1:
        found = ", ".join(sorted(map(str, devices)))
        raise RefusalError(f"the model is on several devices ({found}); move it to one of them")
    return next(iter(devices), None)
