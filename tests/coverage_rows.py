"""The rows of the scope, each with where it is decided, drawn and stated; `coverage_table` writes them down."""

from __future__ import annotations

from dataclasses import dataclass

EVERY_CASE = "every case"
"""Stands for a feature that every case has."""

FIXED_CASES = "cases of its own"
"""Stands for a feature that cases made by size or by hand have, and no drawn one."""


@dataclass(frozen=True)
class Row:
    """One capability: functions of the reference, features of cases, and ids of rules."""

    id: str
    capability: str
    reference: tuple[str, ...]
    features: tuple[str, ...]
    rules: tuple[str, ...]


def _row(name: str, capability: str, reference: str, features: str, rules: str) -> Row:
    """Return a row whose parts are texts: functions and rules between spaces, features between commas."""
    split = tuple(feature.strip() for feature in features.split(","))
    return Row(name, capability, tuple(reference.split()), split, tuple(rules.split()))


ROWS = (
    # A. Entry
    _row(
        "A1",
        "the nine parameters; a graph module in, a new one out",
        "prepare.prepare rewrite.rewrite",
        f"{EVERY_CASE}, several inputs",
        "ENTRY-1 ENTRY-4 ENTRY-6",
    ),
    _row(
        "A2",
        "configs as objects or as dicts",
        "entry.read_configs",
        "configs as dicts",
        "ENTRY-2 ENTRY-8 ENTRY-9 STATE-4",
    ),
    _row(
        "A3",
        "no backend config means the native one; configs stay as they are",
        "entry.read_configs",
        "no backend config, shipped backend config",
        "ENTRY-3 EFFECTS-4",
    ),
    _row(
        "A4",
        "the state for conversion, every field",
        "state.save state.mark_modules state.mark_weights",
        f"{EVERY_CASE}, prepared as standalone",
        "STATE-1 STATE-2 STATE-3 STATE-4 STATE-5 STATE-7 STATE-8",
    ),
    _row("A5", "the names of the nodes that are observed", "state.observed_names", EVERY_CASE, "STATE-6"),
    # B. Which qconfig each node gets
    _row(
        "B1",
        "precedence of the selectors; None switches off",
        "qconfigs.select qconfigs.by_name",
        "default mapping, global selector, object_type selector, regex selector, name selector, order selector, "
        "switched off",
        "QCONFIGS-1 QCONFIGS-2 QCONFIGS-3 QCONFIGS-4 QCONFIGS-5 QCONFIGS-6 QCONFIGS-7",
    ),
    _row(
        "B2",
        "all kinds of nodes; scopes",
        "qconfigs.assign qconfigs.select",
        "submodule, nested submodule, submodule type selector, function weight",
        "QCONFIGS-5 QCONFIGS-8 EFFECTS-5",
    ),
    _row(
        "B3",
        "fused modules and the qconfigs of their parts",
        "qconfigs.with_fused_types qconfigs.refuse_disagreement",
        "fused module, parts selected, parts that disagree",
        "QCONFIGS-9 QCONFIGS-10 QCONFIGS-11 QCONFIGS-12 QCONFIGS-13 QCONFIGS-14",
    ),
    _row(
        "B4",
        "the float type's qconfig serves the swapped type",
        "qat.chosen qat.swaps qat.with_trained_types",
        "quantization-aware training, swappable module, quantization-aware module, object_type selector",
        "QAT-1 QAT-3 QAT-12",
    ),
    _row(
        "B5",
        "qconfigs on modules; what is not traced is left alone",
        "state.mark_modules state.mark",
        "non-traceable module, standalone module",
        "STATE-7 MODULES-12",
    ),
    # C. What matches
    _row(
        "C1",
        "single operators, attributes included",
        "patterns.find patterns.operator_of",
        f"{EVERY_CASE}, in-place operator, attribute in a pattern",
        "BACKENDS-1 PLACEMENT-8 PATTERNS-7",
    ),
    _row(
        "C2",
        "fusion patterns, longest first; roots; values read outside",
        "patterns.candidates patterns.fit patterns.default_root patterns.count_uses",
        "own fusion pattern, own nested pattern, named root, competing patterns",
        "PATTERNS-1 PATTERNS-2 PATTERNS-3 PATTERNS-6",
    ),
    _row(
        "C3",
        "every pattern of every backend config",
        "patterns.candidates patterns.stands_for",
        "shipped backend config, own backend config, two-armed pattern, any value in a pattern, number in a pattern",
        "PATTERNS-4 PATTERNS-5 PATTERNS-8 PLACEMENT-12",
    ),
    _row(
        "C4",
        "standalone and custom modules are matches of their own",
        "modules.own_matches modules.is_standalone modules.is_custom",
        "standalone module, declared by class, prepared module, custom module",
        "MODULES-1 MODULES-2 MODULES-5 MODULES-6",
    ),
    _row(
        "C5",
        "observation by the number of tensors",
        "patterns.observation_type patterns.tensor_arguments",
        "own backend config, same value twice",
        "SHARING-1 SHARING-6",
    ),
    # D. Which dtype each value is to have
    _row(
        "D1",
        "static, dynamic, weight-only, float16, fixed and absent observers",
        "dtypes.ask_of specs.spec_of",
        "static qconfig, dynamic qconfig, weight-only qconfig, own qconfig",
        "DTYPES-2 DTYPES-6 DTYPES-7 DTYPES-8 DTYPES-9",
    ),
    _row(
        "D2",
        "what reads no tensor asks for nothing",
        "prepare.takes_and_gives_tensors values.classify",
        "shape arithmetic, multi-output operator",
        "DTYPES-1",
    ),
    _row(
        "D3",
        "arguments that are never observed, and how that travels",
        "dtypes.never_observed dtypes.is_never_tensor",
        "mask, shape arithmetic, index input",
        "DTYPES-1",
    ),
    _row(
        "D4",
        "inputs and outputs declared as quantized",
        "prepare.quantized_inputs declared.quantized_outputs declared.say_what_is_missing",
        "quantized input, quantized inputs, quantized output",
        "SHARING-5 DECLARED-1",
    ),
    _row(
        "D5",
        "weights and biases of functions; norms",
        "dtypes.role dtypes.spec_for dtypes.bias_spec",
        "function weight, keyword spelling, parameter used twice",
        "DTYPES-3 DTYPES-4 DTYPES-5",
    ),
    _row(
        "D6",
        "what a node says that it gives",
        "values.as_told values.of_told",
        "stored values",
        "DECLARED-2 DECLARED-3",
    ),
    # E. What the backend supports
    _row(
        "E1",
        "one dtype config must agree on everything",
        "backends.judge backends.objections",
        "own backend config, shipped backend config",
        "BACKENDS-1 BACKENDS-3",
    ),
    _row("E2", "constraints, and their warnings", "backends.broken_constraints", "constraint", "BACKENDS-2"),
    _row(
        "E3",
        "what is known to be no float stays so",
        "prepare.read_values dtypes.Values",
        "mask, index input",
        "DTYPES-1",
    ),
    # F. Where observers go
    _row(
        "F1",
        "when an observer is needed",
        "placement.why_not placement.dtype_of dtypes.is_first_argument",
        f"{EVERY_CASE}, mixed qconfigs",
        "PLACEMENT-1 PLACEMENT-2 PLACEMENT-5 PLACEMENT-13 DTYPES-8",
    ),
    _row(
        "F2",
        "observers of inputs, in lists too, none twice",
        "placement.place_input placement.fitting",
        "list operand, tuple operand, nested lists, same value twice, fan-out, keyword spelling",
        "PLACEMENT-1 PLACEMENT-3 PLACEMENT-6 PLACEMENT-7 PLACEMENT-15",
    ),
    _row(
        "F3",
        "observers of outputs, and who reads them",
        "placement.place_output",
        f"{EVERY_CASE}, fan-out, module called twice",
        "PLACEMENT-4 PLACEMENT-9 PLACEMENT-14 MODULES-4",
    ),
    _row(
        "F4",
        "inputs at the root, outputs at the last node, nothing inside",
        "placement.place_around",
        "own fusion pattern, shipped backend config, input never observed",
        "PATTERNS-1 PATTERNS-8 BACKENDS-4",
    ),
    _row(
        "F5",
        "what the graph returns",
        "refusals.constants rewrite.rewrite",
        "container at the output, None at the output, constant at the output",
        "ENTRY-4 REFUSALS-2",
    ),
    _row(
        "F6",
        "names and order",
        "rewrite.free_names rewrite.rewrite",
        EVERY_CASE,
        "PLACEMENT-10 PLACEMENT-11 REFUSALS-5",
    ),
    _row(
        "F7",
        "one device",
        "devices.device_of",
        "other device, two devices, annotated elsewhere",
        "DEVICES-1 DEVICES-2",
    ),
    # G. Which observers are shared
    _row(
        "G1",
        "sharing operators, all inputs of a list included",
        "sharing.shares_with_inputs site.Groups",
        "list operand, nested lists, own backend config",
        "SHARING-1 SHARING-2 SHARING-3",
    ),
    _row(
        "G2",
        "tracing back; output observers that go away again",
        "sharing.sources sharing.behind sharing.output_slot",
        f"{EVERY_CASE}, shape arithmetic",
        "SHARING-2 SHARING-6",
    ),
    _row(
        "G3", "not where the input is quantized outside", "sharing.is_outside", "quantized input", "SHARING-5 SHARING-6"
    ),
    _row("G4", "a qconfig that reuses the input's observer", "dtypes.reuses_input", "static qconfig", "SHARING-4"),
    # H. Modules of their own kind
    _row(
        "H1",
        "standalone modules",
        "prepare.survey_standalone modules.inside placement.place_standalone modules.refuse_structure",
        "standalone module, nested standalone, own module called twice, own module by keyword, own configs inside, "
        "declared quantized input, declared quantized output, several outputs inside, prepared as standalone",
        "MODULES-1 MODULES-2 MODULES-3 MODULES-4 MODULES-5 MODULES-13 MODULES-14",
    ),
    _row(
        "H2",
        "custom modules, once a target",
        "modules.swap modules.observed",
        "custom module, own module called twice",
        "MODULES-6 MODULES-7 MODULES-8",
    ),
    _row(
        "H3",
        "the custom LSTM; multi-head attention",
        "modules.take_apart modules.parts modules.dequantize",
        "custom LSTM, custom attention",
        "MODULES-9 MODULES-10 MODULES-11",
    ),
    _row(
        "H4",
        "modules swapped for training, with fake quantizers",
        "qat.swaps qat.served qat.swapped qat.kept",
        "quantization-aware training, swappable module, fake quantizer, fake quantizer after training, "
        "observer in training, other mode, hooks, quantization-aware module",
        "QAT-1 QAT-2 QAT-4 QAT-5 QAT-6 QAT-7 QAT-8 QAT-9 QAT-10 QAT-11 QAT-13",
    ),
    _row(
        "H5",
        "equalization; branches are refused with a warning",
        "equalization.select equalization.place equalization.branch",
        "equalization",
        "EQUALIZATION-1 EQUALIZATION-2 EQUALIZATION-3 EQUALIZATION-4 EQUALIZATION-5 EQUALIZATION-6 EQUALIZATION-7 "
        "EQUALIZATION-8",
    ),
    # I. Annotated nodes
    _row(
        "I1",
        "specs with the constructor of an observer; the axis where it has a meaning",
        "annotations.read qspecs.observer_of qspecs.looks_at_channels",
        "spec by channel, fake quantizer in a spec, dynamic spec, open spec",
        "ANNOTATIONS-1 ANNOTATIONS-2 ANNOTATIONS-10 REFUSALS-6",
    ),
    _row(
        "I2",
        "fixed parameters, of an observer or a fake quantizer",
        "qspecs.observer_of",
        "fixed parameters",
        "ANNOTATIONS-8",
    ),
    _row(
        "I3",
        "sharing with an edge or a value, and with nothing",
        "annotations.share annotations.followed annotations.led_by_the_first",
        "shared with an edge, shared with a value, shared on one tensor, chain of sharing, "
        "shared with what comes later, shared with nothing, shared in a circle",
        "ANNOTATIONS-4 ANNOTATIONS-7 ANNOTATIONS-11 ANNOTATIONS-12 ANNOTATIONS-14",
    ),
    _row(
        "I4",
        "parameters derived from several places",
        "annotations.derived_from annotations.make",
        "derived parameters, derived from what comes later",
        "ANNOTATIONS-9",
    ),
    _row(
        "I5",
        "inputs and outputs where they are annotated, and nowhere else",
        "annotations.place annotations.place_input annotations.place_output "
        "annotated.input_spec annotated.reuses_input",
        "annotated edge, annotated output, None for an input, annotated return, read by keyword, exported graph, "
        "buffer, shipped quantizer, one annotation for several, inputs' observers reused, nothing said of reuse",
        "ANNOTATIONS-3 ANNOTATIONS-13 ANNOTATIONS-15 ANNOTATIONS-16 ANNOTATIONS-18",
    ),
    _row(
        "I6",
        "implicit sharing by all that have one tensor, and its opt-out (torchao)",
        "annotations.asking_alike annotations.allows_sharing",
        "same spec on one value, no sharing allowed",
        "ANNOTATIONS-5 ANNOTATIONS-6",
    ),
    _row(
        "I7",
        "quantizers, which are brought in place of a `prepare`",
        "annotations.prepare annotations.read",
        FIXED_CASES,
        " ".join(f"QUANTIZERS-{number}" for number in range(1, 15)),
    ),
    _row(
        "I8",
        "backend configs, which are brought in place of a `prepare`",
        "backends.judge patterns.find",
        FIXED_CASES,
        " ".join(f"CONFIGS-{number}" for number in range(1, 8)),
    ),
    _row(
        "I9",
        "annotations in the place of qconfigs, where these are served (torch up to 2.6)",
        "annotated.read annotated.with_output annotated.settle annotated.share annotated.derive",
        "annotated model, shared with what is not annotated",
        "ANNOTATIONS-17 ANNOTATIONS-19",
    ),
    # J. What must hold whatever the input
    _row(
        "J1",
        "the same result, bit for bit, in training and in eval mode",
        "rewrite.rewrite rewrite.twin",
        f"{EVERY_CASE}, other mode",
        "EFFECTS-1 EFFECTS-2 QAT-9",
    ),
    _row(
        "J2",
        "the same call twice; the caller's objects",
        "prepare.plan rewrite.twin",
        EVERY_CASE,
        "EFFECTS-3 EFFECTS-4 EFFECTS-9 EFFECTS-11 EFFECTS-14 EFFECTS-15 ENTRY-7",
    ),
    _row(
        "J3",
        "deepcopy, pickling, state_dict",
        "rewrite.rewrite state.save",
        EVERY_CASE,
        "EFFECTS-8 EFFECTS-12 EFFECTS-13",
    ),
    _row("J4", "conversion", "state.save", EVERY_CASE, "STATE-9 STATE-10 STATE-11 STATE-12"),
    _row(
        "J5",
        "names, independent nodes and dead branches change nothing elsewhere",
        "prepare.survey placement.place",
        f"{EVERY_CASE}, dead value, tied weights",
        "EFFECTS-5 EFFECTS-6 EFFECTS-7",
    ),
    _row(
        "J6",
        "cost in proportion to the graph, and no recursion limit",
        "values.classify sharing.behind placement.fitting",
        FIXED_CASES,
        "SCALE-1 SCALE-2 SCALE-3 SCALE-4 SCALE-5",
    ),
    _row(
        "J7",
        "bad input gets a clear error and changes nothing",
        "refusals.refuse_misuse refusals.refuse_graph qconfigs.refuse_other qconfigs.refuse_misfit",
        FIXED_CASES,
        "ENTRY-5 REFUSALS-1 REFUSALS-3 REFUSALS-4 EFFECTS-10",
    ),
)
"""Chapters A to J of the scope."""
