"""Where another implementation may lawfully differ about standalone and custom modules."""

from __future__ import annotations

import torch
from torch.ao.quantization import QConfigMapping
from torch.fx import Node

from observance.reference import qconfigs
from observance.reference.entry import RefusalError
from observance.reference.graphs import operands, output_of
from observance.reference.sharing import shares_with_inputs
from observance.reference.site import Site, Standalone


def of_modules(site: Site, mapping: QConfigMapping) -> list[str]:
    """Return the choices about modules of their own kind, each in words; `mapping` is the one given."""
    found = [*_of_calls(site), *_of_sharing(site)]
    for node, call in site.standalone.items():
        found += [f"{text.format(node.name)}" for text in _of_standalone(node, call, mapping)]
    return found


def is_inherited_otherwise(site: Site, mapping: QConfigMapping) -> bool:
    """Whether a parent's mapping says more inside a standalone module than the one qconfig that it has there."""
    return any(_inherits_otherwise(str(node.target), call, mapping) for node, call in site.standalone.items())


def _of_calls(site: Site) -> list[str]:
    """Return the modules that are prepared or swapped once, and called with different qconfigs."""
    found = []
    for name in (*site.plan.standalone, *site.plan.custom):
        calls = [node for node in site.assigned if node.op == "call_module" and node.target == name]
        if len({id(site.assigned[node]) for node in calls}) > 1:
            found.append(f"{name} is called with different qconfigs")
    return found


def _of_sharing(site: Site) -> list[str]:
    """Return the operators that would share an observer on the other side of a module of its own kind."""
    return [
        f"{node.name} passes on what {operand.value.name} gives, which is observed inside that module"
        for node, quantized in site.quantized.items()
        if quantized.ask.reuse or shares_with_inputs(quantized)
        for operand in operands(quantized.match.root)
        if operand.value in site.elsewhere and operand.value not in site.quantized_inputs
    ]


def _of_standalone(node: Node, call: Standalone, mapping: QConfigMapping) -> list[str]:
    """Return the choices about one standalone module; ``{}`` stands for its name."""
    found, inside = [], call.inside
    spec = call.asks.ask.activation if call.asks else None
    static = spec is not None and spec.dtype is torch.quint8 and not spec.is_dynamic
    if call.asks is None and (inside.quantized_inputs or inside.has_quantized_output):
        found.append("{} is switched off, and its inputs or its output are to be quantized")
    elif inside.quantized_inputs and (not static or (call.asks and call.asks.ask.reuse)):
        found.append("the inputs of {} are to be quantized, and its qconfig does not ask for static quint8")
    if call.site is not None and inside.has_quantized_output and _returned_dtype(call.site) is not torch.quint8:
        found.append("the output of {} is to be quantized, and is not quantized to quint8 inside")
    if _inherits_otherwise(str(node.target), call, mapping):
        found.append("{} has its parent's qconfig, where its parent's mapping would select others inside")
    return found


def _returned_dtype(site: Site) -> torch.dtype | None:
    """Return the dtype of what a standalone module returns, as its observer says it."""
    (returned,) = output_of(site.graph).all_input_nodes
    slot = site.outputs.get(returned)
    return None if slot is None else slot.spec.dtype


def _inherits_otherwise(name: str, call: Standalone, mapping: QConfigMapping) -> bool:
    """Whether a module that inherits has other qconfigs by its parent's mapping, by types or names, than its one."""
    site = call.site
    if site is None or not call.inside.inherits:  # what is prepared already inherits nothing
        return False
    if mapping.module_name_regex_qconfigs or any(key.startswith(f"{name}.") for key in mapping.module_name_qconfigs):
        return True
    if any(place[0].startswith(name) for place in mapping.module_name_object_type_order_qconfigs):
        return True
    called = dict(call.inside.model.named_modules(remove_duplicate=False))
    try:
        other = qconfigs.assign(site.graph, called, mapping, call.inside.scopes)
    except RefusalError:
        return True
    return any(other[node] is not qconfig for node, qconfig in site.assigned.items())
