"""The features of modules of their own kind."""

from __future__ import annotations

from .case import Case, Declared, operand_values, tree_values
from .declared_source import calls_of, is_block
from .operators import OPERATORS

_OF_KIND = {
    "standalone": "standalone module",
    "prepared": "prepared module",
    "non_traceable": "non-traceable module",
    "custom": "custom module",
}
_OF_CLASS = {"nn.LSTM": "custom LSTM", "nn.MultiheadAttention": "custom attention"}


def of_declared(case: Case) -> set[str]:
    """Return the features of the modules that are declared."""
    found = {"prepared as standalone"} if case.is_standalone else set()
    for declared in case.declared:
        found |= _of_one(case, declared)
    return found


def _of_one(case: Case, declared: Declared) -> set[str]:
    """Return the features of one declared module; a class that is called nowhere has none."""
    custom = declared.kind == "custom"
    numbers = [n for n, call in enumerate(case.calls) if OPERATORS[call.operator].target == declared.name]
    calls = numbers if custom else calls_of(case, declared.name)
    if not calls:
        return set()
    found = {_OF_KIND[declared.kind]}
    if custom and declared.name in _OF_CLASS:
        found.add(_OF_CLASS[declared.name])
    called = [case.calls[number] for number in calls] if custom or not is_block(case, declared.name) else []
    if any(call.shares is not None for call in called):
        found.add("own module called twice")
    if any(call.spelling == "keyword" for call in called):
        found.add("own module by keyword")
    if declared.kind == "standalone":
        outer = [other.name for other in case.declared if other.kind == "standalone"]
        if any(declared.name.startswith(f"{name}.") for name in outer):
            found.add("nested standalone")
        if declared.mapping is not None or declared.backend is not None:
            found.add("own configs inside")
        if not called and len(_given(case, calls)) > 1:
            found.add("several outputs inside")
    if declared.by_class:
        found.add("declared by class")
    if declared.quantized_inputs:
        found.add("declared quantized input")
    if declared.quantized_output:
        found.add("declared quantized output")
    return found


def _given(case: Case, inside: list[int]) -> set[int]:
    """Return the values of a submodule that are read outside of it."""
    outside = [call for number, call in enumerate(case.calls) if number not in inside]
    read = {v for call in outside for operand in call.operands for v in operand_values(operand)}
    return set(inside) & (read | set(tree_values(case.output)))
