"""Chapter *qat*: what is swapped for quantization-aware training, and by which qconfig."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.quantization import disable_fake_quant
from torch.fx import Node

from observance.conformance.derived import exactly, modules, occurrence, with_entries
from observance.conformance.differences import describe_callee
from observance.conformance.observation import HOOKS, describe, describe_hook, hooks_of
from observance.conformance.outcomes import run_after
from observance.conformance.rules import MUST, UPSTREAM, Finding, broken, judged, kept, rule
from observance.conformance.trials import Trial, same_edges, same_placement
from observance.reference import qat
from observance.reference.qat import training_classes
from observance.reference.site import Site
from observance.reference.specs import is_observer, settings_of
from observance.strategies.case import Case, Entry, Mapping
from observance.strategies.layout import scopes
from observance.strategies.operators import OPERATORS, TRAINED
from observance.strategies.table_fused import is_aware

_QAT = ("qat",)
_FLOAT = {swapped: target for target, swapped in TRAINED.items()}
"""The type of module that each class for training stands for."""

_SELECTORS = ("qat", "regex-selectors", "order-selectors")


def _pairs(trial: Trial) -> Iterator[tuple[Node, nn.Module, nn.Module]]:
    """Yield each call of a module that may be trained: its node, what it calls in the float model, and in the prepared.

    Modules of their own kind are swapped for other reasons (see *modules*).
    """
    outcome = trial.outcome
    if outcome.prepared is None or outcome.observation is None or trial.case.declared or not trial.case.is_qat:
        return
    copies = {node.name: node for node in outcome.prepared.graph.nodes}
    for node in outcome.float_graph.nodes:
        if node.op == "call_module":
            target = str(copies[outcome.observation.names[node.name]].target)
            original = outcome.arguments.float_model.get_submodule(str(node.target))
            yield node, original, outcome.prepared.get_submodule(target)


def _name_of(kind: type) -> str:
    """Return the full name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


@rule(
    "QAT-1",
    MUST,
    "BackendPatternConfig.set_qat_module: the QAT implementation for this pattern; DTypeConfig: otherwise the QConfig "
    "is ignored and the pattern will not be quantized",
    _QAT,
)
def test_a_module_that_is_to_be_trained_is_swapped_and_no_other(trial: Trial) -> Iterator[Finding]:
    """In training-aware preparation, a module that is quantized becomes the class that the backend
    has for its type; a module that is switched off, whose qconfig the backend does not support, or of another
    type, keeps its class.

    Of a module whose qconfig the backend does not support for it alone, it says nothing where that is in a longer
    pattern.
    """
    if trial.site is None:
        return
    expected = _classes(trial)
    for node, module, found in _pairs(trial):
        wanted = expected.get(node.name)
        if wanted is not None:
            because = f"{node.target} is a {type(module).__name__}, and so the backend and its qconfig have it"
            place, names = f"the module of {node.name}", (_name_of(wanted), _name_of(type(found)))
            yield judged(type(found) is wanted, place, *names, because)


def _classes(trial: Trial) -> dict[str, type]:
    """Return the class that each called module is to have, where that is certain."""
    site, backend = trial.site, trial.backend
    if site is None or backend is None:
        return {}
    classes, model = training_classes(backend), trial.expected.arguments.model
    served = qat.served(dict(model.named_modules(remove_duplicate=False)), site.assigned, backend)
    found: dict[str, type] = {}
    for node in site.assigned:
        if node.op == "call_module":
            kind = type(model.get_submodule(str(node.target)))
            calls = [other for other in site.assigned if other.op == "call_module" and other.target == node.target]
            asked, alone = any(map(site.assigned.get, calls)), all(_is_alone(site, call) for call in calls)
            if not trial.case.is_qat or kind not in classes or not asked or (alone and served.keys().isdisjoint(calls)):
                found[node.name] = kind
            elif node in served and node in site.quantized:
                found[node.name] = classes[kind]
    return found


def _is_alone(site: Site, node: Node) -> bool:
    """Whether a node is in no pattern with others."""
    return node not in site.matches or len(site.matches[node].nodes) == 1


@rule("QAT-2", MUST, "QConfig: settings for weights; nn.qat.Linear: fake quant module for weight", _QAT)
def test_a_swapped_module_fake_quantizes_its_weight_as_its_qconfig_says(trial: Trial) -> Iterator[Finding]:
    """Inside a module that is swapped stands, setting for setting, what its qconfig constructs for weights."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node, qconfig in site.assigned.items():
        if node.op != "call_module" or node.target not in site.plan.swapped or qconfig is None:
            continue
        constructed = qconfig.weight()
        if not is_observer(constructed):
            continue
        wanted = settings_of(constructed)
        inside = [settings for _, settings in seen.callees[node.name][3:]]
        because = f"{node.target} is swapped for training, and its qconfig says this for weights"
        found = describe_callee(seen.callees[node.name])
        yield judged(wanted in inside, f"the module of {node.name}", describe(wanted), found, because)


@rule("QAT-3", MUST, "QConfigMapping: in increasing match priority", _SELECTORS, True)
def test_a_module_is_swapped_the_same_however_it_is_selected(trial: Trial) -> Iterator[Finding]:
    """Whether a module is selected by its name, its parent's name, a regular expression, its index, or is
    the one that is not switched off, it is swapped for training alike.
    """
    for number, name, target in [found for found in modules(trial.case) if found[2] in TRAINED][:1]:
        qconfig = _suitable(target)
        place = scopes(trial.case)[number]
        ways = [
            (Entry("regex", qconfig, exactly(name)),),
            (Entry("order", qconfig, place, target, occurrence(trial.case, number)),),
            (Entry("global", "default_qat_qconfig"), Entry("regex", None, "(.*)"), Entry("name", qconfig, name)),
        ]
        if place and _suits_all(trial.case, place, qconfig):
            ways.append((Entry("object_type", None, target=target), Entry("name", qconfig, place)))
        first = trial.calls.outcome(_training(trial.case, Entry("name", qconfig, name)))
        node = next((n for n in first.float_graph.nodes if n.op == "call_module" and n.target == name), None)
        if node is None or first.observation is None:
            continue
        mine = first.observation.callees[node.name]
        for entries in ways:
            second = trial.calls.outcome(_training(trial.case, *entries))
            theirs = None if second.observation is None else second.observation.callees[node.name]
            because = f"both select {name!r}: one by name, the other by {entries[-1].selector}"
            found = "refused" if theirs is None else describe_callee(theirs)
            if mine == theirs:
                yield kept(f"the module of {node.name}")
            else:
                cases = (first.case, second.case)
                yield broken(f"the module of {node.name}", describe_callee(mine), found, because, cases)


def _suitable(target: str) -> str:
    """Return a qconfig for training that the class for a type of module takes."""
    return "default_embedding_qat_qconfig" if "Embedding" in target else "default_qat_qconfig"


def _suits_all(case: Case, place: str, qconfig: str) -> bool:
    """Whether all that is called in a submodule, and is swapped for training, takes a qconfig."""
    inside = [call for call, where in zip(case.calls, scopes(case), strict=True) if f"{where}.".startswith(f"{place}.")]
    targets = {OPERATORS[call.operator].target for call in inside}
    return all(_suitable(target) == qconfig for target in targets & TRAINED.keys())


def _training(case: Case, *entries: Entry) -> Case:
    """Return the case, prepared for training by these entries alone, with the native backend config."""
    return replace(with_entries(case, *entries), is_qat=True, backend=None, declared=())


@rule(
    "QAT-4",
    MUST,
    "from_float: create a qat module from a float module",
    _QAT,
)
def test_a_swapped_module_has_the_weights_of_the_float_one(trial: Trial) -> Iterator[Finding]:
    """Every parameter and every running statistic of a module is still there, value for value, when it is swapped."""
    for node, module, found in _pairs(trial):
        theirs = [*found.parameters(), *found.buffers()]
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            same = any(_is_same(tensor, other) for other in theirs)
            because = f"{node.target} is to be trained from the weights that it has"
            yield judged(same, f"{name} of the module of {node.name}", "the same values", "not there", because)


def _is_same(tensor: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same values; those on the meta device have none."""
    return tensor.shape == other.shape and (tensor.is_meta or torch.equal(tensor, other))


@rule("QAT-5", MUST, "torch.nn.Module: a module that is called twice has one set of weights", _QAT)
def test_calls_of_one_module_are_calls_of_one_module_still(trial: Trial) -> Iterator[Finding]:
    """Two nodes call one module in the prepared model exactly if they do so in the float model, and two
    modules have no observer in common.
    """
    owners: dict[int, str] = {}
    forth: dict[nn.Module, nn.Module] = {}
    for node, module, found in _pairs(trial):
        one = forth.setdefault(module, found) is found
        because = f"{node.target} is one module, and each module has its own observers"
        inside = [part for name, part in found.named_modules() if name and is_observer(part)]
        own = all(owners.setdefault(id(part), str(node.target)) == node.target for part in inside)
        text = "another module" if not one else "one that observes with another's observer"
        yield judged(one and own, f"the module of {node.name}", "the same module at each call", text, because)


@rule("QAT-6", MUST, "swap_module: preserve hooks; torch.nn.Module.eval: the mode is that of all modules inside", _QAT)
def test_a_swapped_module_keeps_hooks_and_mode(trial: Trial) -> Iterator[Finding]:
    """A swapped module has the hooks of the float one, which are called as they were to be, with keywords or without,
    and is in the mode in which that one was.
    """
    for node, module, found in _pairs(trial):
        for name in HOOKS:
            mine, theirs = hooks_of(module, name), hooks_of(found, name)
            because = f"who put a hook on {node.target} wants it called"
            place = f"the {name.strip('_').replace('_', ' ')} of the module of {node.name}"
            wanted, got = ("; ".join(describe_hook(*hook) for hook in hooks) or "none" for hooks in (mine, theirs))
            still = [hook for hook in theirs if hook in mine]  # there may be others
            yield judged(still == mine, place, wanted, got, because)
        before, after = ("training mode" if m.training else "eval mode" for m in (module, found))
        because = f"{node.target} was in {before}"
        yield judged(before == after, f"the mode of the module of {node.name}", before, after, because)


@rule("QAT-13", MUST, "prepare_qat_fx: the prepared model is trained, by train_loop(prepared_model, train_data)", _QAT)
def test_as_many_numbers_are_trained_as_in_the_float_model(trial: Trial) -> Iterator[Finding]:
    """As many numbers of a module want gradients, when it is prepared for training, as those of the float module;
    the parameters of fake quantizers do not count.
    """
    for node, module, found in _pairs(trial):
        wanted, got = _trained(module), _trained(found)
        because = f"{wanted} numbers of {node.target} are trained in the float model"
        yield judged(wanted == got, f"the parameters of the module of {node.name}", str(wanted), str(got), because)


def _trained(module: nn.Module) -> int:
    """Return how many numbers of a module want gradients, but for those of fake quantizers inside of it."""
    inside = [f"{name}." for name, part in module.named_modules() if is_observer(part)]
    own = [value for name, value in module.named_parameters() if not name.startswith(tuple(inside))]
    return sum(value.numel() for value in own if value.requires_grad)


@rule("QAT-7", MUST, "prepare_qat_fx: returns a GraphModule; the float model is the caller's", _QAT)
def test_the_float_model_keeps_its_own_modules(trial: Trial) -> Iterator[Finding]:
    """The float model that was traced has after the call the modules that it had before: of the same
    classes, in the same modes, with the same hooks.
    """
    from observance.conformance.outcomes import fingerprints

    before = trial.outcome.before.get("modules")
    if before is not None and trial.case.is_qat:
        same = fingerprints(trial.outcome.arguments)["modules"] == before
        because = "modules are swapped in the result, not in the caller's model"
        yield judged(same, "the float model", "as before the call", "changed", because)


@rule("QAT-8", MUST, "prepare_qat_fx: qconfig_mapping is the configuration for how we insert observers", _QAT)
def test_an_earlier_preparation_of_the_same_float_model_is_forgotten(trial: Trial) -> Iterator[Finding]:
    """A float model that was prepared before, with everything switched off, is prepared like a new one."""
    if not trial.case.is_qat or trial.outcome.observation is None or trial.calls.prefused:
        return
    if trial.case.has_values:  # which are lost when the model is traced again
        return
    off = replace(trial.case, mapping=Mapping(None, (Entry("global", None),)))
    again = run_after(trial.calls.implementation, trial.case, off)
    yield from same_placement(trial.outcome, again, "the float model was prepared before, for another mapping")


@rule("QAT-9", MUST, "disable_fake_quant: disable fake quantization for the module", _QAT)
def test_without_fake_quantization_the_model_computes_what_the_float_model_computes(trial: Trial) -> Iterator[Finding]:
    """With its fake quantizers disabled, a model that is prepared for training computes what the float
    model computes, in training and in eval mode, up to rounding errors.

    It says nothing of a model that writes into its values: what a fake quantizer gives may be a copy.
    """
    outcome = trial.outcome
    if outcome.prepared is None or not trial.case.is_qat or trial.float_values is None:
        return
    if any(OPERATORS[call.operator].mutates for call in trial.case.calls):  # a fake quantizer may give a copy
        return
    for training in (False, True):
        results = []
        for model in (outcome.arguments.float_model, outcome.prepared):
            own = copy.deepcopy(model).train(training)
            own.apply(disable_fake_quant)
            torch.manual_seed(0)
            results.append(_result(own, outcome.arguments.example_inputs))
        mode = "training" if training else "eval"
        because = f"in {mode} mode, without rounding, a swapped module does what the float one does"
        if not isinstance(results[0], Exception):
            found = str(results[1]) if isinstance(results[1], Exception) else "another result"
            same = _close(results[0], results[1])
            yield judged(same, f"the forward pass in {mode} mode", "the float result", found, because)


def _result(model: nn.Module, inputs: tuple[Any, ...]) -> Any:
    """Return what a model computes, or what it raises."""
    try:
        with torch.no_grad():
            return model(*(value.clone() for value in inputs))
    except Exception as error:  # a model that does not run is the finding
        return error


def _close(mine: Any, theirs: Any) -> bool:
    """Whether two returned structures are equal up to rounding errors."""
    match mine:
        case torch.Tensor():
            same = isinstance(theirs, torch.Tensor) and mine.shape == theirs.shape
            return same and torch.allclose(mine.double(), theirs.double(), rtol=1e-2, atol=1e-3, equal_nan=True)
        case dict():
            return isinstance(theirs, dict) and _close(list(mine.values()), list(theirs.values()))
        case list() | tuple():
            if not isinstance(theirs, (list, tuple)) or len(mine) != len(theirs):
                return False
            return all(_close(a, b) for a, b in zip(mine, theirs, strict=True))
    return bool(mine == theirs)


@rule("QAT-10", MUST, "prepare_qat_fx: we'll insert fake_quantize modules according to the qconfig_mapping", _QAT, True)
def test_fake_quantizers_stand_where_observers_stand(trial: Trial) -> Iterator[Finding]:
    """For the same qconfigs, where the backend has the same to say of the classes for training, the
    prepared graph is the same with training as without it.
    """
    # What is inside of declared modules is another question, and what is swapped is not equalized.
    if trial.case.declared or trial.case.equalization is not None:
        return
    # A class for training that the model has from the start is of its type's qconfig in training alone.
    if any(is_aware(OPERATORS[call.operator].target) for call in trial.case.calls):
        return
    other = Trial(replace(trial.case, is_qat=not trial.case.is_qat), trial.calls, trial.standard)
    if trial.site is None or other.site is None or _matched(trial.site) != _matched(other.site):
        return
    yield from same_edges(trial.outcome, other.outcome, "only is_qat differs, and the same patterns are quantized")


def _matched(site: Site) -> dict[str, tuple[Any, ...]]:
    """Return the pattern that each quantized node is in, and how it is observed."""
    return {
        node.name: (tuple(part.name for part in found.match.nodes), found.match.root.name, found.observation)
        for node, found in site.quantized.items()
    }


@rule("QAT-12", MUST, "_update_qconfig_for_qat: update the qconfigs to account for module swaps", _QAT, True)
def test_the_qconfig_of_a_type_serves_its_class_for_training_too(trial: Trial) -> Iterator[Finding]:
    """In training-aware preparation, a qconfig for a type of module is one for its class for training, too."""
    for target in [found[2] for found in modules(trial.case) if found[2] in _FLOAT][:1]:
        qconfig, kind = _suitable(target), _FLOAT[target]
        by_both = (Entry("object_type", qconfig, target=kind), Entry("object_type", qconfig, target=target))
        first, second = (trial.calls.outcome(_training(trial.case, *some)) for some in (by_both, by_both[:1]))
        yield from same_placement(first, second, f"{target} is the class for training of {kind}")


@rule("QAT-11", UPSTREAM, "from_float: the weight of the qat module is the weight of the float one", _QAT)
def test_tied_weights_stay_tied(trial: Trial) -> Iterator[Finding]:
    """Two modules whose weight is one tensor have one tensor still when they are swapped."""
    first: dict[int, tuple[str, nn.Module]] = {}
    for node, module, found in _pairs(trial):
        mine, theirs = getattr(module, "weight", None), getattr(found, "weight", None)
        if not isinstance(mine, torch.Tensor) or not isinstance(theirs, torch.Tensor):
            continue
        name, other = first.setdefault(id(mine), (str(node.target), found))
        if name == node.target:
            continue
        tied = isinstance(other.weight, torch.Tensor) and other.weight.data_ptr() == theirs.data_ptr()
        because = f"{name} and {node.target} have one weight, which is trained for both"
        yield judged(tied, f"the module of {node.name}", f"the weight of {name}", "another weight", because)
