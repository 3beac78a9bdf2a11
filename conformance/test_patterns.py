"""Chapter *patterns*: which operators belong together and are quantized as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from observance.conformance.derived import own_backend, pattern_size
from observance.conformance.rules import MUST, Finding, judged, rule
from observance.conformance.trials import Trial, edge_of, same_placement
from observance.reference.graphs import operands
from observance.strategies.case import Backend, Constraint, DTypes, Pattern


@rule("PATTERNS-1", MUST, "insert_observers_for_model: inputs at the root, output at the last node")
def test_nothing_is_observed_inside_a_pattern(trial: Trial) -> Iterator[Finding]:
    """Between the nodes of a quantized pattern there is no observer."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node, quantized in site.quantized.items():
        for operand in operands(node):
            if node is quantized.match.root or operand.value not in quantized.match.nodes:
                continue
            edge = edge_of(operand)
            found = ", ".join(observer.kind for observer in seen.edges[edge])
            names = " and ".join(part.name for part in reversed(quantized.match.nodes))
            because = f"{names} are one pattern of the backend; they run as one operator"
            yield judged(not found, edge, "no observer", found, because)


def _unrelated(trial: Trial) -> Pattern:
    """Return a pattern of an operator that no drawn graph calls."""
    quint8 = Constraint("torch.quint8")
    return Pattern(("nn.Embedding", "nn.GELU"), "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT", (DTypes(quint8, quint8),))


@rule("PATTERNS-4", MUST, "BackendConfig: each pattern is configured by itself", ("backend-configs",), True)
def test_a_pattern_that_does_not_occur_changes_nothing(trial: Trial) -> Iterator[Finding]:
    """A backend's pattern that fits nowhere in the graph changes nothing."""
    backend = own_backend(trial.case)
    if backend is None:
        return
    more = trial.again(backend=Backend((_unrelated(trial), *backend.patterns)))
    yield from same_placement(trial.outcome, more, "the pattern that was added fits nowhere")


@rule("PATTERNS-3", MUST, "_sorted_patterns_dict: longer patterns are matched first", ("backend-configs",), True)
def test_the_longest_pattern_wins_wherever_it_is_registered(trial: Trial) -> Iterator[Finding]:
    """Patterns of different lengths may be registered in any order."""
    backend = own_backend(trial.case)
    if backend is None or len(set(map(pattern_size, backend.patterns))) < 2:
        return
    by_length = sorted(backend.patterns, key=pattern_size)
    turned = trial.again(backend=Backend(tuple(by_length)))
    yield from same_placement(trial.outcome, turned, "only the order of registration differs")


@rule("PATTERNS-2", MUST, "_is_match: an inner node has one user", costly=True)
def test_a_value_that_is_read_outside_is_not_inside_a_pattern(trial: Trial) -> Iterator[Finding]:
    """Two values that are both returned, and so read from outside, are in no pattern together.

    A backend cannot fuse what the caller wants to see: with every value
    returned, the longer patterns change nothing.
    """
    backend = own_backend(trial.case)
    if backend is None or all(len(pattern.targets) == 1 for pattern in backend.patterns):
        return
    calls = [n for n in trial.expected.float_graph.nodes if n.op.startswith("call")]
    if len(calls) != len(trial.case.calls):  # some value stands between calls and is not returned
        return
    single = tuple(pattern for pattern in backend.patterns if len(pattern.targets) == 1)
    output = ("tuple", *range(len(trial.case.calls)))
    open_case = replace(trial.case, output=output)
    yield from same_placement(
        trial.calls.outcome(open_case),
        trial.calls.outcome(replace(open_case, backend=Backend(single))),
        "every value is returned, so nothing can be fused",
    )
