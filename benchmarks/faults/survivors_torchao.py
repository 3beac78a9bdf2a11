"""Why faults in torchao's `prepare` are not caught: what was found when each was studied, by hand."""

from __future__ import annotations

from verdicts import EQUIVALENT, OUTSIDE, Reason

_HOME = "torchao.quantization.pt2e"
_GROUPS, _UNION, _KEYWORDS = (
    "_get_edge_or_node_to_group_id",
    "_union_input_edge_with",
    "_maybe_insert_input_observers_for_node",
)
_BUFFER, _PER_ARGUMENT, _OUTPUT = (
    "_is_mutable_buffer_arg",
    "_maybe_insert_input_observer_for_arg_or_kwarg",
    "_maybe_insert_output_observer_for_node",
)


def _reason(verdict: str, text: str, *faults: str, module: str = "prepare") -> Reason:
    """Return why some faults of a module are not caught."""
    return Reason(verdict, text, tuple(f"{_HOME}.{module} {fault}" for fault in faults))


SURVIVORS = (
    _reason(
        EQUIVALENT,
        "a check of what the function was called with, which cannot fail",
        f"{_GROUPS}:355:16 never",
        f"{_GROUPS}:355:19 drop operand 0",
        f"{_GROUPS}:355:19 drop operand 1",
        f"{_GROUPS}:355:19 swap and/or",
        "_get_edge_or_node_to_qspec:222:11 drop operand 0",
        "_is_activation_post_process_node:55:8 drop operand 0",
        *(f"{_BUFFER}:{fault}" for fault in ("427:8 drop operand 2", "437:8 drop operand 0")),
    ),
    _reason(
        EQUIVALENT,
        "an edge that is joined with itself is where it was",
        f"{_GROUPS}:360:20 never",
        f"{_GROUPS}:361:24 drop statement",
    ),
    _reason(
        EQUIVALENT,
        "the numbers of groups are different ones, whatever they begin with, and by whatever they grow",
        *(f"{_GROUPS}:{place} add one" for place in ("385:19", "391:28")),
    ),
    _reason(
        EQUIVALENT,
        "specs of two classes differ in several attributes, those that one of them alone has among them",
        "_has_same_attr:213:10 drop operand 1",
    ),
    _reason(
        EQUIVALENT,
        "whether two specs are equal does not depend on their order",
        f"{_UNION}:251:8 swap first arguments",
    ),
    _reason(
        EQUIVALENT,
        "None and False are the same to who asks",
        *(f"{_BUFFER}:{line}:8 return None" for line in (432, 441, 447)),
    ),
    _reason(EQUIVALENT, "only a function has a schema", f"{_BUFFER}:427:8 drop operand 0"),
    _reason(EQUIVALENT, "no observer is None", f"{_PER_ARGUMENT}:518:7 drop operand 0"),
    _reason(EQUIVALENT, "`prepare` is called without a callback", "prepare:721:8 swap first arguments"),
    _reason(EQUIVALENT, "observers are made without being told the device", "prepare:722:4 assign None"),
    _reason(
        EQUIVALENT,
        "only observers are looked up by name, and none has two",
        "prepare:723:25 drop keyword 0",
        "prepare:723:62 turn bool",
    ),
    _reason(
        EQUIVALENT,
        "what is read when quantized models are converted",
        *(f"_DEQUANTIZE_OPS:571:18 drop element {number}" for number in range(3)),
        *(f"_QUANTIZE_OPS:564:16 drop element {number}" for number in range(3)),
        module="utils",
    ),
    _reason(
        OUTSIDE,
        "a handle for debuggers, which nothing that quantizes reads",
        f"{_OUTPUT}:626:8 never",
        *(f"{_OUTPUT}:627:12 drop operand {number}" for number in range(2)),
        f"{_OUTPUT}:631:12 assign None",
    ),
    _reason(
        OUTSIDE,
        "the words of a refusal, or what is printed before it",
        "_create_obs_or_fq_from_qspec:82:4 never",
        "_create_obs_or_fq_from_qspec:83:8 assign None",
        "_create_obs_or_fq_from_qspec:88:8 return None",
        f"{_KEYWORDS}:597:16 drop statement",
    ),
    _reason(OUTSIDE, "only a buffer that is named like a method would show it", f"{_BUFFER}:450:8 drop operand 0"),
    _reason(
        OUTSIDE,
        "only an annotated call that takes a dict by keyword would show it, and no operator does",
        *(f"{_KEYWORDS}:{fault}" for fault in ("599:8 never", "601:16 drop statement", "601:16 swap first arguments")),
    ),
    _reason(
        OUTSIDE,
        "only a graph that reads a tied buffer by its second name would show it, which tracing does not write",
        *(f"prepare:{fault}" for fault in ("724:40 drop keyword 0", "724:77 turn bool")),
    ),
    _reason(OUTSIDE, "a record that the conversion of annotated graphs does not read", "prepare:740:4 drop statement"),
)
