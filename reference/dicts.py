"""Chapter *entry*: configs in their deprecated form, a dict, which means the same as the object (ENTRY-2).

What a dict may have is documented by `from_dict` of each class.  The reference does not call it: an implementation
may, and what both have wrong nobody would see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch.ao.quantization import QConfigMapping, QuantType
from torch.ao.quantization.backend_config import BackendConfig, BackendPatternConfig, DTypeConfig
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig

_QCONFIGS = ("object_type", "module_name_regex", "module_name", "module_name_object_type_order")
"""The lists of a qconfig mapping: each entry has what `set_` of that name takes."""

_CUSTOM: dict[str, Callable[[PrepareCustomConfig, Any], object]] = {
    "non_traceable_module_name": PrepareCustomConfig.set_non_traceable_module_names,
    "non_traceable_module_class": PrepareCustomConfig.set_non_traceable_module_classes,
    "input_quantized_idxs": PrepareCustomConfig.set_input_quantized_indexes,
    "output_quantized_idxs": PrepareCustomConfig.set_output_quantized_indexes,
    "preserved_attributes": PrepareCustomConfig.set_preserved_attributes,
}
"""The lists of a custom config, and what takes each."""

_PATTERN: dict[str, Callable[[BackendPatternConfig, Any], object]] = {
    "pattern_complex_format": BackendPatternConfig._set_pattern_complex_format,
    "observation_type": BackendPatternConfig.set_observation_type,
    "root_module": BackendPatternConfig.set_root_module,
    "qat_module": BackendPatternConfig.set_qat_module,
    "reference_quantized_module_for_root": BackendPatternConfig.set_reference_quantized_module,
    "fused_module": BackendPatternConfig.set_fused_module,
    "fuser_method": BackendPatternConfig.set_fuser_method,
    "root_node_getter": BackendPatternConfig._set_root_node_getter,
    "extra_inputs_getter": BackendPatternConfig._set_extra_inputs_getter,
    "num_tensor_args_to_observation_type": BackendPatternConfig._set_num_tensor_args_to_observation_type,
    "input_type_to_index": BackendPatternConfig._set_input_type_to_index,
}
"""What a backend says of a pattern, and what takes it."""


def read(kind: type, said: Any) -> Any:
    """Return the config of a kind that a dict stands for; what is no dict is returned as it is.

    Raises
    ------
    TypeError, ValueError, KeyError, AttributeError
        If the dict is not what the kind's `from_dict` documents.
    """
    return _READERS[kind](said) if isinstance(said, dict) else said


def _read_qconfigs(said: Mapping[str, Any]) -> QConfigMapping:
    made = QConfigMapping()
    if "" in said:
        made.set_global(said[""])
    for name in _QCONFIGS:
        for entry in said.get(name, ()):
            getattr(made, f"set_{name}")(*entry)
    return made


def _read_custom(said: Mapping[str, Any]) -> PrepareCustomConfig:
    made = PrepareCustomConfig()
    for selector in ("name", "class"):
        for chosen, qconfigs, inputs, custom, backend in said.get(f"standalone_module_{selector}", ()):
            inner = read(QConfigMapping, qconfigs), inputs, read(PrepareCustomConfig, custom)
            getattr(made, f"set_standalone_module_{selector}")(chosen, *inner, read(BackendConfig, backend))
    for quant_type, classes in said.get("float_to_observed_custom_module_class", {}).items():
        for original, observed in classes.items():
            made.set_float_to_observed_mapping(original, observed, QuantType[quant_type.upper()])
    for name, take in _CUSTOM.items():
        take(made, said.get(name, []))
    return made


def _read_backend(said: Mapping[str, Any]) -> BackendConfig:
    made = BackendConfig(said.get("name", ""))
    return made.set_backend_pattern_configs([read(BackendPatternConfig, one) for one in said.get("configs", ())])


def _read_pattern(said: Mapping[str, Any]) -> BackendPatternConfig:
    made = BackendPatternConfig(said.get("pattern"))
    for name, take in _PATTERN.items():
        if name in said:
            take(made, said[name])
    return made.set_dtype_configs([read(DTypeConfig, one) for one in said.get("dtype_configs", ())])


def _read_dtypes(said: Mapping[str, Any]) -> DTypeConfig:
    names = ("input_dtype", "output_dtype", "weight_dtype", "bias_dtype", "is_dynamic")
    return DTypeConfig(*(said.get(name) for name in names))


_READERS: dict[type, Callable[[Mapping[str, Any]], Any]] = {
    QConfigMapping: _read_qconfigs,
    PrepareCustomConfig: _read_custom,
    BackendConfig: _read_backend,
    BackendPatternConfig: _read_pattern,
    DTypeConfig: _read_dtypes,
}
"""How the dict of each kind of config is read."""
