"""Why faults are not caught, and why branches are not taken: what was found when each was studied, by hand."""

from __future__ import annotations

from survivors import SURVIVORS
from survivors_reference import SURVIVORS as SURVIVORS_OF_THE_REFERENCE
from survivors_torchao import SURVIVORS as SURVIVORS_OF_TORCHAO
from verdicts import EQUIVALENT as EQUIVALENT
from verdicts import OUTSIDE as OUTSIDE
from verdicts import Reason as Reason
from verdicts import Untaken

REASONS: dict[str, tuple[Reason, ...]] = {
    "torch": SURVIVORS,
    "reference": SURVIVORS_OF_THE_REFERENCE,
    "torchao": SURVIVORS_OF_TORCHAO,
}
"""The faults of each implementation that are not caught."""

_OUTPUTS = "_maybe_insert_observers_before_graph_output._recursive_maybe_replace_node_with_obs"
_SHARE, _PER_ARGUMENT = "_maybe_make_input_output_share_observers", "_maybe_insert_input_observer_for_arg_or_kwarg"
_OUTPUT_OF, _INPUT_OF = "_get_output_act_obs_or_fq", "_get_arg_as_input_act_obs_or_fq"
_KEYWORD = "_maybe_insert_input_observers_for_node._validate_kwarg"
_PATTERN = "_set_target_dtype_info_for_matched_node_pattern"

UNTAKEN: dict[str, tuple[Untaken, ...]] = {
    "torch.ao.quantization.fx.prepare": (
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
            "A custom LSTM is swapped at its first call, and is no float LSTM any more at its second.",
            ("insert_observers_for_model:1777->1886",),
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
            "No drawn case takes them, or few do: they are taken by cases that are written by hand, or pinned.",
            (
                "_needs_obs_or_fq:134->135",
                *(
                    f"_maybe_propagate_dtype_for_node:{branch}"
                    for branch in ("1217->1218", "1219->1220", "1219->-1194")
                ),
                *(f"{_SHARE}:{branch}" for branch in ("1285->1284", "1342->1343")),
                "insert_observers_for_model:1857->1886",
                *(f"prepare:{branch}" for branch in ("2040->2041", "2042->2043", "2172->2173")),
            ),
        ),
    ),
    "torchao.quantization.pt2e.prepare": (
        Untaken(
            "An assertion about what the function was called with, which cannot fail.",
            ("_get_edge_or_node_to_group_id:355->356",),
        ),
        Untaken(
            "No case brings a callback. ANNOTATIONS-16 does, in the calls that it derives from cases.",
            ("prepare:720->721",),
        ),
        Untaken(
            "No drawn call has a list of numbers by keyword and its tensors by position.",
            (f"{_KEYWORD}:596->599",),
        ),
        Untaken(
            "Only an annotated call that takes a dict by keyword would take them, and no operator does.",
            tuple(f"{_KEYWORD}:{branch}" for branch in ("599->600", "600->-589", "600->601")),
        ),
    ),
}
"""The branches of each module that no case takes."""
