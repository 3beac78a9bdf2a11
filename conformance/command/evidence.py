"""The commands about certificates: `observance verify`, `observance merge` and `observance total`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from observance.conformance.implementations import resolve
from observance.conformance.usage import UsageError, printable

if TYPE_CHECKING:
    from observance.conformance.evidence.identity import Plain

DONE, OTHERWISE = 0, 1
"""The exit codes: it is done, or the certificate is not what it says, or the joined run is none."""


def add_parsers(commands: Any) -> None:
    """Add the commands to those of the command line."""
    verifying = commands.add_parser("verify", help="check a certificate's digests, run it again, and compare")
    verifying.add_argument("folder", metavar="DIR", help="the folder that --certify wrote")
    verifying.add_argument("--no-rerun", action="store_true", help="check what is written, and run nothing")
    verifying.add_argument("--impl", metavar="NAME", help="the implementation, if it has another name here")
    verifying.add_argument("--deviations", metavar="FILE", help="the register, if the certificate says it was a file")
    verifying.add_argument("--known-failures", metavar="FILE", help="the known failures, if the certificate has any")
    verifying.add_argument("-n", "--processes", metavar="N", type=int, help="run in so many processes")
    merging = commands.add_parser("merge", help="join the shards of a run into the certificate of one run")
    merging.add_argument("folders", metavar="DIR", nargs="+", help="the folders that --certify --shard=K/N wrote")
    merging.add_argument("-o", "--output", metavar="DIR", required=True, help="the new folder of the whole")
    adding = commands.add_parser("total", help="add up certificates of several seeds, and report on them together")
    adding.add_argument("folders", metavar="DIR", nargs="+", help="the folders that --certify --draw-seed=N wrote")
    adding.add_argument("-o", "--output", metavar="OUT.md", help="where the report is written, rule by rule")


def run(given: argparse.Namespace) -> int:
    """Do what the command line says, and return the exit code."""
    resolve("reference")  # it is there, and torch is new enough
    return {"verify": _verify, "merge": _merge, "total": _total}[given.command](given)


def _verify(given: argparse.Namespace) -> int:
    """Say whether a certificate is what it says, and what is not."""
    from observance.conformance.evidence import folder, verify

    place = Path(given.folder)
    made = folder.read(place)
    spec = given.impl or made["implementation"]["spec"]
    wrong = _tell(verify.problems_of_files(place)) + _tell(verify.problems_of_content(made, place))
    if not given.no_rerun:
        wrong += _tell(verify.problems_here(made, spec))
        again = verify.run_again(made, verify.Rerun(spec, given.deviations, given.known_failures, given.processes))
        wrong += _tell(verify.differences(made, again))
    judged = made["implementation"]
    who = f"{printable(judged['name'])} {printable(judged['version'])}: {made['status']}"
    how = "as it is written; nothing was run again" if given.no_rerun else "run again, and the same"
    things = "thing is" if wrong == 1 else "things are"
    print(f"not verified: {wrong} {things} wrong" if wrong else f"verified, {how}: {who}")
    return OTHERWISE if wrong else DONE


def _tell(problems: Iterable[str]) -> int:
    """Say each thing that is wrong as soon as it is found, since a run takes minutes; return how many there are."""
    count = 0
    for problem in problems:
        print(problem, flush=True)
        count += 1
    return count


def _merge(given: argparse.Namespace) -> int:
    """Join shards, and say what the whole is."""
    from observance.conformance.evidence import document, folder, merge

    whole, output = merge.merged(_read(given.folders, "shard")), Path(given.output)
    folder.check_new(output)
    folder.write(whole, output)
    for reason in whole["reasons"]:
        print(printable(reason), file=sys.stderr)
    print(f"{whole['status']}: {(output / folder.PAGE).as_posix()}")
    return DONE if whole["status"] == document.CERTIFIED else OTHERWISE


def _read(folders: Sequence[str], what: str) -> list[Plain]:
    """Return the documents in some folders, each of which is what it was when it was written."""
    from observance.conformance.evidence import folder, verify

    found = []
    for place in map(Path, folders):
        found.append(made := folder.read(place))
        wrong = [*verify.problems_of_files(place), *verify.problems_of_content(made, place)]
        if wrong:
            raise UsageError(f"the {what} in {printable(str(place))} is damaged: {wrong[0]}; fetch it again.")
    return found


def _total(given: argparse.Namespace) -> int:
    """Add up certificates, say what they come to together, and write the report if that is asked for."""
    from observance.conformance.evidence import document, total

    made = total.total(_read(given.folders, "certificate"))
    if given.output:
        try:
            Path(given.output).write_text(total.report(made), encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"the report cannot be written to {printable(given.output)} ({printable(str(error))}); "
                "name another place."
            ) from error
    for reason in made["reasons"]:
        print(printable(reason), file=sys.stderr)
    print(f"{made['status']}: {printable(total.heading(made))}")
    return DONE if made["status"] == document.CERTIFIED else OTHERWISE
