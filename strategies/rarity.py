"""The parts of calls that are right and rare, of which `rare.py` and its neighbours make their tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rarity:
    """A call that is right and rare.

    Attributes
    ----------
    name
        What is rare in it, in words.
    model
        The lines of the model's class, after ``class Model(nn.Module):``; none for the plain model.
    lines
        The lines that make the call out of a plain one.
    needs
        The features that an implementation must claim.
    raw
        Whether it is about what only `prepare` takes, and `prepare_fx` does not.
    """

    name: str
    model: tuple[str, ...]
    lines: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    raw: bool = False


def forward(*lines: str) -> tuple[str, ...]:
    """Return a model without modules."""
    return ("def forward(self, x0):", *(f"    {line}" for line in lines))


def with_parts(parts: str, *lines: str) -> tuple[str, ...]:
    """Return a model that has a module or a parameter, or some."""
    made = (f"    {part}" for part in parts.split("; "))
    return ("def __init__(self):", "    super().__init__()", *made, "", *forward(*lines))


def backend(pattern: str, dtypes: str, *more: str) -> tuple[str, ...]:
    """Return the lines that give a backend config with one pattern."""
    return (
        f"pattern = tb.BackendPatternConfig({pattern}).add_dtype_config({dtypes})",
        "pattern.set_observation_type(tb.ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT)",
        *more,
        "given.backend_config = tb.BackendConfig().set_backend_pattern_config(pattern)",
    )


def observed(activation: str, weight: str = "tq.default_weight_observer") -> str:
    """Return the line that has everything observed in one way."""
    return f"given.qconfig_mapping.set_global(tq.QConfig({activation}, {weight}))"


LINEAR = with_parts("self.linear = nn.Linear(4, 4)", "return self.linear(x0)")
"""A model with one layer."""

STANDALONE = 'given.custom_config.set_standalone_module_name("linear", None, (torch.randn(2, 4),)'
"""The beginning of the line that makes the layer a standalone module: its config follows."""

TWO = "self.first = nn.Linear(4, 4); self.second = nn.Linear(4, 4)"
"""The parts of a model with two layers."""


def each(**qconfigs: str) -> tuple[str, ...]:
    """Return the lines that give each module a qconfig of its own."""
    return tuple(f'given.qconfig_mapping.set_module_name("{name}", {one})' for name, one in qconfigs.items())


def qconfig(dtype: str, observer: str = "MinMaxObserver") -> str:
    """Return a qconfig whose activations have a dtype and a class of observers."""
    return f"tq.QConfig(tq.{observer}.with_args(dtype=torch.{dtype}), tq.default_weight_observer)"


TRAINING = ("given.is_qat = True", "given.float_model.train()", "given.model.train()")
"""The lines that prepare for training."""
