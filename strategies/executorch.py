"""The quantizers that executorch ships and pip installs, by name: each is a function that makes one.

Each can be judged as one of a vendor's own, with ``--quantizer=observance.strategies.executorch:xnnpack`` and the like.
executorch is imported when one is made. Those of its backends that need more than pip has are not here.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

HOME = "executorch.backends"
"""Where they are."""


def without_guards(quantizer: Any) -> Any:
    """Let a quantizer drop the guards of a graph before all else, and return it.

    Since 2.9, torch begins an exported graph with a call that checks its inputs. Arm's quantizers fail on such a call,
    and the tutorial for Ethos-U leaves it out, with ``module(check_guards=False)``.
    """
    transform = quantizer.transform_for_annotation

    def transform_for_annotation(model: Any) -> Any:
        for node in model.graph.find_nodes(op="call_module", target="_guards_fn"):
            model.graph.erase_node(node)
        return transform(model)

    quantizer.transform_for_annotation = transform_for_annotation
    return quantizer


def xnnpack(is_qat: bool = False) -> Any:
    """Return the quantizer for XNNPACK, symmetric and by channel."""
    home = importlib.import_module(f"{HOME}.xnnpack.quantizer.xnnpack_quantizer")
    config = home.get_symmetric_quantization_config(is_per_channel=True, is_qat=is_qat)
    return home.XNNPACKQuantizer().set_global(config)


def xnnpack_dynamic(is_qat: bool = False) -> Any:
    """Return the same for activations that are quantized as they come."""
    home = importlib.import_module(f"{HOME}.xnnpack.quantizer.xnnpack_quantizer")
    config = home.get_symmetric_quantization_config(is_per_channel=True, is_qat=is_qat, is_dynamic=True)
    return home.XNNPACKQuantizer().set_global(config)


def vulkan() -> Any:
    """Return the quantizer for Vulkan, for weights alone, as is its default; it is not for training."""
    home = importlib.import_module(f"{HOME}.vulkan.quantizer.vulkan_quantizer")
    return home.VulkanQuantizer().set_global(home.get_symmetric_quantization_config())


def vulkan_dynamic() -> Any:
    """Return the same for activations that are quantized as they come."""
    home = importlib.import_module(f"{HOME}.vulkan.quantizer.vulkan_quantizer")
    return home.VulkanQuantizer().set_global(home.get_symmetric_quantization_config(is_dynamic=True))


def coreml(is_qat: bool = False) -> Any:
    """Return the quantizer for Core ML, in 8 bits; it asks for fake quantizers, whether they are to be trained or not.

    Parameters
    ----------
    is_qat : bool
        Whether the graph is to be trained, which makes no difference here.
    """
    home = importlib.import_module(f"{HOME}.apple.coreml.quantizer")
    configs = importlib.import_module("coremltools.optimize.torch.quantization")
    config = {"quantization_scheme": "symmetric", "activation_dtype": "quint8", "weight_dtype": "qint8"}
    return home.CoreMLQuantizer(configs.LinearQuantizerConfig.from_dict({"global_config": config}))


def cadence(is_qat: bool = False) -> Any:
    """Return the default quantizer for Cadence's DSPs."""
    return importlib.import_module(f"{HOME}.cadence.aot.quantizer.quantizer").CadenceDefaultQuantizer(is_qat=is_qat)


def samsung(is_qat: bool = False) -> Any:
    """Return the quantizer for Samsung's Exynos, in 8 bits and by channel."""
    quantizer = importlib.import_module(f"{HOME}.samsung.quantizer.quantizer").EnnQuantizer()
    precision = importlib.import_module(f"{HOME}.samsung.quantizer.qconfig").Precision
    quantizer.setup_quant_params(precision.A8W8, is_per_channel=True, is_qat=is_qat)
    return quantizer


def ethos_u(is_qat: bool = False) -> Any:
    """Return the quantizer for Arm's Ethos-U55, with its default config."""
    home = importlib.import_module(f"{HOME}.arm.quantizer")
    target = importlib.import_module(f"{HOME}.arm.ethosu").EthosUCompileSpec("ethos-u55-128")
    quantizer = home.EthosUQuantizer(target)
    return without_guards(quantizer.set_global(home.get_symmetric_quantization_config(is_qat=is_qat)))


def vgf(is_qat: bool = False) -> Any:
    """Return the quantizer for VGF, Arm's format for GPUs, with its default config."""
    home = importlib.import_module(f"{HOME}.arm.quantizer")
    quantizer = home.VgfQuantizer(importlib.import_module(f"{HOME}.arm.vgf").VgfCompileSpec())
    return without_guards(quantizer.set_global(home.get_symmetric_quantization_config(is_qat=is_qat)))


def tosa(is_qat: bool = False) -> Any:
    """Return the quantizer for TOSA's integers, on which Arm's others are built, with its default config."""
    home = importlib.import_module(f"{HOME}.arm.quantizer")
    target = importlib.import_module(f"{HOME}.arm.tosa").TosaSpecification.create_from_string("TOSA-1.0+INT")
    quantizer = home.TOSAQuantizer(target)
    return without_guards(quantizer.set_global(home.get_symmetric_quantization_config(is_qat=is_qat)))


def cortex_m() -> Any:
    """Return the quantizer for Arm's Cortex-M; it is not for training."""
    home = importlib.import_module(f"{HOME}.cortex_m.quantizer.quantizer")
    return without_guards(home.CortexMQuantizer())


def openvino() -> Any:
    """Return the quantizer for OpenVINO, in its default mode; it is not for training."""
    return importlib.import_module(f"{HOME}.openvino.quantizer").OpenVINOQuantizer()


def example() -> Any:
    """Return the one of executorch's example of a backend; it is not for training."""
    return importlib.import_module(f"{HOME}.example.example_quantizer").ExampleQuantizer()


_MAKERS = (
    *(xnnpack, xnnpack_dynamic, vulkan, vulkan_dynamic, coreml, cadence, samsung),
    *(ethos_u, vgf, tosa, cortex_m, openvino, example),
)

SHIPPED = {f"executorch.{made.__name__}": made for made in _MAKERS}
"""All of them, under names that none of torchao's has."""

NOT_DRAWN = ("xnnpack", "coreml", "cadence", "example")
"""Those with whose annotations no graph is drawn.

XNNPACK's and Core ML's export their patterns at each call, which takes seconds; Cadence's sees nothing in a graph that
is not exported strictly; the example prints what it meets.
"""


def drawn() -> tuple[str, ...]:
    """Return the names of those with whose annotations graphs are drawn: none where executorch is not installed."""
    if importlib.util.find_spec("executorch") is None:
        return ()
    return tuple(name for name, made in SHIPPED.items() if made.__name__ not in NOT_DRAWN)
