"""The fused modules of the operator table, and the classes that modules are swapped for in training."""

from __future__ import annotations

import re

from .entries import module

FUSED = (
    module("fused_linear_relu", "tt", "nni.LinearReLU(nn.Linear(4, 4), nn.ReLU())"),
    module("fused_linear_bn1d", "dd", "nni.LinearBn1d(nn.Linear(4, 4), nn.BatchNorm1d(4))"),
    module("fused_conv_relu1d", "tt", "nni.ConvReLU1d(nn.Conv1d(4, 4, 1), nn.ReLU())"),
    module("fused_conv_relu2d", "uu", "nni.ConvReLU2d(nn.Conv2d(2, 2, 1), nn.ReLU())"),
    module("fused_conv_relu3d", "vv", "nni.ConvReLU3d(nn.Conv3d(2, 2, 1), nn.ReLU())"),
    module("fused_conv_bn1d", "tt", "nni.ConvBn1d(nn.Conv1d(4, 4, 1), nn.BatchNorm1d(4))"),
    module("fused_conv_bn2d", "uu", "nni.ConvBn2d(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))"),
    module("fused_conv_bn3d", "vv", "nni.ConvBn3d(nn.Conv3d(2, 2, 1), nn.BatchNorm3d(2))"),
    module("fused_conv_bn_relu1d", "tt", "nni.ConvBnReLU1d(nn.Conv1d(4, 4, 1), nn.BatchNorm1d(4), nn.ReLU())"),
    module("fused_conv_bn_relu2d", "uu", "nni.ConvBnReLU2d(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU())"),
    module("fused_conv_bn_relu3d", "vv", "nni.ConvBnReLU3d(nn.Conv3d(2, 2, 1), nn.BatchNorm3d(2), nn.ReLU())"),
)
"""Modules as fusion leaves them: what `prepare` finds in a model that was fused before."""

PARTS: dict[str, tuple[str, ...]] = {
    entry.target: tuple(re.findall(r"\bnn\.\w+", entry.module or "")) for entry in FUSED
}
"""The types of the parts of each fused module."""

_SINGLE = ("Linear", "Conv1d", "Conv2d", "Conv3d", "Embedding", "EmbeddingBag")

TRAINED: dict[str, str] = {
    **{f"nn.{name}": f"torch.ao.nn.qat.{name}" for name in _SINGLE},
    **{entry.target: f"torch.ao.nn.intrinsic.qat.{entry.target.partition('.')[2]}" for entry in FUSED},
}
"""The class that torch has for quantization-aware training, for each module that it has one for."""
