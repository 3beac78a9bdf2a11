"""Annotated graphs that are right and rare: each a model, and what is written on its nodes.

The lines of such a call annotate: ``n`` has the nodes by name, ``spec`` makes a spec of eight bits, ``shared`` one that
is shared, and ``note`` writes what a node's inputs and its output ask for.
"""

from __future__ import annotations

from textwrap import indent

from .annotations_source import STORE
from .rarity import MAKERS, Rarity, forward, with_parts

_READ_TWICE = forward("return torch.relu(x0), torch.tanh(x0)")
_READ_THRICE = forward("return torch.relu(x0), torch.tanh(x0), torch.sigmoid(x0)")
_ADD = forward("return torch.add(x0, torch.sigmoid(x0))")

_SHARING = (
    Rarity(
        "a reader that shares with another reader of the value",
        _READ_TWICE,
        ("note(n.relu, {n.x0: spec()})", "note(n.tanh, {n.x0: shared((n.x0, n.relu))})"),
    ),
    Rarity(
        "a reader that shares with a later reader of the value",
        _READ_TWICE,
        ("note(n.relu, {n.x0: shared((n.x0, n.tanh))})", "note(n.tanh, {n.x0: spec()})"),
    ),
    Rarity(
        "a reader that shares with the value that it reads, and another one with it",
        _READ_TWICE,
        (
            "note(n.x0, {}, spec())",
            "note(n.relu, {n.x0: shared(n.x0)})",
            "note(n.tanh, {n.x0: shared((n.x0, n.relu))})",
        ),
    ),
    Rarity(
        "a value and two readers with equal specs, of which one says that it shares",
        _READ_TWICE,
        ("note(n.x0, {}, spec())", "note(n.relu, {n.x0: spec()})", "note(n.tanh, {n.x0: shared((n.x0, n.relu))})"),
    ),
    Rarity(
        "a value that shares with its reader",
        _READ_TWICE,
        ("note(n.x0, {}, shared((n.x0, n.tanh)))", "note(n.relu, {n.x0: spec()})", "note(n.tanh, {n.x0: spec()})"),
    ),
    Rarity(
        "readers in a chain of sharing, the last one first",
        _READ_THRICE,
        (
            "note(n.relu, {n.x0: shared((n.x0, n.tanh))})",
            "note(n.tanh, {n.x0: shared((n.x0, n.sigmoid))})",
            "note(n.sigmoid, {n.x0: spec(dtype=torch.uint8, quant_min=0, quant_max=255)})",
        ),
    ),
    Rarity(
        "readers of one value that share with places elsewhere, which share with each other",
        forward("y0 = torch.sigmoid(x0)", "return torch.relu(x0), torch.tanh(x0), torch.add(x0, y0)"),
        (
            "note(n.sigmoid, {}, spec())",
            "note(n.relu, {n.x0: spec()})",
            "note(n.tanh, {n.x0: shared((n.sigmoid, n.add))})",
            "note(n.add, {n.sigmoid: spec()})",
        ),
    ),
    Rarity(
        "an input that shares with the next one, which is named first",
        _ADD,
        ("note(n.add, {n.sigmoid: spec(), n.x0: shared((n.sigmoid, n.add))})",),
    ),
    Rarity(
        "inputs that are named in another order than they are read",
        _ADD,
        ("note(n.add, {n.sigmoid: spec(), n.x0: spec(observer=pt.HistogramObserver)}, shared((n.x0, n.add)))",),
    ),
)

_ALIKE = tuple(
    Rarity(
        f"two readers of one value whose specs differ in {what}",
        _READ_TWICE,
        (f"note(n.relu, {{n.x0: {first}}})", f"note(n.tanh, {{n.x0: {second}}})"),
    )
    for what, first, second in (
        ("the dtype alone", "spec(dtype=torch.quint8, quant_min=0)", "spec(dtype=torch.uint8, quant_min=0)"),
        ("a range that one leaves open", "spec()", "spec(quant_min=None, quant_max=None)"),
        (
            "a scheme that one leaves open",
            "qz.QuantizationSpec(torch.float16, pt.PlaceholderObserver)",
            "qz.QuantizationSpec(torch.float16, pt.PlaceholderObserver, qscheme=torch.per_tensor_affine)",
        ),
        ("being dynamic", "spec(observer=_LAST)", "spec(observer=_LAST, is_dynamic=True)"),
    )
)

_SPECS = (
    Rarity(
        "an observer whose argument is made at each call",
        _READ_TWICE,
        ("note(n.relu, {n.x0: spec(observer=pt.MinMaxObserver.with_callable_args(eps=lambda: 0.25))})",),
    ),
    Rarity(
        "an observer that brings another range than its spec",
        _READ_TWICE,
        ("note(n.relu, {n.x0: spec(observer=pt.MinMaxObserver.with_args(quant_min=-8, quant_max=7))})",),
    ),
    Rarity(
        "an observer by channel that brings another axis than its spec",
        _READ_TWICE,
        (
            "by_channel = pt.PerChannelMinMaxObserver.with_args(ch_axis=1)",
            "note(n.relu, {n.x0: spec(observer=by_channel, qscheme=torch.per_channel_symmetric, ch_axis=0)})",
        ),
    ),
    Rarity(
        "an annotated output that nobody reads beside one that is returned",
        forward("torch.tanh(x0)", "return torch.relu(x0)"),
        ("note(n.tanh, {n.x0: spec()}, spec())", "note(n.relu, {n.x0: spec()}, spec())"),
    ),
)

_SECOND = 'n.first.target = "second"'
"""The line that lets a node name by its second name what the tracer named by its first."""

_NAMES = (
    Rarity(
        "a buffer with the name that an observer could have",
        with_parts(
            'self.register_buffer("activation_post_process_0", torch.ones(4))',
            "return torch.relu(x0 + self.activation_post_process_0)",
        ),
        ("note(n.relu, {n.add: spec()})",),
    ),
    Rarity(
        "a module with the name that an observer could have",
        with_parts(
            "self.activation_post_process_0 = nn.Hardtanh()", "return torch.relu(self.activation_post_process_0(x0))"
        ),
        ("note(n.relu, {n.activation_post_process_0: spec()}, spec())",),
    ),
    Rarity(
        "a module that is called by its second name",
        with_parts("self.first = nn.Hardtanh(); self.second = self.first", "return torch.relu(self.second(x0))"),
        (
            "model.second = model.first",
            _SECOND,
            "note(n.first, {n.x0: spec()}, spec())",
            "note(n.relu, {n.first: spec(quant_max=126)})",
        ),
    ),
    Rarity(
        "a buffer that is written to by its second name",
        with_parts(
            'self.register_buffer("first", torch.zeros(2, 4)); self.second = self.first',
            "return torch.ops.aten.copy_.default(self.first, x0)",
        ),
        (
            'model.register_buffer("second", model.first)',
            _SECOND,
            "note(n.copy__default, {n.first: spec(), n.x0: spec()})",
        ),
    ),
)

RARE_ANNOTATIONS = {rare.name: rare for rare in (*_SHARING, *_ALIKE, *_SPECS, *_NAMES)}
"""All of them, by name."""

_TEXT = """\
from types import SimpleNamespace

import torchao.quantization.pt2e as pt
import torchao.quantization.pt2e.quantizer as qz
from torch._subclasses import FakeTensorMode

_LAST = pt.MovingAverageMinMaxObserver.with_args(averaging_constant=1)


class Model(nn.Module):
{model}


{makers}{store}
def spec(dtype=torch.int8, observer=pt.MinMaxObserver, **settings):
    \"\"\"Return a spec of eight bits, but for what is said.\"\"\"
    usual = {{"quant_min": -128, "quant_max": 127, "qscheme": torch.per_tensor_affine}}
    return qz.QuantizationSpec(dtype, observer, **(usual | settings))


def shared(place):
    \"\"\"Return a spec that is shared with a place.\"\"\"
    return qz.SharedQuantizationSpec(place)


def note(node, inputs, output=None):
    \"\"\"Write on a node what its inputs and its output ask for.\"\"\"
    node.meta["quantization_annotation"] = qz.QuantizationAnnotation(inputs, output)


def annotate(model):
    \"\"\"Write on the nodes how they are to be quantized.\"\"\"
    n = SimpleNamespace(**{{node.name: node for node in model.graph.nodes}})
{lines}
"""


def source(rare: Rarity) -> str:
    """Return the functions that make a rare annotated graph."""
    model, lines = ("\n".join(part) for part in (rare.model, rare.lines))
    return _TEXT.format(model=indent(model, "    "), lines=indent(lines, "    "), store=STORE, makers=MAKERS)
