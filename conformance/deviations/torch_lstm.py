"""How torch's `prepare` takes the output of a custom LSTM apart, and where that goes wrong."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.ao.nn import quantizable
from torch.fx import Node

from observance.conformance.variants import Change
from observance.reference.graphs import Operand
from observance.reference.modules import Path
from observance.reference.plan import Plan, Slot
from observance.reference.sharing import shares_with_inputs
from observance.reference.site import Quantized, Site
from observance.reference.specs import OBSERVED_DTYPES

from .register import Deviation

Decision = Callable[..., Any]


def _knows_one_class(original: Decision, result: Plan, *rest: Any) -> dict[Node, torch.dtype | None]:
    """Know the output of a custom LSTM for quantized only if its observed class is that of torch."""
    known: dict[Node, torch.dtype | None] = original(result, *rest)
    others = [
        part
        for part, (lstm, _) in result.parts.items()
        if not isinstance(result.custom[str(lstm.target)], quantizable.LSTM)
    ]
    return {node: dtype for node, dtype in known.items() if node not in others}


def _searched(original: Decision, lstm: Node) -> dict[Node, Path]:
    """Find the readers of parts as torch searches them, with lists that it does not put back."""
    right: dict[Node, Path] = original(lstm)
    search = _Search(lstm, right)
    for start in ((0,), (1, 0), (1, 1), (1,)):
        search.from_part(start)
    return {lstm: ()} | search.found


class _Search:
    """The search for getitem nodes that undo the tuples in front of them.

    Its two lists are one for all branches: what one branch leaves in them, the next one finds.
    """

    def __init__(self, lstm: Node, right: Mapping[Node, Path]) -> None:
        self.lstm, self.right = lstm, right
        self.found: dict[Node, Path] = {}
        self.seen: set[Any] = set()
        self.stack: list[int] = []
        self.pattern: list[Any] = []

    def from_part(self, part: Path) -> None:
        """Search from the stub on a part, or from the tuple of the states."""
        self.stack, self.pattern = [], []
        self.visit(part)

    def visit(self, here: Any) -> None:
        """Search on from a part, or from a getitem node."""
        if not self.stack and self.pattern:
            self.match()
        state = (here, tuple(self.stack))
        if state in self.seen:
            return
        self.seen.add(state)
        if isinstance(here, tuple) and here:  # the tuple that this part is put into comes first
            self.stack.append(here[-1])
            self.pattern.append(here[:-1])
            self.visit(here[:-1])
        for user in self.users(here):
            if self.stack and user.args[1] == self.stack[-1]:
                self.stack.pop()
                self.pattern.append(user)
                self.visit(user)

    def users(self, here: Any) -> list[Node]:
        """Return the getitem nodes that read what was put together, or another one."""
        node = self.lstm if here == () else here
        if not isinstance(node, Node):
            return []
        return [user for user in node.users if user.target is operator.getitem]

    def match(self) -> None:
        """Let the readers of the last getitem node read an item of the first tuple."""
        first, last = self.pattern[0], self.pattern[-1]
        if not isinstance(first, tuple) or isinstance(last, tuple):
            raise AssertionError("first tuple node must be a call_function with target tuple")
        self.found.setdefault(last, (*first, last.args[1]))
        self.pattern.clear()


def _first_call_only(original: Decision, result: Plan, lstm: Node) -> None:
    """Take the output of an LSTM apart at its first call alone: then it is swapped, and no nn.LSTM any more."""
    if not any(other.target == lstm.target for other, _ in result.parts.values()):
        original(result, lstm)


def _all_of_them(original: Decision, quantized: Mapping[Node, Quantized], result: Plan) -> dict[Node, Quantized]:
    """Take the nodes that take parts of an LSTM's output for operators, if the backend has a pattern for them."""
    return dict(quantized)


def _observes_parts(original: Decision, site: Site, quantized: Quantized) -> None:
    """Observe an operator that takes a part of an LSTM's output, though its readers read the part elsewhere."""
    last, spec = quantized.match.last, quantized.ask.activation
    if not site.plan.parts.get(last, (last, ()))[1]:
        original(site, quantized)
        return
    asked = quantized.ask.output_dtype in OBSERVED_DTYPES and site.values.is_observable(last)
    own = not quantized.ask.reuse and not shares_with_inputs(quantized)
    if spec is not None and asked and own:
        site.plan.slots.append(Slot(last, None, spec, "PLACEMENT-4", "it is quantized"))


def _stops_at_tuples(original: Decision, site: Site, operand: Operand) -> Any:
    """Look for an observer further back no further than to what was put together of an LSTM's parts."""
    part = site.plan.parts.get(operand.value)
    if part is not None and part[1] in ((), (1,)) and operand.node not in site.plan.parts:
        return site.plan.read_at(operand)
    return original(site, operand)


APART_ONCE = (Change("modules.take_apart", _first_call_only),)
PARTS_OBSERVED = (
    Change("modules.operators", _all_of_them),
    Change("placement.place_output", _observes_parts),
    Change("sharing.source", _stops_at_tuples),
)
PARTS_MISSED = (Change("modules.parts", _searched),)

ENTRIES = (
    Deviation(
        "lstm-taken-apart-once",
        ("DTYPES-1", "EFFECTS-1", "MODULES-9", "PLACEMENT-5", "PLACEMENT-9"),
        "_is_custom_module_lstm asks for an nn.LSTM, which a module that is called again is no more once it is "
        "swapped: its further outputs are observed as one value, which is a tuple",
        "_insert_dequant_stubs_for_custom_module_lstm_output: we cannot dequantize a tuple as a whole",
        APART_ONCE,
    ),
    Deviation(
        "parts-of-lstm-observed",
        ("BACKENDS-1", "PLACEMENT-5"),
        "a node that takes a part of an LSTM's output is still matched and observed where the backend has a "
        "pattern for operator.getitem, although its readers are rerouted and nothing reads the observer",
        "_insert_dequant_stubs_for_custom_module_lstm_output: the output is broken down into internal nodes",
        PARTS_OBSERVED,
    ),
    Deviation(
        "parts-of-lstm-missed",
        ("MODULES-10", "MODULES-11", "PLACEMENT-5"),
        "_reroute_tuple_getitem_pattern shares its lists between branches: where a part of an LSTM's output is "
        "taken twice, one of the readers is missed, or reads another part",
        "its docstring: reroute all consumers of the original LSTM node and its sub-nodes",
        PARTS_MISSED,
    ),
    Deviation(
        "lstm-known-by-one-class",
        ("REFUSALS-5",),
        "_is_custom_module_lstm asks for any nn.LSTM where it takes the output apart, and for a quantizable.LSTM where "
        "that is read: of an LSTM with another observed class, what is quantized is observed once more for each reader",
        "_maybe_get_custom_module_lstm_from_node_arg: an input observer for the consumer of a custom module LSTM would "
        "unnecessarily quantize the outputs again",
        (Change("prepare.quantized_elsewhere", _knows_one_class),),
    ),
)
"""The entries about LSTMs that are custom modules."""
