"""A case is plain data: it survives being written down, and an impossible one is refused in one sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings

from observance.strategies import Case, CaseError, build, cases, script
from observance.strategies.case import (
    Backend,
    Call,
    Constraint,
    Declared,
    DTypes,
    Entry,
    Mapping,
    Observer,
    Pattern,
    QConfig,
    map_operand,
    map_tree,
    operand_values,
    tree_values,
)

LINEAR = Call("linear", (-1,))
PLAIN = Case(("t",), (LINEAR,), 0, Mapping(None, (Entry("global", "default_qconfig"),)))
DTYPES = DTypes(Constraint("torch.quint8", quant_min=0, quant_max=255), Constraint("torch.quint8"))
OWN = Pattern(("nn.Linear",), "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT", (DTYPES,))
OBSERVER = Observer("MinMaxObserver", (("dtype", "torch.qint8"), ("eps", 2**-12)))


def sentence(error: BaseException) -> str:
    """Return what an error says, which has to be one sentence on one line."""
    text = str(error)
    assert text
    assert "\n" not in text
    return text


# Writing down and reading back


@settings(max_examples=300)
@given(cases())
def test_json_gives_the_same_case_back(case: Case) -> None:
    again = Case.from_json(case.to_json())
    assert again == case
    assert again.to_json() == case.to_json()
    assert again.digest == case.digest


@given(cases())
def test_json_tells_types_that_compare_equal_apart(case: Case) -> None:
    # True == 1 == 1.0 in Python, so that equality alone would let a flag become a number.
    assert repr(Case.from_json(case.to_json())) == repr(case)


@given(cases())
def test_a_case_is_one_line_of_json_and_a_python_expression(case: Case) -> None:
    nouns = (Backend, Call, Case, Constraint, Declared, DTypes, Entry, Mapping, Observer, Pattern, QConfig)
    assert "\n" not in case.to_json()
    assert eval(repr(case), {noun.__name__: noun for noun in nouns}) == case


def test_the_digest_of_a_case_never_changes() -> None:
    assert PLAIN.digest == "86a54f25f995"


def test_the_digest_is_the_same_in_another_process() -> None:
    code = "import sys; from observance.strategies import Case; print(Case.from_json(sys.argv[1]).digest)"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", code, PLAIN.to_json()]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == PLAIN.digest


@given(cases())
def test_the_digest_depends_on_the_content_alone(case: Case) -> None:
    # Rebuilt part by part, so that no object is shared with the drawn case.
    rebuilt = Case.from_json(json.dumps(json.loads(case.to_json()), indent=3))
    assert rebuilt is not case
    assert rebuilt.digest == case.digest
    assert dataclasses.replace(case, seed=case.seed + 1).digest != case.digest
    assert dataclasses.replace(case, as_dicts=not case.as_dicts).digest != case.digest


@given(cases())
def test_renumbering_values_by_nothing_changes_nothing(case: Case) -> None:
    for operand in (operand for call in case.calls for operand in call.operands):
        assert map_operand(operand, {}) == operand
        assert map_operand(operand, {value: value for value in operand_values(operand)}) == operand
    assert map_tree(case.output, {}) == case.output
    assert tree_values(map_tree(case.output, {0: 99})) == [99 if v == 0 else v for v in tree_values(case.output)]


# Reading what is no case


NO_CASE = {
    "nothing": "",
    "half a brace": "{",
    "a word": "nonsense",
    "no end": PLAIN.to_json()[:-1],
    "no beginning": PLAIN.to_json()[5:],
    "no bottom": "[" * 100_000,
    "null": "null",
    "a number": "7",
    "a list": "[]",
    "an empty object": "{}",
    "a case without content": '{"": "Case"}',
    "an unknown noun": '{"": "Nonsense", "inputs": []}',
    "a list for a noun": '{"": ["Case"]}',
    "another noun": '{"": "Constraint", "dtype": "torch.qint8"}',
    "an unknown noun inside": PLAIN.to_json().replace('"Call"', '"Cell"'),
    "another noun inside": PLAIN.to_json().replace('"calls":[{', '"calls":[{"":"Mapping"},{'),
    "an unknown field": PLAIN.to_json().replace('"operator"', '"operation"'),
    "a field too few": PLAIN.to_json().replace('"output":0,', ""),
    "a fraction for a value": PLAIN.to_json().replace('"output":0', '"output":0.5'),
    "a flag for a value": PLAIN.to_json().replace("[-1]", "[true]"),
    "a value for operands": PLAIN.to_json().replace("[-1]", "-1"),
    "a text for a list of texts": PLAIN.to_json().replace('["t"]', '"t"'),
    "a number for a text": PLAIN.to_json().replace('["t"]', "[1]"),
    "null for a text": PLAIN.to_json().replace('"global"', "null"),
    "a number for a qconfig": PLAIN.to_json().replace('"default_qconfig"', "3"),
    "a text for a seed": PLAIN.to_json().replace('"output":0', '"output":0,"seed":"0"'),
    "a list for a backend": PLAIN.to_json().replace('"output":0', '"output":0,"backend":[]'),
}


@pytest.mark.parametrize("name", NO_CASE)
def test_what_is_no_case_is_refused_in_one_sentence(name: str) -> None:
    assert NO_CASE[name] != PLAIN.to_json(), "the text was not changed"
    with pytest.raises(CaseError) as caught:
        Case.from_json(NO_CASE[name])
    assert "Case.to_json()" in sentence(caught.value)


# Cases that cannot be built


def calls(*given: Call) -> Case:
    """A case with these calls, which returns the last of them."""
    return dataclasses.replace(PLAIN, calls=given, output=len(given) - 1)


def mapped(*entries: Entry) -> Case:
    """The plain case with these entries in its mapping."""
    return dataclasses.replace(PLAIN, mapping=Mapping(None, entries))


def quantized(**arguments: Any) -> Case:
    """The plain case with an observer of these arguments."""
    observer = Observer("MinMaxObserver", tuple(arguments.items()))
    return mapped(Entry("global", QConfig(observer, OBSERVER)))


def backed(**changes: Any) -> Case:
    """The plain case with a backend config of its own, whose pattern is changed."""
    return dataclasses.replace(PLAIN, backend=Backend((dataclasses.replace(OWN, **changes),)))


def equalized(qconfig: Any, base: str | None = None) -> Case:
    """The plain case with an equalization qconfig for everything."""
    return dataclasses.replace(PLAIN, equalization=Mapping(base, (Entry("global", qconfig),)))


IMPOSSIBLE = {
    "an unknown equalization qconfig": (equalized("best_qconfig"), "no equalization qconfig 'best_qconfig'"),
    "an unknown equalization observer": (
        equalized(QConfig(OBSERVER, Observer(""))),
        f"no equalization observer '{OBSERVER.factory}'",
    ),
    "an equalization observer of an unknown argument": (
        equalized(QConfig(Observer("_InputEqualizationObserver", (("colour", 3),)), Observer(""))),
        "refuses its arguments",
    ),
    "a default equalization mapping": (equalized(None, "x86"), "no default equalization mapping"),
    "an unknown device": (dataclasses.replace(PLAIN, device="moon"), "'moon' is no device"),
    "stored values on another device": (
        dataclasses.replace(PLAIN, device="meta", has_values=True),
        "the values of nodes are told on the CPU alone",
    ),
    "a constant that is a value": (dataclasses.replace(PLAIN, output=("constant", ("list", 0))), "no output structure"),
    "an unknown operator": (calls(Call("lineal", (-1,))), "no operator 'lineal'"),
    "too few operands": (calls(Call("operator_add", (-1,))), "takes 2 operands"),
    "too many operands": (calls(Call("linear", (-1, -1))), "takes 1 operands"),
    "a tensor of another shape": (calls(Call("conv2d", (-1,))), "needs a 'u', but value -1 is a 't'"),
    "a number for a tensor": (calls(Call("size", (-1,)), Call("linear", (0,))), "needs a 't', but value 0 is a 'n'"),
    "a list for a tensor": (calls(Call("linear", ((-1,),))), "needs a 't'"),
    "a tensor for a list": (calls(Call("cat", (-1,))), "needs a 't*'"),
    "a list for a list of lists": (calls(Call("fold", ((-1,),))), "needs a 't**'"),
    "an empty list": (calls(Call("cat", ((),))), "needs a 't*'"),
    "an empty list among lists": (calls(Call("fold", (((-1,), ()),))), "needs a 't**'"),
    "a value used before it is made": (calls(Call("linear", (1,)), LINEAR), "value 1 is not made before it"),
    "a value that is its own operand": (calls(Call("linear", (0,))), "value 0 is not made before it"),
    "an input that is not there": (calls(Call("linear", (-2,))), "value -2 is not made before it"),
    "an unknown kind of input": (dataclasses.replace(PLAIN, inputs=("t", "q")), "'q' is no kind of input"),
    "a number as an input": (dataclasses.replace(PLAIN, inputs=("t", "n")), "'n' is no kind of input"),
    "an unknown spelling": (calls(dataclasses.replace(LINEAR, spelling="named")), "'named' is neither"),
    "an unknown sequence": (calls(dataclasses.replace(LINEAR, sequence="set")), "'set' is neither"),
    "a scope that is no path": (calls(dataclasses.replace(LINEAR, scope="a..b")), "scope 'a..b'"),
    "a scope that is no name": (calls(dataclasses.replace(LINEAR, scope="1")), "scope '1'"),
    "a scope that is a keyword": (calls(dataclasses.replace(LINEAR, scope="if")), "scope 'if'"),
    "a scope that every module has": (calls(dataclasses.replace(LINEAR, scope="a.forward")), "'forward'"),
    "a scope that a call has": (calls(dataclasses.replace(LINEAR, scope="linear_0")), "'linear_0'"),
    "sharing with a later call": (calls(dataclasses.replace(LINEAR, shares=1), LINEAR), "only with an earlier call"),
    "sharing with itself": (calls(dataclasses.replace(LINEAR, shares=0)), "only with an earlier call"),
    "sharing with an input": (calls(dataclasses.replace(LINEAR, shares=-1)), "only with an earlier call"),
    "sharing with another operator": (
        calls(Call("relu", (-1,)), dataclasses.replace(LINEAR, shares=0)),
        "only with an earlier call of 'linear'",
    ),
    "sharing nothing": (
        calls(Call("sub", (-1, -1)), Call("sub", (-1, -1), shares=0)),
        "no module and no parameter to share",
    ),
    "tying with a later call": (calls(dataclasses.replace(LINEAR, ties=1), LINEAR), "only with an earlier call"),
    "tying without a weight": (calls(Call("relu", (-1,)), Call("relu", (-1,), ties=0)), "no weight to tie"),
    "an output that nobody makes": (dataclasses.replace(PLAIN, output=("list", 0, 5)), "returns value 5"),
    "an output that is no structure": (dataclasses.replace(PLAIN, output=("set", 0)), "no output structure"),
    "a dict without keys": (dataclasses.replace(PLAIN, output=("dict", 0)), "no output structure"),
    "a quantized input that is not there": (dataclasses.replace(PLAIN, quantized_inputs=(1,)), "no graph input 1"),
    "an unknown qconfig": (mapped(Entry("global", "best_qconfig")), "no qconfig 'best_qconfig'"),
    "a qconfig that is something else": (mapped(Entry("global", "get_default_qconfig")), "no qconfig"),
    "an unknown default mapping": (
        dataclasses.replace(PLAIN, mapping=Mapping("arm")),
        "default qconfig mapping for 'arm'",
    ),
    "an unknown selector": (mapped(Entry("nearest", None)), "'nearest' is no selector"),
    "an unknown target": (mapped(Entry("object_type", None, target="nn.Linearity")), "'nn.Linearity' is no target"),
    "an unknown submodule": (mapped(Entry("object_type", None, target="block:a")), "names no submodule"),
    "a regular expression that is none": (mapped(Entry("regex", None, name="(")), "no regular expression"),
    "an unknown observer": (
        mapped(Entry("global", QConfig(Observer("BestObserver"), OBSERVER))),
        "no observer 'BestObserver'",
    ),
    "an observer that is something else": (
        mapped(Entry("global", QConfig(Observer("quantize"), OBSERVER))),
        "no observer 'quantize'",
    ),
    "an abstract observer": (
        mapped(Entry("global", QConfig(OBSERVER, Observer("ObserverBase")))),
        "no observer 'ObserverBase'",
    ),
    "an unknown argument": (quantized(colour=3), "refuses its arguments"),
    "a scheme that the observer has not": (quantized(qscheme="torch.per_channel_affine"), "refuses its arguments"),
    "a range without zero": (quantized(quant_min=1, quant_max=5), "refuses its arguments"),
    "a reduced range that is refused": (
        quantized(qscheme="torch.per_tensor_symmetric", reduce_range=True),
        "refuses its arguments",
    ),
    "an unknown constant": (quantized(dtype="torch.qint3"), "'torch.qint3' is no torch constant"),
    "a constant that is something else": (quantized(dtype="torch.relu"), "'torch.relu' is no torch constant"),
    "a constant of nobody": (quantized(dtype="qint8"), "'qint8' is no torch constant"),
    "an unknown backend config": (dataclasses.replace(PLAIN, backend="abacus"), "no backend config 'abacus'"),
    "a pattern without a target": (backed(targets=()), "no target"),
    "a pattern with an unknown target": (backed(targets=("nn.Linear", "nn.Relu")), "'nn.Relu' is no target"),
    "a pattern with an unknown observation": (backed(observation="ALWAYS"), "'ALWAYS' is no ObservationType"),
    "a count with an unknown observation": (backed(by_tensor_count=((1, "NEVER"),)), "'NEVER' is no ObservationType"),
    "a position of an unknown role": (backed(positions=(("scale", 1),)), "'scale' is no role"),
    "a dtype config with an unknown dtype": (backed(dtypes=(DTypes(bias="torch.f32"),)), "'torch.f32' is no torch"),
    "a constraint with an unknown dtype": (
        backed(dtypes=(DTypes(weight=Constraint("torch.qint3", quant_min=0, quant_max=1)),)),
        "'torch.qint3' is no torch constant",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_case_is_refused_in_one_sentence(name: str) -> None:
    case, fragment = IMPOSSIBLE[name]
    for use in (build, script):
        with pytest.raises(CaseError) as caught:
            use(case)
        assert fragment in sentence(caught.value)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_case_can_be_written_down_and_read(name: str) -> None:
    case, _ = IMPOSSIBLE[name]
    assert Case.from_json(case.to_json()) == case


@pytest.mark.parametrize("case", [PLAIN, backed(), quantized(), mapped()], ids=["plain", "backend", "qconfig", "empty"])
def test_what_the_impossible_cases_are_made_from_is_possible(case: Case) -> None:
    build(case)
