"""What a file describes: the arguments of one call of `prepare`, from a case or from a Python file.

A case is data.  Nothing of it is executed but what `strategies.build` makes of
it.  A Python file is the user's own code, and is executed.  It defines

=========================  ==============================================================================
``model``                  the float model, an `nn.Module`; the one name that must be there
``qconfig_mapping``        which part is quantized how; without it, torch's default for x86
``example_inputs``         a tuple of inputs; without it, all inputs count as float tensors
``prepare_custom_config``  as `prepare_fx` takes it
``backend_config``         as `prepare_fx` takes it
``is_qat``                 whether the model is prepared for training; without it, it is not
``quantizer``              what annotates the exported model, as torchao's `prepare_pt2e` takes it
=========================  ==============================================================================

Its model is traced and fused first, as `prepare_fx` does; with a quantizer it
is exported and annotated in place of that, and qconfigs and configs say
nothing.  A script that the
suite wrote defines ``make_model`` and its like in place of these, and describes
the very call of its case, in which nothing is fused.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.ao.quantization import get_default_qat_qconfig_mapping, get_default_qconfig_mapping
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.fx import GraphModule

from observance.conformance.brought import annotate
from observance.conformance.claims import QUANTIZER
from observance.conformance.usage import UsageError, printable, told
from observance.reference import RefusalError
from observance.reference.entry import read_configs
from observance.reference.modules import traced
from observance.strategies import Arguments, Case, CaseError, assemble, build
from observance.strategies.source import definitions

_NAME = "observance_subject"
"""The name under which a Python file is known while it is executed, and after."""


@dataclass(frozen=True)
class Subject:
    """One call of `prepare`: what it is called in headings, and its arguments, made for that call alone.

    ``is_to_annotate`` says that a quantizer is still to annotate the graph.
    """

    name: str
    arguments: Arguments
    is_to_annotate: bool = False


def read_subject(path: str) -> Subject:
    """Return the call that a file describes: a Python file if its name ends in ``.py``, and else a case.

    Raises
    ------
    UsageError
        If the file cannot be read, is no case, fails, or defines no model that can be traced.
    """
    name = printable(Path(path).name)
    if path.endswith(".py"):
        return Subject(name, _described(path, execute(path)))
    case = read_case(path)
    try:
        return Subject(f"{name}, case {case.digest}", build(case), case.profile == QUANTIZER)
    except Exception as error:  # a file that was written by hand may hold anything
        raise _not_built(path, error) from error


def read_case(path: str) -> Case:
    """Return the case in a JSON file.

    Raises
    ------
    UsageError
        If it cannot be read, or is no case that can be written as Python.
    """
    try:
        case = Case.from_json(Path(path).read_text(encoding="utf-8"))
        definitions(case)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the case {printable(path)} cannot be read: {printable(str(error))}; name a file that the suite wrote."
        ) from error
    except CaseError as error:
        raise UsageError(f"the case {printable(path)} cannot be read: {printable(str(error), 400)}.") from error
    except Exception as error:  # a file that was written by hand may hold anything
        raise _not_built(path, error) from error
    return case


def _not_built(path: str, error: Exception) -> UsageError:
    """Return the error that a case cannot be built."""
    return UsageError(f"the case {printable(path)} cannot be built ({told(error)}); write it with Case.to_json().")


def execute(path: str) -> dict[str, Any]:
    """Execute a Python file, and return what it defines.

    It is not ``__main__``.  It may import what lies beside it, and what it prints goes to stderr.

    Raises
    ------
    UsageError
        If it cannot be read, or raises; exiting is raising.
    """
    place = Path(path)
    try:
        source = place.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the file {printable(path)} cannot be read: {printable(str(error))}; name another one."
        ) from error
    module = ModuleType(_NAME)
    module.__file__ = str(place)
    sys.modules[_NAME] = module  # pickling, and what reads annotations, look for it there
    sys.path.insert(0, str(place.resolve().parent))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(source, str(place), "exec"), vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may raise what it likes, and exit
        raise UsageError(
            f"the file {printable(path)} fails{_line(error, str(place))} with {told(error)}; "
            f"mend it: `python {printable(path)}` shows where it fails."
        ) from error
    return vars(module)


def _line(error: BaseException, path: str) -> str:
    """Return in which line of a file an error was raised, in words; nothing if it is none of its lines."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f" in line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f" in line {lines[-1]}" if lines else ""


def _described(path: str, found: Mapping[str, Any]) -> Arguments:
    """Return the arguments that a Python file's names describe."""
    if "model" not in found and "make_model" in found:
        return _scripted(path, found)
    model = found.get("model")
    if not isinstance(model, nn.Module):
        has = f"has a `model` of type {type(model).__name__}" if "model" in found else "defines no `model`"
        raise UsageError(f"the file {printable(path)} {has}; let it define `model`, an nn.Module.")
    if found.get("quantizer") is not None:
        return _annotated(path, model, found)
    is_qat = found.get("is_qat", False)
    default = get_default_qat_qconfig_mapping if is_qat else get_default_qconfig_mapping
    mapping = found["qconfig_mapping"] if found.get("qconfig_mapping") is not None else default("x86")
    custom, backend = found.get("prepare_custom_config"), found.get("backend_config")
    try:
        configs = read_configs(mapping, custom, backend, is_qat)
        leaves = leaves_of(configs.custom)
        graph, scopes = traced(model, configs, leaves)
    except RefusalError as error:
        raise UsageError(
            f"the file {printable(path)} describes no call of prepare: {printable(str(error))}."
        ) from error
    except Exception as error:  # tracing runs the model
        raise UsageError(
            f"the model of {printable(path)} cannot be traced and fused ({told(error)}); "
            "mend it, or name the part in `prepare_custom_config` as one that is not to be traced."
        ) from error
    inputs = found.get("example_inputs", ())
    return Arguments(model, graph, dict(scopes), mapping, inputs, custom, backend, is_qat, leaves=leaves)


def _annotated(path: str, model: nn.Module, found: Mapping[str, Any]) -> Arguments:
    """Return the arguments that a model and a quantizer describe; a `GraphModule` is an exported model already."""
    quantizer, inputs, is_qat = found["quantizer"], found.get("example_inputs", ()), found.get("is_qat", False)
    try:
        graph = model if isinstance(model, GraphModule) else torch.export.export(model, inputs).module()
        annotated = annotate(quantizer, quantizer.transform_for_annotation(graph))
    except Exception as error:  # exporting runs the model, and the quantizer is the user's
        raise UsageError(
            f"the model of {printable(path)} cannot be exported and annotated ({told(error)}); "
            "mend the model, `example_inputs` or `quantizer`."
        ) from error
    return Arguments(model, annotated, {}, None, inputs, None, None, is_qat, is_annotated=True)


def leaves_of(custom: PrepareCustomConfig) -> tuple[list[str], list[Any]]:
    """Return the names and the classes of the modules that are leaves of the trace, as they are to `prepare_fx`."""
    swapped = [kind for classes in custom.float_to_observed_mapping.values() for kind in classes]
    names = [*custom.non_traceable_module_names, *custom.standalone_module_names]
    return names, [*custom.non_traceable_module_classes, *custom.standalone_module_classes, *swapped]


def _scripted(path: str, found: Mapping[str, Any]) -> Arguments:
    """Return the arguments that a script of the suite makes."""
    try:
        return assemble(found, found.get("is_qat", False), found.get("is_standalone_module", False))
    except Exception as error:  # it may have been changed by hand
        raise UsageError(
            f"the script {printable(path)} makes no arguments ({told(error)}); "
            "let it define `model`, an nn.Module, or what the scripts of the suite define."
        ) from error
