"""Chapter *entry*: torch's native backend config, which is meant where none is given (ENTRY-3).

It is recorded in native.json and not asked for: an implementation asks torch, and what torch's tables have wrong nobody
would see.  `python -m tests.native_table` writes the record, and a test holds it against torch.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping
from importlib import resources
from typing import Any

import torch
from torch.ao.quantization.backend_config import (
    BackendConfig,
    BackendPatternConfig,
    DTypeWithConstraints,
    ObservationType,
    get_native_backend_config,
)

from .configs import DOCUMENTED, read

LAST = (2, 15)
"""The last release of torch whose native config is known to be the recorded one; a later one may have another."""


def native_config() -> BackendConfig:
    """Return the native backend config of the torch that is installed, a new object: the recorded one, if it has it."""
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    return recorded() if release <= LAST else get_native_backend_config()


def recorded() -> BackendConfig:
    """Return the native backend config that is recorded.

    How modules are fused is not recorded: torch's `fuse` does that, by torch's own config.
    """
    said = json.loads(resources.files(__package__).joinpath("native.json").read_text(encoding="utf-8"))
    dtypes = {name: [_dtypes(one) for one in configs] for name, configs in said["dtypes"].items()}
    fusing = {config.pattern: config.fuser_method for config in get_native_backend_config().configs}
    made: BackendConfig = DOCUMENTED[BackendConfig](said["name"])
    for entry in said["entries"]:
        for pattern in map(_named, entry["patterns"]):
            options = _options(entry) | {"pattern": pattern, "dtype_configs": dtypes[entry["dtypes"]]}
            if fusing.get(pattern) is not None:
                options["fuser_method"] = fusing[pattern]
            made.set_backend_pattern_config(read(BackendPatternConfig, options))
    return made


def _named(said: Any) -> Any:
    """Return a class or a function by its path, a method by its name after a dot, and what is in a list as a tuple."""
    if isinstance(said, list):
        return tuple(map(_named, said))
    return said[1:] if said.startswith(".") else pkgutil.resolve_name(said)


def _options(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of patterns beside their dtypes, as `from_dict` takes it."""
    options: dict[str, Any] = {"observation_type": ObservationType[entry["observation"]]}
    options |= {name: _named(entry[name]) for name in CLASSES if name in entry}
    if "weights" in entry:
        options["input_type_to_index"] = entry["weights"]
    if "counts" in entry:
        kinds = {int(count): ObservationType[kind] for count, kind in entry["counts"].items()}
        options["num_tensor_args_to_observation_type"] = kinds
    return options


CLASSES = ("root_module", "qat_module", "reference_quantized_module_for_root", "fused_module")
"""What an entry may say by a class."""


def _dtypes(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a dtype config says, as `from_dict` takes it: a tensor's dtype alone, or with its constraints."""
    return {name: _dtype(value) if name != "is_dynamic" else value for name, value in said.items()}


def _dtype(said: Any) -> Any:
    if isinstance(said, dict):
        return DTypeWithConstraints(**(said | {"dtype": _dtype(said["dtype"])}))
    return getattr(torch, said)
