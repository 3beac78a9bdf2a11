"""From a plan to a model: the graph is copied, observers are put where the plan says."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import count
from typing import Any

from torch import nn
from torch.fx import Graph, GraphModule, Node

from . import modules, state
from .graphs import output_of
from .plan import Plan, Slot
from .qat import shallow_copy
from .site import Standalone
from .specs import is_equalizer


def rewrite(model: GraphModule, plan: Plan) -> GraphModule:
    """Return a copy of a traced model with the plan's observers in it.

    The model itself keeps its graph and its modules; the copy has the same
    parameters and buffers, in modules of its own, some of them swapped for
    training.  Nodes that are copied keep their names.
    """
    graph = Graph()
    copies: dict[Node, Node] = {}
    returned = graph.graph_copy(model.graph, copies)
    graph.output(returned)
    graph.set_codegen(copy.copy(model.graph._codegen))  # how an exported graph takes and gives containers
    root = _root(model, graph)
    own = {name: finished(one) for name, one in plan.standalone.items()}
    for name, module in {**plan.swapped, **plan.custom, **own}.items():
        *way, field = name.split(".")
        setattr(reduce(getattr, way, root), field, module)
    read = {**copies, **_taken_apart(root, plan, copies)}
    nodes = _insert(root, graph, plan, read)
    _rewire(model.graph, graph, plan, copies, read, nodes)
    prepared = GraphModule(root, graph)  # which is compiled here, once
    prepared.training = model.training
    prepared.meta.update(model.meta)
    return prepared


def _root(model: GraphModule, graph: Graph) -> nn.Module:
    """Return a module with copies of what a graph needs of another; what stands on the way is no more than a place."""
    root, twins = nn.Module(), dict[nn.Module, nn.Module]()
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            _copy_attribute(model, root, str(node.target).split("."), twins)
    return root


class _Place(nn.Module):
    """A module on the way to what is needed; it has nothing else."""


def _copy_attribute(model: nn.Module, root: nn.Module, path: list[str], twins: dict[nn.Module, nn.Module]) -> None:
    """Let a module have a copy of what is at a path of another one."""
    *way, name = path
    owner, place = model, root
    for part in way:
        owner = getattr(owner, part)
        known = place._modules.get(part)
        if known is None:
            setattr(place, part, known := _Place())
        if not isinstance(known, _Place):
            return  # the whole of it is there already
        place = known
    value = getattr(owner, name)
    setattr(place, name, twin(value, twins) if isinstance(value, nn.Module) else value)
    if name in getattr(owner, "_non_persistent_buffers_set", ()):
        place._non_persistent_buffers_set.add(name)  # which releases of torch before 2.15 forget, here and in tracing


def finished(standalone: Standalone) -> GraphModule:
    """Return a standalone module with the observers that are planned inside (MODULES-1)."""
    inside, site = standalone.inside, standalone.site
    if site is None:
        return inside.model
    prepared = rewrite(inside.model, site.plan)
    is_qat, scopes = inside.configs.is_qat, inside.scopes
    return state.save(prepared, inside.model, site.plan, inside.configs, scopes, site.positions, is_qat, True)


def _taken_apart(root: nn.Module, plan: Plan, copies: dict[Node, Node]) -> dict[Node, Node]:
    """Take the outputs of custom LSTMs apart; return from where each part is read (MODULES-9)."""
    pieces = {
        lstm: modules.dequantize(root, copies[lstm]) for lstm in dict.fromkeys(lstm for lstm, _ in plan.parts.values())
    }
    return {node: pieces[lstm][path] for node, (lstm, path) in plan.parts.items()}


def twin(module: nn.Module | None, made: dict[nn.Module, nn.Module]) -> nn.Module | None:
    """Return a module with another's parameters, buffers and modules, but attributes of its own.

    What the prepared model needs to know of a module can be written there, and
    the caller's module does not hear of it.  `made` has the modules made so far,
    so that one module stays one under all of its names.
    """
    if module is None:  # a module may have an empty place
        return None
    if module not in made:
        made[module] = copied = shallow_copy(module)
        for name, value in vars(module).items():
            if isinstance(value, dict):
                vars(copied)[name] = value.copy() if value else type(value)()  # most are empty, which is faster to make
        for name, part in module._modules.items():
            copied._modules[name] = twin(part, made)
    return made[module]


def _insert(root: nn.Module, graph: Graph, plan: Plan, read: dict[Node, Node]) -> dict[Slot, Node]:
    """Put one node for each slot behind the value that it observes."""
    made: dict[Slot, nn.Module] = {}
    nodes: dict[Slot, Node] = {}
    names = free_names(root, "activation_post_process")
    for derived, sources in plan.derived.items():
        _make(derived, plan, made, [_make(source, plan, made) for source in sources])
    for slot in plan.slots:
        leader = plan.shares[slot]
        _make(leader, plan, made)
        below = nodes[slot.below] if slot.below else read[slot.value]
        equalizes = is_equalizer(leader.spec.instance)
        name = next(free_names(root, f"{below.name}_equalization_process") if equalizes else names)
        root.add_module(name, made[leader])
        with graph.inserting_after(below):
            nodes[slot] = graph.call_module(name, (below,))
    return nodes


def _make(leader: Slot, plan: Plan, made: dict[Slot, nn.Module], sources: Sequence[nn.Module] = ()) -> nn.Module:
    """Return the observer of a slot that has its own: the one that is made, or a new one on the model's device."""
    if leader not in made:
        made[leader] = leader.spec.make(*sources)
        if plan.device is not None and (sources or leader.spec.devices - {plan.device}):
            made[leader].to(plan.device)
    return made[leader]


def free_names(model: nn.Module, prefix: str) -> Iterator[str]:
    """Yield the names of observers that stand for nothing in the model yet, in order (PLACEMENT-10, REFUSALS-5)."""
    for number in count():
        name = f"{prefix}_{number}"
        if not hasattr(model, name):
            yield name


def _rewire(
    old: Graph, new: Graph, plan: Plan, copies: dict[Node, Node], read: dict[Node, Node], nodes: dict[Slot, Node]
) -> None:
    """Let every operand read the observer that the plan gives it; `read` has what to read where there is none."""
    output = output_of(new)
    for node in old.nodes:
        copied = output if node.op == "output" else copies[node]

        def reads(argument: Any, keys: tuple[int | str, ...], node: Node = node) -> Any:
            return _argument(argument, keys, node, plan, read, nodes)

        copied.args = tuple(reads(argument, (index,)) for index, argument in enumerate(node.args))
        copied.kwargs = {name: reads(argument, (name,)) for name, argument in node.kwargs.items()}


def _argument(
    argument: Any,
    keys: tuple[int | str, ...],
    node: Node,
    plan: Plan,
    read: dict[Node, Node],
    nodes: dict[Slot, Node],
) -> Any:
    """Return an argument of the new graph in place of one of the old."""

    def inner(part: Any, key: int | str) -> Any:
        return _argument(part, (*keys, key), node, plan, read, nodes)

    match argument:
        case Node():
            slot = plan.reads.get((node, keys))
            return read[argument] if slot is None else nodes[slot]
        case list() | tuple():
            parts = [inner(part, index) for index, part in enumerate(argument)]
            if hasattr(argument, "_fields"):
                return type(argument)(*parts)
            return list(parts) if isinstance(argument, list) else tuple(parts)
        case dict():
            return {key: inner(part, key) for key, part in argument.items()}
        case slice():
            ends = (argument.start, argument.stop, argument.step)
            return slice(*(inner(end, index) for index, end in enumerate(ends)))
    return argument
