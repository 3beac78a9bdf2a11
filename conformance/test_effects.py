"""Chapter *effects*: what must hold whatever the input."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

from torch.ao.quantization import QConfigMapping
from torch.fx import Graph, GraphModule, Node

from observance.conformance import forward
from observance.conformance.derived import (
    brings_observers,
    names_in_order,
    reordered,
    with_dead_branch,
    with_scopes_renamed,
    without_names,
)
from observance.conformance.differences import differences
from observance.conformance.lifecycle import importable, memory_of, observers, program_of, reloaded, survivors
from observance.conformance.observation import ObservationError, observe
from observance.conformance.outcomes import Outcome, arguments_of, copy_graph, fingerprints, prepared_or_error, retraced
from observance.conformance.rules import EVERY_PROFILE, MUST, NEVER_BOTH, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial, same_placement
from observance.reference.specs import is_observer


def _forward(outcome: Outcome, training: bool) -> Iterator[Finding]:
    """Compare what the float model and the prepared one compute, from the same random state.

    A fake quantizer rounds what passes through, and a module that is swapped for
    training may compute in another order, so nothing is said of a model that has
    one (see QAT-9).  Modules that are fused inside a standalone one, and observed classes of
    torch's own, round in other places than the float modules; what is fused for
    evaluation can no longer be trained.  Where several operators draw random numbers, the order in
    which they do is nobody's promise.
    """
    if outcome.prepared is None or outcome.case.is_qat or (training and outcome.inner):
        return
    if forward.has_fakes(outcome.prepared):
        return
    mine = copy.deepcopy(outcome.arguments.float_model).train(training)
    theirs = copy.deepcopy(outcome.prepared).train(training)
    if sum(forward.draws(node, mine) for node in outcome.float_graph.nodes) > 1:
        return
    results = []
    for model in (mine, theirs):
        results.append(forward.run(model, outcome.arguments.example_inputs))
    if isinstance(results[1], Exception) and not isinstance(results[0], Exception):
        name = type(results[1]).__name__
        yield broken("the forward pass", "the float result", name, f"it fails: {results[1]}")
    elif not isinstance(results[0], Exception):
        rounds = outcome.inner or forward.has_quantizable(theirs)
        same = (forward.close if rounds else forward.equal)(results[0], results[1])
        because = "an observer looks and changes nothing, but the results differ"
        yield judged(same, "the forward pass", "the float result", "another result", because)


@rule("EFFECTS-1", MUST, "ObserverBase: observers pass their input through")
def test_the_prepared_model_computes_what_the_float_model_computes(
    trial: Trial,
) -> Iterator[Finding]:
    """In eval mode the prepared model's result is the float model's, bit for bit."""
    if trial.float_values is not None:
        yield from _forward(trial.outcome, training=False)


@rule("EFFECTS-2", MUST, "ObserverBase: observers pass their input through", costly=True)
def test_the_prepared_model_trains_like_the_float_model(trial: Trial) -> Iterator[Finding]:
    """In training mode the prepared model's result is the float model's, bit for bit."""
    if trial.float_values is not None:
        yield from _forward(trial.outcome, training=True)


@rule(
    "EFFECTS-3",
    MUST,
    "the scope of this suite: a call depends on its arguments, and changes nothing else",
    costly=True,
    profiles=EVERY_PROFILE,
)
def test_the_same_call_twice_gives_the_same_model(trial: Trial) -> Iterator[Finding]:
    """Two calls with equal arguments place the same observers."""
    again = trial.calls.fresh(trial.case)
    yield from same_placement(trial.outcome, again, "the same call was made twice")


@rule("EFFECTS-4", MUST, "prepare: it works on deep copies of the mappings", profiles=EVERY_PROFILE)
def test_the_configs_are_left_as_they_were(trial: Trial) -> Iterator[Finding]:
    """The caller's mapping, configs, scopes, inputs, weights and modules are after the call what they were before."""
    after = fingerprints(trial.outcome.arguments)
    for name, before in trial.outcome.before.items():
        because = f"{name} belongs to the caller, who may use it again"
        yield judged(after[name] == before, name, "as before the call", "changed", because)


@rule("EFFECTS-5", MUST, "torch.fx: names carry no meaning", costly=True)
def test_names_of_submodules_carry_no_meaning(trial: Trial) -> Iterator[Finding]:
    """With submodules under other names, and no selector that names one, nothing changes."""
    case = without_names(trial.case)
    other = with_scopes_renamed(case)
    if other == case or any(entry.target.startswith("block:") for entry in case.mapping.entries):
        return
    first, second = trial.calls.outcome(case), trial.calls.outcome(other)
    names = names_in_order(first.float_graph, second.float_graph)
    yield from same_placement(first, second, "only names differ", names)


@rule("EFFECTS-6", MUST, "torch.fx: any topological order is the same program", costly=True)
def test_the_order_of_independent_operators_carries_no_meaning(trial: Trial) -> Iterator[Finding]:
    """Two neighbouring operators that do not read each other may stand in either order.

    It says nothing of a case in which a choice matters that nothing promises: which of several inputs comes first.
    """
    case = without_names(trial.case)
    found = reordered(case)
    if found is None or trial.choices:
        return
    other, _ = found
    first, second = trial.calls.outcome(case), trial.calls.outcome(other)
    names = _matched(first, second)
    if names is not None:
        yield from same_placement(first, second, "two independent operators are swapped", names)


def _matched(first: Outcome, second: Outcome) -> dict[str, str] | None:
    """Return the names in the second graph of the first one's nodes; None if it is not plain."""
    waiting = [node for node in second.float_graph.nodes if node.op != "get_attr"]
    names: dict[str, str] = {}
    for node in first.float_graph.nodes:
        if node.op == "get_attr":
            continue
        reads = [names[name] for name in _reads(node)]
        alike = [other for other in waiting if _called(other) == _called(node) and _reads(other) == reads]
        if len(alike) != 1:
            return None
        names[node.name] = alike[0].name
        waiting.remove(alike[0])
    return names


def _called(node: Node) -> tuple[str, str]:
    """Return what a node does, without the number that a module's name ends in."""
    name = getattr(node.target, "__name__", node.target)
    return node.op, str(name).rstrip("0123456789") if node.op == "call_module" else str(name)


def _reads(node: Node) -> list[str]:
    """Return the names of the values that a node reads, parameters aside."""
    return [other.name for other in node.all_input_nodes if other.op != "get_attr"]


@rule("EFFECTS-7", MUST, "insert_observers_for_model: a node's own arguments decide", costly=True)
def test_a_dead_branch_elsewhere_changes_nothing(trial: Trial) -> Iterator[Finding]:
    """Operators that share no value with the rest of the graph change no placement there.

    A call may be refused for the sake of the branch: its linear module takes the qconfig of the
    model, which was perhaps not made for a weight.
    """
    if trial.case.device != "cpu":  # the branch has parameters, which say where the model is
        return
    case = without_names(trial.case)
    more = trial.calls.outcome(with_dead_branch(case))
    if more.error is not None:
        return
    yield from same_placement(trial.calls.outcome(case), more, "a branch apart was added")


@rule("EFFECTS-8", MUST, "torch.nn.Module: deepcopy keeps shared modules shared", profiles=EVERY_PROFILE)
def test_a_deep_copy_has_the_same_observers(trial: Trial) -> Iterator[Finding]:
    """A deep copy of the prepared model has the same observers, shared in the same way."""
    outcome = trial.outcome
    if outcome.prepared is None or outcome.observation is None:
        return
    copied = observe(outcome.float_graph, copy.deepcopy(outcome.prepared), outcome.inner)
    found = differences(outcome.observation, copied)
    for difference in found:
        yield broken(difference.place, difference.expected, difference.found, "the model was copied")
    if not found and any(is_observer(module) for module in outcome.prepared.modules()):
        yield kept("the copy")


@rule(
    "EFFECTS-9",
    MUST,
    "QConfig: preparation instantiates the observers, and not the caller",
    costly=True,
    profiles=EVERY_PROFILE,
)
def test_two_preparations_share_no_observer(trial: Trial) -> Iterator[Finding]:
    """Two calls with arguments of their own return models that have no observer in common."""
    first, second = trial.calls.fresh(trial.case), trial.calls.fresh(trial.case)
    if first.prepared is None or second.prepared is None:
        return
    mine = {id(module) for module in first.prepared.modules() if is_observer(module)}
    both = [m for m in second.prepared.modules() if is_observer(m) and id(m) in mine]
    if mine:
        because = "what one model sees must not be counted in the other"
        yield judged(not both, "the observers", "none in common", f"{len(both)} in common", because)


@rule("EFFECTS-10", MUST, "the scope of this suite: what is refused is left as it was")
def test_a_refused_call_leaves_the_model_as_it_was(trial: Trial) -> Iterator[Finding]:
    """After a call that is rightly refused, the model is what it was, and can be prepared with another mapping."""
    if trial.expected.error is None or trial.outcome.error is None:
        return  # as in nearly all cases, which is why this rule is not costly
    given = arguments_of(trial.case, trial.calls.prefused)
    before = program_of(given)
    prepared_or_error(trial.calls.implementation, given)
    for name, after in program_of(given).items():
        because = "nothing was prepared, so nothing may have changed"
        yield judged(before[name] == after, name, "as before the call", "changed", because)
    standard = arguments_of(trial.case, trial.calls.prefused)
    results = []
    for calls, arguments in ((trial.standard, standard), (trial.calls, given)):
        results.append(prepared_or_error(calls.implementation, replace(arguments, qconfig_mapping=QConfigMapping())))
    if isinstance(results[0], GraphModule):
        name = "" if isinstance(results[1], GraphModule) else type(results[1]).__name__
        because = (
            f"the mapping that was refused is gone, and the one that is given selects nothing; it said: {results[1]}"
        )
        yield judged(not name, "the next call", "a prepared model", name, because)


@rule("EFFECTS-11", MUST, "prepare_fx: a model is prepared again after it was traced again", costly=True)
def test_two_preparations_of_one_float_model_do_not_hear_each_other(trial: Trial) -> Iterator[Finding]:
    """One float model, traced and prepared twice with the same config objects, gives two models alike.

    They have no observer in common, and what one sees is not told to the other.
    """
    if trial.expected.prepared is None or trial.outcome.observation is None:
        return
    if brings_observers(trial.case) or trial.case.has_values:  # values are lost when the model is traced again
        return
    given = arguments_of(trial.case, trial.calls.prefused)
    graphs = []
    models = []
    for arguments in (given, retraced(given)):
        graphs.append(copy_graph(arguments.model.graph))
        models.append(prepared_or_error(trial.calls.implementation, arguments))
    first, second = models
    if not isinstance(first, GraphModule):
        return
    if not isinstance(second, GraphModule):
        because = f"the first preparation was served, and here it is refused: {second}"
        yield broken("the second preparation", "a prepared model", type(second).__name__, because)
        return
    found = differences(*(observe(*pair) for pair in zip(graphs, (first, second), strict=True)))
    for difference in found:
        yield broken(difference.place, difference.expected, difference.found, "the model was prepared a second time")
    mine = {id(observer) for observer in observers(first)}
    common = sum(id(observer) in mine for observer in observers(second))
    because = "each model is calibrated for itself"
    if mine:
        yield judged(not common, "the observers", "none in common", f"{common} in common", because)
    before = memory_of(second)
    if before and trial.float_values is not None:
        forward.run(first, given.example_inputs)
        heard = [name for name, seen in memory_of(second).items() if seen != before[name]]
        because = "the first model was calibrated, and the second was not"
        yield judged(not heard, "the observers", "nothing seen", f"{len(heard)} have seen something", because)


@rule("EFFECTS-12", MUST, "GraphModule.__reduce__: it is pickled by its code; pytorch#57352", costly=True)
def test_a_prepared_model_is_pickled_wherever_the_float_model_is(trial: Trial) -> Iterator[Finding]:
    """Pickled and loaded, the prepared model has the same observers, shared in the same way.

    It is demanded where the float model, its scopes and its configs survive pickling.  The record is
    lost there: a GraphModule that is loaded has no ``meta``.
    """
    if trial.outcome.observation is None:
        return
    given = arguments_of(trial.case, trial.calls.prefused)
    graph = copy_graph(given.model.graph)
    # A graph that remembers a tracer with parameters can be pickled and not loaded: a copy remembers none.
    given = replace(given, model=GraphModule(given.model, copy_graph(graph)))
    with importable(given):
        prepared = prepared_or_error(trial.calls.implementation, given)
        if not isinstance(prepared, GraphModule) or forward.has_quantizable(prepared):
            return
        found = list(_after_pickling(graph, prepared))
    # The float model is pickled only where it matters: it takes as long again.  Its classes have the names of those
    # above, so they can be imported when these no longer can.
    if any(finding.broken for finding in found) and not _is_pickled(trial):
        return
    yield from found


def _after_pickling(graph: Graph, prepared: GraphModule) -> Iterator[Finding]:
    """Compare a prepared model with what is left of it after pickling."""
    loaded = reloaded(prepared)
    if not isinstance(loaded, GraphModule):
        because = f"the float model is pickled, and so are its configs, but {loaded}"
        yield broken("pickling", "the prepared model", type(loaded).__name__, because)
        return
    try:
        theirs = observe(graph, loaded)
    except ObservationError as error:
        yield broken("pickling", "the prepared model", "another graph", str(error))
        return
    yield kept("pickling")
    for difference in differences(observe(graph, prepared), theirs):
        yield broken(difference.place, difference.expected, difference.found, "the model was pickled and loaded")


def _is_pickled(trial: Trial) -> bool:
    """Whether the float model, its scopes and its configs are what they were after pickling."""
    given = arguments_of(trial.case, trial.calls.prefused)
    graph = copy_graph(given.model.graph)
    with importable(given):
        model = GraphModule(given.model, copy_graph(graph))
        parts = reloaded((model, given.scopes, given.qconfig_mapping, given.custom_config))
    try:
        return not isinstance(parts, Exception) and bool(observe(graph, parts[0]))
    except ObservationError:
        return False


@rule(
    "EFFECTS-13",
    MUST,
    "Saving and Loading Quantized models: a state_dict goes into a second preparation",
    costly=True,
    profiles=NEVER_BOTH,
)
def test_a_state_dict_is_loaded_into_another_preparation(trial: Trial) -> Iterator[Finding]:
    """What a calibrated model has seen can be loaded into a second preparation of the same model."""
    if trial.float_values is None:
        return
    first, second = (
        prepared_or_error(trial.calls.implementation, arguments_of(trial.case, trial.calls.prefused)) for _ in range(2)
    )
    if not isinstance(first, GraphModule) or not isinstance(second, GraphModule) or not observers(first):
        return
    forward.run(first, trial.outcome.arguments.example_inputs)
    because = "the second model was made by the same call"
    try:
        second.load_state_dict(first.state_dict())
    except Exception as error:  # torch raises a RuntimeError, an observer what it likes
        yield broken("loading", "a model", type(error).__name__, f"{because}, but {error}")
        return
    mine, theirs = (repr({k: v.tolist() for k, v in model.state_dict().items()}) for model in (first, second))
    yield judged(mine == theirs, "what was seen", "the same in both", "something else", because)


@rule(
    "EFFECTS-14",
    MUST,
    "pytorch#63326: what is prepared lives no longer than it is used",
    costly=True,
    profiles=NEVER_BOTH,
)
def test_nothing_keeps_a_dropped_model_alive(trial: Trial) -> Iterator[Finding]:
    """When the prepared model and the arguments of the call are dropped, its observers are gone."""
    if brings_observers(trial.case):
        return
    found = survivors(trial.calls.implementation, trial.case, trial.calls.prefused)
    if found is not None and found[0]:
        count, alive = found
        because = "nobody can reach them any more, and a service that prepares models would fill its memory"
        yield judged(not alive, "the observers", "none", f"{len(alive)} of {count}", because)


@rule(
    "EFFECTS-15",
    MUST,
    "the scope of this suite: a call depends on its arguments, and changes nothing else",
    costly=True,
    profiles=EVERY_PROFILE,
)
def test_a_call_leaves_the_process_as_it_was(trial: Trial) -> Iterator[Finding]:
    """A call changes nothing that is set for the whole process, and replaces no function and no class of torch.

    The states of random generators may change: the weights of a module that is swapped are drawn first.
    """
    because = "what else runs in this process would be computed otherwise"
    for name, (was, now) in trial.outcome.settings.items():
        yield broken(name, was, now, because)
    replaced = trial.calls.definitions.replaced() if trial.calls.definitions else []
    for name in replaced:
        yield broken(name, "what torch defines", "something else", because)
    if trial.outcome.error is None:
        yield kept("the process")
