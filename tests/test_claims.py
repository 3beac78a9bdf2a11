"""What an implementation says that it supports, and what is said of claims that are none."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from observance.conformance.implementations import FEATURES, Claims, resolve

from .vendors import FX, SEED, Write, refusal

CLAIMS = {"features": None, "torch": None, "name": "Acme", "version": "1.2"}


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
