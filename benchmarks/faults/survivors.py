"""Why faults in torch's `prepare` are not caught: what was found when each was studied, by hand."""

from __future__ import annotations

from verdicts import EQUIVALENT, OUTSIDE, Reason

_AO = "torch.ao.quantization"


def _reason(verdict: str, text: str, **faults: tuple[str, ...]) -> Reason:
    """Return why some faults are not caught; they are named module by module, by what comes after the module's name."""
    modules = {"fx_" + name: f"{_AO}.fx.{name}" for name in ("prepare", "match_utils", "pattern_utils", "utils")}
    modules |= {"fx_" + name: f"{_AO}.fx.{name}" for name in ("_equalize", "custom_config", "quantize_handler")}
    modules |= {"fx_qconfig_mapping_utils": f"{_AO}.fx.qconfig_mapping_utils"}
    modules |= {name: f"{_AO}.{name}" for name in ("quantize", "qconfig", "qconfig_mapping", "utils")}
    return Reason(
        verdict, text, tuple(f"{modules[module]} {fault}" for module, some in faults.items() for fault in some)
    )


_EQUIVALENT = (
    _reason(
        EQUIVALENT,
        "a check of what the function was called with, or has itself just found, which cannot fail",
        fx_prepare=(
            "_needs_obs_or_fq:130:8 never",
            "insert_observers_for_model:1498:8 never",
            "_is_pattern_dtype_config_and_qconfig_supported_by_backend:330:7 swap and/or",
            "_maybe_insert_output_observer_for_node:1034:4 never",
            "_maybe_make_input_output_share_observers:1328:4 never",
            "_remove_output_observer:1372:8 never",
            "insert_observers_for_model:1649:37 drop operand 0",
        ),
        fx_utils=(
            "_is_custom_module_lstm:507:8 never",
            "_reroute_tuple_getitem_pattern:833:16 drop operand 0",
            "_reroute_tuple_getitem_pattern:833:8 never",
            "_reroute_tuple_getitem_pattern:837:8 never",
            "_reroute_tuple_getitem_pattern:838:12 drop operand 1",
        ),
        qconfig=("_add_module_to_qconfig_obs_ctr:597:8 never",),
        utils=("get_quant_type:378:4 never",),
    ),
    _reason(
        EQUIVALENT,
        "no call comes here: it stands behind a branch that cannot be taken, for the reason that is told below",
        fx_prepare=(
            "_get_target_activation_dtype_for_node:590:4 return None",
            "_get_output_act_obs_or_fq:654:12 assign None",
            "_maybe_insert_observers_before_graph_output:1147:16 never",
            "_maybe_insert_observers_before_graph_output:1152:32 swap first arguments",
        ),
    ),
    _reason(
        EQUIVALENT,
        "no call comes here: `prepare` always gives this argument",
        fx_match_utils=("_find_matches:113:8 assign None",),
        quantize=("_convert:717:8 assign None",),
    ),
    _reason(
        EQUIVALENT,
        "the argument is the parameter's default: `prepare` swaps modules for training, and no others",
        quantize=(
            "swap_module:778:19 other text",
            "_convert:726:12 drop keyword 0",
            "swap_module:778:16 never",
            "swap_module:779:30 drop keyword 0",
        ),
    ),
    _reason(
        EQUIVALENT,
        "`prepare` swaps modules for training, and no class for training is one of a reference",
        quantize=("swap_module:775:16 assign None", "swap_module:767:29 other text", "swap_module:768:16 never"),
    ),
    _reason(
        EQUIVALENT,
        "`set_float_to_observed_mapping` refuses an observed class for any other quantization than the static one",
        fx_utils=tuple(f"get_custom_module_class_keys:138:22 drop element {number}" for number in (1, 2)),
    ),
    _reason(
        EQUIVALENT,
        "a custom module is swapped where its output is observed, and what is dynamic never is",
        utils=("get_quant_type:395:8 never", "get_quant_type:396:12 return None"),
    ),
    _reason(
        EQUIVALENT,
        "`prepare` makes a dict of the custom config for `propagate_qconfig_` alone, which reads the modules that are "
        "not traced, and takes an empty list for none",
        fx_custom_config=(
            "PrepareCustomConfig:363:11 turn comparison",
            "PrepareCustomConfig:328:12 assign None",
            "PrepareCustomConfig:329:16 never",
            "PrepareCustomConfig:331:19 drop element 0",
            "PrepareCustomConfig:331:19 drop element 4",
            "PrepareCustomConfig:363:8 always",
            "PrepareCustomConfig:365:8 always",
            "PrepareCustomConfig:369:11 turn comparison",
        ),
        qconfig_mapping=(
            "QConfigMapping:340:15 drop entry 2",
            "QConfigMapping:340:8 return None",
            "QConfigMapping:340:15 drop entry 0",
            "QConfigMapping:340:15 drop entry 1",
        ),
    ),
    _reason(
        EQUIVALENT,
        "a text for whoever prints a config; `prepare` prints none",
        fx_custom_config=("PrepareCustomConfig:77:67 turn comparison",),
        qconfig_mapping=(
            "QConfigMapping:316:15 swap first arguments",
            "QConfigMapping:318:20 drop statement",
        ),
    ),
    _reason(
        EQUIVALENT,
        "the default mapping is made by who calls `prepare`; `prepare` reads what is in it and not this table",
        qconfig_mapping=(
            "_FIXED_QPARAMS_OP_TO_OBSERVER:48:71 drop entry 2",
            "_FIXED_QPARAMS_OP_TO_OBSERVER:48:71 drop entry 6",
            "_FIXED_QPARAMS_OP_TO_OBSERVER:48:71 drop entry 12",
            "_FIXED_QPARAMS_OP_TO_OBSERVER:52:4 other text",
            "_FIXED_QPARAMS_OP_TO_OBSERVER:61:4 other text",
        ),
    ),
    _reason(
        EQUIVALENT,
        "what swaps modules reads the other entry of this table",
        quantize=(
            "_DEFAULT_CUSTOM_CONFIG_DICT:59:30 drop entry 0",
            "_DEFAULT_CUSTOM_CONFIG_DICT:60:4 other text",
        ),
    ),
    _reason(
        EQUIVALENT,
        "a graph has one output, and nothing reads the counters after it, or those of the second walk",
        fx_prepare=(
            "insert_observers_for_model:1485:36 add one",
            "insert_observers_for_model:1621:27 add one",
            "insert_observers_for_model:1887:35 add one",
            "insert_observers_for_model:1889:12 drop statement",
        ),
    ),
    _reason(
        EQUIVALENT,
        "None and False are the same to who asks",
        fx_prepare=(
            "_maybe_make_input_output_share_observers:1318:12 return None",
            "_maybe_make_input_output_share_observers:1343:20 return None",
        ),
        fx_utils=(
            "_qconfig_satisfies_dtype_config_constraints:918:16 return None",
            "_qconfig_satisfies_dtype_config_constraints:958:16 return None",
            "all_node_args_have_no_tensors:360:24 return None",
        ),
        fx_quantize_handler=("QuantizeHandler:94:8 return None",),
    ),
    _reason(
        EQUIVALENT,
        "the dtype is that of an observer, or None",
        fx_prepare=("insert_observers_for_model:1588:67 drop element 1",),
    ),
    _reason(
        EQUIVALENT,
        "a parameter reads nothing, and the branch below, which looks at what is read, says the same",
        fx_utils=(
            "all_node_args_have_no_tensors:311:4 never",
            "all_node_args_have_no_tensors:311:20 other text",
        ),
    ),
    _reason(
        EQUIVALENT,
        "nothing is written into an empty cache, and it begins empty; filled, it has the same answers",
        fx_utils=(
            "all_node_args_have_no_tensors:338:28 always",
            "all_node_args_have_no_tensors:294:17 turn comparison",
            "all_node_args_have_no_tensors:358:24 always",
        ),
    ),
    _reason(
        EQUIVALENT,
        "each half implies the other, or this half always holds",
        fx_utils=(
            "_is_custom_module_lstm:506:7 drop operand 1",
            "_is_custom_module_lstm:506:7 swap and/or",
            "all_node_args_have_no_tensors:309:9 drop operand 0",
        ),
        fx_match_utils=("_find_matches:173:19 drop operand 1",),
        qconfig=("_partial_wrapper_equals:650:25 drop operand 0",),
    ),
    _reason(
        EQUIVALENT,
        "a method is called by its name, never by a function",
        fx_utils=(
            "NON_OBSERVABLE_ARG_DICT:406:13 other text",
            "NON_OBSERVABLE_ARG_DICT:409:4 swap first arguments",
        ),
    ),
    _reason(
        EQUIVALENT,
        "whether two qconfigs are equal does not depend on their order",
        fx_qconfig_mapping_utils=("_update_qconfig_for_fusion:81:23 swap first arguments",),
        qconfig=(
            "_partial_wrapper_equals:650:44 swap first arguments",
            "_obs_or_fq_ctr_equals:636:15 swap first arguments",
        ),
    ),
    _reason(
        EQUIVALENT,
        "the moving average per channel is a subclass of the other element",
        qconfig=("_assert_valid_qconfig:563:12 drop element 1",),
    ),
    _reason(
        EQUIVALENT,
        "this is asked for the parts of an observed LSTM alone: none is parametrized, and one with parts of its own is "
        "of no class that is observed, or a `FloatFunctional`, of which it is not asked",
        utils=(
            "has_no_children_ignoring_parametrizations:526:4 always",
            "has_no_children_ignoring_parametrizations:528:4 never",
            "has_no_children_ignoring_parametrizations:529:45 turn comparison",
        ),
    ),
    _reason(
        EQUIVALENT,
        "what the function gives is used by nobody that `prepare` calls",
        fx_utils=("_insert_dequant_stubs_for_custom_module_lstm_output:669:4 return None",),
        qconfig_mapping=("QConfigMapping:286:8 return None",),
        fx_prepare=("_get_standalone_module_configs:384:4 assign None",),
    ),
    _reason(
        EQUIVALENT,
        "the map of observers is handed on from function to function, and none reads it",
        fx_prepare=("_maybe_insert_output_observer_for_node:1083:8 assign None",),
    ),
    _reason(
        EQUIVALENT,
        "where there is no such argument, the branches below give the same answer",
        fx_prepare=(
            "insert_observers_for_model:1628:8 never",
            "_maybe_make_input_output_share_observers:1295:4 always",
            "_maybe_make_input_output_share_observers:1290:4 never",
        ),
    ),
    _reason(
        EQUIVALENT,
        "`meta` is never among the devices, which are counted without it",
        quantize=(
            "swap_module:800:20 drop operand 0",
            "swap_module:800:20 turn comparison",
        ),
    ),
    _reason(
        EQUIVALENT,
        "what does not say whether it is a standalone module is no operator that is observed",
        fx_prepare=("_maybe_insert_output_observer_for_node:1037:33 turn bool",),
    ),
    _reason(
        EQUIVALENT,
        "nothing reads what the graph's output asks for: what is returned is asked itself",
        fx_prepare=("insert_observers_for_model:1538:23 other text",),
    ),
)

_OUTSIDE = (
    _reason(
        OUTSIDE,
        "a parameter's node may be a part of a match, and is neither its root nor its last one, where observers go: at "
        "most, the backend is asked once more, and says once more in a warning what it does not take",
        fx_prepare=("insert_observers_for_model:1634:8 always",),
    ),
    _reason(
        OUTSIDE,
        "the words of a warning, or the line that it points to",
        fx_prepare=(
            "prepare:2005:8 drop keyword 0",
            "prepare:2006:12 other text",
            "prepare:2023:8 drop keyword 0",
            "prepare:2027:23 add one",
        ),
        fx_utils=(
            "_qconfig_satisfies_dtype_config_constraints:945:16 other text",
            "_qconfig_satisfies_dtype_config_constraints:978:19 other text",
        ),
        utils=("_assert_and_get_unique_device:803:8 drop keyword 0",),
    ),
    _reason(
        OUTSIDE,
        "nothing promises that a dict draws a warning: ENTRY-9, of the level `UPSTREAM`, catches it",
        fx_prepare=("prepare:2023:8 drop statement",),
    ),
    _reason(
        OUTSIDE,
        "an observer that torch makes to read a dtype, and throws away, gives its warnings once less",
        fx_prepare=(
            "_get_output_act_obs_or_fq:628:12 never",
            "_maybe_insert_observers_before_graph_output:1134:12 never",
            "_maybe_insert_observers_before_graph_output:1134:15 other text",
            "_maybe_insert_observers_before_graph_output:1138:16 never",
        ),
    ),
    _reason(
        OUTSIDE,
        "names of observers alone, which another implementation may choose: PLACEMENT-10 and EQUALIZATION-5 speak of "
        "them, of the level `UPSTREAM`, and names are left out of what tells a fault",
        fx_prepare=("_insert_obs_or_fq:426:17 other text",),
        fx__equalize=("is_equalization_observer:335:18 drop element 0",),
    ),
    _reason(
        OUTSIDE,
        "nothing promises that `prepare` asks the nodes' values whether they are tensors: DECLARED-2, of the level "
        "`UPSTREAM`, catches it where a case tells it",
        fx_prepare=("insert_observers_for_model:1656:16 drop operand 1",),
    ),
    _reason(
        OUTSIDE,
        "only a pattern of a class that is no module, called as a function, would show it: no backend has one",
        fx_match_utils=("_is_match:52:7 drop operand 1",),
    ),
    _reason(
        OUTSIDE,
        "only a backend that has an operator twice, alone and as a pattern of one, would show it",
        fx_pattern_utils=("_sorted_patterns_dict:110:27 always",),
    ),
    _reason(
        OUTSIDE,
        "nothing promises which of two patterns of one length is taken; only a backend in which a pattern of seven "
        "operators competes with a deeper one of six would show more",
        fx_pattern_utils=("_sorted_patterns_dict:99:14 add one",),
    ),
    _reason(
        OUTSIDE,
        "nothing reads the qconfig that the record has for a parameter: STATE-8, of the level `UPSTREAM`, catches it",
        fx_qconfig_mapping_utils=(
            "_generate_node_name_to_qconfig:115:22 other text",
            "_generate_node_name_to_qconfig:117:12 assign None",
        ),
    ),
    _reason(
        OUTSIDE,
        "only a backend that fixes the scale of half precision would show it: torch takes its own qconfigs of half "
        "precision there, 'for tests only', which nothing promises and the reference does not",
        fx_utils=("_qconfig_satisfies_dtype_config_constraints:943:27 turn bool",),
    ),
    _reason(
        OUTSIDE,
        "what is no config, or an observer that is compiled to TorchScript, is refused either way, by another error",
        fx_custom_config=("PrepareCustomConfig:216:12 always", "PrepareCustomConfig:230:12 always"),
        fx_utils=("_get_observer_from_activation_post_process:860:8 never",),
    ),
    _reason(
        OUTSIDE,
        "a way back of 10,000 operators, or of one more, is given up; that one is given up at all is a known deviation "
        "(`traced-back-at-every-operator`)",
        fx_prepare=(
            "_maybe_make_input_output_share_observers:1347:19 turn comparison",
            "_maybe_make_input_output_share_observers:1347:37 add one",
        ),
    ),
    _reason(
        OUTSIDE,
        "only a float model that calls an observer would show it: they are traced through, unless a config says not to",
        fx_prepare=(
            "insert_observers_for_model:1528:24 drop element 0",
            "insert_observers_for_model:1528:25 other text",
        ),
        fx_qconfig_mapping_utils=("_generate_node_name_to_qconfig:167:12 never",),
        fx_utils=(
            "all_node_args_have_no_tensors:305:8 never",
            "all_node_args_have_no_tensors:306:21 swap first arguments",
            "all_node_args_have_no_tensors:306:61 add one",
        ),
    ),
    _reason(
        OUTSIDE,
        "only a graph that itself calls `tuple` would show it, and tracing records no such call",
        fx_utils=(
            "_reroute_tuple_getitem_pattern:794:12 drop statement",
            "_reroute_tuple_getitem_pattern:800:8 drop statement",
        ),
    ),
    _reason(
        OUTSIDE,
        "only an observer of half precision that does not say whether it is dynamic would show it: all of torch's do",
        utils=(
            "get_qconfig_dtypes:373:55 turn bool",
            "get_quant_type:395:11 drop operand 0",
            "get_quant_type:403:11 drop operand 0",
        ),
    ),
    _reason(
        OUTSIDE,
        "only a float model that has an observed LSTM or attention in it, prepared for training, would show it",
        quantize=(
            "_DEFAULT_CUSTOM_CONFIG_DICT:59:30 drop entry 1",
            "swap_module:760:8 never",
            "swap_module:764:22 turn bool",
        ),
    ),
    _reason(
        OUTSIDE,
        "only a module on two devices would show it, neither of them `meta`, and no machine without an accelerator has "
        "one",
        quantize=("swap_module:800:36 add one",),
    ),
    _reason(
        OUTSIDE,
        "only a module that eager mode has observed before would show it",
        quantize=("swap_module:793:16 always",),
    ),
)

SURVIVORS = (*_EQUIVALENT, *_OUTSIDE)
"""The faults in torch that are not caught."""
