"""Drawing quantization-aware training: fake quantizers in place of observers, and the mode of the model.

A drawn qconfig of observers has a counterpart of fake quantizers.  So a case for
training is drawn, and shrinks, like any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from .case import Case, Entry, Mapping, Observer, QConfig
from .configs_source import DEFAULT_MAPPINGS, TRAINING

QAT = (
    "default_qat_qconfig",
    "default_qat_qconfig_v2",
    "default_symmetric_qnnpack_qat_qconfig",
    "default_per_channel_symmetric_qnnpack_qat_qconfig",
    "default_dynamic_qat_qconfig",
    "default_embedding_qat_qconfig",
    "default_embedding_qat_qconfig_4bit",
    *(name + TRAINING for name in DEFAULT_MAPPINGS),
)
"""Qconfigs that torch exports for quantization-aware training, a backend's default included."""

_QCONFIGS = {
    "default_qconfig": "default_qat_qconfig",
    "default_debug_qconfig": "default_qat_qconfig_v2",
    "default_per_channel_qconfig": "default_per_channel_symmetric_qnnpack_qat_qconfig",
    "default_quint8_weight_qconfig": "default_symmetric_qnnpack_qat_qconfig",
    "default_symmetric_qnnpack_qconfig": "default_symmetric_qnnpack_qat_qconfig",
    "default_per_channel_symmetric_qnnpack_qconfig": "default_per_channel_symmetric_qnnpack_qat_qconfig",
    "default_dynamic_qconfig": "default_dynamic_qat_qconfig",
    "per_channel_dynamic_qconfig": "default_dynamic_qat_qconfig",
    "float_qparams_weight_only_qconfig": "default_embedding_qat_qconfig",
    "float_qparams_weight_only_qconfig_4bit": "default_embedding_qat_qconfig_4bit",
    **{name: name + TRAINING for name in DEFAULT_MAPPINGS},
}
"""The counterparts of exported qconfigs; those that are not here have none."""

_OBSERVERS = {
    "default_observer": "default_fake_quant",
    "default_histogram_observer": "default_histogram_fake_quant",
    "default_dynamic_quant_observer": "default_dynamic_fake_quant",
    "default_fixed_qparams_range_0to1_observer": "default_fixed_qparams_range_0to1_fake_quant",
    "default_fixed_qparams_range_neg1to1_observer": "default_fixed_qparams_range_neg1to1_fake_quant",
    "default_affine_fixed_qparams_observer": "default_affine_fixed_qparams_fake_quant",
    "default_symmetric_fixed_qparams_observer": "default_symmetric_fixed_qparams_fake_quant",
    "default_debug_observer": "default_fused_act_fake_quant",
    "default_weight_observer": "default_weight_fake_quant",
    "default_per_channel_weight_observer": "default_per_channel_weight_fake_quant",
    "weight_observer_range_neg_127_to_127": "fused_wt_fake_quant_range_neg_127_to_127",
    "per_channel_weight_observer_range_neg_127_to_127": "fused_per_channel_wt_fake_quant_range_neg_127_to_127",
    "default_float_qparams_observer": "default_embedding_fake_quant",
    "default_float_qparams_observer_4bit": "default_embedding_fake_quant_4bit",
}
"""The counterparts of exported observers."""

_MOVING = ("MovingAverageMinMaxObserver", "MovingAveragePerChannelMinMaxObserver")
_RANGING = ("HistogramObserver", "PerChannelMinMaxObserver", *_MOVING)


@dataclass(frozen=True)
class Manner:
    """How a case is prepared.

    ``observers`` says what the qconfigs hold: ``plain`` observers, ``fake``
    quantizers, or fake quantizers for activations and observers for weights,
    ``half``; the rest is as in `Case`.
    """

    observers: str = "plain"
    is_qat: bool = False
    training: bool | None = None
    hooked: bool = False


_PLAIN = Manner()

MANNERS = st.sampled_from(
    (
        *(_PLAIN,) * 36,
        Manner("plain", False, training=True),
        Manner("fake", False),
        *(Manner("fake", True),) * 5,
        Manner("fake", True, training=False),
        Manner("fake", True, hooked=True),
        Manner("fake", True, hooked=True),
        Manner("half", True),
        Manner("plain", True, hooked=True),
    )
)
"""Draws how a case is prepared: four in five for quantization after training."""


def faked(plain: Observer) -> Observer:
    """Return the fake quantizer around an observer, or the observer where there is none."""
    if plain.factory in _OBSERVERS:
        return Observer(_OBSERVERS[plain.factory])
    if plain.factory == "FixedQParamsObserver":
        return Observer("FixedQParamsFakeQuantize", (("observer", plain),))
    if plain.factory == "MinMaxObserver":  # its settings go to the observer inside
        return Observer("FakeQuantize", (("observer", plain),))
    if plain.factory not in _RANGING:
        return plain
    settings = dict(plain.arguments)
    # The fused kernel knows no axis but the first.
    fused = plain.factory in _MOVING and "quant_min" in settings and not settings.get("ch_axis")
    factory = "FusedMovingAvgObsFakeQuantize" if fused else "FakeQuantize"
    return Observer(factory, (("observer", Observer(plain.factory)), *plain.arguments))


def in_manner(manner: Manner, palette: Sequence[str | QConfig]) -> list[str | QConfig]:
    """Return qconfigs of observers as the manner wants them."""
    match manner.observers:
        case "fake":
            return [_faked(qconfig) for qconfig in palette]
        case "half":
            return [one if isinstance(one, str) else QConfig(faked(one.activation), one.weight) for one in palette]
    return [*palette]


def _faked(qconfig: str | QConfig) -> str | QConfig:
    """Return the counterpart of a qconfig, with fake quantizers."""
    if isinstance(qconfig, str):
        return _QCONFIGS.get(qconfig, qconfig)
    return QConfig(faked(qconfig.activation), faked(qconfig.weight))


def trained(case: Case, manner: Manner, targets: Sequence[str]) -> Case:
    """Return a case that is prepared in a manner, its mapping as that needs it.

    The classes for embeddings take no weights but with float parameters per
    channel, so embeddings get a qconfig of their own, for which there is a
    selector of higher priority now and then.
    """
    mapping = case.mapping
    fake = manner.observers == "fake"
    if fake and mapping.base:
        mapping = dataclasses.replace(mapping, base=mapping.base + TRAINING)
    if manner.is_qat:
        own = "default_embedding_qat_qconfig" if fake else "float_qparams_weight_only_qconfig"
        embeddings = [target for target in ("nn.Embedding", "nn.EmbeddingBag") if target in targets]
        entries = (Entry("object_type", own, target=target) for target in embeddings)
        mapping = Mapping(mapping.base, (*mapping.entries, *entries))
    return dataclasses.replace(
        case, mapping=mapping, is_qat=manner.is_qat, training=manner.training, hooked=manner.hooked
    )
