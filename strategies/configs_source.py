"""Qconfig mappings and backend configs as Python source.

Nothing here is pasted unseen: every name in a case is looked up in what torch
exports or in the operator table before it becomes code.
"""

from __future__ import annotations

import functools
import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.ao.quantization as tq
from torch.ao.quantization.backend_config import ObservationType
from torch.ao.quantization.fx import _equalize

from .case import (
    Backend,
    Case,
    CaseError,
    Constraint,
    DTypes,
    Entry,
    Mapping,
    Observer,
    Pattern,
    QConfig,
    QConfigChoice,
    Scalar,
)
from .operators import OPERATORS, TRAINED

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
"""The backends for which torch has a default qconfig and a default qconfig mapping."""

TRAINING = "-qat"
"""What follows a backend's name where its default for quantization-aware training is meant."""

TRAINING_MAPPINGS = tuple(name + TRAINING for name in DEFAULT_MAPPINGS)
"""The names of the defaults for quantization-aware training."""


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
        _constant(value)
        return value
    return repr(value)


def _constant(text: str) -> Any:
    """Return the dtype or qscheme that a text such as ``"torch.qint8"`` names."""
    constant = getattr(torch, text.removeprefix("torch."), None) if text.startswith("torch.") else None
    if not isinstance(constant, (torch.dtype, torch.qscheme)):
        raise CaseError(f"{text!r} is no torch constant such as 'torch.qint8'")
    return constant


def observer_source(observer: Observer) -> str:
    """Return the expression of an observer's constructor."""
    example_observer(observer)
    if not observer.arguments:
        return f"tq.{observer.factory}"
    return f"tq.{observer.factory}.with_args({', '.join(_pairs(observer))})"


def _pairs(observer: Observer) -> list[str]:
    """Return the keyword arguments of an observer's constructor."""
    return [
        f"{name}={observer_source(value) if isinstance(value, Observer) else scalar_source(value)}"
        for name, value in observer.arguments
    ]


@functools.lru_cache(maxsize=4096)
def example_observer(observer: Observer) -> Any:
    """Construct the observer once, to see whether it can be, and what it asks for.

    Raises
    ------
    CaseError
        If torch exports no such observer, or it refuses the arguments.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _constructor(observer)()
    except (TypeError, ValueError, AssertionError, NotImplementedError) as error:
        raise CaseError(f"{observer.factory} refuses its arguments: {error}") from error


def _constructor(observer: Observer) -> Any:
    """Return the constructor that an observer of a case stands for."""
    factory: Any = getattr(tq, observer.factory, None)
    if not hasattr(factory, "with_args") or inspect.isabstract(factory):
        raise CaseError(f"torch.ao.quantization exports no observer {observer.factory!r}")
    return factory.with_args(**{name: _argument(value) for name, value in observer.arguments})


def _argument(value: Scalar | Observer) -> Any:
    """Return an argument of an observer's constructor."""
    if isinstance(value, Observer):
        return _constructor(value)
    return _constant(value) if isinstance(value, str) else value


def qconfig_source(qconfig: QConfigChoice) -> str:
    """Return the expression of a qconfig."""
    if qconfig is None:
        return "None"
    if isinstance(qconfig, str):
        if qconfig in DEFAULT_MAPPINGS:
            return f"tq.get_default_qconfig({qconfig!r})"
        if qconfig in TRAINING_MAPPINGS:
            return f"tq.get_default_qat_qconfig({qconfig.removesuffix(TRAINING)!r})"
        if not isinstance(getattr(tq.qconfig, qconfig, None), tq.QConfig):
            raise CaseError(f"torch.ao.quantization.qconfig has no qconfig {qconfig!r}")
        return f"tq.qconfig.{qconfig}"
    activation, weight = observer_source(qconfig.activation), observer_source(qconfig.weight)
    return f"tq.QConfig(activation={activation}, weight={weight})"


@functools.lru_cache(maxsize=4096)
def dtypes_of(qconfig: str | QConfig) -> tuple[str, str, bool]:
    """Return what a qconfig quantizes to: its activation's dtype, its weight's, and whether dynamic.

    What observes nothing leaves its values ``torch.float32``.
    """
    if isinstance(qconfig, QConfig):
        activation, weight = example_observer(qconfig.activation), example_observer(qconfig.weight)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = exported_qconfig(qconfig)
            activation, weight = made.activation(), made.weight()
    names = [str(getattr(observer, "dtype", torch.float32)) for observer in (activation, weight)]
    return names[0], names[1], bool(getattr(activation, "is_dynamic", False))


def exported_qconfig(name: str) -> Any:
    """Return the qconfig of a name: one that torch exports, or a backend's default."""
    qconfig_source(name)
    if name in DEFAULT_MAPPINGS:
        return tq.get_default_qconfig(name)
    if name in TRAINING_MAPPINGS:
        return tq.get_default_qat_qconfig(name.removesuffix(TRAINING))
    return getattr(tq.qconfig, name)


def mapping_lines(mapping: Mapping, as_dict: bool, classes: dict[str, str]) -> list[str]:
    """Return the body of a function that makes the mapping, as an object or as a dict."""
    if mapping.base is None:
        lines = ["mapping = tq.QConfigMapping()"]
    elif mapping.base in DEFAULT_MAPPINGS:
        lines = [f"mapping = tq.get_default_qconfig_mapping({mapping.base!r})"]
    elif mapping.base in TRAINING_MAPPINGS:
        lines = [f"mapping = tq.get_default_qat_qconfig_mapping({mapping.base.removesuffix(TRAINING)!r})"]
    else:
        raise CaseError(f"torch has no default qconfig mapping for {mapping.base!r}")
    lines += [f"mapping.{_entry_source(entry, classes)}" for entry in mapping.entries]
    return [*lines, "return mapping.to_dict()" if as_dict else "return mapping"]


def equalization_lines(mapping: Mapping, as_dict: bool, classes: dict[str, str]) -> list[str]:
    """Return the body of a function that makes a mapping of equalization qconfigs."""
    if mapping.base is not None:
        raise CaseError("torch has no default equalization mapping; give the mapping no base")
    lines = ["from torch.ao.quantization.fx import _equalize as te", "", "mapping = tq.QConfigMapping()"]
    lines += [f"mapping.{_entry_source(entry, classes, equalization_source)}" for entry in mapping.entries]
    return [*lines, "return mapping.to_dict()" if as_dict else "return mapping"]


def equalization_source(qconfig: QConfigChoice) -> str:
    """Return the expression of an equalization qconfig; an observer without a name is left out."""
    if qconfig is None:
        return "None"
    if isinstance(qconfig, str):
        if not isinstance(getattr(_equalize, qconfig, None), _equalize.EqualizationQConfig):
            raise CaseError(f"torch has no equalization qconfig {qconfig!r}")
        return f"te.{qconfig}"
    parts = (("input_activation", qconfig.activation), ("weight", qconfig.weight))
    given = [f"{name}={_equalizer_source(observer)}" for name, observer in parts if observer.factory]
    return f"te.EqualizationQConfig({', '.join(given)})"


def _equalizer_source(observer: Observer) -> str:
    """Return the expression of an equalization observer's constructor."""
    if observer.factory not in ("_InputEqualizationObserver", "_WeightEqualizationObserver"):
        raise CaseError(f"torch has no equalization observer {observer.factory!r}")
    arguments = {name: _constant(value) if isinstance(value, str) else value for name, value in observer.arguments}
    try:
        getattr(_equalize, observer.factory)(**arguments)
    except (TypeError, ValueError, AssertionError, NotImplementedError) as error:
        raise CaseError(f"{observer.factory} refuses its arguments: {error}") from error
    return f"te.{observer.factory}.with_args({', '.join(_pairs(observer))})"


def custom_config_source(case: Case) -> str:
    """Return the expression of the custom config, in the form the case asks for; one that says nothing may be None.

    It is where the backend config is, so that both defaults are tried.
    """
    indexes = {"input": case.quantized_inputs, "output": case.quantized_outputs}
    given = {name: [int(index) for index in found] for name, found in indexes.items() if found}
    if case.as_dicts:
        return "{" + ", ".join(f'"{name}_quantized_idxs": {found}' for name, found in given.items()) + "}"
    if case.backend is None and not given and not case.declared:
        return "None"
    return "PrepareCustomConfig()" + "".join(f".set_{name}_quantized_indexes({found})" for name, found in given.items())


def _entry_source(
    entry: Entry, classes: dict[str, str], source: Callable[[QConfigChoice], str] = qconfig_source
) -> str:
    """Return the method call that adds one entry."""
    qconfig = source(entry.qconfig)
    match entry.selector:
        case "global":
            return f"set_global({qconfig})"
        case "object_type":
            return f"set_object_type({target_source(entry.target, classes)}, {qconfig})"
        case "regex":
            _check_regex(entry.name)
            return f"set_module_name_regex({entry.name!r}, {qconfig})"
        case "name":
            return f"set_module_name({entry.name!r}, {qconfig})"
        case "order":
            target = target_source(entry.target, classes)
            return f"set_module_name_object_type_order({entry.name!r}, {target}, {int(entry.index)}, {qconfig})"
    raise CaseError(f"{entry.selector!r} is no selector of a qconfig mapping")


def _check_regex(pattern: str) -> None:
    """Check that a text is a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise CaseError(f"{pattern!r} is no regular expression: {error}") from error


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
        if not pattern.targets:
            raise CaseError("a backend pattern has no target; give it one at least")
        targets = [target_source(target, {}) for target in pattern.targets]
        swapped = [TRAINED.get(target, source) for target, source in zip(pattern.targets, targets, strict=True)]
        if not pattern.swaps or swapped == targets:
            lines += _pattern_lines(pattern, targets)
        else:
            lines += _pattern_lines(pattern, targets, swapped[0] if len(swapped) == 1 else None)
            lines += _pattern_lines(pattern, swapped)
    return [*lines, f"return backend{suffix}"]


def _pattern_lines(pattern: Pattern, targets: list[str], swapped: str | None = None) -> list[str]:
    """Return the statement that adds one pattern to a backend config, with the class for training if it has one."""
    shown = targets[0] if len(targets) == 1 else f"({', '.join(targets)})"
    fields = [
        f'"pattern": {shown},'
        if pattern.nested is None
        else f'"pattern_complex_format": {nested_source(pattern.nested)},',
        f'"observation_type": {_observation(pattern.observation)},',
        '"dtype_configs": [',
        *(f"    {_dtypes_source(dtypes)}," for dtypes in pattern.dtypes),
        "],",
    ]
    if swapped is not None:
        fields.append(f'"qat_module": {swapped},')
    if pattern.by_tensor_count:
        counts = ", ".join(f"{int(n)}: {_observation(kind)}" for n, kind in pattern.by_tensor_count)
        fields.append(f'"num_tensor_args_to_observation_type": {{{counts}}},')
    if pattern.positions:
        strange = [role for role, _ in pattern.positions if role not in ("weight", "bias")]
        if strange:
            raise CaseError(f"{strange[0]!r} is no role of an argument; it is 'weight' or 'bias'")
        positions = ", ".join(f"{role!r}: {int(index)}" for role, index in pattern.positions)
        fields.append(f'"input_type_to_index": {{{positions}}},')
    if pattern.root is not None:
        indexes = "".join(f"[{int(index)}]" for index in pattern.root)
        fields.append(f'"root_node_getter": lambda nodes: nodes{indexes},')
    return [
        "backend.set_backend_pattern_config(tb.BackendPatternConfig.from_dict({",
        *("    " + field for field in fields),
        "}))",
    ]


def nested_source(nested: Any) -> str:
    """Return the expression of a nested pattern."""
    match nested:
        case "*":
            return "torch.ao.quantization.utils.MatchAllNode"
        case str():
            return target_source(nested, {})
        case int():
            return repr(nested)
        case ("getattr", str() as name) if name.isidentifier():
            return f"(getattr, {name!r})"
        case (str(), *_):
            return f"({', '.join(map(nested_source, nested))})"
    raise CaseError(f"{nested!r} is no pattern; it is a target, '*', a number, or a tuple that begins with a target")


def _observation(name: str) -> str:
    """Return the expression of an observation type."""
    if name not in ObservationType.__members__:
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
