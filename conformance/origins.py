"""Where the origins of the rules are to be read: the file, or the page, in which each name stands.

An origin begins with a name, and says after a colon what is said there, in our words.
"""

from __future__ import annotations

_FX = "torch/ao/quantization/fx"
_CONFIG = "torch/ao/quantization/backend_config/backend_config.py"
_QUANTIZER = "torchao/quantization/pt2e/quantizer/quantizer.py"
_DOCS = "https://docs.pytorch.org/docs/2.5"

_FILES: dict[str, tuple[str, ...]] = {
    f"{_FX}/prepare.py": (
        "prepare",
        "insert_observers_for_model",
        "_insert_obs_or_fq",
        "_DO_NOT_OBS_DTYPE_LIST",
        "_get_arg_as_input_act_obs_or_fq",
        "_get_standalone_module_configs",
        "_get_target_activation_dtype_for_node",
        "_is_observer_in_same_graph",
        "_maybe_insert_input_equalization_observers_for_node",
        "_maybe_insert_input_observer_for_arg_or_kwarg",
        "_maybe_insert_observers_before_graph_output",
        "_maybe_insert_output_observer_for_node",
        "_needs_obs_or_fq",
        "_set_target_dtype_info_for_matched_node_pattern",
        "_swap_custom_module_to_observed",
    ),
    f"{_FX}/qconfig_mapping_utils.py": (
        "_generate_node_name_to_qconfig",
        "_get_module_name_qconfig",
        "_update_qconfig_for_fusion",
        "_update_qconfig_for_qat",
    ),
    f"{_FX}/match_utils.py": ("_find_matches", "_is_match"),
    f"{_FX}/pattern_utils.py": ("_sorted_patterns_dict",),
    f"{_FX}/graph_module.py": ("_is_observed_module",),
    f"{_FX}/convert.py": ("convert_weighted_module",),
    f"{_FX}/utils.py": (
        "NON_QUANTIZABLE_WEIGHT_OPS",
        "assert_and_get_unique_device",
        "_insert_dequant_stubs_for_custom_module_lstm_output",
        "_maybe_get_custom_module_lstm_from_node_arg",
        "_qconfig_satisfies_dtype_config_constraints",
        "_reroute_tuple_getitem_pattern",
    ),
    f"{_FX}/_equalize.py": ("EqualizationQConfig", "maybe_get_next_input_eq_obs", "node_supports_equalization"),
    f"{_FX}/custom_config.py": (
        "set_float_to_observed_mapping",
        "set_input_quantized_indexes",
        "set_non_traceable_module_names",
        "set_output_quantized_indexes",
        "set_standalone_module_name",
    ),
    _CONFIG: (
        "BackendConfig",
        "BackendPatternConfig",
        "BackendPatternConfig.dtype_configs, DTypeWithConstraints",
        "BackendPatternConfig.set_observation_type",
        "BackendPatternConfig.set_qat_module",
        "DTypeConfig",
        "DTypeConfig.bias_dtype",
        "DTypeWithConstraints",
        "INPUT_OUTPUT_NOT_OBSERVED",
        "OUTPUT_SHARE_OBSERVER_WITH_INPUT",
        "ObservationType",
    ),
    "torch/ao/quantization/backend_config/native.py": ("get_native_backend_config",),
    "torch/ao/quantization/backend_config/utils.py": (
        "get_fusion_pattern_to_extra_inputs_getter",
        "get_fusion_pattern_to_root_node_getter",
    ),
    "torch/ao/quantization/fake_quantize.py": ("disable_fake_quant",),
    "torch/ao/quantization/observer.py": ("ObserverBase", "ReuseInputObserver"),
    "torch/ao/quantization/qconfig.py": ("QConfig", "default_weight_only_qconfig"),
    "torch/ao/quantization/qconfig_mapping.py": (
        "QConfigMapping",
        "QConfigMapping.from_dict",
        "QConfigMapping.set_global",
        "set_module_name_regex",
    ),
    "torch/ao/quantization/quantize.py": ("propagate_qconfig_", "swap_module"),
    "torch/ao/quantization/quantize_fx.py": ("convert_fx", "prepare_fx", "prepare_qat_fx"),
    "torch/ao/nn/qat/modules/linear.py": ("from_float",),
    "torch/fx/graph_module.py": ("GraphModule", "GraphModule.__reduce__"),
    "torchao/quantization/pt2e/prepare.py": ("_create_obs_or_fq_from_qspec", "_get_edge_or_node_to_group_id"),
    "torchao/quantization/pt2e/quantize_pt2e.py": ("convert_pt2e", "prepare_pt2e"),
    _QUANTIZER: (
        "DerivedQuantizationSpec",
        "FixedQParamsQuantizationSpec",
        "QuantizationAnnotation",
        "QuantizationAnnotation.allow_implicit_sharing",
        "QuantizationAnnotation.input_qspec_map",
        "QuantizationAnnotation.output_qspec",
        "QuantizationSpec",
        "QuantizationSpec.ch_axis",
        "Quantizer.annotate",
        "Quantizer.prepare_obs_or_fq_callback",
        "SharedQuantizationSpec",
        "SharedQuantizationSpec, DerivedQuantizationSpec",
    ),
}
"""The files of torch and torchao, each with the names for which origins point there."""

PAGES: dict[str, str] = {
    "How to write a Quantizer": "https://docs.pytorch.org/tutorials/prototype/pt2e_quantizer.html",
    "Introduction to Quantization": f"{_DOCS}/quantization.html",
    "Python": "https://docs.python.org/3/glossary.html#term-argument",
    "Quantization-aware training": f"{_DOCS}/quantization.html",
    "pytorch#63326": "https://github.com/pytorch/pytorch/issues/63326",
    "Saving and Loading Quantized models": f"{_DOCS}/quantization.html",
    "the scope of this suite": "coverage.md",
    "torch.cat": f"{_DOCS}/generated/torch.cat.html",
    "torch.fx": f"{_DOCS}/fx.html",
    "torch.nn.Module": f"{_DOCS}/generated/torch.nn.Module.html",
}
"""The pages to which other origins point; one without a site is beside the rule book."""

FILES = {name: path for path, names in _FILES.items() for name in names}
"""The file in which each name stands, as it is found in an installation."""


def name_of(origin: str) -> str:
    """Return the name with which an origin begins."""
    return origin.partition(": ")[0]


def place_of(origin: str) -> str:
    """Return where an origin is to be read, as Markdown.

    Raises
    ------
    KeyError
        If nobody has said where that is.
    """
    name = name_of(origin)
    return f"`{FILES[name]}`" if name in FILES else f"<{PAGES[name]}>" if "//" in PAGES[name] else _link(PAGES[name])


def _link(page: str) -> str:
    """Return a link to a page beside the rule book."""
    return f"[{page}]({page})"
