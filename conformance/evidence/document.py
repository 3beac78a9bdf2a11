"""The certificate as a document: what each rule came to, and what that amounts to.

A document is plain JSON, described by ``certificate.schema.json``.  All else that
lies beside it is made from it.  Two documents that differ in times alone say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from observance.conformance import corpus
from observance.conformance.evidence import identity
from observance.conformance.evidence.identity import Plain
from observance.conformance.evidence.split import Split, Tally
from observance.conformance.rules import MUST, RULES, Rule
from observance.conformance.usage import printable
from observance.strategies import Case
from observance.strategies.features import FEATURES, features

if TYPE_CHECKING:
    from observance.conformance.judge import Judge

FORMAT, VERSION = "observance certificate", 1
"""What the document says of itself."""

KEPT, BROKEN, ERROR, VACUOUS = "kept", "broken", "error", "vacuous"
UNCLAIMED, BLOCKED, MISSING = "not claimed", "blocked", "not run"
VERDICTS = (BROKEN, ERROR, BLOCKED, VACUOUS, MISSING, KEPT, UNCLAIMED)
"""What may come of a rule, the worst first."""

CERTIFIED, REFUSED, INCOMPLETE, SHARD = "certified", "refused", "incomplete", "shard"
"""What may come of a run."""

IN_FORCE, VOID, LENT = "in force", "no longer holds", "lent"
"""What may come of a waiver, beside not being run: one that is lent need not hold."""

DEVIATION, KNOWN = "known deviation", "known failure"
"""The kinds of waivers."""


def rule_record(rule: Rule, tally: Tally | None, otherwise: str = MISSING, failure: Plain | None = None) -> Plain:
    """Return what one rule came to; without a tally, why there is none."""
    return {
        "id": rule.id,
        "level": rule.level,
        "sentence": rule.sentence,
        "verdict": otherwise if tally is None else verdict_of(tally),
        "counts": asdict(tally or Tally()),
        "failure": failure,
    }


def verdict_of(tally: Tally) -> str:
    """Return the verdict to which a tally amounts."""
    if tally.failing:
        return ERROR
    if tally.breaking:
        return BROKEN
    return KEPT if tally.telling else VACUOUS


def waivers_of(judge: Judge) -> list[Plain]:
    """Return what excuses failures: for each waiver its id and its reason, and what else is known of it."""
    deviations = judge.register.entries if judge.register else ()
    return [
        *(_waiver(DEVIATION, entry.id, entry.cause, entry.origin, entry.rules) for entry in deviations),
        *(_waiver(KNOWN, one.id, one.cause, one.link, [one.rule]) for one in judge.known_failures.entries),
    ]


def _waiver(kind: str, id: str, reason: str, origin: str, rules: Iterable[str]) -> Plain:
    """Return the record of a waiver that was not tested."""
    told = {"id": printable(id), "reason": printable(reason, 2000), "origin": printable(origin, 2000)}
    return {"kind": kind, **told, "rules": list(rules), "state": MISSING}


def cases_of(judge: Judge) -> Plain:
    """Return which cases were tried, and how often each feature was met."""
    recorded = set(judge.recorded)
    used = [case for case in judge.corpus if case in recorded]
    return {
        "recorded": len(judge.recorded),
        "recorded_digest": corpus.digest(),
        "recorded_unclaimed": len(judge.recorded) - len(used),
        "fresh": len(judge.corpus) - len(used),
        "fresh_wanted": judge.count,
        "fresh_unclaimed": judge.unclaimed,
        "seed": judge.start,
        "features": coverage(judge.corpus),
    }


def coverage(cases: Iterable[Case]) -> dict[str, int]:
    """Return for each feature in how many cases it is met."""
    met = Counter(name for case in cases for name in features(case))
    return {name: met[name] for name in FEATURES}


def document(
    judge: Judge,
    run: Plain,
    rules: Mapping[str, Plain],
    waivers: Mapping[tuple[str, str], str],
    is_lent: bool,
) -> Plain:
    """Return the certificate of a run.

    Parameters
    ----------
    judge
        The judge of the run.
    run
        The level, the options, and whether and when it began, ended and was interrupted.
    rules, waivers
        What each rule came to, and the state of each waiver by kind and id, as far as they were tested.
    is_lent
        Whether the register of known deviations is another implementation's.
    """
    from observance.conformance.book import in_order  # which imports the judge

    speaking = (rule for rule in in_order(RULES.values()) if judge.profile in rule.profiles)
    asked = [rule for rule in speaking if rule.level == MUST or run["level"] != "must"]
    untested = {DEVIATION: LENT if is_lent else MISSING, KNOWN: MISSING}
    states = {(w["kind"], w["id"]): untested[w["kind"]] for w in waivers_of(judge)}
    # What is known of another profile excuses here, and is not demanded.
    entries = judge.register.entries if judge.register else ()
    states |= {(DEVIATION, entry.id): LENT for entry in entries if entry.pinned.profile != judge.profile}
    states |= dict(waivers)
    made = {
        "format": FORMAT,
        "version": VERSION,
        "suite": identity.suite(),
        "implementation": identity.implementation(judge.implementation, run.pop("spec")),
        "environment": identity.environment(judge.profile),
        "run": run | {"shard": shard_of(judge.split)},
        "cases": cases_of(judge),
        "rules": [rules.get(rule.id) or rule_record(rule, None) for rule in asked],
        "waivers": [w | {"state": states[w["kind"], w["id"]]} for w in waivers_of(judge)],
    }
    return concluded(made)


def shard_of(split: Split) -> Plain | None:
    """Return which shard a run is, if it is not all of it."""
    return {"number": split.number, "of": split.of} if split.of > 1 else None


def concluded(made: Plain) -> Plain:
    """Return a document with its status, and the reasons against a certificate, in place of those that it had."""
    reasons = reasons_of(made["rules"], made["waivers"])
    left = [rule["id"] for rule in made["rules"] if rule["verdict"] == MISSING]
    left += [waiver["id"] for waiver in made["waivers"] if waiver["state"] == MISSING]
    if made["run"]["shard"]:
        status, reasons = SHARD, ["it is one shard of a run; observance merge joins them"]
    elif made["run"]["interrupted"] or left:
        why = ["the run was interrupted"] if made["run"]["interrupted"] else []
        status, reasons = INCOMPLETE, [*why, *(f"{name} was not run" for name in left), *reasons]
    else:
        status = REFUSED if reasons else CERTIFIED
    head = {"format": made["format"], "version": made["version"], "status": status, "reasons": reasons}
    return head | {name: part for name, part in made.items() if name not in head}


def reasons_of(rules: Sequence[Plain], waivers: Sequence[Plain]) -> list[str]:
    """Return what speaks against a certificate."""
    said = {
        BROKEN: "{id} is broken by {breaking} of {cases} cases",
        ERROR: "{id} itself failed on {failing} of {cases} cases",
        VACUOUS: "{id} is vacuous: none of {cases} cases could have broken it",
        BLOCKED: "{id} is blocked: the smoke tier failed",
    }
    found = [said[r["verdict"]].format(id=r["id"], **r["counts"]) for r in rules if r["verdict"] in said]
    return found + [f"the {w['kind']} {w['id']} no longer holds" for w in waivers if w["state"] == VOID]
