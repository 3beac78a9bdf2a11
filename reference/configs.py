"""Chapter *entry*: configs, as the methods of their classes and their dicts are documented (ENTRY-2).

The reference calls no setter and no `from_dict` of torch's: an implementation is given what these make, and what both
have wrong nobody would see.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from torch.ao.quantization import QConfigMapping, QuantType
from torch.ao.quantization.backend_config import (
    BackendConfig,
    BackendPatternConfig,
    DTypeConfig,
    DTypeWithConstraints,
)
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig, StandaloneModuleConfigEntry

T = TypeVar("T")


def read(kind: type, said: Any) -> Any:
    """Return the config of a kind that a dict stands for; what is no dict is returned as it is.

    Raises
    ------
    TypeError, ValueError, KeyError, AttributeError
        If the dict is not what the kind's `from_dict` documents.
    """
    return _READERS[kind](said) if isinstance(said, dict) else said


def reversed_pattern(pattern: Any) -> Any:
    """Turn ``(a, b, c)``, in the order of the data, into ``(c, (b, a))``."""
    if not isinstance(pattern, tuple):
        return pattern
    nested = pattern[0]
    for operator in pattern[1:]:
        nested = (operator, nested)
    return nested


def _to(field: str) -> Callable[..., None]:
    """Return what sets a field to what a method is given."""
    return lambda config, value: setattr(config, field, value)


def _under(field: str) -> Callable[..., None]:
    """Return what sets the last that a method is given, under what stands before it: what was there is overridden."""

    def put(config: Any, *given: Any) -> None:
        *key, value = given
        getattr(config, field)[key[0] if len(key) == 1 else tuple(key)] = value

    return put


def _standalone(field: str) -> Callable[..., None]:
    """Return what sets all that is said of a standalone module, under its name or its class."""
    return lambda config, key, *said: _under(field)(config, key, StandaloneModuleConfigEntry(*said))


def _observed(config: PrepareCustomConfig, original: type, observed: type, quant_type: QuantType) -> None:
    if quant_type != QuantType.STATIC:
        raise ValueError(f"an observed class for {quant_type.name} quantization is not supported; STATIC is")
    config.float_to_observed_mapping.setdefault(quant_type, {})[original] = observed


def _pattern(config: BackendConfig, said: BackendPatternConfig) -> None:
    form = said._pattern_complex_format
    key = reversed_pattern(said.pattern) if form is None else form
    config._pattern_complex_format_to_config[key] = said


def _patterns(config: BackendConfig, said: list[BackendPatternConfig]) -> None:
    for one in said:
        _pattern(config, one)


_QCONFIGS = ("object_type", "module_name_regex", "module_name", "module_name_object_type_order")
"""The lists of a qconfig mapping: each entry has what `set_` of that name takes."""

_CUSTOM = {
    "non_traceable_module_name": "non_traceable_module_names",
    "non_traceable_module_class": "non_traceable_module_classes",
    "input_quantized_idxs": "input_quantized_indexes",
    "output_quantized_idxs": "output_quantized_indexes",
    "preserved_attributes": "preserved_attributes",
}
"""The lists of a custom config, and the field of each."""

_PATTERN = {
    "pattern_complex_format": "_pattern_complex_format",
    "observation_type": "observation_type",
    "root_module": "root_module",
    "qat_module": "qat_module",
    "reference_quantized_module_for_root": "reference_quantized_module",
    "fused_module": "fused_module",
    "fuser_method": "fuser_method",
    "root_node_getter": "_root_node_getter",
    "extra_inputs_getter": "_extra_inputs_getter",
    "num_tensor_args_to_observation_type": "_num_tensor_args_to_observation_type",
    "input_type_to_index": "_input_type_to_index",
}
"""What a backend says of a pattern, and the field of each."""


def _setters(fields: Iterable[str]) -> dict[str, Callable[..., None]]:
    """Return what sets each field, by the names of the methods: those of private fields are private, too."""
    return {f"_set{field}" if field.startswith("_") else f"set_{field}": _to(field) for field in fields}


_METHODS: dict[type, dict[str, Callable[..., None]]] = {
    QConfigMapping: {
        "set_global": _to("global_qconfig"),
        **{f"set_{name}": _under(f"{name}_qconfigs") for name in _QCONFIGS},
    },
    PrepareCustomConfig: {
        "set_standalone_module_name": _standalone("standalone_module_names"),
        "set_standalone_module_class": _standalone("standalone_module_classes"),
        "set_float_to_observed_mapping": _observed,
        **_setters(_CUSTOM.values()),
    },
    BackendConfig: {
        "set_backend_pattern_config": _pattern,
        "set_backend_pattern_configs": _patterns,
        **_setters(["name"]),
    },
    BackendPatternConfig: {
        "add_dtype_config": lambda config, dtypes: config.dtype_configs.append(dtypes),
        **_setters(["pattern", "dtype_configs", *_PATTERN.values()]),
    },
}
"""What the methods of each class do that its documentation has."""


def _method(original: Callable[..., Any], does: Callable[..., None]) -> Callable[..., Any]:
    """Return a method with the parameters of torch's, which returns the config."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def method(self: T, *args: Any, **kwargs: Any) -> T:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        does(*bound.args)
        return self

    return method


def _documented(kind: type[T]) -> type[T]:
    """Return a class of the same name whose methods do what those of torch's class are documented to do.

    A copy, or what is read from a pickle, is of torch's class: where it is read, nobody needs ours.
    """
    body: dict[str, Any] = {name: _method(getattr(kind, name), does) for name, does in _METHODS.get(kind, {}).items()}
    body["from_dict"] = staticmethod(lambda said: _READERS[kind](said))
    body["__reduce__"] = lambda self: (kind.__new__, (kind,), vars(self))
    if kind is DTypeConfig:
        body["__init__"] = _init_dtypes
    return type(kind.__name__, (kind,), body)


_DTYPES = ("input_dtype", "output_dtype", "weight_dtype", "bias_dtype", "is_dynamic")
"""What a dtype config is made of, in the order in which it takes it."""


def _init_dtypes(self: Any, *args: Any, **kwargs: Any) -> None:
    """Keep each dtype of a tensor with its constraints, of which a mere dtype has none."""
    given = dict.fromkeys(_DTYPES) | dict(zip(_DTYPES, args, strict=False)) | kwargs
    for name in _DTYPES[:3]:
        dtype = given.pop(name)
        if not isinstance(dtype, DTypeWithConstraints):
            dtype = DTypeWithConstraints(dtype=dtype)
        setattr(self, f"{name}_with_constraints", dtype)
    vars(self).update(given)


DOCUMENTED: dict[type, Any] = {kind: _documented(kind) for kind in (*_METHODS, DTypeConfig)}
"""The classes of configs, and for each the one whose methods do what is documented."""


def _read_qconfigs(said: Mapping[str, Any]) -> QConfigMapping:
    made: QConfigMapping = DOCUMENTED[QConfigMapping]()
    if "" in said:
        made.set_global(said[""])
    for name in _QCONFIGS:
        for entry in said.get(name, ()):
            getattr(made, f"set_{name}")(*entry)
    return made


def _read_custom(said: Mapping[str, Any]) -> PrepareCustomConfig:
    made: PrepareCustomConfig = DOCUMENTED[PrepareCustomConfig]()
    for selector in ("name", "class"):
        for chosen, qconfigs, inputs, custom, backend in said.get(f"standalone_module_{selector}", ()):
            inner = read(QConfigMapping, qconfigs), inputs, read(PrepareCustomConfig, custom)
            getattr(made, f"set_standalone_module_{selector}")(chosen, *inner, read(BackendConfig, backend))
    for quant_type, classes in said.get("float_to_observed_custom_module_class", {}).items():
        for original, observed in classes.items():
            made.set_float_to_observed_mapping(original, observed, QuantType[quant_type.upper()])
    for name, field in _CUSTOM.items():
        setattr(made, field, said.get(name, []))
    return made


def _read_backend(said: Mapping[str, Any]) -> BackendConfig:
    made: BackendConfig = DOCUMENTED[BackendConfig](said.get("name", ""))
    return made.set_backend_pattern_configs([read(BackendPatternConfig, one) for one in said.get("configs", ())])


def _read_pattern(said: Mapping[str, Any]) -> BackendPatternConfig:
    made: BackendPatternConfig = DOCUMENTED[BackendPatternConfig](said.get("pattern"))
    for name, field in _PATTERN.items():
        if name in said:
            setattr(made, field, said[name])
    return made.set_dtype_configs([read(DTypeConfig, one) for one in said.get("dtype_configs", ())])


def _read_dtypes(said: Mapping[str, Any]) -> DTypeConfig:
    made: DTypeConfig = DOCUMENTED[DTypeConfig](*(said.get(name) for name in _DTYPES))
    return made


_READERS: dict[type, Callable[[Mapping[str, Any]], Any]] = {
    QConfigMapping: _read_qconfigs,
    PrepareCustomConfig: _read_custom,
    BackendConfig: _read_backend,
    BackendPatternConfig: _read_pattern,
    DTypeConfig: _read_dtypes,
}
"""How the dict of each kind of config is read."""
