"""Chapter *declared*: what is declared of values, by the custom config and by the nodes that give them."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from observance.conformance.observation import edge_of
from observance.conformance.rules import MUST, UPSTREAM, Finding, judged, rule
from observance.conformance.trials import Trial, same_placement
from observance.reference.values import says_no_tensor
from observance.strategies.cases import can_carry_values

_DECLARES = "output_quantized_indexes"
"""What declares outputs as quantized."""


@rule("DECLARED-1", MUST, "set_output_quantized_indexes: which outputs should be quantized", ("quantized-inputs",))
def test_an_output_that_is_declared_quantized_is_observed_or_named(trial: Trial) -> Iterator[Finding]:
    """Each float tensor in an output that is declared as quantized is observed, or a warning names it or the outputs.

    The parts of a list or tuple that is returned are outputs of their own; whatever else is returned is the first
    output. A graph input that is declared as quantized needs no observer.
    """
    site = trial.planned
    if site is None or trial.seen is None:
        return
    for operand in site.returned:
        if operand.value in site.quantized_inputs or not site.values.is_observable(operand.value):
            continue
        observed = bool(trial.seen.edges[edge_of(operand)])
        because = f"{operand.value.name} is declared as quantized, and without an observer it cannot become so"
        holds = observed or any(map(trial.outcome.names_aloud, (operand.value.name, "output", "outputs", _DECLARES)))
        yield judged(holds, edge_of(operand), "an observer, or a warning that names it", "neither", because)


@rule("DECLARED-2", UPSTREAM, "insert_observers_for_model: what is no FakeTensor by meta['val'] is skipped")
def test_a_node_that_says_it_gives_no_tensor_asks_for_nothing(trial: Trial) -> Iterator[Finding]:
    """A node whose ``meta["val"]`` is no tensor, a tuple of tensors included, is not observed, and neither are
    graph inputs that it alone reads.
    """
    if trial.planned is None or trial.seen is None:
        return
    calls = (node for node in trial.planned.graph.nodes if node.op.startswith("call"))
    for node in filter(says_no_tensor, calls):
        alone = [value for value in node.all_input_nodes if value.op == "placeholder" and len(value.users) == 1]
        because = f"{node.name} gives a {type(node.meta['val']).__name__}, as it says itself"
        for value in [node, *alone]:
            found = trial.seen.on(value.name)
            yield judged(not found, value.name, "no observer", found, because)


@rule("DECLARED-3", MUST, "insert_observers_for_model: meta['val'] says whether a node gives a tensor", costly=True)
def test_a_node_that_says_it_gives_a_tensor_is_observed_as_before(trial: Trial) -> Iterator[Finding]:
    """Where all nodes give tensors, it changes nothing whether they carry what they give."""
    if not can_carry_values(trial.case):
        return
    values = trial.float_values
    if values is None or not all(isinstance(v, torch.Tensor) for name, v in values.items() if name != "output"):
        return
    other = trial.again(has_values=not trial.case.has_values)
    yield from same_placement(trial.outcome, other, "all nodes give tensors, said or unsaid")
