"""What `--impl` finds, and the one sentence that it answers where it finds nothing."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from observance.conformance.implementations import FEATURES, Claims, UsageError, resolve

SEED = "def prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs): return model\n"
FX = (
    "def prepare_fx(model, qconfig_mapping, example_inputs, prepare_custom_config=None,\n"
    "               _equalization_config=None, backend_config=None): return model\n"
)
CLAIMS = {"features": None, "torch": None, "name": "Acme", "version": "1.2"}

Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are imported from; nothing of it is left behind."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - before:
        place = getattr(sys.modules[name], "__file__", None) or ""
        if place.startswith(str(tmp_path)) or name.partition(".")[0] == "mypkg":
            del sys.modules[name]


@pytest.fixture
def write(folder: Path) -> Write:
    """Write a file of a vendor's, by default the `__init__` of `mypkg`."""

    def write(source: str, path: str = "mypkg/__init__.py") -> Path:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(source), encoding="utf-8")
        importlib.invalidate_caches()
        return place

    return write


@pytest.fixture
def declare(write: Write) -> Callable[..., None]:
    """Install a distribution that declares entry points."""

    def declare(lines: str, distribution: str = "acme") -> None:
        write(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", f"{distribution}-1.0.dist-info/METADATA")
        write(f"[observance.implementations]\n{lines}\n", f"{distribution}-1.0.dist-info/entry_points.txt")

    return declare


def refusal(spec: str) -> str:
    """Return what `resolve` answers, which has to be one sentence on one line."""
    with pytest.raises(UsageError) as caught:
        resolve(spec)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert ": " in sentence, "the sentence does not say what to do"
    return sentence


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
        "The module `mypkg` has neither `prepare` nor `prepare_fx`: "
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
    ],
)
def test_a_signature_that_fits_no_shape_is_one_sentence(write: Write, signature: str) -> None:
    write(f"def prepare({signature}): return 1\n")
    assert refusal("mypkg") == (
        f"`mypkg:prepare` takes `({signature})`, which the suite cannot call: wrap it in a function that is one of "
        "`prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, prepare_custom_config=None, "
        "_equalization_config=None, backend_config=None, is_standalone_module=None)` and "
        "`prepare_fx(model, qconfig_mapping, example_inputs, prepare_custom_config=None, _equalization_config=None, "
        "backend_config=None)`."
    )


def test_a_signature_is_told_without_annotations(write: Write) -> None:
    write("def prepare(model: 'torch.nn.Module', n: int = 3) -> 'torch.nn.Module': return model\n")
    assert "`mypkg:prepare` takes `(model, n=3)`" in refusal("mypkg")


def test_a_callable_without_a_signature_is_one_sentence(write: Write) -> None:
    write("prepare = dict\n")
    assert refusal("mypkg").startswith("`mypkg:prepare` has no signature that can be read (ValueError: ")


# What it claims


def test_what_says_nothing_claims_everything(write: Write) -> None:
    write(SEED)
    assert all(map(resolve("mypkg").supports, FEATURES))


@pytest.mark.parametrize(
    "declaration",
    [
        "dict(features=['static', 'fp16'], torch=['2.5', '2.13'], name='Acme', version='1.2')",
        "__import__('types').SimpleNamespace(features={'static', 'fp16'}, torch=('2.5', '2.13'),"
        " name='Acme', version='1.2', more=1)",
    ],
)
def test_claims_are_read_from_a_mapping_and_from_an_object(write: Write, declaration: str) -> None:
    write(f"{SEED}CONFORMANCE = {declaration}\n")
    found = resolve("mypkg")
    assert found.claims == Claims(frozenset({"static", "fp16"}), ("2.5", "2.13"), "Acme", "1.2")
    assert (found.name, found.version) == ("Acme", "1.2")
    assert found.supports("static")
    assert not found.supports("dynamic")


def test_the_nearest_claims_count(write: Write) -> None:
    write(
        f"""
        def claims(name): return {CLAIMS!r} | {{"name": name}}
        class Backend:
            def prepare(self, *args, **kwargs): return 1
        backend, own = Backend(), Backend()
        own.CONFORMANCE = claims("object")
        def prepare(*args, **kwargs): return 1
        prepare.CONFORMANCE = claims("function")
        CONFORMANCE = claims("module")
        """
    )
    specs = ("mypkg", "mypkg:own.prepare", "mypkg:backend.prepare")
    assert [resolve(spec).name for spec in specs] == ["function", "object", "module"]


def test_a_submodule_prepare_is_covered_by_the_claims_of_its_package(write: Write) -> None:
    write(f"CONFORMANCE = {CLAIMS!r}\n")
    write(SEED, "mypkg/prepare.py")
    assert resolve("mypkg").name == "Acme"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"feature": None}, "has the unknown keys `feature`"),
        ({3: None}, "has the unknown keys `3`"),
        ({"features": "static"}, "gives 'static' as `features`"),
        ({"features": 3}, "gives 3 as `features`"),
        ({"features": {"static", "statik"}}, "claims `statik`: the features are `static`, "),
        ({"features": [["static"]]}, "claims `['static']`"),
        ({"torch": "2.5"}, "gives '2.5' as `torch`"),
        ({"torch": ("2.5",)}, "gives ('2.5',) as `torch`"),
        ({"torch": (2.5, 2.13)}, "gives (2.5, 2.13) as `torch`"),
        ({"torch": ("2.13", "2.5")}, "gives ('2.13', '2.5') as `torch`"),
        ({"torch": ("2.5", "newest")}, "gives ('2.5', 'newest') as `torch`"),
        ({"name": ""}, "gives '' as `name`"),
        ({"version": 1.0}, "gives 1.0 as `version`"),
    ],
)
def test_claims_that_are_malformed_are_one_sentence(write: Write, change: dict[object, object], reason: str) -> None:
    write(f"{SEED}CONFORMANCE = {CLAIMS | change!r}\n")
    sentence = refusal("mypkg")
    assert sentence.startswith("CONFORMANCE of `mypkg` ")
    assert reason in sentence


@pytest.mark.parametrize("key", ["features", "torch", "name", "version"])
def test_claims_that_lack_a_key_are_one_sentence(write: Write, key: str) -> None:
    rest = {name: value for name, value in CLAIMS.items() if name != key}
    write(f"{SEED}CONFORMANCE = {rest!r}\n")
    assert f"CONFORMANCE of `mypkg` lacks `{key}`: make it a dict" in refusal("mypkg")
    sys.modules["mypkg"].CONFORMANCE = SimpleNamespace(**rest)
    assert f"CONFORMANCE of `mypkg` lacks `{key}`: make it a dict" in refusal("mypkg")


@pytest.mark.parametrize("value", ["None", "3", "'static'", "['static']"])
def test_claims_that_are_no_declaration_are_one_sentence(write: Write, value: str) -> None:
    write(f"{SEED}CONFORMANCE = {value}\n")
    assert "lacks `features`, `torch`, `name`, `version`" in refusal("mypkg")


def test_one_that_is_called_as_prepare_fx_never_claims_quantization_aware_training(write: Write) -> None:
    write(FX)
    assert not resolve("mypkg").supports("qat")
    assert resolve("mypkg").supports("static")


def test_an_unknown_feature_is_no_question_to_ask(write: Write) -> None:
    write(SEED)
    with pytest.raises(ValueError, match="'statik' is no feature; the features are `static`, "):
        resolve("mypkg").supports("statik")


@pytest.mark.parametrize(
    ("claimed", "version", "covered"),
    [
        (None, "2.13.0+cpu", True),
        (("2.5", "2.13"), "2.13.1+cpu", True),
        (("2.5", "2.13"), "2.14.0a0+git1", False),
        (("2.6", "2.13"), "2.5.1", False),
        (("2.5.1", "2.5.1"), "2.5.1+cu124", True),
        (("2.5.1", "2.5.1"), "2.5.0", False),
        (("2.9", "2"), "2.13.0", True),
        (("2.9", "2.10"), "2.10.0", True),
    ],
)
def test_the_last_release_that_is_claimed_includes_its_patches(
    claimed: tuple[str, str] | None, version: str, covered: bool
) -> None:
    assert Claims(None, claimed, "Acme", "1.2").supports_torch(version) is covered


def test_every_feature_is_described_in_one_sentence() -> None:
    assert all(sentence.endswith(".") and sentence.count(".") == 1 for sentence in FEATURES.values())
