"""Why faults are not caught, and why branches are not taken: what was found when each was studied, by hand."""

from __future__ import annotations

from dataclasses import dataclass

EQUIVALENT = "equivalent"
"""No call of `prepare` does anything else with the fault than without it."""

OUTSIDE = "out of scope"
"""The fault does something, which no rule forbids and none should."""

GAP = "gap"
"""The fault should be caught, and is not yet."""


@dataclass(frozen=True)
class Reason:
    """Why some faults are not caught: the verdict, what was found, and the ids of the faults."""

    verdict: str
    text: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Untaken:
    """Why no case takes some branches of a module: what was found, and the branches."""

    text: str
    branches: tuple[str, ...]


_FX, _AO = "torch.ao.quantization.fx", "torch.ao.quantization"

REASONS: dict[str, tuple[Reason, ...]] = {
    "torch": (
        Reason(
            EQUIVALENT,
            "the argument is the parameter's default: `prepare` swaps modules for training, and no others",
            (f"{_AO}.quantize _convert:726:12 drop keyword 0",),
        ),
        Reason(
            EQUIVALENT,
            "a check of what the function itself has just found, which cannot fail",
            (f"{_FX}.utils _reroute_tuple_getitem_pattern:833:16 drop operand 0",),
        ),
        Reason(
            OUTSIDE,
            "only a pattern of a class that is no module, called as a function, would show it: no backend has one",
            (f"{_FX}.match_utils _is_match:52:7 drop operand 1",),
        ),
        Reason(
            EQUIVALENT,
            "`set_float_to_observed_mapping` refuses an observed class for any other quantization than the static one",
            tuple(f"{_FX}.utils get_custom_module_class_keys:138:22 drop element {number}" for number in (1, 2)),
        ),
    ),
    "reference": (),
}
"""The faults of each implementation that are not caught."""

_OUTPUTS = "_maybe_insert_observers_before_graph_output._recursive_maybe_replace_node_with_obs"
_SHARE, _PER_ARGUMENT = "_maybe_make_input_output_share_observers", "_maybe_insert_input_observer_for_arg_or_kwarg"
_OUTPUT_OF, _INPUT_OF = "_get_output_act_obs_or_fq", "_get_arg_as_input_act_obs_or_fq"
_PATTERN = "_set_target_dtype_info_for_matched_node_pattern"

UNTAKEN: dict[str, tuple[Untaken, ...]] = {
    f"{_FX}.prepare": (
        Untaken(
            "An assertion about what the function was called with, or has just found, which no caller of `prepare` can "
            "make fail.",
            (
                "_is_pattern_dtype_config_and_qconfig_supported_by_backend:330->331",
                f"{_PATTERN}:466->467",
                *(f"{_OUTPUT_OF}:{branch}" for branch in ("606->607", "632->633", "640->641")),
                f"{_INPUT_OF}:687->688",
                *(f"{_PER_ARGUMENT}:{branch}" for branch in ("759->760", "776->777", "810->811", "868->869")),
                *(f"_maybe_insert_output_observer_for_node:{branch}" for branch in ("1025->1026", "1034->1035")),
                *(f"{_SHARE}:{branch}" for branch in ("1322->1323", "1325->1326", "1328->1329", "1347->1348")),
                f"{_SHARE}:1356->1357",
                "_remove_output_observer:1372->1373",
                *(f"insert_observers_for_model:{branch}" for branch in ("1498->1499", "1577->1578", "1672->1673")),
                "_run_prepare_fx_on_standalone_modules:1915->1916",
            ),
        ),
        Untaken(
            "The node is annotated. Annotated nodes are refused here; they are what this suite leaves out.",
            (
                *(f"{_OUTPUT_OF}:{branch}" for branch in ("609->610", "635->636")),
                f"{_INPUT_OF}:690->691",
                f"{_PER_ARGUMENT}:771->772",
                "_maybe_insert_output_observer_for_node:1029->1030",
            ),
        ),
        Untaken(
            "The caller returns before, where there is no qconfig.",
            ("_get_target_activation_dtype_for_node:533->590",),
        ),
        Untaken(
            "Every node has an entry from the start, and of those that are inserted none but an observer or a stub of "
            "an LSTM is read, which are asked for before.",
            (f"{_OUTPUT_OF}:649->654",),
        ),
        Untaken(
            "What a node is to be observed with as an input and as an output is always written together, from one "
            "qconfig, so that the two dtypes never differ at the graph's output.",
            tuple(f"{_OUTPUTS}:{branch}" for branch in ("1146->1147", "1147->1148", "1147->1152")),
        ),
        Untaken("The loop before has found a node, a list or a tuple, and nothing else.", (f"{_SHARE}:1295->1298",)),
        Untaken(
            "A dynamic qconfig for a dtype that nothing is quantized to.",
            ("_needs_obs_or_fq:130->131",),
        ),
        Untaken(
            "Rare: they were taken in a run with 400 cases and those that are written by hand.",
            (
                *(f"_maybe_propagate_dtype_for_node:{branch}" for branch in ("1217->1218", "1219->1220")),
                f"{_SHARE}:1285->1284",
                "insert_observers_for_model:1857->1886",
                "prepare:2040->2041",
            ),
        ),
        Untaken(
            "They can be taken: by a dynamic operator that reads what is no tensor, a mask that is made of several, a "
            "graph input that is declared as quantized in a list, a second call of a custom LSTM, a standalone module "
            "without an output, and equalization qconfigs that are no mapping. 400 cases, and those that are written "
            "by hand, have not done so; whether pinned cases do was not measured yet.",
            (
                "_needs_obs_or_fq:134->135",
                "_maybe_propagate_dtype_for_node:1219->-1194",
                f"{_SHARE}:1342->1343",
                "insert_observers_for_model:1777->1886",
                *("prepare:2042->2043", "prepare:2172->2173"),
            ),
        ),
    ),
}
"""The branches of each module that no case takes."""
