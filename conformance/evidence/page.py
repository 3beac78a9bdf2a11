"""A certificate to look at: a page, a badge, and JUnit XML.  All three say what the document says, and nothing else.

Whatever comes from the implementation is text.  The templates escape it, what
could not be seen is written out, and pictures are shown as images, in which
nothing is executed.  The page needs no network and forbids itself to use one.
"""

from __future__ import annotations

import base64
from collections import Counter
from functools import cache
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from observance.conformance.evidence.document import CERTIFIED, IN_FORCE, INCOMPLETE, REFUSED, SHARD, VERDICTS, VOID
from observance.conformance.evidence.identity import Plain
from observance.conformance.usage import printable

WORDS = {CERTIFIED: "certified", REFUSED: "not certified", INCOMPLETE: "incomplete", SHARD: "a shard"}
"""What a status is called."""

_WIDEST = 4_000
"""The most characters of one text on the page."""

_LARGEST_PICTURE = 1 << 20
"""The most characters of a picture that is shown."""

_COLOURS = {CERTIFIED: "#2e7d32", REFUSED: "#b3261e", INCOMPLETE: "#8a6d00", SHARD: "#5f6368"}
_LETTER = 6.6
"""How wide a letter of the badge is, about."""


@cache
def _templates() -> Environment:
    """Return the templates, which escape all that is put into them."""
    return Environment(
        loader=PackageLoader("observance.conformance.evidence"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=lambda value: printable(value, _WIDEST) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def html(made: Plain) -> str:
    """Return the page of a certificate: one HTML document that refers to nothing outside of it."""
    chapters: dict[str, list[Plain]] = {}
    for rule in made["rules"]:
        chapters.setdefault(rule["id"].partition("-")[0].lower(), []).append(rule)
    return (
        _templates()
        .get_template("certificate.html")
        .render(
            made=made,
            word=WORDS[made["status"]],
            verdicts=_counted(made),
            chapters=chapters,
            failures=[rule for rule in made["rules"] if rule["failure"]],
            most=max(made["cases"]["features"].values(), default=0) or 1,
            image=image,
        )
    )


def _counted(made: Plain) -> dict[str, int]:
    """Return how many rules came to what, the worst first."""
    counts = Counter(rule["verdict"] for rule in made["rules"])
    return {word: counts[word] for word in VERDICTS if counts[word]}


def image(svg: str) -> Markup:
    """Return a picture as an address that has all of it: as an image it can neither run a script nor load anything.

    One that is too large to be looked at has none.
    """
    if len(svg) > _LARGEST_PICTURE:
        return Markup("")
    encoded = base64.b64encode(svg.encode("utf-8", "backslashreplace")).decode("ascii")
    return Markup(f"data:image/svg+xml;base64,{encoded}")  # letters, digits, + and /: nothing to escape, nor to cut


def badge(made: Plain) -> str:
    """Return the badge of a certificate as SVG."""
    counts = _counted(made)
    kept = counts.get("kept", 0)
    said = WORDS[made["status"]] + (f", {kept} rules" if made["status"] == CERTIFIED else "")
    left, right = (round(len(text) * _LETTER + 14) for text in ("observance", said))
    return (
        _templates()
        .get_template("badge.svg")
        .render(said=said, left=left, right=right, width=left + right, colour=_COLOURS[made["status"]])
    )


def junit(made: Plain) -> str:
    """Return the verdicts as JUnit XML: a test case for each rule and each waiver."""
    judged = made["implementation"]
    root = Element("testsuites")
    suite = SubElement(root, "testsuite", name=_text(f"observance: {judged['name']} {judged['version']}"))
    suite.set("timestamp", _text(made["run"]["start"]))
    for rule in made["rules"]:
        _enter_rule(suite, rule)
    for waiver in made["waivers"]:
        case = SubElement(suite, "testcase", classname=_text(waiver["kind"]), name=_text(waiver["id"]))
        if waiver["state"] != IN_FORCE:
            kind = "failure" if waiver["state"] == VOID else "skipped"
            SubElement(case, kind, message=_text(waiver["state"]))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _enter_rule(suite: Element, rule: Plain) -> None:
    """Enter a rule as a test case: what could have broken it, and how it did."""
    case = SubElement(suite, "testcase", classname=_text(rule["id"].partition("-")[0].lower()), name=_text(rule["id"]))
    properties = SubElement(case, "properties")
    for name in ("cases", "telling", "places", "excused", "known", "breaking"):
        SubElement(properties, "property", name=name, value=str(rule["counts"][name]))
    kinds = {"broken": "failure", "error": "error", "kept": None}
    kind = kinds.get(rule["verdict"], "skipped")
    if kind is not None:
        told = SubElement(case, kind, message=_text(f"{rule['verdict']}: {rule['sentence']}"))
        told.text = _failure_text(rule["failure"]) if rule["failure"] else None


def _failure_text(failure: Plain) -> str:
    """Return a failure in a few lines."""
    if "error" in failure:
        return _text(failure["error"])
    lines = [f"case {failure['digest']}, {failure['heading']}"]
    for found in failure["findings"]:
        lines += [f"at {found['place']}", f"  expected: {found['expected']}", f"  found: {found['found']}"]
    return "\n".join(map(_text, lines))


def _text(value: Any) -> str:
    """Return a text that XML can hold."""
    return printable(str(value), _WIDEST)
