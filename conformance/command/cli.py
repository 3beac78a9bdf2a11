"""The command `observance`: explain and draw prepared graphs, record and compare them, verify and add up certificates.

Exit codes: 0, it is done; 1, `prepare` refuses or fails on what the file
describes, records differ, or a certificate is not what it says, or none; 2, the
command, a file, the implementation or the output is wrong; 130, somebody ended it.
Whatever goes wrong is one sentence on stderr.

torch is imported when the command line has been read, and found to be new enough.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from observance.conformance.claims import PT2E
from observance.conformance.command import evidence, recording
from observance.conformance.implementations import resolve
from observance.conformance.usage import UsageError, printable, told, unlogged

if TYPE_CHECKING:
    from observance.conformance.command.diagrams import Diagram
    from observance.conformance.command.explaining import Explanation
    from observance.conformance.command.subjects import Subject
    from observance.conformance.implementations import Implementation
    from observance.reference.site import Site
    from observance.strategies import Arguments

DONE, REFUSED, WRONG, ENDED = 0, 1, 2, 130
"""The exit codes; the last is what a shell gives for an interrupt."""


class RefusedError(Exception):
    """`prepare` refuses or fails on what is well described; the message is one sentence."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="observance",
        description="Where observers stand in a model, and why.",
        epilog="Exit codes: 0, it is done; 1, prepare refuses or fails on what the file describes, records differ, "
        "or a certificate is not what it says, or none; "
        "2, the command, a file, the implementation or the output is wrong; 130, somebody ended it.",
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    file = "a case (.json) that the suite wrote, or a Python file that defines `model`"
    explaining = commands.add_parser("explain", help="say of every edge why there is an observer on it, or none")
    explaining.add_argument("file", metavar="FILE", help=file)
    _add_brought(explaining)
    explaining.add_argument("--picture", metavar="OUT.svg", help="draw it, too")
    showing = commands.add_parser("show", help="draw a prepared graph, its observers coloured by what is one object")
    showing.add_argument("file", metavar="FILE", help=file)
    showing.add_argument("--impl", metavar="NAME", default="reference", help="whose prepare; as for the suite")
    _add_brought(showing)
    showing.add_argument("-o", "--output", metavar="OUT.svg", required=True, help="where it is drawn")
    recording.add_parsers(commands)
    evidence.add_parsers(commands)
    return made


def _add_brought(parser: argparse.ArgumentParser) -> None:
    """Add the options that name what is brought in place of a `prepare`."""
    parser.add_argument("--quantizer", metavar="WHAT", help="let this quantizer annotate the graph; as for the suite")
    parser.add_argument("--backend-config", metavar="WHAT", help="prepare for this backend config; as for the suite")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return the exit code."""
    given = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name may have letters that a terminal has not
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings(), unlogged(), _terminable():
            warnings.simplefilter("ignore")  # what prepare says aloud is part of an explanation
            return _done(given)
    except (UsageError, RefusedError) as error:
        print(f"observance: {error}", file=sys.stderr)
        return REFUSED if isinstance(error, RefusedError) else WRONG
    except KeyboardInterrupt:
        print(
            f"observance: {given.command} was ended before it was done; the same command begins anew.", file=sys.stderr
        )
        return ENDED
    except BrokenPipeError:  # who reads has read enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


@contextmanager
def _terminable() -> Iterator[None]:
    """Let whoever terminates the process be one who interrupts it: what is half done is taken away."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _done(given: argparse.Namespace) -> int:
    """Do what the command line says, and return the exit code."""
    match given.command:
        case "explain":
            _explain(_brought(given), given.picture)
        case "show":
            _show(_brought(given), given.impl, given.output)
        case "verify" | "merge" | "total":
            return evidence.run(given)
        case _:
            return recording.run(given)
    return DONE


def _brought(given: argparse.Namespace) -> Subject:
    """Return what the file describes, with the quantizer or the backend config that is named."""
    resolve("reference")  # it is there, and torch is new enough
    from observance.conformance.brought import RESOLVERS
    from observance.conformance.command.subjects import Subject, read_subject

    makers = [RESOLVERS[shape](spec) for shape in RESOLVERS if (spec := getattr(given, shape))]
    subject = read_subject(given.file)
    for maker in makers:
        try:
            subject = Subject(f"{subject.name}, {maker.name}", maker.function(subject.arguments))
        except Exception as error:  # it is the vendor's
            raise RefusedError(f"{maker.name} fails on {subject.name} ({told(error)}).") from error
    if subject.is_to_annotate:
        raise UsageError(f"{subject.name} is a graph for a quantizer; name one with --quantizer.")
    return subject


def _explain(subject: Subject, picture: str | None) -> None:
    """Print the explanation of a call, and draw it if that is asked for."""
    from observance.conformance.command.diagrams import of_explanation
    from observance.conformance.command.telling import explanation_text
    from observance.conformance.rules import RULES, import_rules

    explanation = _explained(subject)
    import_rules()
    if picture is not None:
        _draw(of_explanation(subject.name, explanation), picture)
    print(explanation_text(subject.name, explanation, RULES), end="", flush=True)


def _explained(subject: Subject) -> Explanation:
    """Return the explanation of what the reference plans for the call that is described."""
    from observance.conformance.command.explaining import explain, explain_annotated
    from observance.reference import RefusalError, annotations

    given = subject.arguments
    try:
        if given.is_annotated:
            return explain_annotated(given.model.graph, annotations.plan(given.model, given.is_qat))
        return explain(_planned(given))
    except RefusalError as error:
        raise RefusedError(f"the reference refuses {subject.name}: {printable(str(error), 400)}.") from error
    except Exception as error:  # a config that torch lets anybody fill may hold anything
        raise RefusedError(
            f"the reference fails on {subject.name} ({told(error)}); check the configs, or report it with the file."
        ) from error


def _planned(given: Arguments) -> Site:
    """Return what the reference plans for a call with qconfigs."""
    from observance.reference import place, survey
    from observance.reference.entry import read_configs
    from observance.reference.modules import refuse_structure
    from observance.reference.refusals import refuse_misuse

    configs = read_configs(
        given.qconfig_mapping, given.custom_config, given.backend_config, given.is_qat, given.equalization
    )
    refuse_misuse(given.model, given.is_qat, given.scopes, given.example_inputs, configs)
    site = survey(given.model, configs, given.scopes, given.example_inputs)
    place(site)
    if given.is_standalone:
        refuse_structure(site.graph)
    return site


def _show(subject: Subject, name: str, output: str) -> None:
    """Draw what an implementation makes of a call."""
    implementation = recording.claiming(resolve(name))
    from torch.fx import GraphModule

    from observance.conformance.command.diagrams import of_prepared
    from observance.conformance.outcomes import prepared_or_error

    if subject.arguments.is_annotated:
        implementation = resolve(name, PT2E)  # the reference has a `prepare` of its own for annotated graphs
    _check_shape(implementation, subject)
    prepared = prepared_or_error(implementation, subject.arguments)
    who = f"{printable(implementation.name)} {printable(implementation.version)}"
    if not isinstance(prepared, GraphModule):
        raise RefusedError(f"{who} does not prepare {subject.name}: {told(prepared)}.")
    _draw(of_prepared(f"{subject.name}, prepared by {who}", prepared), output)


def _check_shape(implementation: Implementation, subject: Subject) -> None:
    """Raise a `UsageError` if an implementation cannot be asked for what is described, by its shape."""
    given = subject.arguments
    if given.is_annotated is not bool(implementation.profile):
        what = "an annotated graph" if given.is_annotated else "no annotated graph"
        raise UsageError(
            f"{subject.name} is {what}, which {implementation.name} is not called with; name another implementation."
        )
    if implementation.shape == "prepare_fx" and (given.is_qat or given.is_standalone):
        what = "training" if given.is_qat else "standalone modules"
        raise UsageError(
            f"{implementation.name} is called as `prepare_fx`, which cannot be asked to prepare for {what}; "
            "name its `prepare`, or show another file."
        )


def _draw(diagram: Diagram, output: str) -> None:
    """Write a diagram into a file as SVG."""
    from observance.conformance.command.drawing import svg

    text = svg(diagram)
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the picture cannot be written to {printable(output)} ({printable(str(error))}); name another place."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
