"""Verifying a certificate: the digests of its files, what they say of one another, and the whole run again.

A certificate is data.  What it names is executed in one respect only: the
implementation is imported by its name, from where this Python finds it.  A
register of deviations that lies in a file is given again by who verifies, and
its digest compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from observance.conformance import corpus
from observance.conformance.brought import option_of, resolve_as
from observance.conformance.claims import SHIPPED_REGISTERS
from observance.conformance.evidence import folder, identity
from observance.conformance.evidence.document import BLOCKED, MISSING, UNCLAIMED, concluded, verdict_of
from observance.conformance.evidence.identity import Plain
from observance.conformance.evidence.split import Tally
from observance.conformance.usage import UsageError, printable
from observance.strategies import Case, CaseError

_RELEASES = ("torch", "hypothesis", "python")
"""The releases that must be the same for a run to be the same."""


def problems_of_files(place: Path) -> Iterator[str]:
    """Yield what is wrong with the files of a certificate: changed, missing, or beside those that were written.

    Raises
    ------
    UsageError
        If the manifest or a file cannot be read.
    """
    digests = folder.read_manifest(place)
    there = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file() or path.is_symlink()}
    for name, digest in digests.items():
        if name not in there:
            yield f"{name} is missing"
        elif identity.file_digest(place / name) != digest:
            yield f"{name} has changed since it was written"
    for name in sorted(there - digests.keys() - {folder.MANIFEST}):
        yield f"{printable(name)} does not belong to the certificate"


def problems_of_content(made: Plain, place: Path) -> Iterator[str]:
    """Yield where the files of a certificate, and its parts, do not say the same."""
    for rule in made["rules"]:
        yield from _problems_of_rule(rule)
    now = concluded(made)
    for name in ("status", "reasons"):
        if now[name] != made[name]:
            yield f"{name}: it is not what the verdicts amount to"
    try:
        expected = folder.contents(made)
    except Exception as error:  # what was written by hand may hold anything
        yield f"a failing case cannot be read ({printable(str(error))})"
        return
    for name, content in expected.items():
        path = place / name
        if path.is_file() and hashlib.sha256(content).hexdigest() != identity.file_digest(path):
            yield f"{name} does not say what {folder.CERTIFICATE} says"


def _problems_of_rule(rule: Plain) -> Iterator[str]:
    """Yield where the record of one rule contradicts itself."""
    tally = Tally.from_plain(rule["counts"])
    if rule["verdict"] not in (MISSING, BLOCKED, UNCLAIMED) and verdict_of(tally) != rule["verdict"]:
        yield f"{rule['id']}: the verdict is not what was counted"
    failure = rule["failure"]
    if failure and "case" in failure:
        try:
            is_it = Case.from_json(json.dumps(failure["case"])).digest == failure["digest"]
        except CaseError:
            is_it = False
        if not is_it:
            yield f"{rule['id']}: the failing case is not the one that its digest names"


def problems_here(made: Plain, spec: str) -> Iterator[str]:
    """Yield what is otherwise here than where the certificate was written: releases, the suite, the implementation.

    Raises
    ------
    UsageError
        If the implementation cannot be found.
    """
    judged = resolve_as(made["implementation"]["shape"], spec, made["run"].get("profile", ""))
    then, now = made["environment"], identity.environment(judged.profile)
    for name in (*_RELEASES, *identity.ANNOTATING):
        if then.get(name) != now.get(name):
            was, here = (printable(where.get(name, "not installed")) for where in (then, now))
            yield f"{name} was {was}, and is {here} here"
    if made["suite"] != identity.suite():
        yield f"the suite was observance {printable(made['suite']['version'])} with other files than here"
    if made["cases"]["recorded_digest"] != corpus.digest():
        yield "the recorded corpus was another one than here"
    found = identity.implementation(judged, spec)
    for name in ("name", "version", "shape", "features", "torch"):
        if found[name] != made["implementation"][name]:
            yield f"the implementation's {name} was {made['implementation'][name]!r}, and is {found[name]!r} here"
    for line in identity.changed_files(made["implementation"]["files"], found["files"]):
        yield f"the implementation's file {line}"


@dataclass(frozen=True)
class Rerun:
    """How a run is made again, where the certificate does not say it, or is not believed.

    Attributes
    ----------
    spec
        The implementation, as for ``--impl``.
    deviations, known_failures
        The files by which failures are excused; None if there are none.
    processes
        In how many processes it is run; None for one.
    """

    spec: str
    deviations: str | None = None
    known_failures: str | None = None
    processes: int | None = None


def run_again(made: Plain, how: Rerun) -> Plain:
    """Run what a certificate says that was run, in a process of its own, and return the new certificate.

    Raises
    ------
    UsageError
        If the run cannot be made, or ends without a certificate.
    """
    options = options_of(made, how)
    with tempfile.TemporaryDirectory(prefix="observance-") as place:
        target = Path(place, "again")
        command = [sys.executable, "-m", "pytest", "--pyargs", "observance.conformance", "-q", "--tb=no", "-rN"]
        command += ["-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={place}", f"--failures-in={place}/failures"]
        command += [*options, f"--certify={target}", *([f"-n{how.processes}"] if how.processes else [])]
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        # What it says of its progress is no part of the answer.
        ended = subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode
        if ended not in (0, 1, 2):
            raise UsageError(f"the run ended with exit code {ended} and no certificate; what is above says why.")
        return folder.read(target)


def options_of(made: Plain, how: Rerun) -> list[str]:
    """Return the options that run again what a certificate says that was run.

    Raises
    ------
    UsageError
        If failures were excused by a file that is not given, or is another one.
    """
    run, cases = made["run"], made["cases"]
    options = [
        f"{option_of(made['implementation']['shape'])}={how.spec}",
        f"--level={run['level']}",
        f"--draw-seed={cases['seed']}",
    ]
    options.append(f"--cases={cases['fresh_wanted']}")
    if "profile" in run:
        options.append(f"--profile={run['profile']}")
    if run["shard"]:
        options.append(f"--shard={run['shard']['number']}/{run['shard']['of']}")
    options += _excuses("--known-failures", run["known_failures"], how.known_failures)
    shipped = run["register"] is not None and run["register"]["sha256"] is None
    if run["register"] is None:
        options.append("--no-known-deviations")
    elif shipped and run["register"]["name"] not in SHIPPED_REGISTERS:
        raise UsageError(f"this suite has no register {run['register']['name']!r}; use the release that wrote it.")
    elif not shipped:
        options += _excuses("--deviations", run["register"], how.deviations)
    elif run["register"]["name"] != how.spec:
        options.append(f"--deviations={run['register']['name']}")
    return options


def _excuses(option: str, said: Plain | None, given: str | None) -> list[str]:
    """Return the option that excuses failures by a file, which must be given and be the one of the certificate."""
    if said is None:
        return []
    if given is None or identity.file_digest(Path(given)) != said["sha256"]:
        raise UsageError(
            f"failures are excused by the file {printable(said['name'])}; give the same file with {option}=FILE: "
            "nothing is executed because a certificate names it."
        )
    return [f"{option}={given}"]


def differences(then: Plain, now: Plain) -> Iterator[str]:
    """Yield what two certificates say otherwise, but for times and machines."""
    for name in ("status", "level"):
        old, new = (made[name] if name == "status" else made["run"][name] for made in (then, now))
        if old != new:
            yield f"the {name} was {old}, and is {new}"
    for name in then["cases"]:
        if then["cases"][name] != now["cases"][name]:
            yield f"the cases differ in {name}"
    yield from _between(then["rules"], now["rules"], ("verdict", "level", "sentence"))
    yield from _between(then["waivers"], now["waivers"], ("kind", "state", "reason", "origin", "rules"))


def _between(then: Sequence[Plain], now: Sequence[Plain], fields: Sequence[str]) -> Iterator[str]:
    """Yield how two lists of records with ids differ."""
    old, new = ({record["id"]: record for record in records} for records in (then, now))
    for name in dict.fromkeys([*old, *new]):
        told = printable(name)
        if name not in old or name not in new:
            yield f"{told} is {'new' if name in new else 'gone'}"
            continue
        one, other = old[name], new[name]
        for field in fields:
            if one[field] != other[field]:
                yield f"{told}: the {field} was {printable(str(one[field]))}, and is {printable(str(other[field]))}"
        for field, count in one.get("counts", {}).items():
            if count != other["counts"][field]:
                yield f"{told}: {field} was {count}, and is {other['counts'][field]}"
        if _told(one) != _told(other):
            yield f"{told}: another failure is told"


def _told(rule: Plain) -> object:
    """Return what a rule's failure says, without its pictures."""
    failure = rule.get("failure")
    return failure and {name: part for name, part in failure.items() if name != "pictures"}
