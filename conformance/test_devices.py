"""Chapter *devices*: where a model is, its observers are too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn
from torch.fx import Graph

from observance.conformance.rules import MUST, NEVER_BOTH, Finding, judged, rule
from observance.conformance.trials import Trial
from observance.reference.devices import tensors_of
from observance.reference.specs import is_observer


@rule("DEVICES-1", MUST, "_insert_obs_or_fq: the observer is moved to the model's device", profiles=NEVER_BOTH)
def test_observers_are_where_the_model_is(trial: Trial) -> Iterator[Finding]:
    """If a model's parameters and buffers are on one device, those of its observers are there too."""
    # An implementation may have swapped modules of the model that it was given.
    prepared, model = trial.outcome.prepared, trial.expected.arguments.model
    devices = {str(tensor.device) for tensor in tensors_of(model)}
    if prepared is None or len(devices) != 1:
        return
    modules = dict(prepared.named_modules())
    observed = _observed(prepared.graph, modules)
    for name, module in modules.items():
        if is_observer(module):
            found = {str(tensor.device) for tensor in tensors_of(module)}
            because = f"the model is on {', '.join(devices)}, and what it computes passes through {name}"
            outer = next((outer for outer in observed if f"{name}.".startswith(f"{outer}.")), "")
            place = observed[outer] + name.removeprefix(outer) if outer else name
            yield judged(found <= devices, place, ", ".join(devices), ", ".join(sorted(found)), because)


def _observed(graph: Graph, modules: Mapping[str, nn.Module]) -> dict[str, str]:
    """Return what each observer in a graph observes first, by its name: no two implementations name them alike."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        if node.op == "call_module" and is_observer(modules.get(str(node.target))):
            value = next(iter(node.all_input_nodes), node)
            found.setdefault(str(node.target), f"what observes {found.get(str(value.target), value.name)}")
    return found


@rule(
    "DEVICES-2",
    MUST,
    "assert_and_get_unique_device: an error if there are several",
    ("other-devices",),
    profiles=NEVER_BOTH,
)
def test_a_model_on_two_devices_is_refused(trial: Trial) -> Iterator[Finding]:
    """A model whose parameters are on two devices is refused with an error."""
    if trial.case.device == "mixed":
        found = "accepted" if trial.outcome.error is None else "refused"
        because = "observers can be on one device only"
        yield judged(found == "refused", "the call", "refused", found, because)
