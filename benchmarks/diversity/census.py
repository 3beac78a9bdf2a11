"""What is drawn, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from situations import Scene, planned, situations

from observance.strategies import Case
from observance.strategies.case import Backend, QConfig, operand_values, tree_values
from observance.strategies.features import features
from observance.strategies.motifs import motifs
from observance.strategies.operators import OPERATORS
from observance.strategies.qconfigs import DYNAMIC, OBSERVERLESS, STATIC, WEIGHT_ONLY
from observance.strategies.training import QAT

MANY = 6
"""From here on, numbers are counted together."""

_KINDS = {
    "static": STATIC,
    "dynamic": DYNAMIC,
    "weight-only": WEIGHT_ONLY,
    "observerless": OBSERVERLESS,
    "fake quantizers": QAT,
}


def census(cases: Sequence[Case]) -> dict[str, Any]:
    """Return what is in some cases: how many cases have it, or how often it is, as each heading says."""
    sites = [planned(case) for case in cases]
    groups = [[] if site is None else Scene(case, site).groups for case, site in zip(cases, sites, strict=True)]
    found = {
        "cases": len(cases),
        "refused": sum(site is None for site in sites),
        "calls in a case": _sizes(len(case.calls) for case in cases),
        "readers of a value": _sizes(count for case in cases for count in _readers(case)),
        "places of an observer": _sizes(len(group) for some in groups for group in some),
        "operators": _in_cases(([call.operator for call in case.calls] for case in cases), OPERATORS),
        "features": _in_cases(map(features, cases)),
        "situations": _in_cases(situations(case, site) for case, site in zip(cases, sites, strict=True)),
        "configs": _in_cases(map(_configs, cases)),
    }
    return found | {"neighbours": _neighbours(cases), "meeting": _meeting(cases)}


def having(cases: Sequence[Case]) -> dict[str, dict[str, list[int]]]:
    """Return, for all that a case may have, by what it is, the numbers of the cases that have it."""
    found: dict[str, dict[str, list[int]]] = {}
    for number, case in enumerate(cases):
        has = {
            "size": [_size(len(case.calls))],
            "feature": features(case),
            "situation": situations(case, planned(case)),
            "config": _configs(case),
            "operator": [call.operator for call in case.calls],
        }
        for kind, names in has.items():
            for name in dict.fromkeys(names):
                found.setdefault(kind, {}).setdefault(name, []).append(number)
    return found


def _size(calls: int) -> str:
    """Return how large a graph is, in words."""
    words = {1: "one operator", 2: "two or three operators", 4: "four to nine operators", 10: "ten operators or more"}
    return words[max(least for least in words if least <= calls)]


def _in_cases(names: Iterable[Iterable[str]], every: Iterable[str] = ()) -> dict[str, int]:
    """Return in how many cases each of some names is, the rarest last."""
    counts = Counter(dict.fromkeys(every, 0))
    for some in names:
        counts.update(set(some))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _sizes(numbers: Iterable[int]) -> dict[str, int]:
    """Return how often each number is."""
    counts = Counter(numbers)
    few = {str(number): counts[number] for number in range(MANY) if counts[number]}
    return few | {f"{MANY} or more": sum(count for number, count in counts.items() if number >= MANY)}


def _readers(case: Case) -> Iterator[int]:
    """Yield by how many operands each value of a case is read, the output among them."""
    reads = Counter(v for call in case.calls for operand in call.operands for v in operand_values(operand))
    reads.update(tree_values(case.output))
    yield from (reads[value] for value in range(-len(case.inputs), len(case.calls)))


def _configs(case: Case) -> Iterator[str]:
    """Yield what the configs of a case are made of."""
    for entry in case.mapping.entries:
        yield f"selector {entry.selector}"
        yield f"qconfig {_kind(entry.qconfig)}"
        yield f"selector {entry.selector}, qconfig {_kind(entry.qconfig)}"
    yield f"default mapping {case.mapping.base}" if case.mapping.base else "no default mapping"
    yield "backend of its own" if isinstance(case.backend, Backend) else f"backend {case.backend}"
    if isinstance(case.backend, Backend):
        for pattern in case.backend.patterns:
            yield f"pattern, {pattern.observation.lower()}"
            yield f"pattern, {len(pattern.dtypes)} dtype configs"
            yield "pattern, observed by the number of tensors" if pattern.by_tensor_count else "pattern, plain"
    yield f"device {case.device}"
    yield f"training {case.is_qat}, mode {case.training}"
    yield from (f"module {declared.kind}" for declared in case.declared)


def _kind(qconfig: str | QConfig | None) -> str:
    """Return what kind of qconfig one is."""
    if qconfig is None:
        return "None"
    if isinstance(qconfig, QConfig):
        return "of its own"
    return next((name for name, some in _KINDS.items() if qconfig in some), "another")


def _neighbours(cases: Sequence[Case]) -> dict[str, Any]:
    """Return how many pairs and triples of operators that read each other are drawn, of those that fit.

    Operators are told by their target; those of the native backend config's patterns count.
    """
    heads = _quantizable()
    fitting = _fitting(heads)
    pairs: Counter[tuple[str, ...]] = Counter()
    triples: Counter[tuple[str, ...]] = Counter()
    for case in cases:
        here, longer = _chains(case, heads)
        pairs.update(here)
        triples.update(longer)
    possible = sum(len(fitting[reader]) for giver in heads for reader in fitting[giver])
    return {
        "operators": len(heads),
        "pairs": len(pairs),
        "pairs that fit": sum(map(len, fitting.values())),
        "pairs in one case alone": sum(count == 1 for count in pairs.values()),
        "triples": len(triples),
        "triples that fit": possible,
    }


def _quantizable() -> list[str]:
    """Return the targets of the table that stand in a pattern of the native backend config."""
    operators = {step.operator for motif in motifs("native") for form in motif.forms for step in form}
    return sorted({OPERATORS[name].target for name in operators})


def _fitting(heads: Sequence[str]) -> dict[str, set[str]]:
    """Return for each target those that can read what it gives."""
    gives: dict[str, set[str]] = {head: set() for head in heads}
    takes: dict[str, set[str]] = {head: set() for head in heads}
    for entry in OPERATORS.values():
        if entry.target in gives:
            gives[entry.target].add(entry.gives)
            takes[entry.target] |= {kind.rstrip("*") for kind in entry.takes}
    return {giver: {reader for reader in heads if gives[giver] & takes[reader]} for giver in heads}


def _chains(case: Case, heads: Sequence[str]) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """Return the pairs and the triples of targets of a case, each once."""
    targets, known = [OPERATORS[call.operator].target for call in case.calls], set(heads)
    edges = [
        (value, number)
        for number, call in enumerate(case.calls)
        for operand in call.operands
        for value in operand_values(operand)
        if value >= 0 and targets[value] in known and targets[number] in known
    ]
    pairs = {(targets[giver], targets[reader]) for giver, reader in edges}
    longer = {(targets[a], targets[b], targets[d]) for a, b in edges for c, d in edges if b == c}
    return pairs, longer


def _meeting(cases: Sequence[Case]) -> dict[str, int]:
    """Return how many pairs of features meet in a case."""
    meet = Counter(pair for case in cases for pair in combinations(sorted(features(case)), 2))
    return {"pairs of features": len(meet), "pairs of features in one case alone": sum(c == 1 for c in meet.values())}
