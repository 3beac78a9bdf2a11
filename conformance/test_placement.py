"""Chapter *placement*: where observers go."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from torch.ao.quantization import DeQuantStub
from torch.fx import GraphModule, Node

from observance.conformance.alignment import Unobserved
from observance.conformance.derived import (
    kindred,
    own_backend,
    resequenced,
    respelled,
    separated,
    without_names,
)
from observance.conformance.differences import differences, read_differences
from observance.conformance.observation import Edge, edge_of
from observance.conformance.rules import MUST, NEVER_BOTH, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial, read_aside, same_placement
from observance.reference import dtypes
from observance.reference.graphs import operands
from observance.reference.placement import is_never_observed
from observance.reference.sharing import shares_with_inputs
from observance.reference.site import Quantized, Site
from observance.reference.specs import is_equalizer, is_observer
from observance.strategies.case import Backend
from observance.strategies.operators import OPERATORS


@rule("PLACEMENT-1", MUST, "insert_observers_for_model: if any argument's dtype does not match, observe it")
def test_every_operand_stands_behind_the_observer_that_is_asked_for(
    trial: Trial,
) -> Iterator[Finding]:
    """Coverage: each activation that a quantized operator reads is behind exactly the observer
    that the operator asks for, or comes from a value that is quantized that way already.
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for operand, quantized in trial.quantized_roots():
        spec = quantized.ask.activation
        if dtypes.role(operand, site.positions) != "activation" or is_never_observed(quantized):
            continue
        if spec is None or not spec.is_observed or spec.is_dynamic or quantized.ask.reuse:
            continue
        if not site.values.is_observable(operand.value) or operand.value in site.elsewhere:
            continue
        chain = seen.edges[edge_of(operand)]
        maker = site.quantized.get(operand.value)
        top = chain[-1] if chain else None
        already = maker is not None or shares_with_inputs(quantized)
        same_dtype = top is not None and dict(top.settings).get("dtype") == spec.dtype
        holds = top is not None and (top.settings == spec.settings or (already and same_dtype))
        found = " then ".join(s.kind for s in chain) or "no observer"
        because = (
            f"{operand.value.name} is {'observed by ' + found if chain else 'not observed'}; "
            f"{operand.node.name} reads it and asks for {spec}; so it must be observed by that"
        )
        yield judged(holds, edge_of(operand), spec, found, because)


@rule("PLACEMENT-2", MUST, "_needs_obs_or_fq: no observer where the dtype is the same")
def test_a_value_that_is_quantized_already_is_not_observed_again(trial: Trial) -> Iterator[Finding]:
    """On no value does a static observer stand upon another of the same dtype."""
    if trial.seen is None:
        return
    for edge, chain in trial.seen.edges.items():
        for below, above in itertools.pairwise(chain):
            dtype, upper = dict(below.settings).get("dtype"), dict(above.settings)
            again = dtype == upper.get("dtype") and not upper.get("is_dynamic")
            static = not dict(below.settings).get("is_dynamic")
            because = f"{below.kind} already makes {edge.value} a {dtype}"
            yield judged(not (again and static), edge, below.kind, above.kind, because)


@rule("PLACEMENT-3", MUST, "_maybe_insert_input_observer_for_arg_or_kwarg: check if an observer exists already")
def test_one_value_asked_for_alike_is_observed_once(trial: Trial) -> Iterator[Finding]:
    """Two observers of the same settings never stand side by side on one value.

    An observer that a sharing operator has made one with others may differ from
    one that does not share.
    """
    if trial.seen is None or trial.site is None:
        return
    shared = _readers_that_share(trial)
    for value, chains in trial.seen.values.items():
        alone = [
            chain
            for chain in chains
            if not any(e.reader in shared for e, c in trial.seen.edges.items() if c == chain and e.value == value)
        ]
        kinds = [tuple(seen.settings for seen in chain) for chain in alone]
        twice = [chain for chain in alone if kinds.count(tuple(s.settings for s in chain)) > 1]
        found = f"{len(twice)} of them" if twice else ""
        because = f"{value} is asked for by {twice[0][-1].kind} more than once" if twice else ""
        yield judged(not twice, value, "one observer", found, because)


def _readers_that_share(trial: Trial) -> set[str]:
    """Return the names of the nodes whose output shares with their inputs."""
    quantized = trial.site.quantized if trial.site else {}
    return {node.name for node, found in quantized.items() if shares_with_inputs(found)}


@rule("PLACEMENT-4", MUST, "insert_observers_for_model: users of a node use its output observer instead")
def test_every_reader_of_an_observed_output_reads_the_observed_value(
    trial: Trial,
) -> Iterator[Finding]:
    """If a pattern's output is observed for its own sake, all its readers read through that observer.

    Who asks for its size, or gives no tensor otherwise, may read either.
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    tensorless = _tensorless(site)
    for node, quantized in site.quantized.items():
        if node is not quantized.match.last or not _observes_output(trial, quantized):
            continue
        edges = [edge for edge in seen.edges if edge.value == node.name and edge.reader not in tensorless]
        firsts = {seen.edges[edge][0].group if seen.edges[edge] else None for edge in edges}
        chains = seen.values.get(node.name, frozenset())
        if not edges:  # see PLACEMENT-14
            continue
        holds = bool(chains) and len(firsts) <= 1 and None not in firsts
        read = sorted("no observer" if group is None else f"#{group}" for group in firsts)
        found = f"its readers have {' and '.join(read)}"
        because = (
            f"{node.name} is quantized and asks for {quantized.ask.activation} on its output; "
            "so whoever reads it reads the quantized value"
        )
        yield judged(holds, node.name, "one observer next to the value", found, because)


def _tensorless(site: Site) -> set[str]:
    """Return the names of the operators that give no tensor: what they give is the same behind an observer."""
    return {node.name for node in site.graph.nodes if node.op.startswith("call_") and not site.values.is_tensor(node)}


def _observes_output(trial: Trial, quantized: Quantized) -> bool:
    """Whether a pattern's output is observed whatever stands at its input."""
    site, ask = trial.site, quantized.ask
    if site is None or ask.reuse or is_never_observed(quantized) or shares_with_inputs(quantized):
        return False
    if ask.activation is None or not ask.activation.is_observed or ask.activation.is_dynamic:
        return False
    return site.values.is_observable(quantized.match.last)


@rule("PLACEMENT-5", MUST, "insert_observers_for_model: its steps, which the reference specifies")
def test_observers_stand_where_the_reference_puts_them(trial: Trial) -> Iterator[Finding]:
    """On every edge the observers are those of the reference, and the same ones are one object.

    It says nothing of a case in which a choice matters that nothing promises (see PLACEMENT-13), nothing of what
    an operator of a pattern reads from outside that is not its root (see PATTERNS-8), and nothing of what is read by
    an operator that gives no tensor.
    """
    if not trial.choices:
        aside = set() if trial.site is None else {str(edge) for edge in _aside(trial.site)}
        yield from (finding for finding in _compared(trial) if finding.place not in aside)


def _aside(site: Site) -> Iterator[Edge]:
    """Yield the edges on which nothing says what stands."""
    yield from (edge_of(operand) for operand, _ in read_aside(site))
    tensorless = _tensorless(site)
    for node in site.graph.nodes:
        if node.name in tensorless:
            yield from map(edge_of, operands(node))


@rule("PLACEMENT-13", UPSTREAM, "insert_observers_for_model: its steps, which the reference specifies")
def test_what_nothing_promises_is_decided_as_torch_decides_it(trial: Trial) -> Iterator[Finding]:
    """Where parts of a pattern have different qconfigs, or observers of different settings are
    to be one, the choice is torch's: the last node's qconfig, the first input's observer.
    A pattern that stays float does so as a whole, though a shorter one would fit a part of it.
    """
    if trial.choices:
        yield from _compared(trial)


@rule("PLACEMENT-14", UPSTREAM, "_insert_obs_or_fq: an observer is inserted before it is known who reads it")
def test_what_nobody_reads_is_observed_all_the_same(trial: Trial) -> Iterator[Finding]:
    """A value that no node reads has the observers that it would have if it were read, shared in the same way."""
    mine, reference = trial.outcome.observation, trial.expected.observation
    if mine is None or reference is None or trial.choices:
        return
    found = [difference for difference in differences(reference, mine) if difference.unread]
    for difference in found:
        yield broken(difference.place, difference.expected, difference.found, trial.explain(difference))
    if not found and reference.unread():
        yield kept("what nobody reads")


def _compared(trial: Trial) -> Iterator[Finding]:
    """Compare what is read in a result with the reference's, edge by edge."""
    mine, reference = trial.outcome.observation, trial.expected.observation
    if mine is None or reference is None:
        return
    found = trial.promised(read_differences(reference, mine))
    different = {str(difference.edge) for difference in found}
    for edge in reference.edges:
        if str(edge) not in different:
            yield kept(edge)
    for difference in found:
        yield broken(difference.place, difference.expected, difference.found, trial.explain(difference))


@rule("PLACEMENT-6", MUST, "Python: an argument may be passed by position or by keyword", costly=True)
def test_spelling_an_argument_by_keyword_changes_nothing(trial: Trial) -> Iterator[Finding]:
    """The same call, its arguments by position or by keyword, has the same observers."""
    other = respelled(trial.case)
    if other is not None:
        turned = trial.calls.outcome(other)
        yield from same_placement(trial.outcome, turned, "only the spelling of arguments differs")


@rule("PLACEMENT-7", MUST, "torch.cat: a sequence of tensors, be it a list or a tuple", costly=True)
def test_a_list_and_a_tuple_are_observed_alike(trial: Trial) -> Iterator[Finding]:
    """The same operator, given its tensors in a list or in a tuple, has the same observers."""
    other = resequenced(trial.case)
    if other is not None:
        turned = trial.calls.outcome(other)
        yield from same_placement(trial.outcome, turned, "lists are written as tuples, and tuples as lists")


@rule("PLACEMENT-8", MUST, "BackendConfig: patterns configured alike are observed alike", costly=True)
def test_a_method_and_the_function_of_the_same_meaning_are_observed_alike(
    trial: Trial,
) -> Iterator[Finding]:
    """Where backend and qconfigs treat two spellings of an operator alike, they are observed alike."""
    for other, before, after in kindred(without_names(trial.case))[:1]:
        if _told_apart(trial, before, after):
            continue
        first = trial.calls.outcome(without_names(trial.case))
        because = f"{before} and {after} mean the same, and the backend configures them alike"
        yield from same_placement(first, trial.calls.outcome(other), because)


def _told_apart(trial: Trial, before: str, after: str) -> bool:
    """Whether a mapping or a backend config says different things of two targets."""
    mapping = without_names(trial.case).mapping
    if mapping.base or any(entry.target in (before, after) for entry in mapping.entries):
        return True
    backend = own_backend(trial.case)
    if backend is None:
        pair = {before, after}
        alike = (
            {"torch.sigmoid", ".sigmoid"},
            {"torch.tanh", ".tanh"},
            {"torch.transpose", ".transpose"},
            {"torch.squeeze", ".squeeze"},
            {"torch.unsqueeze", ".unsqueeze"},
            {"torch.clamp", ".clamp"},
            {"torch.mean", ".mean"},
        )
        return pair not in alike or trial.case.backend not in (None, "native", "x86", "fbgemm", "qnnpack")
    mentioned = [p for p in backend.patterns if {before, after} & set(p.targets)]
    return bool(mentioned)


@rule(
    "PLACEMENT-9",
    MUST,
    "insert_observers_for_model: for each node in the graph, each call of a module one",
    costly=True,
)
def test_one_module_called_twice_is_observed_like_two(trial: Trial) -> Iterator[Finding]:
    """Two calls of one module have the observers that two modules would have."""
    case = without_names(trial.case)
    other = separated(case)
    if other is not None:
        because = "one module called twice is two operators of the graph"
        first, second = trial.calls.outcome(case), trial.calls.outcome(other)
        names = {
            a.name: b.name
            for a, b in zip(
                [n for n in first.float_graph.nodes if n.op.startswith("call")],
                [n for n in second.float_graph.nodes if n.op.startswith("call")],
                strict=False,
            )
        }
        if any(OPERATORS[call.operator].parameters and call.shares is not None for call in case.calls):
            return
        yield from same_placement(first, second, because, names)


@rule("PLACEMENT-10", UPSTREAM, "_insert_obs_or_fq: the prefix activation_post_process_")
def test_observers_have_the_customary_names(trial: Trial) -> Iterator[Finding]:
    """Every observer, but for those of equalization, is an attribute of the model named
    ``activation_post_process_N``.
    """
    prepared, seen = trial.outcome.prepared, trial.seen
    if prepared is None or seen is None:
        return
    floats = set(seen.names.values())
    for node in prepared.graph.nodes:
        observer = node.op == "call_module" and prepared.get_submodule(str(node.target))
        if node.name not in floats and observer and not is_equalizer(observer) and not is_stub(prepared, node):
            holds = re.fullmatch(r"activation_post_process_\d+", str(node.target)) is not None
            because = "tools find observers by this name"
            yield judged(holds, node.name, "activation_post_process_N", node.target, because)


def is_stub(prepared: GraphModule, node: Node) -> bool:
    """Whether a node calls a dequant stub."""
    return isinstance(prepared.get_submodule(str(node.target)), DeQuantStub)


@rule("PLACEMENT-11", UPSTREAM, "_insert_obs_or_fq: inserted after the node")
def test_an_observer_follows_what_it_observes(trial: Trial) -> Iterator[Finding]:
    """In the order of the graph, an observer comes right after its value, other observers of it aside."""
    if trial.outcome.prepared is None or trial.seen is None:
        return
    bare, last = Unobserved(trial.outcome.prepared), ""
    for node in trial.outcome.prepared.graph.nodes:
        if not bare.is_observer(node):
            last = node.name
            continue
        base = bare.base(node).name
        because = f"{node.name} observes {base}"
        yield judged(base == last, node.name, f"right after {base}", f"after {last}", because)


@rule(
    "PLACEMENT-12",
    MUST,
    "BackendConfig: the set of patterns that can be quantized on a given backend",
    ("backend-configs",),
    True,
)
def test_a_backend_that_knows_nothing_observes_nothing(trial: Trial) -> Iterator[Finding]:
    """With a backend config that names no pattern, there is no observer, but at modules of their own kind."""
    if trial.case.declared or trial.case.quantized_outputs:  # something is to observe these, whatever the backend
        return
    empty = trial.calls.outcome(replace(trial.case, backend=Backend(())))
    if empty.observation is not None:
        found = ", ".join(empty.observation.values)
        yield judged(not found, "the graph", "no observer", found, "the backend supports nothing")


@rule(
    "PLACEMENT-15",
    MUST,
    "_maybe_insert_input_observer_for_arg_or_kwarg: an instance that stands there already is used",
    profiles=NEVER_BOTH,
)
def test_an_observer_stands_on_a_value_once(trial: Trial) -> Iterator[Finding]:
    """No two nodes give the same value to one observer, which would look at it twice in every pass.

    However many operators read the value, and however often one of them does. It says nothing where observers of
    different settings are to be one: each of them may have stood on the value before.
    """
    if (prepared := trial.outcome.prepared) is None or trial.seen is None or trial.choices:
        return
    called = [node for node in prepared.graph.nodes if node.op == "call_module" and len(node.args) == 1]
    modules = {node: prepared.get_submodule(str(node.target)) for node in called}
    places = [(node.args[0], modules[node]) for node in called if is_observer(modules[node])]
    for (value, observer), count in Counter(places).items():
        because = f"{type(observer).__name__} looks at {value}"
        yield judged(count == 1, str(value), "one node", f"{count} nodes of one observer", because)
