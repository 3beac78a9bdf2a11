"""Put a fault into an implementation of `prepare` while it runs, in memory, and take it out again.

The code of the one function that has the fault is exchanged, or the one
constant, for the time of a call of `prepare`: who builds the arguments, the
reference, and who looks at the result meet the unbroken module.
"""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mutations import Mutant, mutants, mutated

from observance.conformance.implementations import Implementation

_FX, _AO = "torch.ao.quantization.fx", "torch.ao.quantization"

MODULES = {
    "torch": (
        *(f"{_FX}.{name}" for name in ("prepare", "match_utils", "qconfig_mapping_utils", "quantize_handler")),
        *(f"{_FX}.{name}" for name in ("pattern_utils", "utils", "_equalize", "custom_config")),
        *(f"{_AO}.{name}" for name in ("quantize", "qconfig", "qconfig_mapping", "utils")),
    ),
    "torchao": tuple(f"torchao.quantization.pt2e.{name}" for name in ("prepare", "utils")),
    "reference": tuple(
        f"observance.reference.{name}"
        for name in (
            *("backends", "configs", "declared", "devices", "dtypes", "entry", "equalization", "graphs", "modules"),
            *("patterns", "placement", "plan", "prepare", "qat", "qconfigs", "refusals", "rewrite", "sharing"),
            *("site", "specs", "state", "values"),
        )
    ),
}
"""The modules that faults are injected into: `prepare`, and the helpers that it calls."""

NO_HELPERS = frozenset(
    (
        # What observers do when they are constructed.
        *("calculate_qmin_qmax", "validate_qmin_qmax", "check_min_max_valid", "is_per_tensor", "is_per_channel"),
        *("_InputEqualizationObserver", "_WeightEqualizationObserver", "EqualizationQConfig", "QConfig"),
        # The `prepare` of eager mode, which some observed classes call for themselves.
        *("_add_observer_", "_register_activation_post_process_hook", "_get_unique_devices_"),
        *("_activation_is_memoryless", "DEPRECATION_WARNING"),
        # What fuses the inside of a standalone module, before that is prepared.
        "FuseCustomConfig",
    )
)
"""What runs while torch's `prepare` runs and is no part of it: faults there are not injected."""


@dataclass(frozen=True)
class Fault:
    """A fault, and the module that it is in."""

    module: str
    mutant: Mutant

    @property
    def id(self) -> str:
        """What names it."""
        return f"{self.module} {self.mutant.id}"


def faults(implementation: str) -> Iterator[Fault]:
    """Yield all faults that fit into an implementation."""
    for name in MODULES[implementation]:
        every = mutants(source_of(name))
        yield from (Fault(name, mutant) for mutant in every if not _is_no_helper(name, mutant))


def in_order(every: Iterable[Fault]) -> list[Fault]:
    """Return faults in an order in which any first part is an even sample."""
    return sorted(every, key=lambda fault: hashlib.sha256(fault.id.encode()).hexdigest())


def _is_no_helper(module: str, mutant: Mutant) -> bool:
    """Whether a fault is in what is no part of `prepare`, though it runs then."""
    is_eager = module == f"{_AO}.quantize" and mutant.function == "prepare"
    return is_eager or mutant.function in NO_HELPERS


def file_of(name: str) -> str:
    """Return the file of a module; some packages hide a module behind a function of its name."""
    return str(importlib.import_module(name).__file__)


@functools.cache
def source_of(name: str) -> str:
    """Return the source of a module."""
    with open(file_of(name), encoding="utf-8") as file:
        return file.read()


class Injection:
    """All that changes when a fault is put in."""

    def __init__(self, fault: Fault) -> None:
        module = importlib.import_module(fault.module)
        tree = mutated(source_of(fault.module), fault.mutant)
        whole = compile(tree, str(module.__file__), "exec", dont_inherit=True)
        made = {_place(code): code for code in _codes(whole)}
        functions = [f for f in functions_of(str(module.__file__)) if _place(f.__code__) in made]
        self.codes = [(f, f.__code__, made[_place(f.__code__)]) for f in functions if _is_in(f, fault.mutant)]
        self.names = [] if self.codes else _constants(module, tree, fault.mutant)

    @contextmanager
    def there(self) -> Iterator[None]:
        """Let the fault be there while the context lasts."""
        try:
            for function, _, code in self.codes:
                function.__code__ = code
            for owner, name, _, new in self.names:
                setattr(owner, name, new)
            _forget()
            yield
        finally:
            _forget()
            for function, code, _ in self.codes:
                function.__code__ = code
            for owner, name, old, _ in self.names:
                setattr(owner, name, old)


def _forget() -> None:
    """Let nothing be known that was found out with a fault, or without."""
    for cache in _caches():
        cache.cache_clear()


@functools.cache
def _caches() -> tuple[Any, ...]:
    """Return the caches of all functions of the modules that faults are injected into."""
    modules = {name for some in MODULES.values() for name in some}
    # Some objects of torch warn whoever asks for their class, as `isinstance` does.
    found = (one for one in gc.get_objects() if type(one) is functools._lru_cache_wrapper)
    return tuple(one for one in found if getattr(one.__wrapped__, "__module__", "") in modules)


def with_fault(implementation: Implementation, fault: Fault) -> Implementation:
    """Return an implementation that has a fault while it is called."""
    return wrapped(implementation, Injection(fault).there)


def wrapped(implementation: Implementation, context: Callable[[], Any]) -> Implementation:
    """Return an implementation that is called inside of a context."""

    @functools.wraps(implementation.function)  # rules ask which parameters it has
    def function(*args: Any, **kwargs: Any) -> Any:
        with context():
            return implementation.function(*args, **kwargs)

    return replace(implementation, function=function)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all that are in it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def _place(code: CodeType) -> tuple[str, int]:
    """Return what a function's code is known by in its file: a fault leaves its lines where they were."""
    return code.co_name, code.co_firstlineno


@functools.cache
def functions_of(file: str) -> tuple[FunctionType, ...]:
    """Return all functions that live and come from a file, decorated ones and methods included."""
    return tuple(f for f in gc.get_objects() if isinstance(f, FunctionType) and f.__code__.co_filename == file)


def _is_in(function: FunctionType, mutant: Mutant) -> bool:
    """Whether a function has the line of a fault; inner functions are a part of the outer one's code."""
    code = function.__code__
    lines = [line for inner in _codes(code) for _, _, line in inner.co_lines() if line is not None]
    return code.co_firstlineno <= mutant.line <= max(lines) and function.__qualname__.startswith(mutant.function)


def _constants(module: ModuleType, tree: ast.Module, mutant: Mutant) -> list[tuple[ModuleType, str, Any, Any]]:
    """Return a module's constant with a fault, for every module that has it: where, its name, the old and the new."""
    statement = next(part for part in tree.body if part.lineno <= mutant.line <= part.end_lineno)
    namespace = dict(vars(module))
    future = [other for other in tree.body if isinstance(other, ast.ImportFrom) and other.module == "__future__"]
    part = ast.Module([*future, statement], [])
    exec(compile(part, str(module.__file__), "exec", dont_inherit=True), namespace)
    name, old = mutant.function, vars(module)[mutant.function]
    owners = [other for other in list(sys.modules.values()) if getattr(other, "__dict__", {}).get(name) is old]
    return [(owner, name, old, namespace[name]) for owner in owners]
