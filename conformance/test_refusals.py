"""Chapter *refusals*: calls that are wrong, calls that only look wrong or are rare, and what is said of them.

The calls are written by hand (`strategies/misuses.py`, `strategies/rare*.py`): each departs from a plain one in one
respect.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from re import search

from torch import nn
from torch.ao.quantization import disable_fake_quant

from observance.conformance import forward
from observance.conformance.attempts import attempt
from observance.conformance.claims import PT2E
from observance.conformance.differences import read_differences
from observance.conformance.outcomes import Outcome
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial
from observance.strategies import Case
from observance.strategies.misuses import ALOUD, HARMLESS, MISUSES, PLAIN, REFUSED, SERVED, Misuse
from observance.strategies.rare_annotations import RARE_ANNOTATIONS
from observance.strategies.written import written_case

_WRONG = [misuse for misuse in MISUSES.values() if misuse.demand in (REFUSED, ALOUD)]
_RIGHT = [misuse for misuse in MISUSES.values() if misuse.demand in (SERVED, HARMLESS)]


def _cases(misuses: list[Misuse]) -> tuple[Case, ...]:
    """Return the cases of some calls."""
    return tuple(written_case(misuse.name) for misuse in misuses)


def _misuse(trial: Trial) -> Misuse | None:
    """Return what is wrong in a trial, or only looks wrong; None if it does not concern the implementation."""
    misuse, implementation = MISUSES.get(trial.case.written), trial.calls.implementation
    if misuse is None or (misuse.raw and implementation.shape != "prepare"):
        return None
    return misuse if all(map(implementation.supports, misuse.needs)) else None


def _answers(trial: Trial, promised: bool) -> Iterator[Finding]:
    """Say whether a wrong call gets an error, or at least a warning."""
    misuse = _misuse(trial)
    if misuse is None or misuse.demand not in (REFUSED, ALOUD) or misuse.promised != promised:
        return
    answer = attempt(trial.calls.implementation, trial.case)
    warned = misuse.demand == ALOUD and any(search(misuse.culprit, text) for text in answer.said)
    because = f"the call has {misuse.name}, and the result is not what was asked for"
    wanted = "an error" if misuse.demand == REFUSED else "an error or a warning"
    yield judged(answer.error is not None or warned, misuse.name, wanted, "silence", because)


@rule(
    "REFUSALS-1",
    MUST,
    "prepare: the annotations, the assertions and the documentation of its arguments",
    own=_cases(_WRONG),
)
def test_what_the_documentation_rules_out_is_refused(trial: Trial) -> Iterator[Finding]:
    """A call that the documentation of its arguments rules out is refused, and not served in silence.

    An index of an input or output that is not there may be served with a warning that says so.
    """
    yield from _answers(trial, promised=True)


@rule(
    "REFUSALS-2",
    UPSTREAM,
    "_maybe_insert_observers_before_graph_output: Unhandled type for returned node",
    own=_cases(_WRONG),
)
def test_what_torch_alone_rules_out_is_refused(trial: Trial) -> Iterator[Finding]:
    """What no document rules out and torch refuses is refused: a model that is not traced, a node without a scope, a
    custom module whose weight is not quantized, and a graph that returns anything but values, None, and lists, tuples
    and dicts of these.
    """
    yield from _answers(trial, promised=False)


@rule(
    "REFUSALS-3", UPSTREAM, "prepare: 'qconfig_mapping must be a QConfigMapping' names the culprit", own=_cases(_WRONG)
)
def test_an_error_names_the_culprit(trial: Trial) -> Iterator[Finding]:
    """The error or warning that a wrong call gets names the argument, the node or the config that is wrong."""
    misuse = _misuse(trial)
    if misuse is None or misuse.demand not in (REFUSED, ALOUD):
        return
    answer = attempt(trial.calls.implementation, trial.case)
    if answer.error is None:
        return
    named = any(search(misuse.culprit, text) for text in answer.said)
    because = f"the call has {misuse.name}, and all that is said is: {answer.said[0]}"
    yield judged(named, misuse.name, "the name of the culprit", "not named", because)


@rule("REFUSALS-4", MUST, "the scope of this suite: what is refused is left as it was", own=_cases(_WRONG))
def test_a_refused_call_leaves_the_model_as_it_was(trial: Trial) -> Iterator[Finding]:
    """After a refused call the caller's model has the graph, the modules and the parameters that it had before.

    Whoever mends the call and makes it again with the same model gets what a right call gives.
    """
    misuse = _misuse(trial)
    if misuse is None:
        return
    answer = attempt(trial.calls.implementation, trial.case)
    if answer.error is not None:
        because = "the call raised an error, and the model must be there to be used again"
        yield judged(answer.left, f"the model, after {misuse.name}", "as before the call", "changed", because)


@rule("REFUSALS-5", MUST, "prepare: the documentation of its arguments", own=_cases(_RIGHT))
def test_a_call_that_only_looks_wrong_is_served(trial: Trial) -> Iterator[Finding]:
    """Names that an observer could have are in nobody's way, a qconfig for what is not there does nothing, and what
    is merely rare is served like all else.

    An example input too many, a standalone module that is not there, or a graph without an output may be refused;
    else the observers are where they are without it.  Where a choice matters that nothing promises (see PLACEMENT-13),
    they may be elsewhere.
    """
    misuse = _misuse(trial)
    if misuse is None or misuse.demand not in (SERVED, HARMLESS):
        return
    outcome, right = trial.outcome, trial.expected
    if right.error is not None:  # the reference refuses what is harmless at most
        right = trial.standard.outcome(written_case(PLAIN))
    if outcome.error is not None:
        if misuse.demand == SERVED and not trial.may_be_refused:
            name = type(outcome.error).__name__
            yield broken(misuse.name, "a prepared model", name, f"it was refused: {outcome.error}")
        return
    if outcome.observation is None or right.observation is None:
        yield broken(misuse.name, "a prepared model", "another graph", outcome.misshapen or "")
        return
    # What is there is looked for in the plain result, which may have more: a graph without an output has fewer edges.
    found = trial.promised(read_differences(outcome.observation, right.observation))
    if found and trial.choices:  # asked last: it takes a survey
        found = []
    because = f"the call has {misuse.name}, and is served like all else"
    for difference in found:  # each by itself: what is known of one place excuses no other
        yield broken(difference.place, difference.found, difference.expected, because)
    if not found:
        yield kept(misuse.name)
    if misuse.demand == SERVED:
        yield judged(_computes_the_same(outcome), f"{misuse.name}: the result", "the float result", "another", "")


@rule(
    "REFUSALS-6",
    MUST,
    "QuantizationAnnotation: how inputs or output are quantized",
    own=tuple(map(written_case, RARE_ANNOTATIONS)),
    profiles=(PT2E,),
)
def test_annotations_that_are_merely_rare_are_obeyed_like_all_else(trial: Trial) -> Iterator[Finding]:
    """Where annotations are rare in one respect, the observers are those that they ask for, and shared as they say;
    the result computes what the graph computed.
    """
    outcome, right = trial.outcome, trial.expected
    place = trial.case.written
    if outcome.observation is None or right.observation is None:
        instead = outcome.misshapen or type(outcome.error).__name__
        yield broken(place, "a prepared graph", instead, f"it was not served: {outcome.error or outcome.misshapen}")
        return
    found = read_differences(right.observation, outcome.observation)
    for difference in found:
        yield broken(difference.place, difference.expected, difference.found, f"the graph has {place}")
    if not found:
        yield kept(place)
    yield judged(_computes_the_same(outcome), f"{place}: the result", "the float result", "another", "")


def _computes_the_same(outcome: Outcome) -> bool:
    """Whether the prepared model runs and computes what the float model computes, all fake quantizers disabled."""
    if outcome.prepared is None:
        return False
    models: list[nn.Module] = [outcome.arguments.float_model, outcome.prepared]
    fakes = forward.has_fakes(outcome.prepared)
    if fakes:
        models = [copy.deepcopy(model).apply(disable_fake_quant) for model in models]
    expected, found = (forward.run(model, outcome.arguments.example_inputs) for model in models)
    # What is fused inside, or swapped, rounds elsewhere.
    rounds = outcome.inner or fakes or forward.has_quantizable(outcome.prepared)
    alike = forward.close if rounds else forward.equal
    return not isinstance(expected, Exception) and alike(expected, found)
