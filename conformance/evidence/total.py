"""Adding up certificates of several seeds: runs that have nothing in common but what is judged, and by what.

A run of a million cases is many runs of some thousands, each with a seed of its own, on as many machines as there
are.  Each has its certificate; what they come to together is told in one report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from observance.conformance.evidence.document import INCOMPLETE, KEPT, UNCLAIMED, concluded
from observance.conformance.evidence.identity import Plain
from observance.conformance.evidence.merge import check_alike, rule_of_all, waiver_of_all
from observance.conformance.tables import markdown
from observance.conformance.usage import UsageError, names


def total(certificates: Sequence[Plain]) -> Plain:
    """Return what certificates of several seeds come to together, in the order of their seeds.

    It has what a certificate has; ``seeds`` stands among its cases in place of ``seed``, and ``broken_by`` with each
    rule, which are the seeds whose runs do not keep it.  The recorded cases are tried with each seed, and are counted
    with each.

    Raises
    ------
    UsageError
        If one of them is a shard, two have one seed, or they are not of one implementation, suite and release.
    """
    ordered = sorted(certificates, key=lambda one: int(one["cases"]["seed"]))
    _check_seeds(ordered)
    first, *others = ordered
    for other in others:
        check_alike(first, other, "the certificates of the seeds", _seed, ("the cases",))
    seeds = [_seed(one) for one in ordered]
    rules = []
    for records in zip(*(one["rules"] for one in ordered), strict=True):
        failing = [seed for seed, one in zip(seeds, records, strict=True) if one["verdict"] not in (KEPT, UNCLAIMED)]
        rules.append(rule_of_all(records) | {"broken_by": failing})
    waivers = [waiver_of_all(records) for records in zip(*(one["waivers"] for one in ordered), strict=True)]
    cases = {name: sum(one["cases"][name] for one in ordered) for name in ("fresh", "fresh_wanted", "fresh_unclaimed")}
    cases |= {"recorded": first["cases"]["recorded"], "seeds": seeds}
    run = first["run"] | {
        "start": min(one["run"]["start"] for one in ordered),
        "end": max(one["run"]["end"] for one in ordered),
        "interrupted": any(one["status"] == INCOMPLETE for one in ordered),
    }
    return concluded(first | {"run": run, "cases": cases, "rules": rules, "waivers": waivers})


def _seed(certificate: Plain) -> Any:
    """Return the seed from which the fresh cases of a certificate were drawn."""
    return certificate["cases"]["seed"]


def _check_seeds(ordered: Sequence[Plain]) -> None:
    """Raise a `UsageError` unless all certificates are of whole runs, each with a seed of its own."""
    if any(one["run"]["shard"] is not None for one in ordered):
        raise UsageError("a shard of a run is no certificate; join the shards with `observance merge` first.")
    seeds = [_seed(one) for one in ordered]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise UsageError(
            f"the seeds {names(twice)} are there more than once, and their cases would be counted twice; "
            "name one certificate for each seed."
        )
    digests = {one["cases"]["recorded_digest"] for one in ordered}
    if len(digests) > 1:
        raise UsageError("the certificates are of two recorded corpora; make them with one release of observance.")


def heading(made: Plain) -> str:
    """Return who was judged, and on how many cases, in words."""
    who, cases = made["implementation"], made["cases"]
    seeds = cases["seeds"]
    of = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}"
    return f"{who['name']} {who['version']}: {cases['fresh']:,} fresh cases of {of}, {cases['recorded']:,} recorded"


def report(made: Plain) -> str:
    """Return what certificates come to together, as a part of a Markdown document."""
    return markdown("total.md", heading=heading(made), total=made)
