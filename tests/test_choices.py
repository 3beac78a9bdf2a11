"""Where nothing promises how a case is prepared, the choices are named, and rules of the level MUST say nothing."""

from __future__ import annotations

import pytest

from observance.conformance.implementations import resolve
from observance.conformance.judge import Judge
from observance.conformance.trials import Trial
from observance.strategies.case import Backend, Call, Case, Constraint, DTypes, Entry, Mapping, Pattern

QAT = "default_qat_qconfig"
TWICE = (Call("linear", (-1,)), Call("linear", (0,), shares=0))
FUSED = (Call("fused_LinearReLU", (-1,)),)


def longer(alone: str, together: str, swaps: bool) -> Backend:
    """A backend config that takes one dtype for a layer by itself, and one for it and what follows it."""
    return Backend(
        tuple(
            Pattern(
                targets,
                "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT",
                (DTypes(*map(Constraint, (f"torch.{dtype}", f"torch.{dtype}", "torch.qint8"))),),
                swaps=swaps or len(targets) == 1,
            )
            for targets, dtype in ((("nn.Linear",), alone), (("nn.Linear", "nn.ReLU"), together))
        )
    )


def in_two(qconfig: str, backend: Backend, is_qat: bool = False) -> Case:
    """A linear layer and a ReLU, which may be one pattern, all with one qconfig."""
    calls = (Call("linear", (-1,)), Call("relu", (0,)))
    return Case(("t",), calls, 1, Mapping(None, (Entry("global", qconfig),)), backend, is_qat=is_qat)


def by_index(*qconfigs: str) -> Mapping:
    """A mapping that gives each call of a linear layer a qconfig of its own."""
    return Mapping(None, tuple(Entry("order", q, "", "nn.Linear", number) for number, q in enumerate(qconfigs)))


def by_type(**qconfigs: str | None) -> Mapping:
    """A mapping of object types: the parts of a fused module, and the fused type itself."""
    targets = {"linear": "nn.Linear", "relu": "nn.ReLU", "fused": "torch.ao.nn.intrinsic.LinearReLU"}
    return Mapping(None, tuple(Entry("object_type", q, target=targets[name]) for name, q in qconfigs.items()))


def trial_of(case: Case) -> Trial:
    """A case, with the reference as the implementation."""
    judge = Judge(resolve("reference"), 1)
    return judge.trial(case, judge.calls)


CHOICES = {
    "calls of linear_0 have different qconfigs": Case(
        ("t",), TWICE, 1, by_index(QAT, "default_qat_qconfig_v2"), is_qat=True
    ),
    "linear_0 is swapped for training, and what it is in is not quantized": in_two(
        QAT, longer("quint8", "qint32", swaps=True), is_qat=True
    ),
    "linear_0 is in what is quantized, and the backend does not support its qconfig by itself": in_two(
        QAT, longer("qint32", "quint8", swaps=False), is_qat=True
    ),
    "linear_0 is a part of a pattern that stays float, and may be one of a shorter pattern": in_two(
        "default_qconfig", longer("quint8", "qint32", swaps=False)
    ),
    "selected by its type and, differently, by those of its parts": Case(
        ("t",), FUSED, 0, by_type(linear="default_qconfig", relu="default_qconfig", fused=None)
    ),
}


@pytest.mark.parametrize("text", CHOICES)
def test_a_choice_that_nothing_promises_is_named(text: str) -> None:
    trial = trial_of(CHOICES[text])
    assert [choice for choice in trial.choices if text in choice], trial.choices
    assert trial.site is None


@pytest.mark.parametrize(
    "case",
    [
        Case(("t",), TWICE, 1, by_index(QAT, QAT), is_qat=True),
        Case(("t",), FUSED, 0, by_type(linear="default_qconfig", relu="default_qconfig")),
        in_two("default_qconfig", longer("qint32", "qint32", swaps=False)),
    ],
    ids=["calls of one module with one qconfig", "parts that agree", "a shorter pattern that is not supported either"],
)
def test_where_there_is_no_choice_none_is_named(case: Case) -> None:
    trial = trial_of(case)
    assert trial.choices == []
    assert trial.site is not None
