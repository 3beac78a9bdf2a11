"""A case as Python: the model as readable code, and a script that runs anywhere.

Building a case executes this very source, so that what a failure prints is what
was run.
"""

from __future__ import annotations

import re

from .annotations_source import FX, annotation_imports, annotation_source
from .case import PROFILES, Case, CaseError, Operand, Tree, operand_values, tree_values
from .configs_source import backend_lines, custom_config_source, equalization_lines, mapping_lines
from .declared_source import check_declared, config_lines, own_classes, own_functions, preparations
from .layout import Block, block_tree, check, join, owner, scopes
from .layout import member as member
from .operators import INPUT_SHAPES, OPERATORS, TRAINED
from .written import written_source

PREAMBLE = """\
import operator

import torch
import torch.ao.nn.intrinsic
import torch.ao.nn.intrinsic.qat
import torch.ao.nn.qat
import torch.ao.quantization as tq
import torch.ao.quantization.backend_config as tb
import torch.ao.quantization.backend_config.x86
from torch import nn
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.nn import functional as F
"""

_FOLD = """
def fold(groups):
    \"\"\"Add up nested lists of tensors; the tracer sees one operator.\"\"\"
    tensors = [tensor for group in groups for tensor in group]
    if torch.overrides.has_torch_function(tensors):
        return torch.overrides.handle_torch_function(fold, tensors, groups)
    return sum(tensors[1:], tensors[0])

"""

_HOOKS = """
def look(module, inputs):
    \"\"\"Look at what a module takes, and leave it as it is.\"\"\"


def shift(module, inputs, *rest):
    \"\"\"Add one to what a module gives, whether its keywords are told or not.\"\"\"
    return rest[-1] + 1

"""

_VALUES = """\

def store_values(model):
    \"\"\"Store in each node what it gives, tensors as fake ones.\"\"\"
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    class Recorder(torch.fx.Interpreter):
        def run_node(self, node):
            value = super().run_node(node)
            node.meta["val"] = mode.from_tensor(value) if node.op == "get_attr" else value
            return node.meta["val"]

    with mode, torch.no_grad():
        Recorder(model).run(*(mode.from_tensor(value) for value in make_inputs()))
"""

_TWO_DEVICES = [
    "self.here = nn.Parameter(torch.zeros(1))",
    'self.elsewhere = nn.Parameter(torch.zeros(1, device="meta"))',
]

CONFIGS = "\ndef make_mapping():\n"
"""What begins the part of the definitions that makes the configs."""


def definitions(case: Case) -> str:
    """Return the part of the script that defines the functions that make the arguments."""
    if case.profile not in PROFILES:
        raise CaseError(f"there is no profile {case.profile!r}; the profiles are {', '.join(PROFILES[1:])}, and none")
    if case.written:
        return f"{PREAMBLE}\n\n{written_source(case)}"
    check(case)
    check_declared(case)
    body = "\n".join(
        [
            model_source(case),
            *_function("make_model", [_seeding(case.seed), *_made(case)]),
            *_function("make_inputs", [_seeding(case.seed + 1), f"return {_inputs_source(case)}"]),
            *([_VALUES] if case.has_values and case.has_qconfigs else []),
            *(_configs(case) if case.has_qconfigs else ()),
        ]
    )
    fold = _FOLD if re.search(r"\bfold\b", body) else ""
    hooks = [_HOOKS] if "register_forward_hook(shift" in body else []
    notes = annotation_source(case) if _is_annotated(case) else ""
    return "\n".join([*_leading(case, body), fold, *hooks, body]) + notes


def _is_annotated(case: Case) -> bool:
    """Whether annotations say how the model is quantized, alone or beside qconfigs."""
    return case.profile == FX or not case.has_qconfigs


def _configs(case: Case) -> list[str]:
    """Return the functions that make the qconfig mapping and the other configs."""
    classes = class_names(case)
    return [
        *_function("make_mapping", mapping_lines(case.mapping, case.as_dicts, classes)),
        *_function("make_backend", backend_lines(case.backend, case.as_dicts)),
        *_function("make_custom_config", _config_lines(case)),
        *_equalization(case),
        *own_functions(case, classes, _function),
    ]


def _equalization(case: Case) -> list[str]:
    """Return the function that makes the mapping of equalization qconfigs, if there is one."""
    if case.equalization is None:
        return []
    return _function("make_equalization", equalization_lines(case.equalization, case.as_dicts, class_names(case)))


def _function(name: str, body: list[str]) -> list[str]:
    """Return the lines of a function without arguments, and the empty lines before it."""
    return ["", f"def {name}():", *("    " + line for line in body), ""]


def _leading(case: Case, body: str) -> list[str]:
    """Return the imports, those that a few need included, and the classes that a body names."""
    imports = PREAMBLE + ("from torch._subclasses import FakeTensorMode\n" if case.has_values else "")
    imports += annotation_imports(case) if _is_annotated(case) else ""
    own = own_classes(body)
    return [imports, own] if own else [imports]


def _made(case: Case) -> list[str]:
    """Return the statements that make the model, in its mode and on its device, and return it.

    Its parameters want gradients where it is to be trained.
    """
    moved = '.to("meta")' if case.device == "meta" else ""
    frozen = "" if case.is_qat else ".requires_grad_(False)"
    made, prepared = f"Model().{_mode(case)}{frozen}{moved}", preparations(case)
    return [f"model = {made}", *prepared, f"return model.{_mode(case)}"] if prepared else [f"return {made}"]


def _config_lines(case: Case) -> list[str]:
    """Return the body of the function that makes the custom config; example inputs in it are the same each time."""
    lines = config_lines(case, custom_config_source(case), class_names(case))
    return [_seeding(case.seed + 2), *lines] if case.declared else lines


def _mode(case: Case) -> str:
    """Return the call that puts the model into the mode in which it is prepared."""
    training = case.is_qat if case.training is None else case.training
    return "train()" if training else "eval()"


def _seeding(seed: int) -> str:
    """Return the statement that seeds the weights or the inputs; there is nothing but a CPU."""
    return f"torch.default_generator.manual_seed({seed})"


def _inputs_source(case: Case) -> str:
    """Return the expression of the tuple of example inputs."""
    sources = [_input_source(kind) for kind in case.inputs]
    if case.device == "meta":
        sources = [f'({source}).to("meta")' for source in sources]
    return f"({''.join(source + ', ' for source in sources)})"


def _input_source(kind: str) -> str:
    """Return the expression of an example input of one kind."""
    shape = INPUT_SHAPES[kind]
    if kind == "b":
        return f"torch.rand{shape} > 0.5"
    if kind == "i":
        return f"torch.randint(4, {shape})"
    return f"torch.randn{shape}"


def class_names(case: Case) -> dict[str, str]:
    """Return the name of the class of every submodule, by its path."""
    names = {"": "Model"}
    pending = block_tree(case).blocks()
    while pending:
        block = pending.pop()
        stem = "".join(part.capitalize() for part in re.split(r"[._]", block.path) if part)
        name, count = f"{stem}Block", 1
        while name in names.values():
            count += 1
            name = f"{stem}Block{count}"
        names[block.path] = name
        pending += block.blocks()
    return names


def model_source(case: Case) -> str:
    """Return the classes of the model, inner ones first."""
    return "\n\n".join(_class_source(case, block) for block in _inner_first(block_tree(case)))


def _inner_first(block: Block) -> list[Block]:
    """Return the block and all below it, every block after those inside it."""
    return [inner for part in block.blocks() for inner in _inner_first(part)] + [block]


def _class_source(case: Case, block: Block) -> str:
    """Return the class of one submodule."""
    names = class_names(case)
    made = [f"self.{part.path.rpartition('.')[2]} = {names[part.path]}()" for part in block.blocks()]
    for part in block.parts:
        if isinstance(part, int):
            made += _members(case, part)
    if not block.path:
        made += _links(case)
        made += _TWO_DEVICES if case.device == "mixed" else []
    takes, gives = _interface(case, block)
    body = [_statement(case, part) for part in block.parts]
    if block.path:
        body.append("return " + ", ".join(map(_value, gives)))
        arguments = takes
    else:
        body = (["self.here, self.elsewhere"] if case.device == "mixed" else []) + body
        body.append("return " + _tree_source(case.output))
        arguments = [-1 - index for index in range(len(case.inputs))]
    lines = [f"class {names[block.path]}(nn.Module):"]
    if made:
        lines += ["    def __init__(self):", "        super().__init__()"]
        lines += ["        " + line for line in made]
        lines.append("")
    lines.append(f"    def forward({', '.join(['self', *map(_value, arguments)])}):")
    lines += ["        " + line for line in body]
    return "\n".join(lines) + "\n"


def _interface(case: Case, block: Block) -> tuple[list[int], list[int]]:
    """Return the values that a submodule takes, and those that it gives back."""
    inside = set(block.calls())
    used_inside = [
        value
        for number in sorted(inside)
        for operand in case.calls[number].operands
        for value in operand_values(operand)
    ]
    used_outside = set(tree_values(case.output)) | {
        value
        for number, call in enumerate(case.calls)
        if number not in inside
        for operand in call.operands
        for value in operand_values(operand)
    }
    takes = [value for value in dict.fromkeys(used_inside) if value not in inside]
    gives = sorted(inside & used_outside) or [max(inside, default=-1)]
    return takes, gives


def _members(case: Case, number: int) -> list[str]:
    """Return the lines of `__init__` that make a call's module or parameters."""
    call, entry = case.calls[number], OPERATORS[case.calls[number].operator]
    if call.shares is not None:
        return []
    if entry.module:
        name = f"self.{member(case, number)}"
        hooks = (f"{name}.register_forward_pre_hook(look)", f"{name}.register_forward_hook(shift, with_kwargs=True)")
        hooked = case.hooked and entry.target in TRAINED
        return [f"{name} = {entry.module}", *(hooks if hooked else ())]
    stem = f"{member(case, number)}_p"
    made = [f"torch.randn({', '.join(map(str, shape))})" for shape in entry.parameters]
    return [
        f'self.register_buffer("{stem}{index}", {value})'
        if index < entry.buffers
        else f"self.{stem}{index} = nn.Parameter({value})"
        for index, value in enumerate(made)
    ]


def _links(case: Case) -> list[str]:
    """Return the lines of the root's `__init__` that share modules and tie weights."""
    lines, places = [], scopes(case)
    for number, call in enumerate(case.calls):
        entry = OPERATORS[call.operator]
        source = owner(case, number)
        suffixes = [""] if entry.module else [f"_p{index}" for index in range(len(entry.parameters))]
        if source != number and places[source] != places[number]:
            for index, suffix in enumerate(suffixes):
                there = f"self.{join(places[source], member(case, source))}{suffix}"
                lines.append(_link(places[number], member(case, number) + suffix, there, index < entry.buffers))
        if call.ties is not None and call.shares is None:
            other = owner(case, call.ties)
            here = join(places[number], member(case, number))
            there = join(places[other], member(case, other))
            lines.append(f"self.{here}.weight = self.{there}.weight")
    return lines


def _link(place: str, name: str, there: str, is_buffer: bool) -> str:
    """Return the line that gives the submodule at a place what another has; a buffer has to be registered again."""
    holder = f"self.{place}" if place else "self"
    return f'{holder}.register_buffer("{name}", {there})' if is_buffer else f"{holder}.{name} = {there}"


def _statement(case: Case, part: int | Block) -> str:
    """Return the line of `forward` for one call or one submodule."""
    if isinstance(part, Block):
        takes, gives = _interface(case, part)
        name = part.path.rpartition(".")[2]
        return f"{', '.join(map(_value, gives))} = self.{name}({', '.join(map(_value, takes))})"
    call, entry = case.calls[part], OPERATORS[case.calls[part].operator]
    keyword = call.spelling == "keyword" and entry.keyword is not None
    template = entry.keyword if keyword and entry.keyword else entry.positional
    operands = [_operand_source(operand, call.sequence) for operand in call.operands]
    stem = f"self.{member(case, part)}"
    parameters = {f"p{index}": f"{stem}_p{index}" for index in range(len(entry.parameters))}
    return f"{_value(part)} = {template.format(*operands, m=stem, **parameters)}"


def _value(number: int) -> str:
    """Return the variable that holds a value."""
    return f"x{-1 - number}" if number < 0 else f"v{number}"


def _operand_source(operand: Operand, sequence: str) -> str:
    """Return the expression of an operand."""
    if isinstance(operand, int):
        return _value(operand)
    parts = [_operand_source(part, sequence) for part in operand]
    if sequence == "tuple":
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    return f"[{', '.join(parts)}]"


def _tree_source(tree: Tree) -> str:
    """Return the expression of a returned structure."""
    match tree:
        case int():
            return _value(tree)
        case None:
            return "None"
        case ("constant", constant):
            return repr(constant)
        case ("dict", *items):
            return "{" + ", ".join(f"{key!r}: {_tree_source(part)}" for key, part in items) + "}"
        case ("list", *parts):
            return "[" + ", ".join(map(_tree_source, parts)) + "]"
        case ("tuple", *parts):
            inner = ", ".join(map(_tree_source, parts))
            return f"({inner}{',' if len(parts) == 1 else ''})"
    raise CaseError(f"{tree!r} is no output structure; it is a value, None, constant, list, tuple or dict")
