"""Write reference/native.json: torch's native backend config, in words.

python -m tests.native_table
"""

from __future__ import annotations

import builtins
import dataclasses
import json
import operator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.ao.quantization.backend_config import (
    BackendConfig,
    BackendPatternConfig,
    DTypeConfig,
    DTypeWithConstraints,
    get_native_backend_config,
)
from torch.nn import functional

from observance.reference.native import CLASSES

PATH = Path(__file__).resolve().parents[1] / "reference" / "native.json"


def text(config: BackendConfig) -> str:
    """Return the record of a backend config: neighbours that say the same are one entry of several patterns."""
    dtypes: dict[str, str] = {}
    entries: list[dict[str, Any]] = []
    for one in config.configs:
        made = json.dumps([_dtypes(dtype) for dtype in one.dtype_configs])
        said = _entry(one) | {"dtypes": dtypes.setdefault(made, f"dtypes {len(dtypes) + 1}")}
        if not entries or {name: value for name, value in entries[-1].items() if name != "patterns"} != said:
            entries.append({"patterns": []} | said)
        entries[-1]["patterns"].append(_name(one.pattern))
    kinds = ",\n".join(f"{json.dumps(name)}: {made}" for made, name in dtypes.items())
    lines = ",\n".join(map(json.dumps, entries))
    return f'{{"name": "{config.name}",\n"dtypes": {{\n{kinds}\n}},\n"entries": [\n{lines}\n]}}\n'


def _entry(config: BackendPatternConfig) -> dict[str, Any]:
    """Return what is said of a pattern beside its dtypes."""
    said = config.to_dict()
    entry: dict[str, Any] = {"observation": said["observation_type"].name}
    entry |= {name: _name(said[name]) for name in CLASSES if name in said}
    if "input_type_to_index" in said:
        entry["weights"] = said["input_type_to_index"]
    if "num_tensor_args_to_observation_type" in said:
        entry["counts"] = {str(n): kind.name for n, kind in said["num_tensor_args_to_observation_type"].items()}
    return entry


def _name(thing: Any) -> Any:
    """Return a class or a function by its path, a method by its name after a dot, and a tuple as a list."""
    if isinstance(thing, tuple):
        return [_name(part) for part in thing]
    if isinstance(thing, str):
        return f".{thing}"
    if isinstance(thing, type):
        return f"{thing.__module__}.{thing.__qualname__}"
    homes: tuple[ModuleType, ...] = (torch, functional, operator, builtins)
    found = [f"{home.__name__}.{name}" for home in homes for name, value in vars(home).items() if value is thing]
    return found[0]


def _dtypes(config: DTypeConfig) -> dict[str, Any]:
    """Return what is said in a dtype config."""
    tensors = ("input", "output", "weight")
    said = {f"{name}_dtype": _constraints(getattr(config, f"{name}_dtype_with_constraints")) for name in tensors}
    said |= {"bias_dtype": _dtype(config.bias_dtype), "is_dynamic": config.is_dynamic}
    return {name: value for name, value in said.items() if value is not None}


def _constraints(bounds: DTypeWithConstraints) -> Any:
    said = {name: value for name, value in dataclasses.asdict(bounds).items() if value is not None}
    said |= {"dtype": _dtype(bounds.dtype)}
    return said if len(said) > 1 else said["dtype"]


def _dtype(dtype: torch.dtype | None) -> str | None:
    return None if dtype is None else str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    PATH.write_text(text(get_native_backend_config()), encoding="utf-8")
