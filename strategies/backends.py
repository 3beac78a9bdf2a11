"""Drawing backend configs: the shipped ones, and ones of their own."""

from __future__ import annotations

from hypothesis import strategies as st

from .case import Backend, Constraint, DTypes, Pattern
from .configs_source import SHIPPED_BACKENDS

_POSITIONS = {
    "F.linear": (("weight", 1), ("bias", 2)),
    "F.conv1d": (("weight", 1), ("bias", 2)),
    "F.conv2d": (("weight", 1), ("bias", 2)),
    "F.conv_transpose1d": (("weight", 1), ("bias", 2)),
    "F.layer_norm": (("weight", 2), ("bias", 3)),
    "F.group_norm": (("weight", 2), ("bias", 3)),
}
"""Where the functions of the operator table have their weight and their bias."""

_OBSERVATIONS = (
    "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT",
    "OUTPUT_SHARE_OBSERVER_WITH_INPUT",
    "INPUT_OUTPUT_NOT_OBSERVED",
)

_FLOAT = Constraint("torch.float32")
_STATIC_DTYPES = ("torch.quint8", "torch.qint8", "torch.uint8", "torch.int8", "torch.float16")


@st.composite
def constraints(draw: st.DrawFn, dtype: str) -> Constraint:
    """Draw a dtype that is free, or limited in its range, its scale or its parameters."""
    limits = {"torch.quint8": (0, 255), "torch.uint8": (0, 255)}.get(dtype, (-128, 127))
    kind = draw(st.sampled_from(("free", "free", "free", "range", "narrow", "scale", "fixed")))
    match kind:
        case "range":
            return Constraint(dtype, quant_min=limits[0], quant_max=limits[1])
        case "narrow":
            return Constraint(dtype, quant_min=limits[0] // 2, quant_max=limits[1] // 2)
        case "scale":
            return Constraint(dtype, scale_min=2**-12)
        case "fixed":
            return Constraint(dtype, scale_exact=1.0 / 256.0, zero_point_exact=0)
    return Constraint(dtype)


@st.composite
def dtype_configs(draw: st.DrawFn) -> DTypes:
    """Draw one combination of dtypes: static, dynamic, of weights alone, or with gaps."""
    kind = draw(st.sampled_from(("static", "static", "open", "dynamic", "weight")))
    weight = draw(st.sampled_from((Constraint("torch.qint8"), Constraint(), _FLOAT)))
    match kind:
        case "static":
            dtype = draw(st.sampled_from(_STATIC_DTYPES))
            shared = draw(constraints(dtype))
            bias = draw(st.sampled_from((None, "torch.float32")))
            return DTypes(shared, shared, weight, bias)
        case "dynamic":
            dtype = draw(st.sampled_from(("torch.quint8", "torch.float16")))
            return DTypes(Constraint(dtype), _FLOAT, weight, is_dynamic=True)
        case "weight":
            return DTypes(_FLOAT, _FLOAT, weight)
    return DTypes()


@st.composite
def patterns(draw: st.DrawFn, chains: list[tuple[str, ...]]) -> Pattern:
    """Draw what a backend says of one of the given chains of targets."""
    targets = draw(st.sampled_from(chains))
    observation = draw(st.sampled_from(_OBSERVATIONS[:2] * 3 + _OBSERVATIONS[2:]))
    dtypes = draw(st.lists(dtype_configs(), min_size=1, max_size=3).map(tuple))
    counts: tuple[tuple[int, str], ...] = ()
    if targets[0] in ("torch.add", "operator.add", "torch.mul", "operator.mul"):
        counts = ((0, _OBSERVATIONS[0]), (1, _OBSERVATIONS[1]), (2, _OBSERVATIONS[0]))
        counts = draw(st.sampled_from(((), counts)))
    positions = _POSITIONS.get(targets[0], ()) if len(targets) == 1 else ()
    return Pattern(targets, observation, dtypes, counts, positions)


def backends(chains: list[tuple[str, ...]]) -> st.SearchStrategy[str | Backend | None]:
    """Draw a backend config.

    Parameters
    ----------
    chains
        The targets of a graph, alone and in the pairs and triples in which they
        follow one another: what drawn patterns are made of.
    """
    own = st.lists(patterns(chains), min_size=1, max_size=6).map(
        lambda found: Backend(tuple({pattern.targets: pattern for pattern in found}.values()))
    )
    return st.one_of(
        st.none(), st.sampled_from(("native", "x86")), st.sampled_from(list(SHIPPED_BACKENDS)), own
    )
