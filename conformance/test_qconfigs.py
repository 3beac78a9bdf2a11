"""Chapter *qconfigs*: which qconfig each node gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from observance.conformance.derived import (
    exactly,
    fused,
    modules,
    occurrence,
    some_qconfig,
    with_entries,
)
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial, same_placement
from observance.strategies.case import Case, Entry, Mapping, QConfigChoice
from observance.strategies.layout import scopes
from observance.strategies.operators import OPERATORS, PARTS, TRAINED

_DOC = "QConfigMapping: in increasing match priority"


@rule("QCONFIGS-1", MUST, _DOC, ("regex-selectors", "order-selectors"), True)
def test_a_module_is_selected_the_same_by_name_by_regex_and_by_index(
    trial: Trial,
) -> Iterator[Finding]:
    """Whether a module is meant by its name, by a regular expression or by its index is the same."""
    qconfig = some_qconfig(trial.case)
    for number, name, _ in modules(trial.case)[:1]:
        by_name = with_entries(trial.case, Entry("name", qconfig, name))
        for other in (Entry("regex", qconfig, exactly(name)), *_by_index(trial.case, number, qconfig)):
            yield from same_placement(
                trial.calls.outcome(by_name),
                trial.calls.outcome(with_entries(trial.case, other)),
                f"both select {name!r}: one by name, the other by {other.selector}",
            )


def _by_index(case: Case, number: int, qconfig: QConfigChoice) -> list[Entry]:
    """Return an entry for a call's module by its index; none where nothing says what that is.

    A module that is called before, and twice, may count once or twice.
    """
    if any(call.shares is not None for call in case.calls[:number]):
        return []
    target = OPERATORS[case.calls[number].operator].target
    return [Entry("order", qconfig, scopes(case)[number], target, occurrence(case, number))]


@rule("QCONFIGS-2", MUST, _DOC, costly=True)
def test_a_type_selects_all_modules_of_the_type(trial: Trial) -> Iterator[Finding]:
    """A qconfig for an object type is the same as one for each of its modules by name.

    It says nothing of a type that is a part of a fused module in the model: its
    qconfig is that module's too.  Nor does it, in training, of a class for training
    or of a type whose class for training is in the model: the type serves both (QAT-12).
    """
    qconfig, found = some_qconfig(trial.case), modules(trial.case)
    inside = {part for _, parts in fused(trial.case) for part in parts}
    if trial.case.is_qat:
        called = {OPERATORS[call.operator].target for call in trial.case.calls}
        inside |= {*TRAINED.values(), *(target for target, swapped in TRAINED.items() if swapped in called)}
    for target in dict.fromkeys(target for _, _, target in found[:1] if target not in inside):
        names = [name for _, name, other in found if other == target]
        if any(target in PARTS.get(OPERATORS[call.operator].target, ()) for call in trial.case.calls):
            return
        if len(names) < sum(1 for call in trial.case.calls if OPERATORS[call.operator].target == target):
            return
        by_type = with_entries(trial.case, Entry("object_type", qconfig, target=target))
        by_name = with_entries(trial.case, *(Entry("name", qconfig, name) for name in names))
        yield from same_placement(
            trial.calls.outcome(by_type),
            trial.calls.outcome(by_name),
            f"both select every {target}: one by type, the other by name",
        )


@rule("QCONFIGS-3", MUST, "set_module_name_regex: matched in the order registered", ("regex-selectors",), True)
def test_the_first_regular_expression_that_matches_wins(trial: Trial) -> Iterator[Finding]:
    """A regular expression that comes after one that matches changes nothing."""
    qconfig = some_qconfig(trial.case)
    first = Entry("regex", qconfig, ".*")
    alone = with_entries(trial.case, first)
    followed = with_entries(trial.case, first, Entry("regex", None, "(.*)"))
    yield from same_placement(
        trial.calls.outcome(alone),
        trial.calls.outcome(followed),
        "the first expression matches everything, so the second is never asked",
    )


@rule("QCONFIGS-4", MUST, "convert_fx: what is set to None is not quantized", costly=True)
def test_what_is_switched_off_has_no_observer(trial: Trial) -> Iterator[Finding]:
    """Where the qconfig is None for everything, there is no observer anywhere."""
    outcome = trial.calls.outcome(replace(trial.case, mapping=Mapping(None, (Entry("global", None),))))
    if outcome.observation is None:
        return
    for value, chains in outcome.observation.values.items():
        text = ", ".join(seen.kind for chain in chains for seen in chain)
        yield broken(value, "no observer", text, "the whole model is switched off")
    if not outcome.observation.values:
        yield kept("the graph")


@rule("QCONFIGS-5", MUST, "_get_module_name_qconfig: the name, else its parent's", costly=True)
def test_the_nearest_named_ancestor_decides(trial: Trial) -> Iterator[Finding]:
    """A submodule's name selects all inside it, unless something inside has a name of its own."""
    qconfig = some_qconfig(trial.case)
    inner = [(name, name.rpartition(".")[0]) for _, name, _ in modules(trial.case)]
    for name, parent in [pair for pair in inner if pair[1]][:1]:
        ancestor = Entry("name", qconfig, parent)
        own = Entry("name", qconfig, name)
        yield from same_placement(
            trial.calls.outcome(with_entries(trial.case, ancestor)),
            trial.calls.outcome(with_entries(trial.case, ancestor, own)),
            f"{name!r} is inside {parent!r}, so it has that qconfig already",
        )
        off = Entry("name", None, parent)
        yield from same_placement(
            trial.calls.outcome(with_entries(trial.case, off, own)),
            trial.calls.outcome(with_entries(trial.case, own)),
            f"{name!r} is nearer than {parent!r}, which is switched off",
        )


@rule("QCONFIGS-6", MUST, _DOC, ("regex-selectors", "order-selectors"), True)
def test_a_selector_of_lower_priority_is_overridden(trial: Trial) -> Iterator[Finding]:
    """Where a closer selector matches, one of lower priority changes nothing."""
    qconfig, case = some_qconfig(trial.case), trial.case
    for number, name, _ in modules(case)[:1]:
        ladder = (
            *_by_index(case, number, qconfig),
            Entry("name", qconfig, name),
            Entry("regex", qconfig, exactly(name)),
        )
        for high, low in zip(ladder, (*ladder[1:], None), strict=False):
            if low is None:
                continue
            yield from same_placement(
                trial.calls.outcome(with_entries(case, high)),
                trial.calls.outcome(with_entries(case, high, replace(low, qconfig=None))),
                f"{name!r} is selected by {high.selector}, which is closer than {low.selector}",
            )


@rule("QCONFIGS-7", MUST, "QConfigMapping.set_global: the default", costly=True)
def test_a_closer_selector_overrides_the_global_one(trial: Trial) -> Iterator[Finding]:
    """Where all modules are selected by a regular expression, and all else by what it calls, the global qconfig
    changes nothing.
    """
    case = replace(trial.case, as_dicts=False)
    qconfig, operators = some_qconfig(case), [OPERATORS[call.operator] for call in case.calls]
    called = [operator.target for operator in operators if not operator.module]
    everything = (Entry("regex", qconfig, ".*"), *_by_type(qconfig, *called))
    alone = trial.calls.outcome(with_entries(case, *everything))
    selected = alone.arguments.qconfig_mapping.object_type_qconfigs
    functions = [node for node in alone.arguments.model.graph.nodes if node.op in ("call_function", "call_method")]
    if any(node.target not in selected for node in functions):  # an operator of a case may call several
        return
    yield from same_placement(
        alone,
        trial.calls.outcome(with_entries(case, Entry("global", "default_debug_qconfig"), *everything)),
        "everything is selected by the expression or by its type, so the global qconfig is never asked",
    )


@rule("QCONFIGS-8", MUST, "_generate_node_name_to_qconfig: each node its own")
def test_a_value_between_two_switched_off_nodes_is_not_observed(trial: Trial) -> Iterator[Finding]:
    """An observer needs somebody who has a qconfig: the maker of the value, or a reader of it."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    switched_off = {node for node, qconfig in site.assigned.items() if qconfig is None}
    for node in site.graph.nodes:
        silent = node.op in ("placeholder", "get_attr") or node in switched_off
        readers = [reader for reader in site.plan.readers(node) if reader.op != "output"]
        if silent and all(reader in switched_off for reader in readers):
            found = seen.on(node.name)
            because = f"{node.name} and all that read it are switched off"
            yield judged(not found, node.name, "no observer", found, because)


def _by_type(qconfig: QConfigChoice, *targets: str) -> tuple[Entry, ...]:
    """Return entries that give all of the targets one qconfig."""
    return tuple(Entry("object_type", qconfig, target=target) for target in dict.fromkeys(targets))


@rule("QCONFIGS-9", MUST, "_update_qconfig_for_fusion: account for fused modules such as LinearReLU", costly=True)
def test_a_fused_module_has_the_qconfig_of_its_parts(trial: Trial) -> Iterator[Finding]:
    """A qconfig for the types of all parts of a fused module is one for the fused type too."""
    qconfig = some_qconfig(trial.case)
    for target, parts in fused(trial.case)[:1]:
        yield from same_placement(
            trial.calls.outcome(with_entries(trial.case, *_by_type(qconfig, *parts, target))),
            trial.calls.outcome(with_entries(trial.case, *_by_type(qconfig, *parts))),
            f"all parts of {target} are selected by their types",
        )


def _disagreeing(trial: Trial) -> Iterator[tuple[str, tuple[str, ...], Exception | None, str]]:
    """Yield a fused type, its parts, what a call raises in which these have different qconfigs, and how they differ."""
    if trial.expected.error is not None:  # the case is refused for another reason
        return
    qconfig = some_qconfig(trial.case)
    for target, parts in [found for found in fused(trial.case) if len(found[1]) > 1][:1]:
        first, *others = parts
        for entries in (_by_type(qconfig, first), (*_by_type(qconfig, first), *_by_type(None, *others))):
            error = trial.calls.outcome(with_entries(trial.case, *entries)).error
            because = f"{first} has a qconfig and {others[-1]} has none, and both are parts of {target}"
            yield target, tuple(parts), error, because


@rule("QCONFIGS-10", MUST, "_update_qconfig_for_fusion: raise an error if the modules in it differ", costly=True)
def test_parts_that_disagree_are_refused(trial: Trial) -> Iterator[Finding]:
    """A fused module whose parts have different qconfigs by type is refused with an error.

    A part that has none differs from one that has one.
    """
    for target, _, error, because in _disagreeing(trial):
        yield judged(error is not None, target, "an error", "no error", because)


@rule("QCONFIGS-14", UPSTREAM, "_update_qconfig_for_fusion: a LookupError names the offending type", costly=True)
def test_the_error_about_parts_names_one(trial: Trial) -> Iterator[Finding]:
    """The error about a fused module whose parts have different qconfigs is a `LookupError` that names one of them."""
    for target, parts, error, because in _disagreeing(trial):
        if error is not None:
            named = any(part.rpartition(".")[2] in str(error) for part in parts)
            found = f"{type(error).__name__}: {error}"
            holds = isinstance(error, LookupError) and named
            yield judged(holds, f"the error for {target}", "a LookupError with a part's name", found, because)


@rule("QCONFIGS-11", MUST, "prepare: it works on deep copies of the mappings", costly=True)
def test_the_mapping_is_not_changed_for_fused_modules(trial: Trial) -> Iterator[Finding]:
    """What is added for the types of fused modules is not added to the mapping that the caller has."""
    qconfig = some_qconfig(trial.case)
    for target, parts in fused(trial.case)[:1]:
        outcome = trial.calls.heard(with_entries(trial.case, *_by_type(qconfig, *parts)))
        before, after = outcome.before.get("qconfig_mapping"), repr(outcome.arguments.qconfig_mapping)
        if before is not None:
            because = f"the qconfig of {target} follows from its parts; the caller never said it"
            yield judged(before == after, "qconfig_mapping", before, after, because)


@rule("QCONFIGS-12", MUST, "convert_fx: what is set to None is not quantized", costly=True)
def test_a_fused_module_whose_parts_are_switched_off_is_switched_off(trial: Trial) -> Iterator[Finding]:
    """None for the types of all parts of a fused module is None for the fused type too."""
    everything = Entry("global", some_qconfig(trial.case))
    for target, parts in fused(trial.case)[:1]:
        yield from same_placement(
            trial.calls.outcome(with_entries(trial.case, everything, *_by_type(None, *parts, target))),
            trial.calls.outcome(with_entries(trial.case, everything, *_by_type(None, *parts))),
            f"all parts of {target} are switched off by their types",
        )


@rule("QCONFIGS-13", UPSTREAM, "_update_qconfig_for_fusion: sets the object type of the fused module", costly=True)
def test_the_parts_of_a_fused_module_override_its_own_type(trial: Trial) -> Iterator[Finding]:
    """Where the types of all parts have a qconfig, one for the fused type itself changes nothing."""
    qconfig = some_qconfig(trial.case)
    for target, parts in fused(trial.case)[:1]:
        yield from same_placement(
            trial.calls.outcome(with_entries(trial.case, *_by_type(qconfig, *parts))),
            trial.calls.outcome(with_entries(trial.case, *_by_type(None, target), *_by_type(qconfig, *parts))),
            f"the parts of {target} have a qconfig",
        )
