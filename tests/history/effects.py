"""What was reported of the chapters *entry*, *state* and *effects*: what is made of the model as a whole."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx import GraphModule

from observance.conformance.deviations import torch_state
from observance.reference.state import KEY

from .models import model, op
from .registry import Decision, enter, reported

_LAYER = model(op("linear", -1))


@reported(
    92842,
    2023,
    "What conversion needs was kept in attributes of a class of its own, which a new GraphModule does not have.",
    "STATE-1",
    _LAYER,
    "state.save",
)
def keeps_it_in_attributes(original: Decision, prepared: GraphModule, *rest: Any) -> GraphModule:
    """Keep the record in an attribute, and not in the model's ``meta``."""
    original(prepared, *rest)
    prepared._record = prepared.meta.pop(KEY)
    return prepared


@reported(
    56550,
    2021,
    "A deep copy of a prepared model had lost what was kept on it, so that the copy could not be converted.",
    "STATE-9",
    _LAYER,
    "prepare.rewrite",
)
def copies_forget(original: Decision, model: Any, plan: Any) -> GraphModule:
    """Return a model whose deep copies know nothing."""
    prepared: GraphModule = original(model, plan)
    type(prepared).__deepcopy__ = _copy_alone  # type: ignore[method-assign]
    return prepared


def _copy_alone(self: GraphModule, memo: Any) -> GraphModule:
    """Copy a graph module without what is kept on it."""
    copied = GraphModule.__deepcopy__(self, memo)
    copied.meta.clear()
    return copied


enter(
    109288,
    2023,
    "A prepared model could not be pickled: the qconfigs of its modules hold a local function.",
    "EFFECTS-12",
    _LAYER,
    *torch_state.LOCAL_FUNCTIONS,
    still="prepared-models-not-pickled",
)


@reported(
    57352,
    2021,
    "A model that was prepared for training could not be pickled: what constructs its fake quantizers could not.",
    "EFFECTS-12",
    model(op("linear", -1), qconfigs="default_qat_qconfig", is_qat=True),
    "prepare.rewrite",
    still="prepared-models-not-pickled",
)
def keeps_constructors(original: Decision, model: Any, plan: Any) -> GraphModule:
    """Keep a local function on the model."""
    prepared: GraphModule = original(model, plan)
    vars(prepared)["constructor"] = lambda: nn.Identity()
    return prepared


enter(
    63326,
    2021,
    "Tensors of a prepared model lived on when the model was gone.",
    "EFFECTS-14",
    model(op("linear", -1), qconfigs="default_qat_qconfig", is_qat=True),
    *torch_state.KEPT_ALIVE,
    still="models-kept-alive",
)


@reported(
    65420,
    2021,
    "Observers had names of the tensors that they look at, which are other names in a model traced for inference.",
    "PLACEMENT-10",
    _LAYER,
    "prepare.rewrite",
)
def named_by_tensors(original: Decision, model: Any, plan: Any) -> GraphModule:
    """Name each observer by the node that it reads."""
    prepared: GraphModule = original(model, plan)
    for node in prepared.graph.nodes:
        if node.op == "call_module" and node.target.startswith("activation_post_process"):
            name = f"{node.args[0].name}_activation_post_process_0"
            prepared.add_submodule(name, prepared.get_submodule(node.target))
            prepared.delete_submodule(node.target)
            node.target = name
    prepared.recompile()
    return prepared


@reported(
    63376,
    2021,
    "A tuple that an operator is given became a list.",
    "ENTRY-4",
    model(op("cat", (-1, -2), sequence="tuple"), inputs="tt"),
    "rewrite._argument",
)
def lists_alone(original: Decision, argument: Any, *rest: Any) -> Any:
    """Write every sequence as a list."""
    made = original(argument, *rest)
    return list(made) if type(made) is tuple else made


@reported(
    54812,
    2021,
    "A module that stands in the model under two names, as a shared observer does, was known by the first of them.",
    "ENTRY-1",
    model(op("cat", (-1, -2)), inputs="tt"),
    "prepare.rewrite",
)
def one_name_each(original: Decision, model: Any, plan: Any) -> GraphModule:
    """Look every module up by the first of its names."""
    prepared: GraphModule = original(model, plan)
    known = dict(prepared.named_modules())
    assert all(node.target in known for node in prepared.graph.nodes if node.op == "call_module")
    return prepared
