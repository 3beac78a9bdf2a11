"""What becomes of a prepared model: it is calibrated, stored, loaded, and dropped."""

from __future__ import annotations

import gc
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from torch import nn
from torch.fx import GraphModule

from observance.conformance.implementations import Implementation
from observance.conformance.outcomes import arguments_of, prepared_or_error, values_of
from observance.reference.specs import is_observer
from observance.strategies import Arguments, Case


def observers(model: nn.Module) -> list[nn.Module]:
    """Return all observers of a model, each once."""
    return [module for module in model.modules() if is_observer(module)]


def memory_of(model: nn.Module) -> dict[str, str]:
    """Return what the observers of a model have seen, as text, by their names."""
    found = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if is_observer(module):
            kept = {key: values_of(value) for key, value in module.named_buffers()}
            lists = {key: len(value) for key, value in vars(module).items() if isinstance(value, list)}
            found[name] = f"{kept} {lists}"
    return found


def program_of(arguments: Arguments) -> dict[str, str]:
    """Return what the caller's traced model is, as text: its graph, and the modules in it."""
    modules = dict(arguments.model.named_modules(remove_duplicate=False))
    return {
        "the graph": str(arguments.model.graph),
        "the modules": repr({name: type(module) for name, module in modules.items()}),
        "the weights": repr({name: values_of(value) for name, value in arguments.model.state_dict().items()}),
        "the training modes": repr({name: module.training for name, module in modules.items()}),
    }


@contextmanager
def importable(arguments: Arguments) -> Iterator[None]:
    """Let the classes and functions of a case be imported by their names, as a user's would be."""
    kinds = [type(arguments.float_model), *(kind for _, kind in arguments.scopes.values() if isinstance(kind, type))]
    spaces: list[dict[str, Any]] = [getattr(vars(kind).get("forward"), "__globals__", {}) for kind in kinds]
    # What a graph module was compiled in has no name; nothing in it needs to be imported.
    made = {space["__name__"]: space for space in spaces if space.get("__name__", "sys") not in sys.modules}
    for name, space in made.items():
        module = ModuleType(name)
        vars(module).update(space)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


def reloaded(value: Any) -> Any:
    """Return what is left of a value after pickling, or the exception that was raised."""
    try:
        return pickle.loads(pickle.dumps(value))
    except Exception as error:  # pickling runs the code of whatever is pickled
        return error


def survivors(implementation: Implementation, case: Case, prefused: bool) -> tuple[int, list[str]] | None:
    """Prepare a model, drop it and all that it was made of, and look which observers are still there.

    Returns
    -------
    (count, names) or None
        How many observers there were, and the classes of those that are left;
        None if the call was refused.
    """
    with _young_objects():
        watched = _prepared_and_dropped(implementation, case, prefused)
        gc.collect()
        alive = [reference() for reference in watched or ()]
    return None if watched is None else (len(alive), [type(part).__name__ for part in alive if part is not None])


def _prepared_and_dropped(
    implementation: Implementation, case: Case, prefused: bool
) -> list[Callable[[], nn.Module | None]] | None:
    """Return weak references to the observers of a model of which nothing else is left."""
    prepared = prepared_or_error(implementation, arguments_of(case, prefused))
    return [weakref.ref(part) for part in observers(prepared)] if isinstance(prepared, GraphModule) else None


@contextmanager
def _young_objects() -> Iterator[None]:
    """Let the garbage collector look at new objects alone: all the others take most of its time."""
    ours = gc.get_freeze_count() == 0
    if ours:
        gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()
