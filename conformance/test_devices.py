"""Chapter *devices*: where a model is, its observers are too."""

from __future__ import annotations

from collections.abc import Iterator

from observance.conformance.rules import MUST, Finding, judged, rule
from observance.conformance.trials import Trial
from observance.reference.devices import tensors_of
from observance.reference.specs import is_observer


@rule("DEVICES-1", MUST, "_insert_obs_or_fq: the observer is moved to the model's device")
def test_observers_are_where_the_model_is(trial: Trial) -> Iterator[Finding]:
    """If a model's parameters and buffers are on one device, those of its observers are there too."""
    # An implementation may have swapped modules of the model that it was given.
    prepared, model = trial.outcome.prepared, trial.expected.arguments.model
    devices = {str(tensor.device) for tensor in tensors_of(model)}
    if prepared is None or len(devices) != 1:
        return
    for name, module in prepared.named_modules():
        if is_observer(module):
            found = {str(tensor.device) for tensor in tensors_of(module)}
            because = f"the model is on {', '.join(devices)}, and what it computes passes through {name}"
            yield judged(found <= devices, name, ", ".join(devices), ", ".join(sorted(found)), because)


@rule("DEVICES-2", MUST, "assert_and_get_unique_device: an error if there are several", ("other-devices",))
def test_a_model_on_two_devices_is_refused(trial: Trial) -> Iterator[Finding]:
    """A model whose parameters are on two devices is refused with an error."""
    if trial.case.device == "mixed":
        found = "accepted" if trial.outcome.error is None else "refused"
        because = "observers can be on one device only"
        yield judged(found == "refused", "the call", "refused", found, because)
