"""What a failure looks like, and how verdicts are told to pytest."""

from __future__ import annotations

import difflib
import re
import shlex
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observance.conformance.observation import chain_text
from observance.conformance.outcomes import BROUGHT
from observance.conformance.rules import Finding, Rule
from observance.conformance.tables import side_by_side
from observance.conformance.trials import Trial
from observance.conformance.usage import MEND_FOLDER, printable, told
from observance.strategies import Case, script
from observance.strategies.source import definitions

if TYPE_CHECKING:
    from observance.conformance.hearing import Hearing
    from observance.conformance.judge import Judge
    from observance.conformance.verdict import Verdict

VACUOUS, UNCLAIMED, BLOCKED, KNOWN = "vacuous", "not claimed", "blocked", "known"
"""How the reason of a skipped rule begins, where it is not simply skipped."""

_SHOWN = 4
_WIDTH = 96
_WIDEST = 2000

_OBVIOUS = re.compile(
    r"def make_model\(\):.*"
    r"|def make_backend\(\):\s+return None"
    r"|def make_custom_config\(\):\s+return (None|PrepareCustomConfig\(\)|\{\})",
    re.DOTALL,
)
"""The functions of a script that say nothing of the case."""


def stop_unless_judged(judge: Judge, rule: Rule) -> None:
    """Skip a rule that is blocked, or that needs what the implementation does not claim."""
    if judge.blocked:
        pytest.skip(f"{BLOCKED}: {judge.blocked}")
    if missing := judge.unclaimed_needs(rule):
        pytest.skip(f"{UNCLAIMED}: {judge.implementation.name} does not claim {missing[0]!r}")


def conclude(judge: Judge, verdict: Verdict) -> None:
    """Fail, skip as known or as vacuous, or let pass."""
    if verdict.case is not None:
        text = failure(judge, verdict) if verdict.error is None else failed_itself(judge, verdict)
        pytest.fail(text, pytrace=False)
    if verdict.known:
        pytest.skip(f"{KNOWN}: {verdict.rule.id} fails at {verdict.known} of {verdict.places} places as it is known to")
    if verdict.is_vacuous:
        pytest.skip(f"{VACUOUS}: none of {verdict.cases} cases could break {verdict.rule.id}")


def failed_itself(judge: Judge, verdict: Verdict) -> str:
    """Return what is told of a rule that raised an exception where it looked at what was returned."""
    case, rule = verdict.case, verdict.rule
    assert case is not None
    assert verdict.error is not None
    who = f"{judge.implementation.name} {judge.implementation.version}"
    parts = [
        f"{rule.id} ({rule.level}) could not be held against {who}: it raised {told(verdict.error)}.\n"
        "Look at what prepare returned for this case; run it with --in-process for the traceback.",
        f"Case {case.digest}, {heading(case)}:\n" + _indented(readable(case)),
        _ways_on(judge, verdict),
    ]
    return shown("\n\n".join(parts))


def failure(judge: Judge, verdict: Verdict) -> str:
    """Return the whole text of a failure, and write its case and its script."""
    case, rule = verdict.case, verdict.rule
    assert case is not None
    pair = verdict.findings[0].cases
    parts = [
        f"{rule.id} ({rule.level}) is broken by {judge.implementation.name} {judge.implementation.version}.",
        f"{rule.sentence}\nOrigin: {rule.origin}",
        f"Case {case.digest}, {heading(case)}:\n" + _indented(readable(case)),
        "The graph, with what was found on its edges:\n"
        + _indented(judge.apart.ask(graph_text, pair[0] if pair else case, verdict.findings)),
        *(finding_text(finding) for finding in verdict.findings[:_SHOWN]),
        *pair_texts(verdict.findings),
        _ways_on(judge, verdict),
    ]
    more = len(verdict.findings) - _SHOWN
    if more > 0:
        parts.insert(-1, f"... and {more} more places.")
    return shown("\n\n".join(parts))


def _ways_on(judge: Judge, verdict: Verdict) -> str:
    """Write the failing case, and return what can be done with it."""
    saved = save(judge, verdict)
    if saved is None:
        return f"The case could not be written to {printable(judge.folder.as_posix())}: {MEND_FOLDER}."
    second = f" and, of the second call, {saved}{_SECOND}" if _calls(verdict)[1] else ""
    return (
        f"Script:  {saved}.py{second}\n"
        f"Rerun:   {rerun(judge, verdict.rule, f'{saved}.json')}\n"
        f"Explain: observance explain {shlex.quote(f'{saved}.json')}{_brought(judge)}"
    )


def _brought(judge: Judge) -> str:
    """Return the options of the command that name what is brought; nothing if it is an implementation."""
    return f" {judge.options}" if judge.implementation.shape in BROUGHT else ""


_SECOND = "-second.py"
"""The end of the name of a script that makes the second of two calls, which are held against each other."""


def _calls(verdict: Verdict) -> tuple[Case, Case | None]:
    """Return what the failing call is for, and the second one where two are held against each other."""
    assert verdict.case is not None
    first, second = (verdict.findings and verdict.findings[0].cases) or (verdict.case, None)
    return first, second if second != first else None


def _comment(verdict: Verdict) -> str:
    """Return what a rule says of the first place at which it is broken, as a comment; nothing if it says nothing."""
    if not verdict.findings:
        return ""
    rule = verdict.rule
    said = [f"{rule.id} ({rule.level}): {rule.sentence}", *finding_text(verdict.findings[0]).splitlines()]
    return "".join(f"# {line}".rstrip() + "\n" for line in shown("\n".join(said)).split("\n")) + "\n"


def save(judge: Judge, verdict: Verdict) -> str | None:
    """Write the failing case as JSON and as a script, and the script of a second call, if there is one.

    Returns where they are, without what tells them apart.  Where they cannot be written they are not, which the judge
    remarks.
    """
    assert verdict.case is not None
    saved, (first, second) = stem(judge.folder, verdict), _calls(verdict)
    texts = {".json": verdict.case.to_json() + "\n", ".py": _comment(verdict) + script(first)}
    if second is not None:
        texts[_SECOND] = _comment(verdict) + script(second)
    try:
        judge.folder.mkdir(parents=True, exist_ok=True)
        for end, text in texts.items():
            draft = Path(f"{saved}{end}.part")
            draft.write_text(text, encoding="utf-8")
            draft.replace(f"{saved}{end}")  # at once and whole, whenever somebody ends the run
    except OSError as error:
        judge.remark(f"failing cases cannot be written ({printable(str(error))}); {MEND_FOLDER}.")
        return None
    return saved


def replace(first: str | None, smaller: str | None) -> None:
    """Take away what was saved of a first failing case, unless no smaller one was found."""
    if first is not None and smaller is not None and first != smaller:
        for end in (".json", ".py", _SECOND):
            with suppress(OSError):
                Path(f"{first}{end}").unlink(missing_ok=True)


def stem(folder: Path, verdict: Verdict) -> str:
    """Return where the failing case of a rule is written, but for the end that says how."""
    assert verdict.case is not None
    return (folder / f"{verdict.rule.id}-{verdict.case.digest}").as_posix()


def shown(text: str) -> str:
    """Return a text without what a terminal would obey: names and messages are the implementation's."""
    return "\n".join(printable(line, _WIDEST) for line in text.split("\n"))


def heading(case: Case) -> str:
    """Return how large a case is, or what it is where it is written by hand."""
    if case.written:
        return f"{case.written}, size {case.size}" if case.size else case.written
    return f"{len(case.calls)} call{'s' * (len(case.calls) != 1)}"


def readable(case: Case) -> str:
    """Return the model and the configs of a case as code, without what every case has; the script has it all."""
    source = definitions(case)
    parts = [part.strip() for part in source[source.index("class ") :].split("\n\n\n")]
    return "\n\n\n".join(part for part in parts if not _OBVIOUS.fullmatch(part))


def graph_text(judge: Hearing, case: Case, findings: Sequence[Finding] = ()) -> str:
    """Return the prepared graph as text: a line for each edge, with the observers on it.

    An edge at which there is a finding, or of a value of which there is one, is marked.  Observers that nothing reads
    come last.
    """
    trial = Trial(case, judge.calls, judge.standard)
    if trial.outcome.error is not None:
        error = trial.outcome.error
        return f"prepare raised {printable(type(error).__name__)}: {printable(str(error), _WIDEST)}"
    if trial.seen is None:
        return f"it cannot be compared with the float graph: {trial.outcome.misshapen}"
    places = {finding.place.partition(", sharing")[0].partition(", equalization")[0] for finding in findings}
    lines = []
    for edge in trial.seen.edges:
        chain = trial.seen.chain(edge)
        mark = ">" if places & {str(edge), f"{edge.value} -> {edge.reader}", *_named(edge.value)} else " "
        lines.append(f"{mark} {edge}: {chain_text(chain)}")
    for value, chain in trial.seen.unread():
        mark = ">" if places & _named(value) else " "
        lines.append(f"{mark} {value}, read by nothing: {chain_text(chain)}")
    return "\n".join(lines) or "it has no edges"


def _named(value: str) -> set[str]:
    """Return what findings call a value."""
    return {value, f"on {value}", f"the output of {value}"}


def finding_text(finding: Finding) -> str:
    """Return one broken place: what was expected and what was found, side by side, and why."""
    where = finding.place if finding.place.startswith("on ") else f"at {finding.place}"
    texts = side_by_side(("expected", "found"), (finding.expected, finding.found), _WIDTH)
    lines = [f"{where[0].upper()}{where[1:]}", *(f"    {line}" for line in texts)]
    if finding.because:
        because = f"because {printable(finding.because, _WIDEST)}"
        lines.append(textwrap.fill(because, 100, initial_indent="    ", subsequent_indent="      "))
    return "\n".join(lines)


def pair_texts(findings: Sequence[Finding]) -> list[str]:
    """Return how the two calls differ that a metamorphic rule holds against each other, once."""
    pair = findings[0].cases
    if pair is None or pair[0] == pair[1]:
        return []
    first, second = (readable(case).splitlines() for case in pair)
    lines = list(difflib.unified_diff(first, second, n=2, lineterm=""))[2:]
    heading = "Two calls are held against each other; they differ in this alone (- the first, + the second):"
    return [heading + "\n" + _indented("\n".join(lines))]


def rerun(judge: Judge, rule: Rule, path: str) -> str:
    """Return the command that tries one case against one rule."""
    return f"pytest --pyargs observance.conformance {judge.options} --rule={rule.id} --case={shlex.quote(path)}"


def _indented(text: str) -> str:
    """Return the text, each line four columns to the right."""
    return textwrap.indent(text, "    ")
