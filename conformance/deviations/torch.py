"""The known deviations of torch's `prepare`, each with what it should do instead."""

from __future__ import annotations

from . import torch_annotations as annotated
from . import torch_declared as declared
from . import torch_devices as devices
from . import torch_equalization as equalization
from . import torch_lstm as lstm
from . import torch_modules as modules
from . import torch_patterns as patterns
from . import torch_placement as placement
from . import torch_qat as qat
from . import torch_qat_inside as qat_inside
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
            "methods-behind-their-modules",
            ("PLACEMENT-5",),
            "a method that is selected by its own name has the qconfig of the type of the module that calls it, if "
            "there is one",
            "_generate_node_name_to_qconfig: the config of the module around is for methods without a special one",
            qconfigs.MODULE_FIRST,
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
            "filled-in-values-travel-back",
            ("REFUSALS-5",),
            "propagate_dtypes_for_known_nodes goes back from the value of masked_fill through what passes values on: a "
            "tensor whose mean is filled in loses its observers",
            "insert_observers_for_model: an observer stands where the dtypes of an argument and its reader differ",
            values.FILLED_IN,
        ),
        Deviation(
            "dimensions-of-functions",
            ("REFUSALS-5",),
            "NON_OBSERVABLE_ARG_DICT has torch.transpose and torch.unsqueeze as methods, which they never are: a "
            "dimension that the graph computes, or that is an input, is observed, and the prepared model fails",
            "NON_OBSERVABLE_ARG_DICT: which arguments are no tensors, as observers for them would cause errors",
            values.DIMENSIONS_OF_FUNCTIONS,
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
            "roles-in-modules",
            ("REFUSALS-5",),
            "node_arg_is_weight and node_arg_is_bias look at the names of keywords whatever the node calls: what a "
            "module of one's own takes as weight= or bias= is observed as a weight, or not at all, and by position as "
            "an activation",
            "Python: an argument may be passed by position or by keyword",
            placement.ROLE_IN_MODULES,
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
            "reused-observer-from-afar",
            ("PLACEMENT-5", "PLACEMENT-6", "SHARING-2"),
            "an operator that reuses its input's observer, whose input has none, gets the one that is found behind "
            "the operators before it, whatever these do to the values",
            "ReuseInputObserver: if x0 is not observed, we also won't observe x1",
            sharing.REUSED_FROM_AFAR,
        ),
        Deviation(
            "observers-of-one-class-merged",
            ("PLACEMENT-1", "PLACEMENT-5"),
            "an existing observer is taken if its class and dtype fit, whatever its range, scheme, eps, "
            "being dynamic, or what an annotation derives it from",
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
            "texts-beside-anything-fail",
            ("REFUSALS-5",),
            "_recursive_record_node_in_match_map goes into whatever can be iterated; a text, such as the equation of "
            "einsum, is made of texts: where MatchAllNode stands for one, prepare fails with a RecursionError",
            "MatchAllNode: a node pattern that matches all nodes, used in defining fusion patterns",
            patterns.TEXTS,
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
            "inputs-lose-what-outputs-are",
            ("PLACEMENT-1", "PLACEMENT-5", "PLACEMENT-6"),
            "_maybe_propagate_dtype_for_node takes from an operator whose output is a mask or a size what it asks for "
            "at its inputs, too, which are float tensors",
            "propagate_dtypes_for_known_nodes: we propagate the type of mask",
            placement.MARKED_INPUTS,
        ),
        Deviation(
            "half-switched-off-patterns",
            ("PLACEMENT-6", "PLACEMENT-13"),
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
            "numbers-behind-lists-fail",
            ("REFUSALS-4", "REFUSALS-5"),
            "where a later value of a list has no observer and its operator takes a number or a size first, as "
            "torch.zeros(1, x.size(1)) in torch.cat does, the call fails with an AttributeError that says nothing of "
            "it, and leaves the observers until there in the caller's model",
            "_maybe_make_input_output_share_observers: returns whether the operation succeeded or not",
            sharing.NUMBERS_IN_LISTS,
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
            "unobserved-inputs-believed-quantized",
            ("DTYPES-1", "PLACEMENT-5"),
            "_is_observer_in_same_graph takes every graph input that is not observed for one that is quantized: "
            "where a mask is such an input, the output of an operator that shares with it is observed on its own",
            "propagate_dtypes_for_known_nodes: we know that the dtype of mask is a BoolTensor",
            sharing.OUTSIDE_UNLESS_OBSERVED,
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
        *state.ENTRIES,
        *modules.ENTRIES,
        *lstm.ENTRIES,
        *qat_inside.ENTRIES,
        *qat.ENTRIES,
        *equalization.ENTRIES,
        *declared.ENTRIES,
        *devices.ENTRIES,
        *annotated.ENTRIES,
    ),
)
