"""Where another implementation may lawfully differ: the choices that nothing promises.

The reference decides these as torch does.  Rules of the level MUST say nothing
of a case in which one of them matters; PLACEMENT-13, of the level UPSTREAM, does.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.ao.quantization import QConfigMapping
from torch.ao.quantization.backend_config import BackendConfig
from torch.fx import Node

from observance.conformance.choices_modules import is_inherited_otherwise, of_modules
from observance.reference import backends, dtypes, patterns, qconfigs
from observance.reference.entry import Configs
from observance.reference.graphs import operands
from observance.reference.patterns import Candidate
from observance.reference.qat import training_classes
from observance.reference.qconfigs import Scopes
from observance.reference.site import Site


def of_asking(site: Site, configs: Configs, scopes: Scopes) -> list[str]:
    """Return the choices about who asks for what, each in words.

    Parameters
    ----------
    site
        Who asks for what, as the reference has it.
    configs, scopes
        The configs and the scopes that were given.
    """
    mapping = configs.qconfigs
    backend = configs.backend
    found = [*_of_swapping(site, backend), *of_fused(site, mapping), *_of_numbers(site, backend)]
    found += _of_shorter(site, backend)
    by_type = mapping.object_type_qconfigs
    for node, qconfig in site.assigned.items():
        if node.op != "call_function":
            continue
        scope_type = scopes[node.name][1]
        both = scope_type in by_type and node.target in by_type
        if both and by_type[scope_type] is not by_type[node.target] and qconfig is by_type[scope_type]:
            found.append(f"{node.name} is selected by what it calls and by the type of its submodule")
    for match in dict.fromkeys(site.matches.values()):
        parts = [site.assigned[node] for node in match.nodes]
        asks = {dtypes.ask_of(qconfig) for qconfig in parts if qconfig is not None}
        if None not in parts and len(asks) > 1:
            found.append(f"the parts of the pattern that ends in {match.last.name} have different qconfigs")
        if None not in parts and isinstance(match.last.meta.get("val"), (list, tuple)):
            found.append(f"{match.last.name} says that it gives several values, of which some may be tensors")
    found += of_modules(site, mapping)
    for call in site.standalone.values():
        if call.site is not None:
            found += of_asking(call.site, call.inside.configs, call.inside.scopes)
    return found


def _of_swapping(site: Site, backend: BackendConfig) -> list[str]:
    """Return the choices about modules that are swapped for training.

    What a module is in is not quantized, or is although the backend does not
    support the qconfig for the module by itself; or a module is called several
    times, and its calls have different qconfigs.
    """
    found: list[str] = []
    asks: dict[str, set[object]] = {}
    owner: Any = site.graph.owning_module
    classes = training_classes(backend) if site.is_qat else {}
    for node, qconfig in site.assigned.items():
        if node.op != "call_module" or node.target in (*site.plan.standalone, *site.plan.custom):
            continue  # modules of their own kind are swapped for nobody's training
        if node.target in site.plan.swapped:
            asks.setdefault(str(node.target), set()).add(None if qconfig is None else dtypes.ask_of(qconfig))
            if qconfig is not None and node not in site.quantized:
                found.append(f"{node.target} is swapped for training, and what it is in is not quantized")
        elif node in site.quantized and type(owner.get_submodule(str(node.target))) in classes:
            found.append(
                f"{node.target} is in what is quantized, and the backend does not support its qconfig by itself"
            )
    different = [name for name, several in asks.items() if len(several) > 1]
    return found + [f"the calls of {name} have different qconfigs" for name in different]


def _of_numbers(site: Site, backend: BackendConfig) -> list[str]:
    """Return the operators at which a pattern may end that has a number, in words.

    Nothing says what a number in a pattern stands for, or whether it is one of the nodes that `MatchAllNode` stands
    for.
    """
    modules, known = _modules(site), patterns.candidates(backend)
    return [
        f"{node.name} may be the end of a pattern that has a number"
        for node in site.assigned
        if node.op.startswith("call_")
        for ending in [[one.pattern for one in known.get(patterns.operator_of(node, modules), ())]]
        if any(patterns.has_number(pattern) or patterns.takes_number(pattern, node) for pattern in ending)
    ]


def _of_shorter(site: Site, backend: BackendConfig) -> list[str]:
    """Return the parts of patterns that stay float which the backend supports in a shorter pattern, in words.

    Nothing says whether such a part is quantized as a pattern by itself.
    """
    staying = [node for node in site.matches if node not in site.quantized and site.assigned.get(node) is not None]
    if not staying:
        return []
    modules, known, uses = _modules(site), patterns.candidates(backend), patterns.count_uses(site.graph)
    reader = backends.Reader(modules, site.positions)

    def is_served(node: Node, candidate: Candidate) -> bool:
        if patterns.length(candidate.pattern) >= len(site.matches[node].nodes):
            return False
        match = patterns.match_at(node, candidate, modules, uses)
        return match is not None and backends.judge(match, dtypes.ask_of(site.assigned[node]), reader).supported

    return [
        f"{node.name} is a part of a pattern that stays float, and may be one of a shorter pattern"
        for node in staying
        if any(is_served(node, one) for one in known.get(patterns.operator_of(node, modules), ()))
    ]


def _modules(site: Site) -> dict[str, nn.Module]:
    """Return the modules of a graph, under all of their names."""
    owner: Any = site.graph.owning_module
    return dict(owner.named_modules(remove_duplicate=False))


def of_outputs(site: Site) -> list[str]:
    """Return the outputs that are declared as quantized and that nothing observes; observers must have been placed.

    torch's documentation promises an observer there and does not say which.
    """
    return [
        f"{operand.value.name} is returned and declared as quantized, and nothing says what observes it"
        for operand in site.returned
        if site.plan.read_at(operand) is None and site.values.is_observable(operand.value)
    ]


def may_be_refused(site: Site, mapping: QConfigMapping) -> bool:
    """Whether an implementation may refuse a call that the reference serves; observers must have been placed.

    An output that is declared as quantized cannot be; or a standalone module inherits, of its parent's mapping, more
    than its own qconfig, and that may disagree.
    """
    return bool(of_outputs(site)) or is_inherited_otherwise(site, mapping)


def of_fused(site: Site, mapping: QConfigMapping) -> list[str]:
    """Return the fused modules that are selected by their own type and by those of their parts, in words."""
    by_type, found = mapping.object_type_qconfigs, []
    owner: Any = site.graph.owning_module
    for node in [node for node in site.assigned if node.op == "call_module"]:
        module = owner.get_submodule(str(node.target))
        said = qconfigs.said_of([type(part) for part in qconfigs.parts_of(module)], by_type)
        if type(module) in by_type and any(by_type[type(module)] is not qconfig for qconfig in said):
            found.append(f"{node.name} is selected by its type and, differently, by those of its parts")
    return found


def of_sharing(site: Site) -> list[str]:
    """Return the choices about shared observers, each in words; observers must have been placed."""
    plan = site.plan
    found = [
        f"the observers that {slot.value.name} shares were asked for with different settings"
        for slot in plan.slots
        if plan.shares[slot].spec != slot.spec
    ]
    observed = {slot.value for slot in plan.slots}
    for node, quantized in site.quantized.items():
        first = next(iter(operands(quantized.match.root)), None)
        others = first is not None and plan.read_at(first) is None and first.value in observed
        if quantized.ask.reuse and others:
            found.append(f"{node.name} reuses its input's observer, and only other readers have one there")
    for call in site.standalone.values():
        found += of_sharing(call.site) if call.site is not None else []
    return found
