"""A certificate to look at: it opens in a real browser, shows all there is, and is harmed by nobody's names."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from observance.conformance.evidence import folder
from observance.conformance.evidence.document import VERDICTS, concluded
from observance.conformance.evidence.page import badge, html, junit

from . import browser
from .certificates import CERTIFIED, FAILED, named

HOSTILE = {
    "markup": "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "quotes": "\"'><b>&amp;</b>{{ 7 * 7 }}{% raw %}",
    "escapes": "\x1b]0;owned\x07\x1b[2J\x00\x08\r\n",
    "turned around": "\u202eevil\u2066\ud800\ufffe",
    "a path": "../../../../etc/passwd\\..\\",
    "megabytes": "A" * 3_000_000,
}

WIDE = """<script>addEventListener("load", () => { document.title = JSON.stringify([
  document.documentElement.scrollWidth > innerWidth,
  [...document.images].filter(one => !one.naturalWidth).length, document.images.length]); });</script>"""


@pytest.fixture(params=["certified", "failed"])
def made(request: pytest.FixtureRequest) -> Any:
    """A certificate, and a refusal of one that has failures with pictures."""
    return copy.deepcopy({"certified": CERTIFIED, "failed": FAILED}[request.param])


def written(made: Any, path: Path) -> Path:
    """Write the page of a certificate."""
    path.write_bytes(folder.contents(made)[folder.PAGE])
    return path


def test_the_page_refers_to_nothing_outside_of_it(made: Any) -> None:
    page = html(made)
    assert set(re.findall(r"""(?:src|href)=["']?([^"'>]{5})""", page)) <= {"data:", "#fail"}
    assert not re.search(r"<(script|link|iframe|object|embed|form)|@import|url\(", page)
    assert "default-src 'none'" in page


def test_the_page_has_every_rule_every_waiver_and_every_feature(made: Any) -> None:
    page = html(made)
    assert all(f">{rule['id']}<" in page for rule in made["rules"])
    assert all(f'<td class="id">{waiver["id"]}</td>' in page for waiver in made["waivers"])
    assert all(f'<span class="name">{name}</span>' in page for name in made["cases"]["features"])


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_has_a_colour_of_its_own_kind(verdict: str) -> None:
    word = "missing" if verdict == "not run" else verdict
    assert f".{word}" in html(CERTIFIED) or verdict == "not claimed"


def test_the_page_opens_in_a_browser_and_everything_is_seen(made: Any, tmp_path: Path) -> None:
    page = written(made, tmp_path / "page.html")
    measured = tmp_path / "measured.html"
    measured.write_text(re.sub(r"<meta http-equiv.*?>", WIDE, page.read_text(encoding="utf-8")), encoding="utf-8")
    for width in (500, 1200):
        title = re.search(r"<title>\[(true|false),(\d+),(\d+)\]</title>", browser.dom(measured, width))
        assert title is not None
        pictures = [p for r in made["rules"] for p in ((r["failure"] or {}).get("pictures") or {}).values() if p]
        assert title.groups() == ("false", "0", str(len(pictures))), f"at a width of {width}"
    picture = browser.screenshot(page, tmp_path / "page.png")
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 30_000  # an empty page of that size has some 8 kB


def test_hostile_names_are_text_in_a_browser(tmp_path: Path) -> None:
    names = " ".join(text for name, text in HOSTILE.items() if name != "megabytes")
    seen = browser.dom(written(named(FAILED, names), tmp_path / "page.html"))
    assert "<title>owned" not in seen
    assert not re.search(r"<(script|img src=.?x|b>&amp;)", seen)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_harms_no_file(name: str) -> None:
    made = named(FAILED, HOSTILE[name])
    files = folder.contents(made)
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", b"".join(files[n] for n in files if n != folder.CERTIFICATE))
    assert len(files[folder.PAGE]) < 1_000_000
    assert all(re.fullmatch(r"(failures/)?[A-Za-z0-9-]+\.[a-z]+", path) for path in files)
    for path in ("junit.xml", "badge.svg"):
        ElementTree.fromstring(files[path])


def test_junit_counts_what_the_certificate_says(made: Any) -> None:
    suite = ElementTree.fromstring(junit(made)).find("testsuite")
    assert suite is not None
    broken = sum(rule["verdict"] == "broken" for rule in made["rules"])
    assert int(suite.attrib["tests"]) == len(made["rules"]) + len(made["waivers"])
    assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"]) == broken


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "certified, "),
        ({"interrupted": True}, "incomplete"),
        ({"shard": {"number": 1, "of": 2}}, "a shard"),
    ],
)
def test_the_badge_says_what_the_certificate_is(change: dict[str, Any], said: str) -> None:
    made = copy.deepcopy(CERTIFIED)
    made["run"] |= change
    title = ElementTree.fromstring(badge(concluded(made)).encode()).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert (title.text or "").startswith(f"observance: {said}")
