"""Modules of their own kind as Python source: the custom config, the tracer, and the classes that scripts define."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .case import Case, CaseError, Declared, operand_values
from .configs_source import backend_lines, mapping_lines, target_source
from .layout import Block, block_tree, join, member, scopes
from .operators import OPERATORS

KINDS = ("standalone", "prepared", "non_traceable", "custom")
"""The kinds that a module may be declared to be of."""

OBSERVED_CLASSES = {
    "Gate": "ObservedGate",
    "Scale": "ObservedScale",
    "nn.LSTM": "nnqa.LSTM",
    "nn.MultiheadAttention": "nnqa.MultiheadAttention",
}
"""The observed class of each custom module's class."""

_GATE = '''
class Gate(nn.Module):
    """Lets a signal through as far as a control says."""

    def forward(self, signal, control):
        return signal * torch.sigmoid(control)


class ObservedGate(nn.Module):
    """A gate that observes by itself, as its float gate says."""

    count = 0

    @classmethod
    def from_float(cls, gate):
        cls.count += 1
        made = cls()
        made.watch = gate.qconfig.activation()
        return made

    def forward(self, signal, control):
        return self.watch(signal * torch.sigmoid(control))

'''

_SCALE = '''
class Scale(nn.Module):
    """Multiplies by weights."""

    def __init__(self):
        super().__init__()
        self.factors = nn.Parameter(torch.randn(4, 4))

    def forward(self, value):
        return value * self.factors


class ObservedScale(nn.Module):
    """A scale that observes its weights by itself, as its float scale says."""

    count = 0

    @classmethod
    def from_float(cls, scale):
        cls.count += 1
        made = cls()
        made.factors = scale.factors
        made.watch = scale.qconfig.weight()
        return made

    def forward(self, value):
        return value * self.watch(self.factors)

'''

_PREPARED = '''
def prepared_inside(module, mapping, inputs, config):
    """Prepare a standalone module."""
    from torch.ao.quantization.fx import prepare

    tracer = QuantizationTracer([], [])
    model = torch.fx.GraphModule(module, tracer.trace(module))
    scopes = tracer.node_name_to_scope
    return prepare(model, mapping, False, scopes, inputs, prepare_custom_config=config, is_standalone_module=True)

'''

_EXAMPLES = {
    "t": "torch.randn(2, 4, 4)",
    "u": "torch.randn(1, 2, 4, 4)",
    "v": "torch.randn(1, 2, 1, 4, 4)",
    "d": "torch.randn(4, 4)",
    "w": "torch.randn(1, 4, 4)",
    "b": "torch.rand(2, 4, 4) > 0.5",
    "i": "torch.randint(4, (2, 4))",
    "n": "4",
    "z": "torch.Size((2, 4, 4))",
    "m": "(torch.randn(2, 4, 4), torch.randn(2, 4, 4))",
    "s": "(torch.randn(1, 4, 4), torch.randn(1, 4, 4))",
    "r": "(torch.randn(2, 4, 4), (torch.randn(1, 4, 4), torch.randn(1, 4, 4)))",
    "g": "(torch.randn(2, 4, 4), torch.randn(1, 4, 4))",
    "a": "(torch.randn(2, 4, 4), torch.randn(4, 2, 2))",
    "c": "(torch.randn(4, 4), torch.randn(4, 4))",
}
"""An example of a value of each kind."""


def own_classes(body: str) -> str:
    """Return the definitions of the classes and functions of this module that a script's body names."""
    texts = {r"\bGate\b": _GATE, r"\bScale\b": _SCALE, r"\bprepared_inside\b": _PREPARED}
    used = [text.strip() + "\n" for name, text in texts.items() if re.search(name, body)]
    imports = ["from torch.ao.nn import quantizable as nnqa\n"] if "nnqa." in body else []
    if "set_standalone_module" in body:
        imports.append("import torch.ao.quantization.quantize_fx  # prepare needs it, and does not import it\n")
    parts = ["".join(imports), *used] if imports else used
    return "\n\n".join(parts)


def calls_of(case: Case, name: str) -> list[int]:
    """Return the numbers of the calls inside a submodule, or of the calls of a call's module."""
    block = _block_at(block_tree(case), name)
    if block is not None:
        return block.calls()
    places = scopes(case)
    return [
        number
        for number, call in enumerate(case.calls)
        if OPERATORS[call.operator].module and join(places[number], member(case, number)) == name
    ]


def _block_at(block: Block, path: str) -> Block | None:
    """Return the submodule at a path below a block, or None."""
    if block.path == path:
        return block
    found = (_block_at(part, path) for part in block.blocks())
    return next((part for part in found if part is not None), None)


def is_block(case: Case, name: str) -> bool:
    """Whether a name is that of a submodule, and not of a call's module."""
    return _block_at(block_tree(case), name) is not None


def taken(case: Case, name: str) -> list[int]:
    """Return the values that a submodule, or a call's module, takes, in order."""
    inside = calls_of(case, name)
    if not is_block(case, name):
        return [value for operand in case.calls[inside[0]].operands for value in operand_values(operand)]
    used = [v for number in inside for operand in case.calls[number].operands for v in operand_values(operand)]
    return [value for value in dict.fromkeys(used) if value not in inside]


def kinds_of_values(case: Case) -> dict[int, str]:
    """Return the kind of every value."""
    inputs = {-1 - index: kind for index, kind in enumerate(case.inputs)}
    return inputs | {number: OPERATORS[call.operator].gives for number, call in enumerate(case.calls)}


def check_declared(case: Case) -> None:
    """Check that every declared module is one of the case's.

    Raises
    ------
    CaseError
        If a kind or a name means nothing.
    """
    for declared in case.declared:
        if declared.kind not in KINDS:
            raise CaseError(f"{declared.kind!r} is no kind of module; the kinds are {', '.join(KINDS)}")
        if declared.kind == "custom":
            if declared.name not in OBSERVED_CLASSES:
                raise CaseError(f"{declared.name!r} has no observed class; {', '.join(OBSERVED_CLASSES)} have one")
        elif not declared.name or not calls_of(case, declared.name):
            raise CaseError(f"{declared.name!r} names no submodule and no module of a call")


def inside(case: Case, outer: str = "") -> list[Declared]:
    """Return the modules that are declared in one config: those within one standalone module, and in no inner one."""
    standalone = [declared.name for declared in case.declared if declared.kind == "standalone"]
    return [declared for declared in case.declared if _home(declared, standalone) == outer]


def _home(declared: Declared, standalone: Sequence[str]) -> str:
    """Return the innermost standalone module that a declared one stands in; it is not its own home."""
    if declared.kind == "custom":
        return ""
    homes = [name for name in standalone if declared.name.startswith(f"{name}.")]
    return max(homes, key=len, default="")


def config_lines(case: Case, expression: str, classes: dict[str, str]) -> list[str]:
    """Return the body of the function that makes the custom config.

    Parameters
    ----------
    case
        The case.
    expression
        The config without the declared modules, in the form that the case asks for.
    classes
        The name of the class of each submodule.
    """
    if not case.declared:
        return [f"return {expression}"]
    start = f"PrepareCustomConfig.from_dict({expression})" if case.as_dicts else expression
    lines = [f"config = {start}", *_declarations(case, "config", "", classes)]
    return [*lines, "return config.to_dict()" if case.as_dicts else "return config"]


def _declarations(case: Case, config: str, home: str, classes: dict[str, str]) -> list[str]:
    """Return the statements that declare the modules within one standalone module, or within none."""
    lines: list[str] = []
    found = inside(case, home)
    untraced = [d for d in found if d.kind in ("non_traceable", "prepared") or (home and d.kind == "standalone")]
    names = [_relative(d.name, home) for d in untraced if not d.by_class]
    kinds = [class_of(case, d, classes) for d in untraced if d.by_class]
    if names:
        lines.append(f"{config}.set_non_traceable_module_names({names!r})")
    if kinds:
        lines.append(f"{config}.set_non_traceable_module_classes([{', '.join(kinds)}])")
    for declared in found:
        if declared.kind == "custom":
            pair = f"{declared.name}, {OBSERVED_CLASSES[declared.name]}"
            lines.append(f"{config}.set_float_to_observed_mapping({pair})")
        if declared.kind == "standalone":
            lines += _standalone(case, config, declared, home, classes)
    return lines


def _standalone(case: Case, config: str, declared: Declared, home: str, classes: dict[str, str]) -> list[str]:
    """Return the statements that declare one standalone module."""
    stem = stem_of(declared)
    lines = [f"inner_{stem} = PrepareCustomConfig()", *_declarations(case, f"inner_{stem}", declared.name, classes)]
    if declared.quantized_inputs:
        lines.append(f"inner_{stem}.set_input_quantized_indexes({list(declared.quantized_inputs)})")
    if declared.quantized_output:
        lines.append(f"inner_{stem}.set_output_quantized_indexes([0])")
    method = "set_standalone_module_class" if declared.by_class else "set_standalone_module_name"
    named = class_of(case, declared, classes) if declared.by_class else repr(_relative(declared.name, home))
    mapping = "None" if declared.mapping is None else f"make_mapping_{stem}()"
    backend = "None" if declared.backend is None else f"make_backend_{stem}()"
    lines.append(f"{config}.{method}({named}, {mapping}, {_examples(case, declared)}, inner_{stem}, {backend})")
    return lines


def stem_of(declared: Declared) -> str:
    """Return what the functions and configs of a declared module are called by."""
    return declared.name.replace(".", "_") + ("_class" if declared.by_class else "")


def _relative(name: str, home: str) -> str:
    """Return a name as seen from the standalone module that it stands in."""
    return name.removeprefix(f"{home}.") if home else name


def _examples(case: Case, declared: Declared) -> str:
    """Return the expression of example inputs of a standalone module."""
    kinds = kinds_of_values(case)
    return f"({''.join(_EXAMPLES[kinds[value]] + ', ' for value in taken(case, declared.name))})"


def class_of(case: Case, declared: Declared, classes: dict[str, str]) -> str:
    """Return the expression of the class of a declared module."""
    if declared.name in classes:
        return classes[declared.name]
    return target_source(OPERATORS[case.calls[calls_of(case, declared.name)[0]].operator].target, classes)


def own_functions(case: Case, classes: dict[str, str], function: Callable[[str, list[str]], list[str]]) -> list[str]:
    """Return the functions that only cases with declared modules have: inner mappings and backends, and the tracer."""
    lines: list[str] = []
    for declared in case.declared:
        stem = stem_of(declared)
        if declared.mapping is not None and declared.kind in ("standalone", "prepared"):
            lines += function(f"make_mapping_{stem}", mapping_lines(declared.mapping, False, classes))
        if declared.backend is not None and declared.kind == "standalone":
            lines += function(f"make_backend_{stem}", backend_lines(declared.backend, False))
    if case.declared:
        lines += function("make_tracer", [f"return QuantizationTracer({_skipped(case, classes)})"])
    return lines


def _skipped(case: Case, classes: dict[str, str]) -> str:
    """Return the expressions of the names and of the classes of modules that are leaves of the trace."""
    if case.is_standalone:  # what is standalone or custom inside of one is traced
        leaves = [declared for declared in inside(case) if declared.kind in ("non_traceable", "prepared")]
    else:
        leaves = inside(case)
    names = [d.name for d in leaves if d.kind != "custom" and not d.by_class]
    kinds = [d.name for d in leaves if d.kind == "custom"]
    kinds += [class_of(case, d, classes) for d in leaves if d.kind != "custom" and d.by_class]
    return f"{names!r}, [{', '.join(kinds)}]"


def preparations(case: Case) -> list[str]:
    """Return the statements that prepare the modules of the model that are prepared already."""
    lines = []
    for declared in case.declared:
        if declared.kind != "prepared":
            continue
        stem = stem_of(declared)
        config = "PrepareCustomConfig()"
        if declared.quantized_inputs:
            config += f".set_input_quantized_indexes({list(declared.quantized_inputs)})"
        if declared.quantized_output:
            config += ".set_output_quantized_indexes([0])"
        mapping = "tq.QConfigMapping()" if declared.mapping is None else f"make_mapping_{stem}()"
        given = f"model.{declared.name}, {mapping}, {_examples(case, declared)}, {config}"
        lines.append(f"model.{declared.name} = prepared_inside({given})")
    return lines
