"""Chapter *entry*: what is taken in, and in which form."""

from __future__ import annotations

from collections.abc import Iterator

from torch.fx import Graph

from observance.conformance.outcomes import Outcome, run_with_dict
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial, same_placement


@rule("ENTRY-1", MUST, "prepare: the documentation of its parameters")
def test_a_call_that_can_be_served_is_not_refused(trial: Trial) -> Iterator[Finding]:
    """A call whose arguments are valid returns a model and raises nothing.

    It may be refused where an output is declared as quantized that cannot be, and where a standalone module inherits
    its parent's mapping, of which more than its one qconfig may count inside.
    """
    if trial.expected.error is not None:
        return
    error = trial.outcome.error
    if error is None:
        yield kept("the call")
    elif not trial.may_be_refused:
        name = type(error).__name__
        because = f"the reference prepares this model; here it is refused: {name}: {error}"
        yield broken("the call", "a prepared model", name, because)


@rule("ENTRY-2", MUST, "QConfigMapping.from_dict: create a QConfigMapping from a dictionary", ("dict-configs",), True)
def test_a_dict_means_the_same_as_the_object(trial: Trial) -> Iterator[Finding]:
    """Configs given as dicts place the same observers as the objects."""
    if trial.outcome.error is not None:
        return
    as_objects, as_dicts = trial.again(as_dicts=False), trial.again(as_dicts=True)
    yield from same_placement(as_objects, as_dicts, "the configs are the same, as dicts")


@rule("ENTRY-3", MUST, "prepare: get_native_backend_config is the default", costly=True)
def test_no_backend_config_means_the_native_one(trial: Trial) -> Iterator[Finding]:
    """Without a backend config, observers stand where they stand with the native one."""
    if trial.case.backend not in (None, "native"):
        return
    without, native = trial.again(backend=None), trial.again(backend="native")
    yield from same_placement(without, native, "the native config is the default")


@rule("ENTRY-4", MUST, "prepare_fx: a GraphModule with observers, ready for calibration")
def test_without_its_observers_the_result_is_the_float_model(trial: Trial) -> Iterator[Finding]:
    """Take the observers out of the prepared graph, and the float graph is left: the names and the defaults of its
    inputs, and its output, included.
    """
    if trial.outcome.error is not None:
        return
    text = trial.outcome.misshapen
    because = f"prepare inserts observers and changes nothing else, but {text}"
    yield judged(text is None, "the graph", "the float graph", text or "", because)
    if trial.outcome.prepared is not None:
        wanted, found = map(_inputs, (trial.outcome.float_graph, trial.outcome.prepared.graph))
        yield judged(wanted == found, "the inputs", wanted, found, "who calls the model by keyword names its inputs")


def _inputs(graph: Graph) -> str:
    """Return the inputs of a graph as parameters of a function."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    return ", ".join(f"{node.target}={node.args[0]!r}" if node.args else str(node.target) for node in inputs)


@rule("ENTRY-5", UPSTREAM, "propagate_qconfig_: refuses what no kernel can do")
def test_what_cannot_be_served_is_refused(trial: Trial) -> Iterator[Finding]:
    """What torch refuses aloud is refused aloud."""
    refused = trial.expected.error
    if refused is not None:
        found = "accepted" if trial.outcome.error is None else "refused"
        yield judged(found == "refused", "the call", "refused", found, str(refused))


@rule("ENTRY-6", MUST, "GraphModule: the result runs, is linted, and owns what it calls")
def test_the_result_is_a_whole_graph_module(trial: Trial) -> Iterator[Finding]:
    """The prepared graph is valid: in order, and every module that it calls is the model's own."""
    prepared = trial.outcome.prepared
    if prepared is None:
        return
    try:
        prepared.graph.lint()
        text = ""
    except Exception as error:  # lint raises what it likes
        text = str(error)
    modules = dict(prepared.named_modules(remove_duplicate=False))
    called = [str(node.target) for node in prepared.graph.nodes if node.op == "call_module"]
    missing = [target for target in called if target not in modules]
    problem = text or (f"{missing[0]} is called and missing" if missing else "")
    yield judged(not problem, "the graph", "a valid graph", problem, "a graph module must run")


@rule(
    "ENTRY-7",
    MUST,
    "prepare_fx: qconfig_mapping configures how a model is quantized, and its weights do not",
    costly=True,
)
def test_the_weights_come_from_the_model_and_not_from_its_first_preparation(
    trial: Trial,
) -> Iterator[Finding]:
    """Other weights change no placement: nothing is remembered from one model to the next."""
    other = trial.again(seed=trial.case.seed + 1000)
    yield from same_placement(trial.outcome, other, "only the weights differ")


@rule("ENTRY-8", MUST, "prepare: each config is annotated as an object or a dict", ("dict-configs",), True)
def test_each_config_may_be_a_dict_by_itself(trial: Trial) -> Iterator[Finding]:
    """One config given as a dict beside objects places the same observers."""
    as_objects = trial.again(as_dicts=False)
    if as_objects.error is not None:
        return
    for config, outcome in _with_a_dict(trial):
        yield from same_placement(as_objects, outcome, f"the {config} is the same, as a dict")


def _with_a_dict(trial: Trial) -> Iterator[tuple[str, Outcome]]:
    """Yield each config of the call, and what comes of it when that one alone is a dict."""
    for config in ("qconfig_mapping", "custom_config", "backend_config", "equalization"):
        outcome = run_with_dict(trial.calls, trial.case, config)
        if outcome is not None:
            yield config, outcome


@rule("ENTRY-9", UPSTREAM, "prepare: passing a dict is deprecated, said of each config", ("dict-configs",), True)
def test_a_dict_is_warned_of(trial: Trial) -> Iterator[Finding]:
    """A config given as a dict draws a `FutureWarning`, whichever it is."""
    for config, outcome in _with_a_dict(trial):
        if outcome.error is None:
            warned = any(issubclass(category, FutureWarning) for category, _ in outcome.warnings)
            yield judged(warned, f"the warning of the {config}", "a FutureWarning", "none", "a dict is deprecated")
