"""What a case has in it, by name: what the strategies claim to reach."""

from __future__ import annotations

from collections import Counter

from .case import Backend, Case, Constraint, QConfig, operand_values, tree_values
from .features_declared import of_declared
from .forms import ANYTHING, leaves
from .layout import scopes
from .operators import OPERATORS, SEVERAL, TRAINED
from .qconfigs import DYNAMIC, STATIC, WEIGHT_ONLY
from .table_fused import PARTS, is_aware
from .training import QAT

FEATURES: dict[str, str] = {
    "fan-out": "a value that three or more operands read",
    "same value twice": "one value more than once in one operator",
    "list operand": "an operator that takes a list",
    "tuple operand": "the same, written as a tuple",
    "nested lists": "an operator that takes a list of lists",
    "keyword spelling": "operands passed by keyword",
    "module called twice": "two calls of one module",
    "parameter used twice": "two functions that read one parameter",
    "tied weights": "two modules with one weight",
    "shape arithmetic": "Python numbers computed from sizes",
    "multi-output operator": "an operator that returns a tuple",
    "mask": "bool tensors",
    "index input": "integer tensors",
    "container at the output": "a list, tuple or dict is returned",
    "None at the output": "None among what is returned",
    "constant at the output": "a number among what is returned, which torch refuses",
    "submodule": "a call inside a submodule",
    "nested submodule": "a call inside a submodule of a submodule",
    "dead value": "a value that nothing reads",
    "several inputs": "more than one graph input",
    "function weight": "a function with a weight",
    "in-place operator": "an operator that writes into its operand",
    "default mapping": "torch's default qconfig mapping",
    "global selector": "a qconfig for everything",
    "object_type selector": "a qconfig by type, function or method",
    "regex selector": "a qconfig by regular expression",
    "name selector": "a qconfig by module name",
    "order selector": "a qconfig by module name, type and index",
    "submodule type selector": "a qconfig by the type of a submodule",
    "switched off": "None for a part of the model",
    "static qconfig": "an exported qconfig for static quantization",
    "dynamic qconfig": "an exported qconfig for dynamic quantization",
    "weight-only qconfig": "an exported qconfig for weights alone",
    "own qconfig": "a qconfig with observers of its own",
    "mixed qconfigs": "two or more different qconfigs",
    "no backend config": "none is passed",
    "shipped backend config": "one that torch ships",
    "own backend config": "one with patterns of its own",
    "own fusion pattern": "a drawn pattern of two or three operators",
    "constraint": "a drawn dtype config with constraints",
    "input never observed": "a drawn pattern that is never observed",
    "quantized input": "a graph input declared as quantized",
    "standalone module": "a submodule that is prepared by itself",
    "prepared module": "a submodule that was prepared as a standalone one before",
    "prepared as standalone": "the model itself is prepared as a standalone module",
    "non-traceable module": "a module that is a leaf of the trace",
    "custom module": "a module of a class that has an observed class",
    "custom LSTM": "an LSTM that has an observed class",
    "custom attention": "multi-head attention that has an observed class",
    "declared by class": "a module that is declared by its class",
    "nested standalone": "a standalone module inside another",
    "own module called twice": "two calls of one standalone or custom module",
    "own module by keyword": "a standalone or custom module with keyword arguments",
    "declared quantized input": "a standalone module with an input that is quantized",
    "declared quantized output": "a standalone module with an output that is quantized",
    "own configs inside": "a standalone module with a mapping or a backend config of its own",
    "several outputs inside": "a standalone module that returns several values",
    "quantized inputs": "two or more graph inputs declared as quantized",
    "quantized output": "an output declared as quantized",
    "equalization": "a mapping of equalization qconfigs",
    "stored values": "nodes that carry what they give",
    "other device": "a model on the meta device",
    "two devices": "a model with a parameter on another device",
    "configs as dicts": "the configs in their deprecated form",
    "fused module": "a module that was fused before",
    "quantization-aware training": "the model is prepared for training",
    "swappable module": "the same, with a module of a type that torch has a class for training for",
    "fake quantizer": "an exported or an own qconfig with fake quantizers",
    "fake quantizer after training": "fake quantizers without quantization-aware training",
    "observer in training": "observers and no fake quantizer in quantization-aware training",
    "other mode": "training with a model in eval mode, or quantization after training with one in training mode",
    "hooks": "modules with hooks, of types that are swapped for training",
    "quantization-aware module": "a module that quantizes its own weight",
    "parts selected": "a qconfig by type for all parts of a fused module",
    "parts that disagree": "a qconfig by type for some parts of a fused module alone",
    "own nested pattern": "a drawn pattern that is no chain",
    "named root": "a drawn pattern that names its root node",
    "any value in a pattern": "a drawn pattern that reads what it does not own",
    "number in a pattern": "a drawn pattern with a number",
    "attribute in a pattern": "a drawn pattern with an attribute",
    "competing patterns": "drawn patterns of one size that end in one operator",
    "two-armed pattern": "a convolution that is added to something, with a backend config that fuses the two",
}
"""All features, each with what it means."""


def features(case: Case) -> list[str]:
    """Return the names of the features that the case has, in the order of `FEATURES`."""
    found = _of_graph(case) | _of_operators(case) | _of_mapping(case) | _of_backend(case)
    found |= _of_training(case) | _of_fusion(case) | of_declared(case)
    if case.as_dicts:
        found.add("configs as dicts")
    found |= _of_declarations(case)
    return [name for name in FEATURES if name in found]


def _of_declarations(case: Case) -> set[str]:
    """Return the features of what is said of the model besides its qconfigs."""
    told = {
        "quantized input": bool(case.quantized_inputs),
        "quantized inputs": len(case.quantized_inputs) > 1,
        "quantized output": bool(case.quantized_outputs),
        "equalization": case.equalization is not None,
        "stored values": case.has_values,
        "other device": case.device == "meta",
        "two devices": case.device == "mixed",
    }
    return {name for name, has in told.items() if has}


def _of_graph(case: Case) -> set[str]:
    """Return the features of the wiring."""
    reads = [v for c in case.calls for operand in c.operands for v in operand_values(operand)]
    uses = Counter([*reads, *tree_values(case.output)])
    found = {"several inputs"} if len(case.inputs) > 1 else set()
    if uses and uses.most_common(1)[0][1] >= 3:
        found.add("fan-out")
    if any(number not in uses for number in range(len(case.calls))):
        found.add("dead value")
    if isinstance(case.output, tuple):
        found.add("container at the output")
    for word, name in (("None", "None"), ("'constant'", "constant")):
        if word in repr(case.output):
            found.add(f"{name} at the output")
    for call in case.calls:
        values = [v for operand in call.operands for v in operand_values(operand)]
        if len(set(values)) < len(values):
            found.add("same value twice")
        if call.spelling == "keyword":
            found.add("keyword spelling")
    depths = {path.count(".") + 1 for path in scopes(case) if path}
    return found | ({"submodule"} if depths else set()) | ({"nested submodule"} if 2 in depths else set())


def _of_operators(case: Case) -> set[str]:
    """Return the features of the operators that are called."""
    found: set[str] = set()
    for call in case.calls:
        entry = OPERATORS[call.operator]
        kinds = "".join(entry.takes) + entry.gives
        if "**" in kinds:
            found.add("nested lists")
        elif "*" in kinds:
            found.add("tuple operand" if call.sequence == "tuple" else "list operand")
        for letters, name in (("nz", "shape arithmetic"), ("b", "mask"), ("i", "index input")):
            if set(letters) & set(kinds):
                found.add(name)
        if entry.gives in SEVERAL:
            found.add("multi-output operator")
        if entry.parameters:
            found.add("function weight")
        if entry.mutates:
            found.add("in-place operator")
        if call.shares is not None:
            found.add("module called twice" if entry.module else "parameter used twice")
        if call.ties is not None:
            found.add("tied weights")
    return found


def _of_training(case: Case) -> set[str]:
    """Return the features of quantization-aware training."""
    swappable = any(OPERATORS[call.operator].target in TRAINED for call in case.calls)
    qconfigs = [*(entry.qconfig for entry in case.mapping.entries), case.mapping.base]
    fake = any(_is_fake(qconfig) for qconfig in qconfigs)
    has = {
        "quantization-aware training": case.is_qat,
        "swappable module": case.is_qat and swappable,
        "fake quantizer": fake,
        "fake quantizer after training": fake and not case.is_qat,
        "observer in training": case.is_qat and not fake and any(qconfigs),
        "other mode": case.training not in (None, case.is_qat),
        "hooks": case.hooked and swappable,
    }
    return {name for name, present in has.items() if present}


def _is_fake(qconfig: str | QConfig | None) -> bool:
    """Whether a qconfig, or a default mapping's name, is made for quantization-aware training."""
    if isinstance(qconfig, QConfig):
        return any(
            "fake_quant" in one.factory or "FakeQuant" in one.factory for one in (qconfig.activation, qconfig.weight)
        )
    return qconfig in QAT


def _of_mapping(case: Case) -> set[str]:
    """Return the features of the qconfig mapping."""
    found = {"default mapping"} if case.mapping.base else set()
    kinds = ((STATIC, "static qconfig"), (DYNAMIC, "dynamic qconfig"), (WEIGHT_ONLY, "weight-only qconfig"))
    for entry in case.mapping.entries:
        found.add(f"{entry.selector} selector")
        if entry.target.startswith("block:"):
            found.add("submodule type selector")
        if entry.qconfig is None:
            found.add("switched off")
        elif isinstance(entry.qconfig, QConfig):
            found.add("own qconfig")
        else:
            found |= {name for group, name in kinds if entry.qconfig in group}
    if len({entry.qconfig for entry in case.mapping.entries if entry.qconfig}) > 1:
        found.add("mixed qconfigs")
    return found


def _of_backend(case: Case) -> set[str]:
    """Return the features of the backend config."""
    if case.backend is None:
        return {"no backend config"}
    if not isinstance(case.backend, Backend):
        return {"shipped backend config"}
    found = {"own backend config"}
    ends = [(pattern.nested[0], len(leaves(pattern.nested))) for pattern in case.backend.patterns if pattern.nested]
    if len(set(ends)) < len(ends):
        found.add("competing patterns")
    for pattern in case.backend.patterns:
        if len(pattern.targets) > 1:
            found.add("own fusion pattern")
        if pattern.observation == "INPUT_OUTPUT_NOT_OBSERVED":
            found.add("input never observed")
        if pattern.nested is not None:
            parts = [leaf for _, leaf in leaves(pattern.nested)]
            told = {"any value in a pattern": ANYTHING in parts, "attribute in a pattern": "getattr" in parts}
            told |= {"number in a pattern": any(isinstance(part, int) for part in parts)}
            found |= {"own nested pattern", *(name for name, is_so in told.items() if is_so)}
            found |= {"named root"} if pattern.root is not None else set()
        limits = [limit for dtypes in pattern.dtypes for limit in (dtypes.input, dtypes.weight)]
        if any(limit != Constraint(limit.dtype) for limit in limits):
            found.add("constraint")
    return found


def _of_fusion(case: Case) -> set[str]:
    """Return the features of what was fused before, and of what two branches are fused."""
    targets = {OPERATORS[call.operator].target for call in case.calls}
    fused = [PARTS[target] for target in targets if target in PARTS]
    found = {"fused module"} if fused else set()
    if any(map(is_aware, targets)):
        found.add("quantization-aware module")
    named = {entry.target: entry.qconfig for entry in case.mapping.entries if entry.selector == "object_type"}
    for parts in fused:
        said = [named.get(part) for part in parts]
        if any(part in named for part in parts):
            found.add("parts selected" if said[:1] * len(said) == said else "parts that disagree")
    adding = [call for call in case.calls if OPERATORS[call.operator].target in ("torch.add", "operator.add")]
    values = {value for call in adding for operand in call.operands for value in operand_values(operand)}
    read = {OPERATORS[case.calls[value].operator].target for value in values if value >= 0}
    if case.backend == "onednn" and read & {"nn.Conv2d", "nn.BatchNorm2d"}:
        found.add("two-armed pattern")
    return found
