"""Qconfig mappings and backend configs as Python source.

Nothing here is pasted unseen: every name in a case is looked up in what torch
exports or in the operator table before it becomes code.
"""

from __future__ import annotations

import functools
import re

import torch.ao.quantization as tq

from .case import (
    Backend,
    CaseError,
    Constraint,
    DTypes,
    Entry,
    Mapping,
    Observer,
    Pattern,
    QConfigChoice,
    Scalar,
)
from .operators import OPERATORS

SHIPPED_BACKENDS = {
    "native": "get_native_backend_config",
    "fbgemm": "get_fbgemm_backend_config",
    "x86": "x86.get_x86_backend_config",
    "qnnpack": "get_qnnpack_backend_config",
    "onednn": "get_onednn_backend_config",
    "executorch": "get_executorch_backend_config",
    "tensorrt": "get_tensorrt_backend_config",
}
"""The backend configs that torch ships, and the functions that return them."""

DEFAULT_MAPPINGS = ("x86", "fbgemm", "qnnpack", "onednn")
"""The backends for which torch has a default qconfig mapping."""


@functools.cache
def known_targets() -> frozenset[str]:
    """Return all targets that a case may name."""
    return frozenset(entry.target for entry in OPERATORS.values())


def target_source(target: str, classes: dict[str, str]) -> str:
    """Return the expression of a target: a class, a function, or a method's name.

    ``block:a.b`` is the class of the submodule ``a.b``; `classes` gives its name.
    """
    if target.startswith("block:"):
        name = classes.get(target.removeprefix("block:"))
        if name is None:
            raise CaseError(f"{target!r} names no submodule of this case")
        return name
    if target not in known_targets():
        raise CaseError(f"{target!r} is no target of the operator table")
    return repr(target[1:]) if target.startswith(".") else target


def scalar_source(value: Scalar) -> str:
    """Return the expression of a number, a bool, None, or a torch constant."""
    if isinstance(value, str):
        if not re.fullmatch(r"torch\.[a-z_0-9]+", value):
            raise CaseError(f"{value!r} is no torch constant such as 'torch.qint8'")
        return value
    return repr(value)


def observer_source(observer: Observer) -> str:
    """Return the expression of an observer's constructor."""
    if not observer.factory.isidentifier() or not hasattr(tq, observer.factory):
        raise CaseError(f"torch.ao.quantization exports no {observer.factory!r}")
    if not observer.arguments:
        return f"tq.{observer.factory}"
    pairs = []
    for name, value in observer.arguments:
        if not name.isidentifier():
            raise CaseError(f"{name!r} is no argument name")
        pairs.append(f"{name}={scalar_source(value)}")
    return f"tq.{observer.factory}.with_args({', '.join(pairs)})"


def qconfig_source(qconfig: QConfigChoice) -> str:
    """Return the expression of a qconfig."""
    if qconfig is None:
        return "None"
    if isinstance(qconfig, str):
        if not qconfig.isidentifier() or not hasattr(tq.qconfig, qconfig):
            raise CaseError(f"torch.ao.quantization.qconfig has no {qconfig!r}")
        return f"tq.qconfig.{qconfig}"
    activation, weight = observer_source(qconfig.activation), observer_source(qconfig.weight)
    return f"tq.QConfig(activation={activation}, weight={weight})"


def mapping_lines(mapping: Mapping, as_dict: bool, classes: dict[str, str]) -> list[str]:
    """Return the body of a function that makes the mapping, as an object or as a dict."""
    if mapping.base is None:
        lines = ["mapping = tq.QConfigMapping()"]
    elif mapping.base in DEFAULT_MAPPINGS:
        lines = [f"mapping = tq.get_default_qconfig_mapping({mapping.base!r})"]
    else:
        raise CaseError(f"torch has no default qconfig mapping for {mapping.base!r}")
    lines += [f"mapping.{_entry_source(entry, classes)}" for entry in mapping.entries]
    return [*lines, "return mapping.to_dict()" if as_dict else "return mapping"]


def _entry_source(entry: Entry, classes: dict[str, str]) -> str:
    """Return the method call that adds one entry."""
    qconfig = qconfig_source(entry.qconfig)
    match entry.selector:
        case "global":
            return f"set_global({qconfig})"
        case "object_type":
            return f"set_object_type({target_source(entry.target, classes)}, {qconfig})"
        case "regex":
            return f"set_module_name_regex({entry.name!r}, {qconfig})"
        case "name":
            return f"set_module_name({entry.name!r}, {qconfig})"
        case "order":
            target = target_source(entry.target, classes)
            return f"set_module_name_object_type_order({entry.name!r}, {target}, {int(entry.index)}, {qconfig})"
    raise CaseError(f"{entry.selector!r} is no selector of a qconfig mapping")


def backend_lines(backend: str | Backend | None, as_dict: bool) -> list[str]:
    """Return the body of a function that makes the backend config, or returns None."""
    suffix = ".to_dict()" if as_dict else ""
    if backend is None:
        return ["return None"]
    if isinstance(backend, str):
        if backend not in SHIPPED_BACKENDS:
            raise CaseError(f"torch ships no backend config {backend!r}")
        return [f"return tb.{SHIPPED_BACKENDS[backend]}(){suffix}"]
    lines = ['backend = tb.BackendConfig("drawn")']
    for pattern in backend.patterns:
        lines += _pattern_lines(pattern)
    return [*lines, f"return backend{suffix}"]


def _pattern_lines(pattern: Pattern) -> list[str]:
    """Return the statement that adds one pattern to a backend config."""
    targets = [target_source(target, {}) for target in pattern.targets]
    shown = targets[0] if len(targets) == 1 else f"({', '.join(targets)})"
    fields = [
        f'"pattern": {shown},',
        f'"observation_type": {_observation(pattern.observation)},',
        '"dtype_configs": [',
        *(f"    {_dtypes_source(dtypes)}," for dtypes in pattern.dtypes),
        "],",
    ]
    if pattern.by_tensor_count:
        counts = ", ".join(f"{int(n)}: {_observation(kind)}" for n, kind in pattern.by_tensor_count)
        fields.append(f'"num_tensor_args_to_observation_type": {{{counts}}},')
    if pattern.positions:
        positions = ", ".join(f"{role!r}: {int(index)}" for role, index in pattern.positions)
        fields.append(f'"input_type_to_index": {{{positions}}},')
    return [
        "backend.set_backend_pattern_config(tb.BackendPatternConfig.from_dict({",
        *("    " + field for field in fields),
        "}))",
    ]


def _observation(name: str) -> str:
    """Return the expression of an observation type."""
    if not re.fullmatch(r"[A-Z_]+", name):
        raise CaseError(f"{name!r} is no ObservationType")
    return f"tb.ObservationType.{name}"


def _dtypes_source(dtypes: DTypes) -> str:
    """Return the expression of one dtype config."""
    return (
        f"tb.DTypeConfig(input_dtype={_constraint_source(dtypes.input)}, "
        f"output_dtype={_constraint_source(dtypes.output)}, "
        f"weight_dtype={_constraint_source(dtypes.weight)}, "
        f"bias_dtype={scalar_source(dtypes.bias)}, is_dynamic={dtypes.is_dynamic!r})"
    )


def _constraint_source(constraint: Constraint) -> str:
    """Return the expression of a dtype, with its constraints if it has any."""
    names = {
        "quant_min_lower_bound": constraint.quant_min,
        "quant_max_upper_bound": constraint.quant_max,
        "scale_min_lower_bound": constraint.scale_min,
        "scale_exact_match": constraint.scale_exact,
        "zero_point_exact_match": constraint.zero_point_exact,
    }
    dtype = scalar_source(constraint.dtype)
    given = [f"{name}={value!r}" for name, value in names.items() if value is not None]
    if not given:
        return dtype
    return f"tb.DTypeWithConstraints(dtype={dtype}, {', '.join(given)})"
