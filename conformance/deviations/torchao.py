"""What torchao's `prepare` of annotated graphs does otherwise than its own documentation says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch.fx import GraphModule, Node

from observance.conformance.variants import Change, changed
from observance.reference import annotations as chapter
from observance.reference import qspecs
from observance.reference.annotations import KEY, Place, Placing, words
from observance.reference.graphs import Operand, operands
from observance.reference.plan import Plan
from observance.reference.qspecs import kind_of
from observance.reference.site import Groups

from .register import Deviation, Register
from .torch_state import keeps_the_newest

Decision = Callable[..., Any]


def _needs_what_is_earlier(original: Decision, groups: Groups[Place], asked: Mapping[Place, Any]) -> Any:
    """Refuse a group whose first place, in the order of the graph, shares with a later one."""
    first: dict[Place, Place] = {}
    for where in asked:
        first.setdefault(groups.leader(where), where)
    for where in first.values():
        if kind_of(asked[where]) == "shared":
            raise AssertionError(f"{words(where)} shares with what has no observer yet")
    return original(groups, asked)


def _derives_from_what_is_earlier(original: Decision, leader: Place, asked: Mapping[Place, Any], groups: Any) -> Any:
    """Refuse what is derived from a place that comes later in the order of the graph."""
    found = original(leader, asked, groups)
    if found:
        order = {where: number for number, where in enumerate(asked)}
        if any(order[where] >= order[leader] for where in asked[leader].derived_from):
            raise KeyError(f"{words(leader)} is derived from what has no observer yet")
    return found


class _Roots:
    """The places as trees: each leads to the one whose observer it has, and at the root stands whose spec counts.

    A root may itself share with another place; then its spec is looked for at the root of that one.
    """

    def __init__(self, asked: Mapping[Place, Any]) -> None:
        self.asked = asked
        self.groups: Groups[Place] = Groups()

    def spec(self, where: Place) -> Any:
        """Return the spec behind a place; one that leads back to itself is looked for until the stack is full."""
        spec, seen = self.asked[where], set()
        while kind_of(spec) == "shared":
            root = self.groups.leader(spec.edge_or_node)
            if root in seen:
                raise RecursionError(f"{words(where)} is looked for behind {words(root)}, again and again")
            seen.add(root)
            spec = self.asked[root]
        return spec

    def join(self, first: Place, other: Place) -> None:
        """Let a place's tree hang on another's root; the other way round where that root shares with this one."""
        root, joining = self.groups.leader(first), self.groups.leader(other)
        spec = self.asked[root]
        if kind_of(spec) == "shared" and spec.edge_or_node == joining:
            root, joining = joining, root
        self.groups.join(root, joining)

    def visit(self, where: Place) -> None:
        """Join an edge with the other places of its tensor that ask alike, and any place with what it shares with."""
        spec = self.asked[where]
        if isinstance(where, tuple):
            value, reader = where
            wanted = self.spec(where)
            if reader.meta[KEY].allow_implicit_sharing:
                edges: list[Place] = [(value, user) for user in value.users if user is not reader]
                for other in [*edges, value]:
                    if other in self.asked and qspecs.compared(self.spec(other)) == qspecs.compared(wanted):
                        self.join(other, where)
        if kind_of(spec) == "shared":
            self.join(spec.edge_or_node, where)


def _shares_by_roots(original: Decision, asked: Mapping[Place, Any]) -> Any:
    """Find out who shares with whom place by place, by the spec at the root of what is joined so far."""
    original(asked)  # refuses what shares with nothing
    roots = _Roots(asked)
    for where in asked:
        roots.visit(where)
    return chapter.led_by_the_first(roots.groups, asked)


def _reads_none(original: Decision, graph: Any) -> Any:
    """Leave a place without an observer, and say nothing, that shares with an edge annotated with None.

    What is derived from such a place, or from such an edge, is derived from the rest of its sources.
    """
    absent, silent = _passed_over(graph)
    asked = {where: spec for where, spec in original(graph).items() if where not in absent}
    for where, sources in silent.items():
        if where in asked:
            left = [source for source in asked[where].derived_from if source not in sources]
            asked[where] = replace(asked[where], derived_from=left)
    return asked


def _passed_over(graph: Any) -> tuple[set[Place], dict[Place, set[Place]]]:
    """Return the places that share with an edge that is annotated with None, and what is derived from such.

    The places do so by way of others or not; of what is derived, the sources that come to nothing are told.
    Those that come before what they share with, or are derived from, are not among them: they fail.
    """
    noted = [node for node in graph.nodes if KEY in node.meta]
    specs: dict[Place, Any] = {}
    for node in noted:
        specs |= {(value, node): spec for value, spec in node.meta[KEY].input_qspec_map.items()}
        specs[node] = node.meta[KEY].output_qspec
    absent: set[Place] = set()
    nothing: set[Place] = set()
    silent: dict[Place, set[Place]] = {}
    for where, spec in specs.items():
        if kind_of(spec) == "shared" and spec.edge_or_node in nothing:
            absent.add(where)
        if kind_of(spec) == "derived" and nothing.intersection(spec.derived_from):
            silent[where] = nothing.intersection(spec.derived_from)
        if where in absent or (spec is None and isinstance(where, tuple)):
            nothing.add(where)
    return absent, silent


def observes_tuples(original: Decision, placing: Placing, operand: Operand) -> None:
    """Put an observer on an edge whatever its value is, but not where the value's own would be the same."""
    value, observer = operand.value, placing.observers.get((operand.value, operand.node))
    if observer is None or chapter.is_tensor(value):
        original(placing, operand)
    elif placing.observers.get(value) is not observer:
        slot = placing.slot(value, None, observer, "ANNOTATIONS-1", "the edge is annotated")
        placing.plan.read(operand, slot)


def _passes_dicts_by(original: Decision, placing: Placing, operand: Operand) -> None:
    """Leave an edge without its own observer that leads into a dict or a slice."""
    first, *rest = operand.keys
    part: Any = operand.node.args[first] if isinstance(first, int) else operand.node.kwargs[first]
    for key in rest:
        if isinstance(part, (dict, slice)):
            if operand.value in placing.behind:
                placing.plan.read(operand, placing.behind[operand.value])
            return
        part = part[key]
    original(placing, operand)


def _looks_at_what_is_read(original: Decision, placing: Placing, operand: Operand) -> None:
    """Look for a buffer that is written to among what is read, which is an observer where the buffer has its own."""
    if operand.value in placing.behind:
        placing = replace(placing, buffers=frozenset())
    original(placing, operand)


def _forgets_sources(original: Decision, spec: Any) -> tuple[Any, ...]:
    """Compare specs without what they are derived from, and how."""
    *settings, _derive, _sources = original(spec)
    return tuple(settings)


def knows_channels_by_name(original: Decision, constructor: Any) -> bool:
    """Pass the axis on to a class whose own name says that it looks at channels."""
    while hasattr(constructor, "p"):
        constructor = constructor.p.func
    return "PerChannel" in getattr(constructor, "__name__", "")


def gives_none(original: Decision, spec: Any) -> dict[str, Any]:
    """Pass what a spec leaves open as None, over what its constructor has."""
    return {name: getattr(spec, name) for name in type(spec).__dataclass_fields__}


def _refuses_half_way(original: Decision, model: GraphModule, scopes: Any, is_qat: bool, **callback: Any) -> Any:
    """Refuse what cannot be served when its turn comes, with the observers before it in place.

    This is a node that reads a value by keyword, and an output that shares with what is annotated with None.
    """
    absent, _ = _passed_over(model.graph)
    noted = [node for node in model.graph.nodes if KEY in node.meta]
    offender = next(
        (node for node in noted if _reads_by_keyword(node) or (node in absent and node.op != "output")), None
    )
    if offender is None:
        return original(model, scopes, is_qat, **callback)
    _insert_up_to(offender, model, is_qat)
    if _reads_by_keyword(offender):
        raise AssertionError(f"{offender.name} reads a value by keyword")
    raise AttributeError(f"{offender.name} shares with what has no observer")


def _insert_up_to(offender: Node, model: GraphModule, is_qat: bool) -> None:
    """Insert the observers of all nodes before one, and those of its inputs, into the caller's model."""
    with changed([Change("annotations.refuse_keywords", lambda original, node: None)]):
        asked = chapter.read(model.graph)
        observers = chapter.make(asked, chapter.share(asked), is_qat)
    placing = Placing(Plan(), observers, chapter.buffers_of(model))
    for node in model.graph.nodes:
        for operand in operands(node):
            if isinstance(operand.keys[0], int):
                chapter.place_input(placing, operand)
        if node is offender:
            break
        if node in observers:
            chapter.place_output(placing, node, observers[node])
    for number, slot in enumerate(placing.plan.slots):
        model.add_submodule(f"half_way_{number}", slot.spec.instance)
        with model.graph.inserting_after(slot.value):
            model.graph.call_module(f"half_way_{number}", (slot.value,))


def _reads_by_keyword(node: Node) -> bool:
    """Whether a node reads a value by keyword."""
    return any(isinstance(operand.keys[0], str) for operand in operands(node))


_ASKS = "QuantizationAnnotation: how are input arguments or output quantized, a map from node to spec"

REGISTER = Register(
    "torchao",
    (
        Deviation(
            "forward-references-fail",
            ("ANNOTATIONS-11",),
            "observers are made in the order of the graph, and a group whose first place shares with a later one fails",
            "SharedQuantizationSpec: the edge or node to share observer or fake quant instances with",
            (Change("annotations.led_by_the_first", _needs_what_is_earlier),),
            first="0.18",
        ),
        Deviation(
            "derived-before-its-sources",
            ("ANNOTATIONS-11",),
            "what is derived from a place that comes later in the graph fails with a KeyError",
            "DerivedQuantizationSpec: quantization parameters are derived from other tensors",
            (Change("annotations.derived_from", _derives_from_what_is_earlier),),
            first="0.18",
        ),
        Deviation(
            "roots-that-share",
            ("ANNOTATIONS-11",),
            "an edge is joined with one of its tensor whose spec is shared; that is then looked for behind itself, and "
            "the recursion never ends",
            "_union: 'we would create a cycle', so the edge is reversed",
            (Change("annotations.share", _shares_by_roots),),
            first="0.18",
        ),
        Deviation(
            "derived-specs-merged",
            ("ANNOTATIONS-7", "ANNOTATIONS-9", "ANNOTATIONS-13"),
            "_union_input_edge_with does not compare what specs are derived from: a bias that two layers read, or that "
            "one reads at each of its calls, has the parameters that the first of them gives, for all of them",
            "DerivedQuantizationSpec: quantization parameters are derived from other tensors, those in derived_from",
            (Change("qspecs.compared", _forgets_sources),),
            first="0.18",
        ),
        Deviation(
            "absent-observer-shared",
            ("ANNOTATIONS-12",),
            "an edge that shares with an edge annotated with None is left without an observer, and what is derived "
            "from one gets an observer that has none to derive from; nothing is said",
            "_create_obs_or_fq_from_qspec: only refer to edge or node that has observer/fake_quant inserted",
            (Change("annotations.read", _reads_none),),
            first="0.18",
        ),
        Deviation(
            "tuples-observed",
            ("ANNOTATIONS-3",),
            "an annotated edge is observed though its value is a tuple or a size, and the prepared model fails",
            "QuantizationSpecBase: how to quantize a Tensor",
            (Change("annotations.place_input", observes_tuples),),
            first="0.18",
        ),
        Deviation(
            "dicts-passed-by",
            ("ANNOTATIONS-1",),
            "annotated values that are read in a dict or a slice, such as a dict at the output, are not observed",
            _ASKS,
            (Change("annotations.place_input", _passes_dicts_by),),
            first="0.18",
        ),
        Deviation(
            "written-buffers-behind-observers",
            ("ANNOTATIONS-3",),
            "a buffer is observed where it is written to, if it has an observer for all its readers: then it is not "
            "known for a buffer",
            "_is_mutable_buffer_arg: whether arg is a mutating op destination backed by a module buffer",
            (Change("annotations.place_input", _looks_at_what_is_read),),
            first="0.18",
        ),
        Deviation(
            "axis-of-fake-quantizers-lost",
            ("ANNOTATIONS-10",),
            "the axis is passed on if the name of the class has PerChannel in it, so a fake quantizer with an observer "
            "of channels looks along axis 0 whatever the spec says",
            "QuantizationSpec.ch_axis: how to quantize a tensor",
            (Change("qspecs.looks_at_channels", knows_channels_by_name),),
            first="0.18",
        ),
        Deviation(
            "open-settings-override",
            ("ANNOTATIONS-11",),
            "what a spec leaves open is passed as None over what its constructor has, so a qscheme that this was given "
            "is lost, and most observers refuse None",
            "QuantizationSpec: qscheme: Optional[torch.qscheme] = None; 'we can attach some custom args'",
            (Change("qspecs.given", gives_none),),
            first="0.18",
        ),
        Deviation(
            "annotations-refused-half-way",
            ("ANNOTATIONS-14",),
            "a node that reads a value by keyword, or whose output shares with what is annotated with None, is refused "
            "when its turn comes, with the observers before it in place",
            "_validate_kwarg: a check that no kwargs are tensors",
            (Change("annotations.prepare", _refuses_half_way),),
            first="0.18",
        ),
        Deviation(
            "annotated-graphs-kept-alive",
            ("EFFECTS-14",),
            "torch's _insert_obs_or_fq inserts the observers, and asks for the device of the model: torch keeps all "
            "models that it was asked of, and their observers",
            "pytorch#63326: tensors that outlive prepare are a leak",
            (Change("annotations.rewrite", keeps_the_newest),),
            first="0.18",
            torch="2.10",
        ),
    ),
    library="torchao",
)
"""The register of torchao's `prepare`."""
