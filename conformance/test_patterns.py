"""Chapter *patterns*: which operators belong together and are quantized as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from observance.conformance.derived import other_numbers, own_backend, pattern_size, with_named_roots
from observance.conformance.observation import edge_of
from observance.conformance.rules import MUST, UPSTREAM, Finding, judged, rule
from observance.conformance.trials import Trial, read_aside, same_placement
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


@rule("PATTERNS-2", MUST, "_is_match: an inner node has one user", ("backend-configs",), costly=True)
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


@rule("PATTERNS-5", MUST, "get_fusion_pattern_to_extra_inputs_getter: MatchAllNode is an extra argument")
def test_what_a_pattern_reads_from_outside_keeps_its_own_pattern(trial: Trial) -> Iterator[Finding]:
    """An operator whose value a pattern reads at `MatchAllNode` is no part of that pattern.

    Its own inputs are observed, where it is quantized and they are not yet.
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for match in dict.fromkeys(site.matches.values()):
        inner = [node for node in match.nodes if node is not match.root]
        outside = [o.value for node in inner for o in operands(node) if o.value not in match.nodes]
        for extra in [site.quantized[value] for value in dict.fromkeys(outside) if value in site.quantized]:
            for operand in operands(extra.match.root):
                slot = site.plan.read_at(operand)
                if slot is not None and slot.rule == "PLACEMENT-1":
                    edge = edge_of(operand)
                    because = f"{match.last.name} only reads {extra.match.last.name}, which is quantized by itself"
                    yield judged(bool(seen.edges[edge]), edge, slot.spec, "no observer", because)


@rule("PATTERNS-6", MUST, "get_fusion_pattern_to_root_node_getter: by default the last", ("backend-configs",), True)
def test_the_root_is_the_innermost_operator_unless_another_is_named(trial: Trial) -> Iterator[Finding]:
    """A pattern that names its innermost operator as its root is the same as one that names none.

    A chain of operators is the same as the nested pattern that it stands for.
    """
    backend = own_backend(trial.case)
    if backend is None or with_named_roots(backend) == backend:
        return
    named = trial.again(backend=with_named_roots(backend))
    yield from same_placement(trial.outcome, named, "the root that is named is the one by default")


@rule("PATTERNS-7", UPSTREAM, "_is_match: node == pattern, node.args[1] != pattern[1]", ("backend-configs",), True)
def test_numbers_and_names_in_a_pattern_stand_for_themselves(trial: Trial) -> Iterator[Finding]:
    """A pattern with a number, or with an attribute's name, that no operator is called with fits nowhere."""
    backend = own_backend(trial.case)
    if backend is None:
        return
    others = tuple(replace(pattern, nested=other_numbers(pattern.nested)) for pattern in backend.patterns)
    less = tuple(old for old, new in zip(backend.patterns, others, strict=True) if old == new)
    if others != backend.patterns:
        yield from same_placement(
            trial.again(backend=Backend(less)),
            trial.again(backend=Backend(others)),
            "no operator is called with these numbers or names, so their patterns fit nowhere",
        )


@rule("PATTERNS-8", UPSTREAM, "insert_observers_for_model: inputs at the root, output at the last node")
def test_inputs_are_observed_at_the_root_alone(trial: Trial) -> Iterator[Finding]:
    """What an operator of a quantized pattern reads from outside, it reads as it is, unless it is the root."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for operand, quantized in read_aside(site):
        made = site.outputs.get(operand.value)
        edge = edge_of(operand)
        expected = "no observer" if made is None else "one observer, that of the value"
        because = f"{quantized.match.root.name} is the root of the pattern, and {operand.node.name} is not"
        count = len(seen.edges[edge])
        yield judged(count == (made is not None), edge, expected, f"{count} observers", because)
