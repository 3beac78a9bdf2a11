"""The parts of calls that are right and rare, of which `rare.py` and the other `rare_*.py` make their tables."""

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


_CALL = """
def call(self, like, function, *args, **kwargs):
    if isinstance(like, torch.fx.Proxy):
        return like.tracer.create_proxy("call_function", function, args, kwargs)
    return function(*args, **kwargs)
"""
"""A method that calls a function: of itself, torch 2.5 does not see that a number or a part of a list is traced."""


def calling(model: tuple[str, ...]) -> tuple[str, ...]:
    """Return a model that may call functions by ``self.call(x0, function, ...)``."""
    return (*model, *_CALL.rstrip().splitlines())


LAYER = "tb.DTypeConfig(torch.quint8, torch.quint8, torch.qint8)"
"""The dtypes of what has a weight."""

BYTES = "tb.DTypeConfig(torch.quint8, torch.quint8)"
"""Those of what has none."""


def backend(pattern: str, dtypes: str, *more: str) -> tuple[str, ...]:
    """Return the lines that give a backend config with one pattern."""
    return (
        f"pattern = tb.BackendPatternConfig({pattern}).add_dtype_config({dtypes})",
        "pattern.set_observation_type(tb.ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT)",
        *more,
        "given.backend_config = tb.BackendConfig().set_backend_pattern_config(pattern)",
    )


def beside(pattern: str, dtypes: str, *more: str) -> tuple[str, ...]:
    """Return the lines that add one more pattern to the backend config that is there."""
    return (*backend(pattern, dtypes, *more)[:-1], "given.backend_config.set_backend_pattern_config(pattern)")


def linear_of(*dtypes: str) -> tuple[str, ...]:
    """Return the lines that give a backend config with linear layers of some dtypes."""
    return (
        "linear = tb.BackendPatternConfig(nn.Linear)",
        f"for kind in ({', '.join(f'torch.{dtype}' for dtype in dtypes)}):",
        "    linear.add_dtype_config(tb.DTypeConfig(kind, kind, torch.qint8))",
        "given.backend_config = tb.BackendConfig().set_backend_pattern_config(linear)",
    )


def observed(activation: str, weight: str = "tq.default_weight_observer") -> str:
    """Return the line that has everything observed in one way."""
    return f"given.qconfig_mapping.set_global(tq.QConfig({activation}, {weight}))"


def instead(module: str, name: str = "linear", leaves: str = "") -> tuple[str, ...]:
    """Return the lines that put another module in a layer's place; it is not traced, or what `leaves` says is not."""
    leaves = leaves or f'["{name}"], []'
    return f"given.model.{name} = given.float_model.{name} = {module}", f"given.leaves = {leaves}"


def own_class(kind: str = "nn.Linear", takes: str = "value") -> tuple[str, ...]:
    """Return the lines that have modules of a class observed by a class of one's own."""
    return (
        "class Observed(nn.Module):",
        "    @classmethod",
        "    def from_float(cls, linear):",
        "        made = cls()",
        "        made.inside = linear",
        "        return made",
        "",
        f"    def forward(self, {takes}):",
        f"        return self.inside({takes})",
        "",
        f"given.custom_config.set_float_to_observed_mapping({kind}, Observed)",
    )


MAKERS = """\
def make_model():
    torch.default_generator.manual_seed(0)
    return Model().eval().requires_grad_(False)


def make_inputs():
    torch.default_generator.manual_seed(1)
    return (torch.randn(2, 4),)
"""
"""The functions that make the model and its inputs, of every case that is written by hand."""

CONFIGS = """\
def make_backend():
    return None


def make_custom_config():
    return PrepareCustomConfig()
"""
"""Those that make the configs of a plain call."""

LINEAR = with_parts("self.linear = nn.Linear(4, 4)", "return self.linear(x0)")
"""A model with one layer."""

STANDALONE = 'given.custom_config.set_standalone_module_name("linear", None, (torch.randn(2, 4),)'
"""The beginning of the line that makes the layer a standalone module: its config follows."""

EQUALIZED = (
    "from torch.ao.quantization.fx._equalize import default_equalization_qconfig",
    "",
    "given.equalization = tq.QConfigMapping().set_global(default_equalization_qconfig)",
)
"""The lines that have layers equalized."""

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

PARAMETRIZED = (
    "from torch.nn.utils import parametrize",
    "",
    "class Same(nn.Module):",
    "    def forward(self, weight):",
    "        return weight",
    "",
    'parametrize.register_parametrization(given.model.linear, "weight", Same())',
)
"""The lines that parametrize the weight of a layer."""
