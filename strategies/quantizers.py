"""The quantizers that torchao ships, by name: each is a function that makes one, for training or not.

Each can be judged as one of a vendor's own, with ``--quantizer=observance.strategies.quantizers:x86`` and the like.
torchao is imported when one is made.
"""

from __future__ import annotations

import importlib
from typing import Any

HOME = "torchao.quantization.pt2e.quantizer"
"""Where they are."""


def x86(is_qat: bool = False) -> Any:
    """Return the quantizer for x86 CPUs, with its default config."""
    home = importlib.import_module(f"{HOME}.x86_inductor_quantizer")
    return home.X86InductorQuantizer().set_global(home.get_default_x86_inductor_quantization_config(is_qat=is_qat))


def x86_dynamic(is_qat: bool = False) -> Any:
    """Return the quantizer for x86 CPUs, for activations that are quantized as they come."""
    home = importlib.import_module(f"{HOME}.x86_inductor_quantizer")
    config = home.get_default_x86_inductor_quantization_config(is_qat=is_qat, is_dynamic=True)
    return home.X86InductorQuantizer().set_global(config)


def arm(is_qat: bool = False) -> Any:
    """Return the quantizer for Arm CPUs, with its default config."""
    home = importlib.import_module(f"{HOME}.arm_inductor_quantizer")
    return home.ArmInductorQuantizer().set_global(home.get_default_arm_inductor_quantization_config(is_qat=is_qat))


def xpu() -> Any:
    """Return the quantizer for Intel's GPUs, with its default config; it is not for training."""
    home = importlib.import_module(f"{HOME}.xpu_inductor_quantizer")
    return home.XPUInductorQuantizer().set_global(home.get_default_xpu_inductor_quantization_config())


def xnnpack(is_qat: bool = False) -> Any:
    """Return the quantizer for XNNPACK that torchao tests with, symmetric and by channel."""
    home = importlib.import_module("torchao.testing.pt2e._xnnpack_quantizer")
    config = home.get_symmetric_quantization_config(is_per_channel=True, is_qat=is_qat)
    return home.XNNPACKQuantizer().set_global(config)


def xnnpack_dynamic(is_qat: bool = False) -> Any:
    """Return the same for activations that are quantized as they come."""
    home = importlib.import_module("torchao.testing.pt2e._xnnpack_quantizer")
    config = home.get_symmetric_quantization_config(is_per_channel=True, is_qat=is_qat, is_dynamic=True)
    return home.XNNPACKQuantizer().set_global(config)


def embedding() -> Any:
    """Return the quantizer for embeddings; it is not for training."""
    return importlib.import_module(f"{HOME}.embedding_quantizer").EmbeddingQuantizer()


def composed(is_qat: bool = False) -> Any:
    """Return one that lets the quantizer for embeddings annotate first, and then that for XNNPACK."""
    home = importlib.import_module(f"{HOME}.composable_quantizer")
    return home.ComposableQuantizer([embedding(), xnnpack(is_qat)])


SHIPPED = {made.__name__: made for made in (x86, x86_dynamic, arm, xpu, xnnpack, xnnpack_dynamic, embedding, composed)}
"""All of them, by name."""

PARTS = {"composed": ("embedding", "xnnpack")}
"""What one is composed of."""
