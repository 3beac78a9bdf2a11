"""Joining the shards of a run into the certificate that one run would have given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import reduce
from operator import add

from observance.conformance.evidence.document import (
    BLOCKED,
    ERROR,
    IN_FORCE,
    LENT,
    MISSING,
    UNCLAIMED,
    VOID,
    concluded,
    verdict_of,
)
from observance.conformance.evidence.identity import Plain
from observance.conformance.evidence.split import Tally
from observance.conformance.usage import UsageError, names, printable


def merged(shards: Sequence[Plain]) -> Plain:
    """Return the certificate of a run from those of all its shards, in any order.

    Raises
    ------
    UsageError
        If they are no shards, not all of them, one of them twice, or not of one run.
    """
    ordered = _complete(shards)
    first = ordered[0]
    for other in ordered[1:]:
        check_alike(first, other, "the shards", lambda shard: shard["run"]["shard"]["number"])
    starts, ends = ([shard["run"][name] for shard in ordered] for name in ("start", "end"))
    run = first["run"] | {
        "start": min(starts),
        "end": max(ends),
        "interrupted": any(shard["run"]["interrupted"] for shard in ordered),
        "shard": None,
    }
    machines = "; ".join(dict.fromkeys(shard["environment"]["platform"] for shard in ordered))
    rules = [rule_of_all(records) for records in zip(*(shard["rules"] for shard in ordered), strict=True)]
    waivers = [waiver_of_all(records) for records in zip(*(shard["waivers"] for shard in ordered), strict=True)]
    environment = first["environment"] | {"platform": machines}
    return concluded(first | {"environment": environment, "run": run, "rules": rules, "waivers": waivers})


def _complete(shards: Sequence[Plain]) -> list[Plain]:
    """Return shards by number, if each of them is there once."""
    whole = [shard for shard in shards if shard["run"]["shard"] is None]
    if whole:
        raise UsageError("what is to be merged is the certificate of a whole run; name folders of --shard=K/N.")
    counts = {shard["run"]["shard"]["of"] for shard in shards}
    if len(counts) > 1:
        raise UsageError(f"the shards are of runs in {names(sorted(counts))} shards; name those of one run.")
    numbers = sorted(shard["run"]["shard"]["number"] for shard in shards)
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise UsageError(f"the shards {names(twice)} are there more than once; name each of them once.")
    missing = sorted(set(range(1, counts.pop() + 1)) - set(numbers))
    if missing:
        shown = names(missing[:10])
        raise UsageError(f"of the shards of this run {shown} are missing; run them, and name all their folders.")
    return sorted(shards, key=lambda shard: shard["run"]["shard"]["number"])


def check_alike(
    first: Plain, other: Plain, what: str, number: Callable[[Plain], object], but: Collection[str] = ()
) -> None:
    """Raise a `UsageError` unless two documents are of one run, or of two runs that differ in nothing `but` that.

    Parameters
    ----------
    first, other
        The documents.
    what, number
        What they are called, and the number by which each is told.
    but
        The names of what may differ.
    """
    ours, theirs = _identity(first), _identity(other)
    differing = [name for name in ours if ours[name] != theirs[name] and name not in but]
    if differing:
        of = "of one run" if not but else "alike"
        raise UsageError(
            f"{what} {names(map(number, (first, other)))} are not {of}: they differ in "
            f"{printable(', '.join(differing))}; run them with the same options and the same releases."
        )


def _identity(shard: Plain) -> Plain:
    """Return what all shards of one run have in common."""
    environment = {name: value for name, value in shard["environment"].items() if name != "platform"}
    return {
        "the suite": shard["suite"],
        "the implementation": shard["implementation"],
        "the releases": environment,
        "the profile": shard["run"].get("profile"),
        "the level": shard["run"]["level"],
        "the register": shard["run"]["register"],
        "the cases": shard["cases"],
        "the rules": [(rule["id"], rule["level"], rule["sentence"]) for rule in shard["rules"]],
        "the known deviations": [waiver | {"state": ""} for waiver in shard["waivers"]],
    }


def rule_of_all(records: Sequence[Plain]) -> Plain:
    """Return what a rule came to on all shards, or with all seeds."""
    tallies = [Tally.from_plain(record["counts"]) for record in records]
    total = reduce(add, tallies)
    said = {record["verdict"] for record in records}
    untried = next((word for word in (MISSING, BLOCKED, UNCLAIMED) if word in said), None)
    verdict = untried or verdict_of(total)
    ranks = [tally.failed if verdict == ERROR else tally.broken for tally in (total, *tallies)]
    told = ranks.pop(0)
    failures = (record["failure"] for record, rank in zip(records, ranks, strict=True) if rank == told)
    failure = next(failures) if told is not None else None
    return records[0] | {"verdict": verdict, "counts": asdict(total), "failure": failure}


def waiver_of_all(records: Sequence[Plain]) -> Plain:
    """Return the state of a known deviation: one shard has tested it, or each seed has."""
    said = {record["state"] for record in records}
    return records[0] | {"state": next(state for state in (VOID, IN_FORCE, LENT, MISSING) if state in said)}
