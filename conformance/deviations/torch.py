"""The known deviations of torch's `prepare`, each with what it should do instead."""

from __future__ import annotations

from . import torch_declared as declared
from . import torch_devices as devices
from . import torch_equalization as equalization
from . import torch_modules as modules
from . import torch_patterns as patterns
from . import torch_placement as placement
from . import torch_qat as qat
from . import torch_qconfigs as qconfigs
from . import torch_refusals as refusals
from . import torch_scale as scale
from . import torch_sharing as sharing
from . import torch_state as state
from . import torch_values as values
from .register import Deviation, Register

REGISTER = Register(
    "torch",
    (
        Deviation(
            "observerless-qconfigs-fail",
            ("ENTRY-1",),
            "get_qconfig_dtypes reads the dtype of what a qconfig constructs, and fails for the "
            "torch.nn.Identity in default_weight_only_qconfig and default_activation_only_qconfig",
            "default_weight_only_qconfig: default qconfig for quantizing weights only",
            qconfigs.NO_OBSERVER,
        ),
        Deviation(
            "transposed-convolutions-refused-by-eager-rules",
            ("ENTRY-1", "QCONFIGS-1"),
            "the refusal of per-channel weights for transposed convolutions comes from propagate_qconfig_, "
            "which knows no regular expressions and no indexes and inherits from parents: it refuses "
            "what is switched off or has another qconfig, and lets pass what should be refused",
            "QConfigMapping: module name regex and order override the object type",
            qconfigs.EAGER_REFUSAL,
        ),
        Deviation(
            "switched-off-parts-forgotten",
            ("PLACEMENT-5", "QCONFIGS-12"),
            "_update_qconfig_for_fusion takes a None for the types of all parts for no entry at all, so that a fused "
            "module whose parts are switched off falls back to the global qconfig",
            "QConfigMapping: None means not quantized",
            patterns.SWITCHED_OFF_PARTS,
        ),
        Deviation(
            "training-modules-have-parts",
            ("ENTRY-1",),
            "_update_qconfig_for_fusion takes the batch norm and the fake quantize inside a fused module for training "
            "for the parts that it was fused from, and refuses it where batch norm has a qconfig by type",
            "its docstring: account for fused modules such as LinearReLU",
            patterns.PARTS_IN_TRAINING,
        ),
        Deviation(
            "one-sided-constraints-ignored",
            ("BACKENDS-1", "BACKENDS-2", "PLACEMENT-5"),
            "a bound of the quantization range counts only if the other bound is given too, and so do "
            "the exact scale and the exact zero point",
            "DTypeWithConstraints: lower and upper bounds for the minimum and maximum quantized values "
            "respectively; outside, the QConfig will be ignored",
            qconfigs.ONE_SIDED,
        ),
        Deviation(
            "integers-observed",
            ("DTYPES-1", "PLACEMENT-5"),
            "all_node_args_have_no_tensors knows size, shape and ndim alone; what dim, numel, a "
            "comparison or a splitting operator returns counts as a float tensor",
            "prepare.py lists int, float, bool and None as the dtypes to add no observer to",
            values.INTEGERS_OBSERVED,
        ),
        Deviation(
            "tensors-in-nested-lists",
            ("PLACEMENT-1", "PLACEMENT-5", "PLACEMENT-7"),
            "all_node_args_have_no_tensors looks into a list but not into a list within it, and takes "
            "what an operator makes of such lists, or a constructor of a size, for no tensor",
            "its docstring: if it finds a tensor or is not sure, it returns False",
            values.NEW_TENSORS_IGNORED,
        ),
        Deviation(
            "masks-by-keyword",
            ("DTYPES-1", "PLACEMENT-5", "PLACEMENT-6"),
            "NON_OBSERVABLE_ARG_DICT holds positions; a mask or a size passed by keyword is not known",
            "propagate_dtypes_for_known_nodes: we know that the dtype of mask is a BoolTensor",
            values.MASKS_BY_KEYWORD,
        ),
        Deviation(
            "masks-through-keywords-fail",
            ("ENTRY-1", "PLACEMENT-6"),
            "_maybe_propagate_dtype_for_node goes on to node.args[0], and fails where what is known of a mask or a "
            "size comes to an operator that passes values on and is called by keyword alone",
            "propagate_dtypes_for_known_nodes: propagate this information throughout the graph",
            values.KEYWORDS_ON_THE_WAY,
        ),
        Deviation(
            "roles-by-value",
            ("PLACEMENT-1", "PLACEMENT-5"),
            "node_arg_is_weight and node_arg_is_bias compare values, not places: a value that is an "
            "operator's input and its weight is a weight in both places",
            "QConfig: settings (observer classes) for activations and weights respectively",
            placement.ROLE_BY_VALUE,
        ),
        Deviation(
            "roles-by-keyword",
            ("PLACEMENT-5", "PLACEMENT-6"),
            "node_arg_is_weight and node_arg_is_bias know a keyword only if it is 'weight' or 'bias': where a backend "
            "config names the position of a weight that has another name, it is a weight by position alone",
            "node_arg_is_weight: returns if node arg is weight",
            placement.ROLE_BY_KEYWORD,
        ),
        Deviation(
            "roles-by-position",
            ("PLACEMENT-5", "PLACEMENT-6"),
            "weight_index and bias_index are those of the backend's pattern for the function alone: a weight that is "
            "passed by position to a function that the backend knows in fusions only is an activation",
            "node_arg_is_weight: returns if node arg is weight",
            placement.ROLE_BY_POSITION,
        ),
        Deviation(
            "dynamic-by-keyword",
            ("DTYPES-8", "PLACEMENT-5", "PLACEMENT-6"),
            "is_zeroth_arg asks for node.args[0]; an input that is passed by keyword is never quantized dynamically",
            "_needs_obs_or_fq: we only dynamically quantize the first arg of the node",
            placement.DYNAMIC_BY_KEYWORD,
        ),
        Deviation(
            "dynamic-by-value",
            ("DTYPES-8", "PLACEMENT-5"),
            "is_zeroth_arg compares values: a first argument that is read again at another place is "
            "quantized dynamically there too",
            "_needs_obs_or_fq: we only dynamically quantize the first arg of the node",
            placement.DYNAMIC_TWICE,
        ),
        Deviation(
            "dynamic-output-believed-quantized",
            ("PLACEMENT-1", "PLACEMENT-5"),
            "_get_output_act_obs_or_fq gives the qconfig's activation dtype for a dynamic operator "
            "too, so that a static reader of the same dtype goes without an observer",
            "prepare.py: for dynamic quantization the output activation is in fp32",
            placement.DYNAMIC_OUTPUT,
        ),
        Deviation(
            "absent-observer-believed",
            ("PLACEMENT-1", "PLACEMENT-5"),
            "when _remove_output_observer has taken an output observer away, the value still counts as "
            "quantized, and its readers go without an observer",
            "insert_observers_for_model: if any argument's target dtype does not match, insert an observer",
            placement.ABSENT_OBSERVER,
        ),
        Deviation(
            "reused-observer-believed-quint8",
            ("PLACEMENT-2", "PLACEMENT-5"),
            "the output of an operator that reuses its input's observer counts as quint8, the dtype of "
            "ReuseInputObserver, whatever the observer's own dtype is",
            "ReuseInputObserver: we'll reuse the observer instance for x0 for x1",
            placement.REUSED_DTYPE,
        ),
        Deviation(
            "observers-of-one-class-merged",
            ("PLACEMENT-1", "PLACEMENT-5"),
            "an existing observer is taken if its class and dtype fit, whatever its range, scheme, eps "
            "or being dynamic",
            "QConfig: default arguments can be overwritten with with_args; each consumer has its own",
            placement.SAME_CLASS,
        ),
        Deviation(
            "module-weights-unchecked",
            ("BACKENDS-1", "PLACEMENT-5"),
            "the weight of a module is no argument of its node, so its dtype and constraints are never "
            "held against the backend's",
            "DTypeConfig: these dtypes are matched against the ones specified in the user's QConfig; "
            "otherwise the pattern will not be quantized",
            placement.MODULE_WEIGHT,
        ),
        Deviation(
            "tensors-counted-by-position",
            ("PLACEMENT-5", "PLACEMENT-6", "SHARING-2"),
            "QuantizeHandler counts tensors among positional arguments alone: torch.add(x, other=y) "
            "is treated as x + 2",
            "QuantizeHandler: this distinguishes things like x + y from x + 2",
            placement.KEYWORD_TENSORS,
        ),
        Deviation(
            "patterns-by-position",
            ("PATTERNS-1", "PLACEMENT-4", "PLACEMENT-5", "PLACEMENT-6"),
            "_is_match wants as many positional arguments as the pattern has parts: a fusion is missed "
            "when the input is passed by keyword, or a number by position",
            "BackendPatternConfig.set_pattern: tuple patterns are treated as sequential patterns",
            placement.KEYWORD_PATTERNS,
        ),
        Deviation(
            "inner-value-read-twice",
            ("PLACEMENT-1", "PLACEMENT-4", "PLACEMENT-5"),
            "_is_match counts the nodes that read an inner value, not how often they do",
            "the pattern owns its inner nodes: nothing else may read them",
            placement.READ_TWICE,
        ),
        Deviation(
            "extra-inputs-swallowed",
            ("PLACEMENT-1", "PLACEMENT-5"),
            "what stands at MatchAllNode is recorded as part of the pattern, and so an operator there "
            "is matched, and quantized, no more",
            "get_fusion_pattern_to_extra_inputs_getter: the node in MatchAllNode is an extra argument",
            placement.EXTRA_INPUTS,
        ),
        Deviation(
            "branches-flattened",
            ("ENTRY-1", "PLACEMENT-6"),
            "record_match flattens a branch of a pattern with two branches, so that the root finders "
            "of the oneDNN backend config fail on convolution, batch norm and addition",
            "onednn.py: its root finders unpack the nested tuple that the pattern is written in",
            placement.FLAT_TREES,
        ),
        Deviation(
            "attribute-patterns-fail",
            ("ENTRY-1",),
            "record_match takes the first of the arguments that it recorded, and for getattr it records none: where a "
            "pattern with an attribute fits, prepare fails with an IndexError",
            "_is_match: it expects a getattr pattern to have two elements, and compares the attribute",
            patterns.ATTRIBUTES,
        ),
        Deviation(
            "never-observed-is-observed",
            ("BACKENDS-4", "PLACEMENT-5"),
            "no code reads INPUT_OUTPUT_NOT_OBSERVED; the pattern is observed like any other",
            "ObservationType: this means the input and output are never observed",
            placement.NOT_OBSERVED,
        ),
        Deviation(
            "masks-forgotten",
            ("DTYPES-1", "PLACEMENT-5"),
            "in step 3, the check for special dtypes reads the last node of the graph instead of the "
            "pattern's, so what is known of a mask is reset where its operator stays float",
            "prepare.py: get output_act_dtype so that we don't also reset the special typed nodes",
            placement.FORGOTTEN_MASKS,
        ),
        Deviation(
            "half-switched-off-patterns",
            ("BACKENDS-1", "PLACEMENT-5", "PLACEMENT-6"),
            "of a pattern of which a part has no qconfig, the other parts are observed all the same, "
            "the output without the input",
            "_get_default_qconfig_mapping: separate ops in a fused op must have the same qconfig",
            placement.HALF_PATTERNS,
        ),
        Deviation(
            "inner-qconfigs-checked",
            ("ENTRY-1",),
            "the dtypes of a pattern are those of its last node's qconfig, but constraints are held against the "
            "qconfig of each of its nodes in turn: one that is not used leaves the pattern float, or fails if it "
            "constructs no observer",
            "DTypeWithConstraints: the QConfig that is ignored is the one that breaks a constraint",
            patterns.INNER_QCONFIGS,
        ),
        Deviation(
            "dynamic-on-no-tensor",
            ("ENTRY-1", "PLACEMENT-7"),
            "_needs_obs_or_fq asserts that what is quantized dynamically has a dtype, and fails where "
            "it is known to have none",
            "prepare.py: dtypes to add no observer to",
            placement.DYNAMIC_NO_TENSOR,
        ),
        Deviation(
            "list-sharing-given-up",
            ("PLACEMENT-5",),
            "if one value of a list has no observer behind it, the output observer is removed, and the "
            "values before it stay joined",
            "_maybe_make_input_output_share_observers: one observer for all input arguments as well as "
            "the output argument",
            sharing.ALL_OR_NOTHING,
        ),
        Deviation(
            "sharing-with-first-argument-only",
            ("PLACEMENT-5", "SHARING-1"),
            "unless the first argument is a list, it alone shares with the output; other inputs keep "
            "observers of their own",
            "_maybe_make_input_output_share_observers: one observer for all input arguments as well as "
            "the output argument",
            sharing.FIRST_ONLY,
        ),
        Deviation(
            "sharing-by-position",
            ("PLACEMENT-5", "PLACEMENT-6"),
            "an operator whose tensors are passed by keyword finds no input to share with, and its "
            "output observer is removed",
            "OUTPUT_SHARE_OBSERVER_WITH_INPUT: the same observer instance as input",
            sharing.BY_POSITION,
        ),
        Deviation(
            "quantized-input-in-list",
            ("PLACEMENT-5",),
            "_is_observer_in_same_graph looks at node.args[0] and not into a list there",
            "its docstring: when the input is a placeholder, it is observed in a different place",
            sharing.OUTSIDE_IN_LIST,
        ),
        Deviation(
            "sharing-not-closed",
            ("PLACEMENT-5", "PLACEMENT-6", "SHARING-1", "SHARING-3", "SHARING-6"),
            "an observer is replaced at one node; others that shared the replaced object keep it",
            "OUTPUT_SHARE_OBSERVER_WITH_INPUT: the same observer instance as input",
            sharing.NOT_CLOSED,
        ),
        Deviation(
            "shared-observer-for-others",
            ("PLACEMENT-1", "PLACEMENT-13", "PLACEMENT-6"),
            "a consumer that reads the same observer node as a sharing operator gets the shared object, "
            "whatever it asked for itself",
            "QConfig: settings for activations of the layer it is for",
            sharing.NOT_SEPARATED,
        ),
        *refusals.ENTRIES,
        *scale.ENTRIES,
        Deviation(
            "float-patterns-counted-as-observed",
            ("STATE-6",),
            "insert_observers_for_model asks the backend a second time after step 3 has reset to float what is "
            "not supported; a pattern that computes with no tensor, or that the backend takes as float, then "
            "is entered in observed_node_names, without an observer",
            "prepare: record names for the set of observed node",
            state.COUNTED_FLOAT,
        ),
        Deviation(
            "float-weights-marked",
            ("STATE-9",),
            "step 3 writes the position of the weight on functions that it resets to float; conversion then runs what "
            "makes that weight, and fails if that is an input of the graph",
            "_run_weight_observers: the weight for a dynamically quantized or a weight-only operator",
            state.FLOAT_WEIGHTS,
        ),
        Deviation(
            "prepared-models-not-pickled",
            ("EFFECTS-12",),
            "_add_module_to_qconfig_obs_ctr puts a local function into the qconfig of every module, and a local "
            "function cannot be pickled",
            "pytorch#57352, a prepared model is to be picklable, was closed as done",
            state.LOCAL_FUNCTIONS,
        ),
        Deviation(
            "models-kept-alive",
            ("EFFECTS-14",),
            "assert_and_get_unique_device has a functools.cache whose key is the model: no model that was "
            "prepared is ever freed, nor are its observers",
            "pytorch#63326: tensors that outlive prepare are a leak; the cache came with pytorch#162550",
            state.KEPT_ALIVE,
            first="2.10",
        ),
        Deviation(
            "refused-qconfigs-stay",
            ("EFFECTS-10",),
            "propagate_qconfig_ writes module.qconfig on the way to its refusal, and the next call believes what is "
            "written there more than its mapping, and is refused as well",
            "propagate_qconfig_: this config applies to all submodules; it is the mapping of this call that counts",
            state.REMEMBERED_REFUSALS,
        ),
        Deviation(
            "standalone-output-believed-quantized",
            ("PLACEMENT-1", "PLACEMENT-5"),
            "_get_output_act_obs_or_fq gives the parent's qconfig for a standalone module too: its output counts as "
            "quantized although its own config does not say so, and is float inside",
            "prepare: how a standalone module is observed is specified by its output_quantized_idxs",
            modules.OUTPUT_BELIEVED,
        ),
        Deviation(
            "standalone-inputs-by-keyword",
            ("MODULES-3", "PLACEMENT-5", "PLACEMENT-6"),
            "an input of a standalone module that is passed by keyword has no index, and so is not observed",
            "PrepareCustomConfig.set_input_quantized_indexes: the inputs of the graph that should be quantized",
            modules.INPUTS_BY_KEYWORD,
        ),
        Deviation(
            "standalone-inputs-by-value",
            ("MODULES-3", "PLACEMENT-5"),
            "the index of an input is looked up by its value: one that is passed twice has the first place twice",
            "PrepareCustomConfig.set_input_quantized_indexes: the inputs of the graph that should be quantized",
            modules.INPUTS_BY_VALUE,
        ),
        Deviation(
            "standalone-inputs-by-class",
            ("MODULES-2", "MODULES-3", "PLACEMENT-5"),
            "_get_standalone_module_configs looks up the class of the module after it was replaced by a GraphModule: "
            "the inputs of a module that is declared by its class are not observed",
            "PrepareCustomConfig.set_standalone_module_class: the same as by name",
            modules.INPUTS_BY_CLASS,
        ),
        Deviation(
            "standalone-inputs-by-any-observer",
            ("DTYPES-9", "PLACEMENT-13"),
            "the input of a standalone module is compared with quint8 and observed by whatever its parent's qconfig "
            "constructs: placeholders for float, dynamic observers at any place, and one upon another of its dtype",
            "_needs_obs_or_fq: no observer where the dtype is the same; only the first argument is dynamic",
            modules.INPUTS_BY_ANYTHING,
        ),
        Deviation(
            "standalone-modules-prepared-again",
            ("ENTRY-1", "MODULES-5"),
            "_run_prepare_fx_on_standalone_modules prepares a standalone module at each of its calls, and one that is "
            "prepared already: tracing the observers inside fails",
            "a standalone module is quantized separately as one unit",
            modules.PREPARED_AGAIN,
        ),
        Deviation(
            "lstm-taken-apart-once",
            ("DTYPES-1", "EFFECTS-1", "MODULES-9", "PLACEMENT-5", "PLACEMENT-9"),
            "_is_custom_module_lstm asks for an nn.LSTM, which a module that is called again is no more once it is "
            "swapped: its further outputs are observed as one value, which is a tuple",
            "_insert_dequant_stubs_for_custom_module_lstm_output: we cannot dequantize a tuple as a whole",
            modules.APART_ONCE,
        ),
        Deviation(
            "parts-of-lstm-observed",
            ("BACKENDS-1", "PLACEMENT-5"),
            "a node that takes a part of an LSTM's output is still matched and observed where the backend has a "
            "pattern for operator.getitem, although its readers are rerouted and nothing reads the observer",
            "_insert_dequant_stubs_for_custom_module_lstm_output: the output is broken down into internal nodes",
            modules.PARTS_OBSERVED,
        ),
        Deviation(
            "patterns-through-own-modules",
            ("BACKENDS-1", "PLACEMENT-5"),
            "_find_matches matches patterns first and takes standalone and custom modules out of them again: what is "
            "left of a pattern is observed as its first or its last part",
            "_find_matches: add custom module instances to the match result; each node is in one match",
            modules.THROUGH_OWN,
        ),
        Deviation(
            "custom-modules-refused-late",
            ("EFFECTS-10",),
            "_swap_custom_module_to_observed refuses a qconfig for which there is no observed class, and prepare a "
            "standalone model that returns several values, when observers are in the caller's graph already",
            "a call that is refused leaves what it was given as it was",
            modules.REFUSED_LATE,
        ),
        Deviation(
            "parts-of-lstm-missed",
            ("MODULES-10", "MODULES-11", "PLACEMENT-5"),
            "_reroute_tuple_getitem_pattern shares its lists between branches: where a part of an LSTM's output is "
            "taken twice, one of the readers is missed, or reads another part",
            "its docstring: reroute all consumers of the original LSTM node and its sub-nodes",
            modules.PARTS_MISSED,
        ),
        Deviation(
            "modules-swapped-by-eager-rules",
            ("PLACEMENT-5", "QAT-1", "QAT-3", "QCONFIGS-1"),
            "modules are swapped for training by the qconfigs of propagate_qconfig_, which knows no regular "
            "expressions and no indexes and lets a type override a parent's name: a module is swapped that is "
            "switched off, or for another qconfig than its node's, or is not swapped",
            "QConfigMapping: in increasing match priority; prepare.py itself notes: TODO: support regex as well",
            qat.EAGER_SWAP,
        ),
        Deviation(
            "swapped-modules-in-training-mode",
            ("PLACEMENT-5", "QAT-6"),
            "swap_module constructs a new module and keeps hooks and device, but not the mode: in a model in eval "
            "mode it is in training mode",
            "torch.nn.Module.eval: sets the module in evaluation mode; affects all its modules",
            qat.TRAINING_MODE,
        ),
        Deviation(
            "swapped-modules-on-two-devices",
            ("DEVICES-1", "PLACEMENT-5"),
            "swap_module does not count the meta device: the fake quantizers of a module there stay on the CPU, "
            "and so the model is on two devices, and its other observers go to the CPU as well",
            "swap_module: respect device affinity when swapping modules",
            qat.LEFT_ON_CPU,
            first="2.7",
        ),
        Deviation(
            "qconfig-left-on-the-float-model",
            ("QAT-8",),
            "propagate_qconfig_ leaves a qconfig on the modules of the float model, and takes one that it finds there "
            "in place of the mapping's: when a model is prepared again, for another mapping, modules are swapped as "
            "the first one said",
            "prepare_qat_fx: we'll insert fake_quantize modules according to the qconfig_mapping",
            qat.LEFT_BEHIND,
        ),
        Deviation(
            "equalization-by-position",
            ("EQUALIZATION-1", "PLACEMENT-5", "PLACEMENT-6"),
            "_maybe_insert_input_equalization_observers_for_node looks at node.args alone: what a layer takes by "
            "keyword is not equalized",
            "its docstring: if node needs to be equalized, find the input/weight observers it needs",
            equalization.BY_POSITION,
        ),
        Deviation(
            "branches-of-what-has-a-qconfig",
            ("EQUALIZATION-1", "PLACEMENT-5"),
            "a layer counts as part of a branch if anything else that reads its first positional argument has a "
            "qconfig, quantized or not",
            "insert_observers_for_model: a branch in which the two first layers are both being quantized",
            equalization.BRANCH_BY_QCONFIG,
        ),
        Deviation(
            "half-equalization-inserts-identities",
            ("ENTRY-4",),
            "where an equalization qconfig has no observer for the input or the weight, the torch.nn.Identity that "
            "stands for none is put into the graph, under the name of an observer",
            "EqualizationQConfig: providing settings (observer classes) for inputs, outputs, and weights",
            equalization.IDENTITIES,
        ),
        Deviation(
            "float-patterns-equalized",
            ("EQUALIZATION-2", "PLACEMENT-5"),
            "a pattern that the backend does not support with its qconfig is made float and then looked at again: if "
            "the backend supports it with float values, it counts as observed, and is equalized",
            "DTypeConfig: these dtypes are matched against the ones specified in the user's QConfig; otherwise the "
            "pattern will not be quantized",
            equalization.SECOND_LOOK,
        ),
        Deviation(
            "equalization-hides-quantized-inputs",
            ("EQUALIZATION-6", "PLACEMENT-5"),
            "_is_observer_in_same_graph looks for a placeholder at node.args[0] and finds the equalization observer on "
            "it; so an operator that shares its input's observer, and whose input is quantized outside, loses the "
            "observer of its output once it is equalized",
            "its docstring: when the input is a placeholder, it is observed in a different place",
            equalization.HIDDEN_INPUTS,
        ),
        Deviation(
            "unobserved-outputs-in-silence",
            ("DECLARED-1",),
            "_maybe_insert_observers_before_graph_output compares a value's own two dtypes, which are the same, and "
            "never reads what is declared of the output: an output that is to be quantized and is not observed stays "
            "as it is, and nothing is said",
            "its docstring: if the output needs to be quantized and there are any nodes in the output which are not "
            "already observed, inserts observers for those nodes",
            declared.OUTPUTS_IN_SILENCE,
        ),
        Deviation(
            "values-of-nodes-alone",
            ("DTYPES-1", "DECLARED-2", "PLACEMENT-5"),
            "what a node carries in meta['val'] is read where the node itself is looked at, and not where it is an "
            "argument: integers are observed on their readers' behalf although they say what they are",
            "prepare.py lists int, float, bool and None as the dtypes to add no observer to",
            declared.VALUES_OF_NODES_ALONE,
        ),
        Deviation(
            "meta-beside-cpu",
            ("ENTRY-5", "DEVICES-2"),
            "a model that is on the CPU and on the meta device is let through, with a warning, as if on the CPU",
            "assert_and_get_unique_device: throws an error if multiple devices are detected",
            devices.META_BESIDE_CPU,
        ),
        Deviation(
            "constraints-on-meta-fail",
            ("ENTRY-1",),
            "the observers of a module's qconfig are made on the module's device to be held against the backend's "
            "constraints; on the meta device their eps has no value, and the comparison fails",
            "_add_module_to_qconfig_obs_ctr: to avoid potential device alignment issues",
            devices.CONSTRAINTS_ON_META,
        ),
    ),
)
