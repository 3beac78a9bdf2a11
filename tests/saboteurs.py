"""One saboteur for each rule: the reference, broken in just the respect that the rule is about.

Each is a list of changes (see `observance.conformance.variants`).  What a
saboteur does is told by the docstring of its function.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.ao.quantization import MinMaxObserver, QConfigMapping
from torch.ao.quantization.backend_config import BackendConfig, get_native_backend_config
from torch.fx import GraphModule

from observance.conformance.deviations import torch_placement, torch_sharing
from observance.conformance.variants import Change
from observance.reference import dtypes
from observance.reference.backends import Verdict
from observance.reference.dtypes import FLOAT
from observance.reference.entry import RefusalError
from observance.reference.graphs import Operand, operands
from observance.reference.plan import Slot
from observance.reference.specs import is_observer, spec_of
from observance.reference.values import Kind

from . import saboteurs_declared, saboteurs_equalization, saboteurs_patterns, saboteurs_qat

SABOTEURS: dict[str, tuple[Change, ...]] = {
    **saboteurs_patterns.SABOTEURS,
    **saboteurs_qat.SABOTEURS,
    **saboteurs_equalization.SABOTEURS,
    **saboteurs_declared.SABOTEURS,
}
"""The changes that break each rule, by the rule's id."""

Saboteur = Callable[..., Any]


def breaks(rule: str, decision: str) -> Callable[[Saboteur], Saboteur]:
    """Enter a function as the saboteur of a rule, in place of a decision of the reference."""

    def enter(instead: Saboteur) -> Saboteur:
        SABOTEURS[rule] = (Change(decision, instead),)
        return instead

    return enter


@breaks("ENTRY-1", "qconfigs.refuse_misfit")
def refuses_linear(original: Saboteur, node: Any, qconfig: Any, modules: Any) -> None:
    """Refuse every model with a linear layer that is to be quantized."""
    if qconfig and node.op == "call_module" and isinstance(modules[node.target], torch.nn.Linear):
        raise RefusalError("no linear layers")


@breaks("ENTRY-2", "entry._as_object")
def loses_dicts(original: Saboteur, config: Any, kind: type, name: str) -> Any:
    """Take a mapping that is a dict for an empty one."""
    return kind() if isinstance(config, dict) and kind is QConfigMapping else original(config, kind, name)


@breaks("ENTRY-3", "entry.get_native_backend_config")
def no_default_backend(original: Saboteur) -> BackendConfig:
    """Take a backend that supports nothing for the default."""
    return BackendConfig("empty")


@breaks("ENTRY-4", "prepare.rewrite")
def drops_dead_code(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Remove what nothing reads."""
    prepared: GraphModule = original(model, plan)
    prepared.graph.eliminate_dead_code()
    prepared.recompile()
    return prepared


@breaks("ENTRY-5", "qconfigs.refuse_misfit")
def refuses_nothing(original: Saboteur, node: Any, qconfig: Any, modules: Any) -> None:
    """Accept per-channel weights for transposed convolutions."""


@breaks("ENTRY-6", "prepare.rewrite")
def forgets_a_module(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Return a graph that calls an observer which the model does not own."""
    prepared: GraphModule = original(model, plan)
    if hasattr(prepared, "activation_post_process_0"):
        prepared.delete_submodule("activation_post_process_0")
    return prepared


@breaks("ENTRY-7", "placement.why_not")
def looks_at_weights(original: Saboteur, site: Any, operand: Operand, spec: Any, quantized: Any) -> Any:
    """Let the sign of a weight decide whether an input is observed."""
    parameters = list(operand.node.graph.owning_module.parameters())
    if parameters and float(parameters[0].flatten()[0]) > 0:
        return "the weight is positive"
    return original(site, operand, spec, quantized)


def _by_name(
    names: Saboteur | None = None, regexes: Saboteur | None = None, types: bool = True, fallback: Any = None
) -> Saboteur:
    """Return a look-up of qconfigs with some of its steps changed or left out."""

    def look_up(original: Saboteur, mapping: QConfigMapping, name: str, kinds: Any) -> Any:
        changed = copy.copy(mapping)
        if names:
            changed.module_name_qconfigs = names(mapping, name)
        if regexes:
            changed.module_name_regex_qconfigs = regexes(mapping)
        return original(changed, name, kinds if types else ()) or fallback

    return look_up


SABOTEURS["QCONFIGS-1"] = (Change("qconfigs.by_name", _by_name(regexes=lambda mapping: {})),)
SABOTEURS["QCONFIGS-2"] = (Change("qconfigs.by_name", _by_name(types=False)),)
SABOTEURS["QCONFIGS-3"] = (
    Change(
        "qconfigs.by_name",
        _by_name(regexes=lambda m: dict(reversed(m.module_name_regex_qconfigs.items()))),
    ),
)
SABOTEURS["QCONFIGS-4"] = (Change("qconfigs.by_name", _by_name(fallback=torch.ao.quantization.default_qconfig)),)


@breaks("QCONFIGS-5", "qconfigs.by_name")
def farthest_ancestor(original: Saboteur, mapping: Any, name: str, types: Any) -> Any:
    """Let the farthest named ancestor decide."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        ancestor = ".".join(parts[:length])
        if ancestor in mapping.module_name_qconfigs:
            return mapping.module_name_qconfigs[ancestor]
    return original(mapping, name, types)


@breaks("QCONFIGS-6", "qconfigs.by_name")
def regex_before_name(original: Saboteur, mapping: Any, name: str, types: Any) -> Any:
    """Ask regular expressions before names."""
    for pattern, qconfig in mapping.module_name_regex_qconfigs.items():
        if re.match(pattern, name):
            return qconfig
    return original(mapping, name, types)


@breaks("QCONFIGS-7", "qconfigs.by_name")
def global_first(original: Saboteur, mapping: Any, name: str, types: Any) -> Any:
    """Let the global qconfig override all others."""
    return mapping.global_qconfig or original(mapping, name, types)


@breaks("QCONFIGS-8", "qconfigs.assign")
def fills_gaps(original: Saboteur, *args: Any) -> Any:
    """Give what is switched off the qconfig of what is not."""
    assigned = original(*args)
    some = next((qconfig for qconfig in assigned.values() if qconfig), None)
    return {node: qconfig or some for node, qconfig in assigned.items()}


@breaks("PATTERNS-1", "placement.place")
def observes_inside(original: Saboteur, site: Any) -> None:
    """Observe between the nodes of a pattern too."""
    original(site)
    for node, quantized in site.quantized.items():
        for operand in operands(node):
            spec = quantized.ask.activation
            inside = node is not quantized.match.root and operand.value in quantized.match.nodes
            if inside and spec is not None and spec.is_observed:
                slot = Slot(operand.value, None, spec, "PATTERNS-1", "sabotage")
                site.plan.slots.append(slot)
                site.plan.shares[slot] = slot
                site.plan.read(operand, slot)


@breaks("PATTERNS-2", "patterns.count_uses")
def counts_no_uses(original: Saboteur, graph: Any) -> Counter[Any]:
    """Fuse over values that are read outside."""
    return Counter()


@breaks("PATTERNS-3", "patterns._length")
def no_lengths(original: Saboteur, pattern: Any) -> int:
    """Take patterns in the order of registration."""
    return 1


@breaks("PATTERNS-4", "patterns.candidates")
def drops_the_first_pattern(original: Saboteur, backend: Any) -> Any:
    """Overlook the first pattern of a backend."""
    first, found = backend.configs[:1], original(backend)
    return {key: [c for c in group if c.config not in first] for key, group in found.items()}


@breaks("DTYPES-1", "values.classify")
def everything_is_float(original: Saboteur, *args: Any) -> Any:
    """Take every value for a float tensor."""
    return dict.fromkeys(original(*args), Kind.FLOAT)


@breaks("DTYPES-2", "placement.place_output")
def observes_dynamic_outputs(original: Saboteur, site: Any, quantized: Any) -> None:
    """Observe what a dynamic operator gives."""
    original(site, quantized)
    spec, last = quantized.ask.activation, quantized.match.last
    if spec is not None and spec.is_dynamic and spec.is_observed:
        site.outputs[last] = Slot(last, None, spec, "DTYPES-2", "sabotage")
        site.plan.slots.append(site.outputs[last])


def _spec_for(role: str, part: str) -> Saboteur:
    """Return a choice of specs that takes another part of the qconfig for a role."""

    def choose(original: Saboteur, operand: Operand, ask: Any, positions: Any) -> Any:
        if dtypes.role(operand, positions) == role:
            return getattr(ask, part)
        return original(operand, ask, positions)

    return choose


SABOTEURS["DTYPES-3"] = (Change("dtypes.spec_for", _spec_for("weight", "activation")),)
SABOTEURS["DTYPES-4"] = (Change("dtypes.spec_for", _spec_for("bias", "activation")),)
SABOTEURS["DTYPES-5"] = (Change("dtypes.spec_for", _spec_for("weight", "weight")),)


@breaks("DTYPES-6", "dtypes.ask_of")
def other_settings(original: Saboteur, qconfig: Any) -> Any:
    """Observe activations with an eps of its own."""
    ask = original(qconfig)
    if ask.activation is None or type(ask.activation.instance) is not MinMaxObserver:
        return ask
    settings = {"dtype": ask.activation.dtype, "qscheme": ask.activation.instance.qscheme}
    return dataclasses.replace(ask, activation=spec_of(MinMaxObserver.with_args(eps=0.5, **settings)))


@breaks("DTYPES-7", "placement.place_input")
def observes_float_inputs(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Observe the inputs of operators whose weights alone are quantized."""
    spec = quantized.ask.activation
    if spec is None or not spec.is_observed:
        ask = dataclasses.replace(quantized.ask, activation=spec_of(MinMaxObserver))
        quantized = dataclasses.replace(quantized, ask=ask)
    original(site, operand, quantized)


@breaks("DTYPES-8", "dtypes.is_first_argument")
def all_are_first(original: Saboteur, operand: Operand, positions: Any) -> bool:
    """Quantize every argument dynamically."""
    return True


@breaks("DTYPES-9", "placement.why_not")
def inserts_placeholders(original: Saboteur, site: Any, operand: Operand, spec: Any, quantized: Any) -> Any:
    """Put an observer into the graph for a float dtype too."""
    if spec is not None and not spec.is_observed:
        return None
    return original(site, operand, spec, quantized)


@breaks("BACKENDS-1", "backends.judge")
def supports_everything(original: Saboteur, *args: Any) -> Verdict:
    """Quantize whatever the qconfig asks for."""
    return Verdict(True, "sabotage")


@breaks("BACKENDS-2", "prepare.plan")
def says_nothing(original: Saboteur, *args: Any) -> Any:
    """Ignore a qconfig in silence."""
    plan = original(*args)
    plan.warnings.clear()
    return plan


@breaks("BACKENDS-3", "backends.judge")
def asks_the_first(original: Saboteur, match: Any, ask: Any, reader: Any) -> Any:
    """Look at a pattern's first dtype config alone."""
    config = copy.copy(match.config)
    config.dtype_configs = config.dtype_configs[:1]
    return original(dataclasses.replace(match, config=config), ask, reader)


SABOTEURS["BACKENDS-4"] = torch_placement.NOT_OBSERVED


@breaks("PLACEMENT-1", "placement.dtype_of")
def all_quantized(original: Saboteur, site: Any, value: Any) -> torch.dtype:
    """Believe that every value is quantized."""
    return torch.quint8


@breaks("PLACEMENT-2", "placement.dtype_of")
def all_float(original: Saboteur, site: Any, value: Any) -> torch.dtype:
    """Believe that every value is float."""
    return FLOAT


@breaks("PLACEMENT-3", "placement.fitting")
def never_fits(original: Saboteur, *args: Any) -> None:
    """Give every reader an observer of its own."""


@breaks("PLACEMENT-4", "placement.place")
def reads_around(original: Saboteur, site: Any) -> None:
    """Let the graph's output read values as they are."""
    original(site)
    for node, keys in list(site.plan.reads):
        if node.op == "output":
            del site.plan.reads[node, keys]


@breaks("PLACEMENT-5", "patterns.tensor_arguments")
def counts_one(original: Saboteur, root: Any, values: Any) -> Any:
    """Treat x + y as x + 2."""
    return original(root, values)[:1]


@breaks("PLACEMENT-13", "prepare.select")
def root_decides(original: Saboteur, result: Any, match: Any, assigned: Any, *rest: Any) -> Any:
    """Give a pattern the qconfig of its root instead of its last node."""
    return original(result, match, {**assigned, match.last: assigned[match.root]}, *rest)


SABOTEURS["PLACEMENT-6"] = torch_placement.KEYWORD_TENSORS


@breaks("PLACEMENT-7", "placement.place_input")
def overlooks_tuples(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Look into lists and not into tuples."""
    first = operand.keys[0]
    holder = operand.node.args[first] if isinstance(first, int) else operand.node.kwargs[first]
    if not isinstance(holder, tuple):
        original(site, operand, quantized)


@breaks("PLACEMENT-8", "patterns.operator_of")
def knows_no_methods(original: Saboteur, node: Any, modules: Any) -> Any:
    """Match no method."""
    return None if node.op == "call_method" else original(node, modules)


@breaks("PLACEMENT-9", "placement.place_input")
def first_call_only(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Observe the input of a module at its first call alone."""
    same = [n for n in site.graph.nodes if n.op == "call_module" and n.target == operand.node.target]
    if not same or operand.node is same[0]:
        original(site, operand, quantized)


def _observers(prepared: GraphModule) -> list[Any]:
    """Return the nodes of a prepared graph that observe."""
    modules = dict(prepared.named_modules(remove_duplicate=False))
    nodes = [node for node in prepared.graph.nodes if node.op == "call_module"]
    return [node for node in nodes if is_observer(modules[node.target])]


@breaks("PLACEMENT-10", "prepare.rewrite")
def other_names(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Call observers by other names."""
    prepared: GraphModule = original(model, plan)
    for number, node in enumerate(_observers(prepared)):
        prepared.add_submodule(f"watcher_{number}", prepared.get_submodule(node.target))
        node.target = f"watcher_{number}"
    prepared.recompile()
    return prepared


@breaks("PLACEMENT-11", "prepare.rewrite")
def late_observers(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Put observers before their readers instead of behind their values."""
    prepared: GraphModule = original(model, plan)
    order = {node: number for number, node in enumerate(prepared.graph.nodes)}
    for node in reversed(_observers(prepared)):
        if node.users:
            min(node.users, key=order.__getitem__).prepend(node)
    prepared.recompile()
    return prepared


@breaks("PLACEMENT-12", "entry.read_configs")
def fills_an_empty_backend(original: Saboteur, *args: Any) -> Any:
    """Take the native backend where the given one supports nothing."""
    configs = original(*args)
    if configs.backend.configs:
        return configs
    return dataclasses.replace(configs, backend=get_native_backend_config())


@breaks("SHARING-1", "site.Groups.join")
def never_joins(original: Saboteur, groups: Any, first: Any, other: Any) -> None:
    """Share nothing."""


@breaks("SHARING-2", "site.Groups.leader")
def shares_all_alike(original: Saboteur, groups: Any, slot: Any) -> Any:
    """Let all observers that are alike be one."""
    leader = original(groups, slot)
    alike = groups.__dict__.setdefault("alike", {})
    return alike.setdefault(leader.spec, leader)


SABOTEURS["SHARING-3"] = torch_sharing.NOT_CLOSED


@breaks("SHARING-4", "sharing.output_slot")
def reuses_nothing(original: Saboteur, site: Any, quantized: Any, spec: Any) -> Any:
    """Give an operator that reuses its input's observer one of its own."""
    if quantized.ask.reuse:
        return Slot(quantized.match.last, None, spec, "SHARING-4", "sabotage")
    return original(site, quantized, spec)


@breaks("SHARING-5", "prepare.quantized_inputs")
def no_quantized_inputs(original: Saboteur, *args: Any) -> frozenset[Any]:
    """Forget which graph inputs are quantized."""
    return frozenset()


@breaks("SHARING-6", "sharing._joined")
def own_for_lack(original: Saboteur, site: Any, last: Any, found: Any, rule: str) -> Any:
    """Observe an output that has nothing to share with, or does not share, by its own observer."""
    spec = site.quantized[last].ask.activation
    return Slot(last, None, spec, rule, "sabotage")


def _with_hook(prepared: GraphModule, hook: Callable[..., Any]) -> GraphModule:
    """Let a hook change what every observer returns."""
    for module in prepared.modules():
        if is_observer(module):
            module.register_forward_hook(hook)
    return prepared


def _double(module: Any, inputs: Any, output: Any) -> Any:
    return output * 2


def _double_in_training(module: Any, inputs: Any, output: Any) -> Any:
    return output * 2 if module.training else output


@breaks("EFFECTS-1", "prepare.rewrite")
def doubles(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Let observers double what passes through."""
    return _with_hook(original(model, plan), _double)


@breaks("EFFECTS-2", "prepare.rewrite")
def doubles_in_training(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Let observers double what passes through in training."""
    return _with_hook(original(model, plan), _double_in_training)


_CALLS = itertools.count()


@breaks("EFFECTS-3", "prepare.plan")
def alternates(original: Saboteur, *args: Any) -> Any:
    """Leave the first observer out in every other call."""
    plan = original(*args)
    if next(_CALLS) % 2 and plan.slots:
        plan.reads = {place: slot for place, slot in plan.reads.items() if slot is not plan.slots[0]}
    return plan


@breaks("EFFECTS-4", "prepare.survey")
def changes_the_mapping(original: Saboteur, model: Any, configs: Any, *rest: Any) -> Any:
    """Empty the caller's mapping after use."""
    site = original(model, configs, *rest)
    configs.qconfigs.set_global(None).set_object_type("changed", None)
    return site


@breaks("EFFECTS-5", "qconfigs.assign")
def dislikes_names(original: Saboteur, graph: Any, modules: Any, mapping: Any, scopes: Any) -> Any:
    """Switch off what stands in a submodule named ``a``."""
    assigned = original(graph, modules, mapping, scopes)
    return {n: None if scopes[n.name][0].split(".")[0] == "a" else q for n, q in assigned.items()}


@breaks("EFFECTS-6", "placement.place_input")
def odd_nodes_only(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Observe the inputs of every other node of the graph."""
    calls = [node for node in site.graph.nodes if node.op.startswith("call")]
    if calls.index(operand.node) % 2:
        original(site, operand, quantized)


@breaks("EFFECTS-7", "placement.place_input")
def odd_graphs_only(original: Saboteur, site: Any, operand: Operand, quantized: Any) -> None:
    """Observe the inputs of graphs with an odd number of nodes."""
    if len(site.graph.nodes) % 2:
        original(site, operand, quantized)


def _copy_apart(self: GraphModule, memo: Any) -> GraphModule:
    """Copy a graph module and give each observer's name an object of its own."""
    copied = GraphModule.__deepcopy__(self, memo)
    for name, module in list(copied._modules.items()):
        if is_observer(module):
            setattr(copied, name, copy.deepcopy(module))
    return copied


@breaks("EFFECTS-8", "prepare.rewrite")
def copies_apart(original: Saboteur, model: Any, plan: Any) -> GraphModule:
    """Return a model whose deep copies share nothing."""
    prepared: GraphModule = original(model, plan)
    type(prepared).__deepcopy__ = _copy_apart  # type: ignore[method-assign]
    return prepared


_MADE: dict[Any, Any] = {}


@breaks("EFFECTS-9", "dtypes.spec_of")
def keeps_observers(original: Saboteur, constructor: Any) -> Any:
    """Use one observer again and again, in all models."""
    spec = original(constructor)
    if spec is None:
        return None
    return dataclasses.replace(spec, make=lambda: _MADE.setdefault(spec, spec.make()))


# Each further chapter has a file of its own, which enters its saboteurs here.
from . import saboteurs_modules, saboteurs_refusals, saboteurs_scale, saboteurs_state  # noqa: E402, F401
