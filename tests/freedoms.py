"""Implementations that take a freedom: the reference, but for a detail that no origin of a rule decides.

Each is a `prepare` that a vendor could lawfully write.  A rule of the level MUST that
finds fault with one of them raises a false alarm.
"""

from __future__ import annotations

import copy
import functools
import itertools
import logging
import random
import types
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.fx import GraphModule, Node

import observance.reference
from observance.conformance.claims import FX, PT2E, Claims
from observance.conformance.implementations import Implementation
from observance.reference import annotations
from observance.reference.specs import is_equalizer, is_observer
from observance.reference.state import KEY

Prepare = Callable[..., GraphModule]


@dataclass(frozen=True)
class Freedom:
    """A freedom: what it is, in words, and how a `prepare` takes it."""

    text: str
    taken: Callable[[Prepare], Prepare]

    def implementation(self, profile: str = "") -> Implementation:
        """Return the reference, taking this freedom, as an implementation that claims everything."""
        chapter: Any = annotations if profile == PT2E else observance.reference
        claims = Claims(None, None, "free", "1")
        shape = "prepare_annotated" if profile == PT2E else "prepare"
        return Implementation("free", "1", self.taken(chapter.prepare), shape, claims, is_annotated=profile == FX)


FREEDOMS: dict[str, Freedom] = {}
"""All freedoms, by the names of the functions that take them."""


def free(text: str) -> Callable[[Callable[[Prepare], Prepare]], Callable[[Prepare], Prepare]]:
    """Enter a function that makes one `prepare` of another."""

    def enter(taken: Callable[[Prepare], Prepare]) -> Callable[[Prepare], Prepare]:
        FREEDOMS[taken.__name__] = Freedom(text, taken)
        return taken

    return enter


def afterwards(text: str) -> Callable[[Callable[[GraphModule], None]], Callable[[GraphModule], None]]:
    """Enter a function that changes a prepared model, and the prepared standalone modules in it."""

    def enter(change: Callable[[GraphModule], None]) -> Callable[[GraphModule], None]:
        def taken(prepare: Prepare) -> Prepare:
            @functools.wraps(prepare)
            def free_prepare(*args: Any, **kwargs: Any) -> GraphModule:
                given = {id(module) for module in args[0].modules()}
                prepared = prepare(*args, **kwargs)
                for module in reversed(list(prepared.modules())):
                    if isinstance(module, GraphModule) and id(module) not in given and KEY in module.meta:
                        change(module)
                        module.graph.lint()
                        module.recompile()
                return prepared

            return free_prepare

        FREEDOMS[change.__name__] = Freedom(text, taken)
        return change

    return enter


def observer_nodes(prepared: GraphModule) -> list[Node]:
    """Return the nodes of a prepared graph that call observers, in order."""
    modules = dict(prepared.named_modules(remove_duplicate=False))
    return [node for node in prepared.graph.nodes if node.op == "call_module" and is_observer(modules[node.target])]


@afterwards("Observers have other names, and live in a container of their own.")
def other_names(prepared: GraphModule) -> None:
    container = nn.Module()
    for number, node in enumerate(reversed(observer_nodes(prepared))):
        container.add_module(f"site{number}", prepared.get_submodule(str(node.target)))
        prepared.delete_submodule(str(node.target))
        node.target = f"acme.site{number}"
    prepared.acme = container


@afterwards("A shared observer has one name, under which several nodes call it.")
def one_name_for_one_object(prepared: GraphModule) -> None:
    names: dict[nn.Module, str] = {}
    for node in observer_nodes(prepared):
        module = prepared.get_submodule(str(node.target))
        if names.setdefault(module, str(node.target)) != node.target:
            prepared.delete_submodule(str(node.target))
            node.target = names[module]


@afterwards("All nodes but the inputs have other names, and the record goes by these.")
def other_node_names(prepared: GraphModule) -> None:
    names = {}
    for number, node in enumerate(prepared.graph.nodes):
        if node.op not in ("placeholder", "output"):
            names[node.name] = f"acme_step_{number}"
            node._rename(names[node.name])
    record = prepared.meta[KEY]
    for field in ("node_name_to_qconfig", "node_name_to_scope", "equalization_node_name_to_qconfig"):
        setattr(record, field, {names.get(name, name): value for name, value in getattr(record, field).items()})
    record.observed_node_names = {names.get(name, name) for name in record.observed_node_names}


def _is_pure(prepared: GraphModule) -> bool:
    """Whether a graph writes into none of its values, so that any topological order computes the same."""
    modules = dict(prepared.named_modules(remove_duplicate=False))
    for node in prepared.graph.nodes:
        name = getattr(node.target, "__name__", str(node.target))
        if name.endswith("_") or node.kwargs.get("inplace") or name.startswith("i") or name == "setitem":
            return False
        if node.op == "call_module" and any(getattr(part, "inplace", False) for part in modules[node.target].modules()):
            return False
    return True


@afterwards("Each node stands as late in the graph as it can, observers included.")
def latest_order(prepared: GraphModule) -> None:
    if not _is_pure(prepared):
        return
    graph = prepared.graph
    done: set[Node] = set()
    order: list[Node] = []

    def visit(node: Node) -> None:
        for value in node.all_input_nodes:
            if value not in done:
                visit(value)
        done.add(node)
        order.append(node)

    nodes = list(graph.nodes)
    for node in [n for n in nodes if n.op == "placeholder"]:
        visit(node)
    for node in [n for n in reversed(nodes) if n.op != "output"] + [n for n in nodes if n.op == "output"]:
        if node not in done:
            visit(node)
    for before, node in itertools.pairwise(order):
        before.append(node)


@afterwards("Keyword arguments stand in another order.")
def keywords_in_another_order(prepared: GraphModule) -> None:
    for node in prepared.graph.nodes:
        node.kwargs = dict(reversed(node.kwargs.items()))


def _copied(whole: Any) -> Any:
    """A deep copy; torch warns of how it copies the containers of an exported graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return copy.deepcopy(whole)


@free("The prepared model has copies of all parameters and buffers.")
def own_parameters(prepare: Prepare) -> Prepare:
    @functools.wraps(prepare)
    def free_prepare(*args: Any, **kwargs: Any) -> GraphModule:
        return _copied(prepare(*args, **kwargs))

    return free_prepare


@free("It works on a deep copy of the traced model.")
def copied_model(prepare: Prepare) -> Prepare:
    @functools.wraps(prepare)
    def free_prepare(model: GraphModule, *args: Any, **kwargs: Any) -> GraphModule:
        return prepare(_copied(model), *args, **kwargs)

    return free_prepare


@free("It writes into the traced model that it was given, as torch does, and returns another one with that graph.")
def in_place(prepare: Prepare) -> Prepare:
    @functools.wraps(prepare)
    def free_prepare(model: GraphModule, *args: Any, **kwargs: Any) -> GraphModule:
        prepared = prepare(model, *args, **kwargs)
        for node in observer_nodes(prepared):
            model.add_submodule(str(node.target), prepared.get_submodule(str(node.target)))
        model.graph = _copied(prepared.graph)
        return prepared

    return free_prepare


@free("It warns of this and that, and writes to a log.")
def talkative(prepare: Prepare) -> Prepare:
    @functools.wraps(prepare)
    def free_prepare(*args: Any, **kwargs: Any) -> GraphModule:
        warnings.warn("this backend is experimental", UserWarning, stacklevel=2)
        warnings.warn("prepare will get another argument", DeprecationWarning, stacklevel=2)
        logging.getLogger("acme").info("preparing")
        return prepare(*args, **kwargs)

    return free_prepare


class AcmeError(Exception):
    """The error of an implementation, which is no error of Python's."""


@free("What it refuses, it refuses with an error class and a text of its own.")
def own_errors(prepare: Prepare) -> Prepare:
    @functools.wraps(prepare)
    def free_prepare(*args: Any, **kwargs: Any) -> GraphModule:
        try:
            return prepare(*args, **kwargs)
        except Exception:
            raise AcmeError("this cannot be prepared") from None

    return free_prepare


@free("It warns of nothing but outputs that are declared as quantized and are not.")
def silent(prepare: Prepare) -> Prepare:
    @functools.wraps(prepare)
    def free_prepare(*args: Any, **kwargs: Any) -> GraphModule:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            prepared = prepare(*args, **kwargs)
        for warning in said:
            if "declared" in str(warning.message):
                warnings.warn(warning.message, stacklevel=2)
        return prepared

    return free_prepare


@afterwards("It writes notes of its own onto nodes, modules and the model.")
def notes(prepared: GraphModule) -> None:
    prepared.meta["acme"] = {"passes": 3}
    prepared.acme_report = "prepared"
    for number, node in enumerate(prepared.graph.nodes):
        node.meta["acme"] = number
        node.meta.setdefault("stack_trace", "somewhere")
        node.type = node.type or torch.Tensor


@afterwards("It writes notes of its own onto observers, as private attributes: all others are settings.")
def notes_on_observers(prepared: GraphModule) -> None:
    for node in observer_nodes(prepared):
        vars(prepared.get_submodule(str(node.target)))["_acme_site"] = str(node.args[0])


@afterwards("The prepared model has a module that no node calls.")
def more_modules(prepared: GraphModule) -> None:
    prepared.acme_head = nn.Linear(2, 2)


@afterwards("The record is of a class of its own, and has more than is asked for.")
def own_record(prepared: GraphModule) -> None:
    found = vars(prepared.meta[KEY])
    record = types.SimpleNamespace(**found, acme="more")
    record.observed_node_names = frozenset({*record.observed_node_names, "acme"})
    for field in ("node_name_to_qconfig", "equalization_node_name_to_qconfig"):
        setattr(record, field, {**getattr(record, field), **{node.name: None for node in observer_nodes(prepared)}})
    prepared.meta[KEY] = record


class AcmeCustomConfig(PrepareCustomConfig):
    """A custom config that knows more."""

    def __init__(self) -> None:
        super().__init__()
        self.acme = "more"


@afterwards(
    "The record names of what is observed the modules alone, and says by empty lists that nothing is quantized."
)
def short_record(prepared: GraphModule) -> None:
    """Leave functions and methods out, which conversion does not look up."""
    record = prepared.meta[KEY]
    record.observed_node_names &= {node.name for node in prepared.graph.nodes if node.op == "call_module"}
    if not record.is_observed_standalone_module:
        record.standalone_module_input_quantized_idxs = []


@afterwards("Observed custom modules are in eval mode.")
def custom_in_eval_mode(prepared: GraphModule) -> None:
    """Bring the modules of the classes that cases define for that into one mode."""
    for module in prepared.modules():
        if type(module).__name__.startswith("Observed"):
            module.eval()


@afterwards("The record's custom config is of a subclass that says more.")
def own_custom_config(prepared: GraphModule) -> None:
    record = prepared.meta[KEY]
    own = AcmeCustomConfig()
    vars(own).update(vars(record.prepare_custom_config))
    record.prepare_custom_config = own


@afterwards("Observers are in eval mode.")
def observers_in_eval_mode(prepared: GraphModule) -> None:
    for node in observer_nodes(prepared):
        prepared.get_submodule(str(node.target)).eval()


@afterwards("What nobody reads is not observed.")
def unread_unobserved(prepared: GraphModule) -> None:
    for node in reversed(observer_nodes(prepared)):
        if not node.users:
            prepared.graph.erase_node(node)


@afterwards("The observers of weights have seen them: they do not change in calibration.")
def weights_seen(prepared: GraphModule) -> None:
    for node in observer_nodes(prepared):
        (value,) = node.all_input_nodes
        observer = prepared.get_submodule(str(node.target))
        if value.op == "get_attr" and not is_equalizer(observer):
            weight = functools.reduce(getattr, str(value.target).split("."), prepared)
            if isinstance(weight, torch.Tensor) and not weight.is_meta:
                observer(weight.detach())


@afterwards("Who asks for a size asks the value itself, and not what is behind its observer.")
def sizes_of_values(prepared: GraphModule) -> None:
    observers = observer_nodes(prepared)
    for node in prepared.graph.nodes:
        if node.target in ("size", "dim", "numel") or (node.target is getattr and node.args[1] in ("shape", "ndim")):
            while node.args[0] in observers:
                node.update_arg(0, node.args[0].args[0])


@free("It imports parts of torch when it is called first, and draws random numbers.")
def late_imports(prepare: Prepare) -> Prepare:
    @functools.wraps(prepare)
    def free_prepare(*args: Any, **kwargs: Any) -> GraphModule:
        import torch._dynamo
        import torch.export

        torch.rand(3)
        random.random()
        return prepare(*args, **kwargs)

    return free_prepare


@free("What it returns is of a subclass of GraphModule.")
def own_class(prepare: Prepare) -> Prepare:
    @functools.wraps(prepare)
    def free_prepare(*args: Any, **kwargs: Any) -> GraphModule:
        prepared = prepare(*args, **kwargs)
        own = AcmeGraphModule(prepared, prepared.graph, "Acme")
        own.meta.update(prepared.meta)
        own.training = prepared.training
        return own

    return free_prepare


class AcmeGraphModule(GraphModule):
    """A graph module of a vendor's own."""


_OF_QCONFIGS = (
    "own_record",
    "own_custom_config",
    "silent",
    "copied_model",
    "own_parameters",
    "weights_seen",
    "sizes_of_values",
)
"""What means nothing, or something else, for an annotated graph: annotations name the nodes of the graph
itself, and the observers are those that a callback was given."""

OF_ANNOTATED = tuple(name for name in FREEDOMS if name not in _OF_QCONFIGS)
"""The freedoms that say something of an annotated graph."""


def all_at_once(names: Iterable[str]) -> Freedom:
    """Return several freedoms as one."""

    def taken(prepare: Prepare) -> Prepare:
        for name in names:
            prepare = FREEDOMS[name].taken(prepare)
        return prepare

    return Freedom("Several at once.", taken)
