"""What `--impl` finds, and the one sentence that it answers where it finds nothing."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from observance.conformance.implementations import Claims, resolve

from .vendors import FX, SEED, Write, refusal

# The two reserved names


def test_torch_is_the_function_that_its_package_rebinds() -> None:
    import torch

    found = resolve("torch")
    assert found.function is importlib.import_module("torch.ao.quantization.fx.prepare").prepare
    assert (found.name, found.version, found.shape) == ("torch", torch.__version__, "prepare")
    assert found.claims == Claims(None, None, "torch", torch.__version__)


def test_reference_is_the_function_of_the_reference_package(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("observance.reference")
    exec(SEED, fake.__dict__)
    monkeypatch.setitem(sys.modules, "observance.reference", fake)
    found = resolve("reference")
    assert found.function is fake.prepare
    assert (found.name, found.version, found.shape) == ("reference", "0.1.0", "prepare")


def test_no_module_and_no_entry_point_takes_a_reserved_name(write: Write, declare: Callable[..., None]) -> None:
    write(SEED, "reference.py")
    declare("torch = reference:prepare")
    assert resolve("torch").function.__module__ == "torch.ao.quantization.fx.prepare"


def test_a_torch_without_its_prepare_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.ao.quantization.fx.prepare", None)
    assert "install a release of `torch` that has it" in refusal("torch")


def test_a_torch_that_is_too_old_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.__version__", "2.4.1+cpu")
    assert refusal("torch") == "The suite does not run on torch 2.4.1+cpu: install `torch>=2.5`."


def test_no_torch_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert refusal("mypkg") == "torch is not installed: install `torch>=2.5`."


# Modules and the objects in them


def test_a_module_with_a_prepare_is_found(write: Write) -> None:
    write(SEED)
    found = resolve("mypkg")
    assert found.function is sys.modules["mypkg"].prepare
    assert (found.name, found.version, found.shape) == ("mypkg", "unknown", "prepare")


def test_a_module_inside_a_package_is_found(write: Write) -> None:
    write("")
    write(SEED, "mypkg/sub.py")
    assert resolve("mypkg.sub").function.__module__ == "mypkg.sub"


def test_a_module_with_only_a_prepare_fx_is_found(write: Write) -> None:
    write(FX)
    assert resolve("mypkg").shape == "prepare_fx"


def test_prepare_wins_over_prepare_fx(write: Write) -> None:
    write(SEED + FX)
    assert resolve("mypkg").shape == "prepare"


@pytest.mark.parametrize("init", ["", "from . import prepare\n", "from . import prepare\n" + FX])
def test_a_submodule_prepare_gives_its_function(write: Write, init: str) -> None:
    write(init)
    write(SEED, "mypkg/prepare.py")
    assert resolve("mypkg").function.__module__ == "mypkg.prepare"


def test_a_submodule_prepare_without_a_function_leaves_prepare_fx(write: Write) -> None:
    write(FX)
    write("", "mypkg/prepare.py")
    assert resolve("mypkg").shape == "prepare_fx"


def test_an_object_in_a_module_is_found_and_keeps_its_self(write: Write) -> None:
    write(
        "class Backend:\n" + textwrap.indent(SEED.replace("(model", "(self, model"), "    ") + "backend = Backend()\n"
    )
    found = resolve("mypkg:backend.prepare")
    assert found.function.__self__ is sys.modules["mypkg"].backend
    assert found.shape == "prepare"


def test_a_callable_object_is_called_itself(write: Write) -> None:
    source = FX.replace("def prepare_fx(model", "def __call__(self, model")
    write("class Backend:\n" + textwrap.indent(source, "    ") + "backend = Backend()\n")
    assert resolve("mypkg:backend").shape == "prepare_fx"


def test_a_module_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "observance_local_vendor.py").write_text(SEED, encoding="utf-8")
    elsewhere = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]
    monkeypatch.setattr(sys, "path", list(elsewhere))
    monkeypatch.chdir(tmp_path)
    assert resolve("observance_local_vendor").shape == "prepare"
    assert sys.path == [str(tmp_path), *elsewhere]
    resolve("observance_local_vendor")
    assert sys.path == [str(tmp_path), *elsewhere]
    del sys.modules["observance_local_vendor"]


def test_the_version_of_the_package_is_reported(write: Write) -> None:
    write("__version__ = '3.1'\n")
    write(SEED, "mypkg/sub.py")
    assert resolve("mypkg.sub").version == "3.1"


# Entry points


def test_an_entry_point_to_a_function_is_found(write: Write, declare: Callable[..., None]) -> None:
    write(SEED.replace("prepare(", "insert("))
    declare("acme-int8 = mypkg : insert [extra]")
    found = resolve("acme-int8")
    assert (found.name, found.function.__name__) == ("acme-int8", "insert")


def test_an_entry_point_to_a_module_is_found(write: Write, declare: Callable[..., None]) -> None:
    write(SEED)
    declare("acme = mypkg")
    assert resolve("acme").function.__module__ == "mypkg"


def test_an_entry_point_wins_over_a_module_of_its_name(write: Write, declare: Callable[..., None]) -> None:
    write(SEED)
    write(SEED, "other.py")
    declare("mypkg = other")
    assert resolve("mypkg").function.__module__ == "other"
    assert resolve("mypkg:prepare").function.__module__ == "mypkg"


def test_an_entry_point_that_is_declared_twice_alike_is_one(write: Write, declare: Callable[..., None]) -> None:
    write(SEED)
    declare("acme = mypkg")
    declare("acme = mypkg", distribution="other")
    assert resolve("acme").function.__module__ == "mypkg"


def test_an_entry_point_that_is_declared_twice_differently_is_one_sentence(declare: Callable[..., None]) -> None:
    declare("acme = mypkg")
    declare("acme = other", distribution="other")
    assert "one of `mypkg`, `other`" in refusal("acme")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("mypkg.absent", "there is no module `mypkg.absent`"),
        ("mypkg:absent", "has no attribute `absent`"),
        ("mypkg:a:b", "names no implementation"),
        ("mypkg broken/path", "names no implementation"),
    ],
)
def test_a_broken_entry_point_is_one_sentence(
    write: Write, declare: Callable[..., None], value: str, reason: str
) -> None:
    write("")
    declare(f"acme = {value}")
    sentence = refusal("acme")
    assert sentence.startswith(f"The entry point `acme`, which stands for `{value}`, is broken: ")
    assert reason in sentence


# What cannot be found or imported


@pytest.mark.parametrize("spec", ["", " ", ":", "mypkg:", ":prepare", "a:b:c", "a..b", ".a", "path/to/mypkg.py", "-x"])
def test_a_spec_of_no_form_is_one_sentence(spec: str) -> None:
    assert refusal(spec).startswith(f"`{spec}` names no implementation: write `torch`, `reference`, ")


def test_a_module_that_does_not_exist_is_one_sentence() -> None:
    assert refusal("mypkg") == (
        "There is no module `mypkg`: check the spelling, install the package that holds it, "
        "or start the suite in the folder that it lies in."
    )


def test_a_submodule_that_does_not_exist_is_one_sentence(write: Write) -> None:
    write(SEED)
    assert refusal("mypkg.sub").startswith("There is no module `mypkg.sub`: ")
    assert refusal("mypkg.sub.deeper:prepare").startswith("There is no module `mypkg.sub.deeper`: ")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import absent_from_everywhere", "ModuleNotFoundError: No module named 'absent_from_everywhere'"),
        ("import mypkg.absent", "ModuleNotFoundError: No module named 'mypkg.absent'"),
        ("from sys import absent", "ImportError: cannot import name 'absent' from 'sys' (unknown location)"),
        ("raise ImportError", "ImportError"),
        ("raise ModuleNotFoundError('two\\n  lines')", "ModuleNotFoundError: two lines"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ValueError('x' * 500)", f"ValueError: {'x' * 200}..."),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import pytest; pytest.skip('no', allow_module_level=True)", "Skipped: no"),
    ],
)
def test_a_module_that_raises_while_it_is_imported_is_told_from_one_that_is_absent(
    write: Write, source: str, told: str
) -> None:
    write(source)
    assert refusal("mypkg") == (
        f"The module `mypkg` exists, but importing it raised {told}: "
        f"run `python -c 'import mypkg'` to see where, and mend it."
    )


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        ("import os; os._exit(0)", "ended with exit code 0"),
        ("import os; os.abort()", "was killed by SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "was killed by SIGSEGV"),
    ],
)
def test_a_module_that_ends_the_process_that_imports_it_is_one_sentence(write: Write, source: str, ending: str) -> None:
    write(source)
    assert refusal("mypkg") == (
        f"The module `mypkg` exists, but the process that imports it {ending}: "
        f"run `python -X faulthandler -c 'import mypkg'` to see where, and mend it."
    )


def test_a_module_with_an_error_of_syntax_is_one_sentence(write: Write) -> None:
    write("def prepare(:\n")
    assert "importing it raised SyntaxError: " in refusal("mypkg")


def test_a_submodule_prepare_that_raises_is_one_sentence(write: Write) -> None:
    write("")
    write("1 / 0", "mypkg/prepare.py")
    assert "The module `mypkg.prepare` exists, but importing it raised ZeroDivisionError" in refusal("mypkg")


def test_an_interrupt_while_importing_is_no_usage_error(write: Write) -> None:
    write("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        resolve("mypkg")


def test_a_module_without_a_prepare_is_one_sentence(write: Write) -> None:
    write("")
    assert refusal("mypkg") == (
        "The module `mypkg` has neither `prepare` nor `prepare_fx` nor `prepare_pt2e`: "
        "name the function to test, as in `mypkg:my_prepare`."
    )


def test_an_attribute_that_is_missing_is_one_sentence(write: Write) -> None:
    write("class Backend: pass\nbackend = Backend()\n")
    assert refusal("mypkg:absent") == (
        "`mypkg:absent` does not exist, because `mypkg` has no attribute `absent`: check the spelling."
    )
    assert "because `Backend` has no attribute `prepare`" in refusal("mypkg:backend.prepare")


def test_an_attribute_that_raises_is_one_sentence(write: Write) -> None:
    write("class Backend:\n    @property\n    def prepare(self): return 1 / 0\nbackend = Backend()\n")
    assert "of `Backend` cannot be read, because that raised ZeroDivisionError" in refusal("mypkg:backend.prepare")


def test_an_object_that_answers_every_attribute_with_an_error_is_one_sentence(write: Write) -> None:
    write("class Odd:\n    def __getattr__(self, name): raise RuntimeError(name)\nodd = Odd()\n")
    assert "cannot be read, because that raised RuntimeError: prepare" in refusal("mypkg:odd.prepare")


@pytest.mark.parametrize(("source", "kind"), [("prepare = 3", "int"), ("prepare = None", "NoneType")])
def test_what_cannot_be_called_is_one_sentence(write: Write, source: str, kind: str) -> None:
    write(source)
    assert refusal("mypkg") == (
        f"`mypkg:prepare` is of type `{kind}`, which cannot be called: name a function, as in `mypkg:backend.prepare`."
    )


# How it is called


@pytest.mark.parametrize(
    ("name", "signature", "shape"),
    [
        ("prepare", "model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs", "prepare"),
        ("prepare", "m, q, is_qat=False, node_name_to_scope=None, example_inputs=(), **configs", "prepare"),
        ("prepare_fx", "m, q, is_qat, node_name_to_scope, example_inputs, **configs", "prepare"),
        ("prepare", "m, q, t, s, e, **configs", "prepare"),
        ("prepare", "*args, **kwargs", "prepare"),
        ("prepare_fx", "*args, **kwargs", "prepare_fx"),
        ("prepare", "model, qconfig_mapping, example_inputs, **configs", "prepare_fx"),
        ("prepare", "model, qconfig_mapping, example_inputs, is_qat=False, **configs", "prepare_fx"),
        ("prepare", "m, q, e, /, *, backend_config, prepare_custom_config, _equalization_config", "prepare_fx"),
        ("prepare", "model, node_name_to_scope, is_qat, obs_or_fq_callback=None", "prepare_annotated"),
        ("prepare", "model, node_name_to_scope, is_qat", "prepare_annotated"),
        ("prepare_pt2e", "model, quantizer", "prepare_pt2e"),
        ("prepare", "model, quantizer", "prepare_pt2e"),
        ("prepare_pt2e", "m, q, /", "prepare_pt2e"),
    ],
)
def test_the_shape_is_told_from_the_signature(write: Write, name: str, signature: str, shape: str) -> None:
    write(f"def {name}({signature}): return 1\n")
    assert resolve("mypkg").shape == shape


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "model",
        "model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs",
        "model, qconfig_mapping, example_inputs, prepare_custom_config=None, backend_config=None",
        "model, qconfig_mapping, node_name_to_scope, is_qat, example_inputs, **configs",
        "model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, extra, **configs",
        "model, scopes, is_qat",
        "model, n=3",
    ],
)
def test_a_signature_that_fits_no_shape_is_one_sentence(write: Write, signature: str) -> None:
    write(f"def prepare({signature}): return 1\n")
    assert refusal("mypkg") == (
        f"`mypkg:prepare` takes `({signature})`, which the suite cannot call: wrap it in a function that is one of "
        "`prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, prepare_custom_config=None, "
        "_equalization_config=None, backend_config=None, is_standalone_module=None)`, "
        "`prepare_fx(model, qconfig_mapping, example_inputs, prepare_custom_config=None, _equalization_config=None, "
        "backend_config=None)`, `prepare(model, node_name_to_scope, is_qat)` and `prepare_pt2e(model, quantizer)`."
    )


def test_a_signature_is_told_without_annotations(write: Write) -> None:
    write("def prepare(model: 'torch.nn.Module', n: int = 3) -> 'torch.nn.Module': return model\n")
    assert "`mypkg:prepare` takes `(model, n=3)`" in refusal("mypkg")


def test_a_callable_without_a_signature_is_one_sentence(write: Write) -> None:
    write("prepare = dict\n")
    assert refusal("mypkg").startswith("`mypkg:prepare` has no signature that can be read (ValueError: ")
