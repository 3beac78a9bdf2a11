"""Drawing backend configs: the shipped ones, and ones of their own."""

from __future__ import annotations

from dataclasses import replace

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


_LIMITS = {"torch.quint8": (0, 255), "torch.uint8": (0, 255)}
_BOUNDED = ("torch.quint8", "torch.qint8", "torch.uint8", "torch.int8")

_CONSTRAINTS = ("free",) * 6 + ("range", "range", "narrow", "scale", "fixed", "floor", "ceiling", "zero")
"""Kinds of constraints; the free one first, and most often."""

Asked = tuple[str, str, bool]
"""The dtypes of a qconfig's activation and weight, and whether it is dynamic."""


def constraint(dtype: str, kind: str) -> Constraint:
    """Return a dtype that is free, or limited in its range, its scale or its parameters."""
    low, high = _LIMITS.get(dtype, (-128, 127))
    if dtype not in _BOUNDED:
        return Constraint(dtype)
    match kind:
        case "range":
            return Constraint(dtype, quant_min=low, quant_max=high)
        case "narrow":
            return Constraint(dtype, quant_min=low // 2, quant_max=high // 2)
        case "floor":
            return Constraint(dtype, quant_min=low // 2)
        case "ceiling":
            return Constraint(dtype, quant_max=high // 2)
        case "scale":
            return Constraint(dtype, scale_min=2**-12)
        case "fixed":
            return Constraint(dtype, scale_exact=1.0 / 256.0, zero_point_exact=0)
        case "zero":
            return Constraint(dtype, zero_point_exact=0)
    return Constraint(dtype)


def matching(asked: Asked, kinds: tuple[str, str], with_weight: bool) -> DTypes:
    """Return a dtype config that agrees with a qconfig, its constraints aside."""
    activation, weight, dynamic = asked
    limits = constraint(activation, kinds[0])
    return DTypes(
        limits,
        _FLOAT if dynamic else limits,
        constraint(weight, kinds[1]) if with_weight else Constraint(),
        is_dynamic=True if dynamic else None,
    )


def dtype_configs(asked: list[Asked]) -> st.SearchStrategy[DTypes]:
    """Draw one combination of dtypes: one that some qconfig asks for, any other, or an open one."""
    kinds = st.tuples(st.sampled_from(_CONSTRAINTS), st.sampled_from(_CONSTRAINTS))
    agreed = st.builds(matching, st.sampled_from(asked), kinds, st.booleans())
    other = st.builds(
        matching,
        st.tuples(
            st.sampled_from((*_STATIC_DTYPES, "torch.float32")),
            st.sampled_from(("torch.qint8", "torch.float32")),
            st.booleans(),
        ),
        kinds,
        st.booleans(),
    )
    biased = st.builds(replace, agreed, bias=st.sampled_from(("torch.float32", "torch.float16")))
    return st.one_of(agreed, agreed, biased, other, st.just(DTypes()))


@st.composite
def patterns(draw: st.DrawFn, chains: list[tuple[str, ...]], asked: list[Asked]) -> list[Pattern]:
    """Draw what a backend says of one chain of targets and, often, of its parts alone."""
    targets = draw(st.sampled_from(chains))
    dtypes = draw(st.lists(dtype_configs(asked), min_size=1, max_size=3).map(tuple))
    groups = [targets]
    if len(targets) > 1 and draw(st.booleans()):
        groups += [(target,) for target in dict.fromkeys(targets)]
    return [draw(_pattern(group, dtypes)) for group in groups]


@st.composite
def _pattern(draw: st.DrawFn, targets: tuple[str, ...], dtypes: tuple[DTypes, ...]) -> Pattern:
    """Draw how one chain of targets is observed."""
    observation = draw(st.sampled_from(_OBSERVATIONS[:2] * 3 + _OBSERVATIONS[2:]))
    counts: tuple[tuple[int, str], ...] = ()
    if targets[0] in ("torch.add", "operator.add", "torch.mul", "operator.mul"):
        counts = ((0, _OBSERVATIONS[0]), (1, _OBSERVATIONS[1]), (2, _OBSERVATIONS[0]))
        counts = draw(st.sampled_from(((), counts)))
    positions = _POSITIONS.get(targets[0], ()) if len(targets) == 1 else ()
    return Pattern(targets, observation, dtypes, counts, positions)


def backends(chains: list[tuple[str, ...]], asked: list[Asked]) -> st.SearchStrategy[str | Backend | None]:
    """Draw a backend config.

    Parameters
    ----------
    chains
        The targets of a graph, alone and in the pairs and triples in which they
        follow one another: what drawn patterns are made of.
    asked
        The dtypes that the qconfigs ask for: what most drawn dtype configs agree with.
    """
    own = st.lists(patterns(chains, asked), min_size=1, max_size=5).map(_backend)
    shipped = ("native", "x86", "native", "x86", *SHIPPED_BACKENDS, "onednn", "qnnpack")
    return st.one_of(st.none(), st.sampled_from(shipped), own, own)


def _backend(drawn: list[list[Pattern]]) -> Backend:
    """Return a backend config; of two patterns with the same targets the later one counts."""
    return Backend(tuple({p.targets: p for group in drawn for p in group}.values()))
