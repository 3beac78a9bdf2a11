"""Write the rule book and the book of deviations: a maintainer's tool.

    python -m observance.conformance.book [--check]

It writes ``docs/rules.md`` from the docstrings of the rules, and
``docs/deviations.md`` from the shipped registers.  With ``--check`` it writes nothing,
and exits with 1 and one sentence if a file is not what it would write.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from observance.conformance.claims import FX, SHIPPED_REGISTERS
from observance.conformance.deviations import Deviation, Register, load
from observance.conformance.deviations.harm import by_harm
from observance.conformance.efforts import COSTLY_SHARE
from observance.conformance.origins import place_of
from observance.conformance.report import readable
from observance.conformance.rules import RULES, Rule, import_rules
from observance.conformance.variants import Change

CHAPTERS = (
    "entry",
    "refusals",
    "qconfigs",
    "patterns",
    "dtypes",
    "backends",
    "placement",
    "sharing",
    "modules",
    "qat",
    "equalization",
    "annotations",
    "quantizers",
    "configs",
    "declared",
    "devices",
    "state",
    "effects",
    "scale",
)
"""The chapters, in the order in which `prepare` does its work."""

_NOTICE = "<!-- Written by `python -m observance.conformance.book`. Change the code, and write it again. -->"

_RULES_HEAD = """\
# The rules

Each rule is one test of the suite; its text is that test's docstring. `MUST` rules are promised by torch's
documentation, configuration API or tests, or nobody could do without them: they alone gate. `UPSTREAM` rules
say what torch does and nothing promises: another implementation may lawfully differ, and
`--level=upstream` checks them too. *Origin* is where a rule comes from: a name, what is said there in our words, and in
brackets the file or the page where it is to be read. A file is that of an installed torch or torchao.
"""

_DEVIATIONS_HEAD = """\
# What is known to be otherwise

Each entry of a register says what a library does, what its own documentation says instead, and how a decision of the
reference is changed to do as the library does. A failure is excused if the reference with all of these changes breaks
the same rule at the same place with the same result, and not otherwise (see
[architecture](architecture.md#the-register)). The case of each entry is the smallest that was found to show it; every
run of the suite tries it, and it must still fail. The command below a case shows all rules that it breaks. What hurts
most comes first.
"""

_ABOUT = {
    "torch": "What torch's prepare does otherwise",
    "torchao": "What torchao's prepare of annotated graphs does otherwise",
}
"""The headings of the registers."""


def rules_text(rules: Iterable[Rule], registers: Sequence[Register]) -> str:
    """Return the rule book."""
    known = list(rules)
    parts = [_NOTICE, _RULES_HEAD.strip(), _contents(known)]
    for chapter in chapters_of(known):
        members = sorted((rule for rule in known if chapter_of(rule) == chapter), key=_number)
        heading = _first_sentence(inspect.getmodule(members[0].check).__doc__)
        parts.append(f"## {chapter.capitalize()}\n\n{heading}")
        parts += [_rule_text(rule, registers) for rule in members]
    return "\n\n".join(parts) + "\n"


def chapters_of(rules: Iterable[Rule]) -> list[str]:
    """Return the chapters that rules belong to, in order."""
    return sorted({chapter_of(rule) for rule in rules}, key=CHAPTERS.index)


def chapter_of(rule: Rule) -> str:
    """Return the chapter of a rule."""
    return rule.id.partition("-")[0].lower()


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """Return rules by chapter, and by number in a chapter."""
    return sorted(rules, key=lambda rule: (CHAPTERS.index(chapter_of(rule)), _number(rule)))


def _number(rule: Rule) -> int:
    """Return the number of a rule in its chapter."""
    return int(rule.id.partition("-")[2])


def _first_sentence(docstring: str | None) -> str:
    """Return what a module's docstring says of its chapter."""
    paragraph = " ".join((docstring or "").strip().partition("\n\n")[0].split())
    sentence = paragraph.partition(": ")[2] or paragraph
    return sentence[:1].upper() + sentence[1:]


def _contents(rules: list[Rule]) -> str:
    """Return how many rules each chapter has."""
    lines = ["| chapter | MUST | UPSTREAM |", "|---|---|---|"]
    for chapter in chapters_of(rules):
        levels = [rule.level for rule in rules if chapter_of(rule) == chapter]
        counts = f"{levels.count('MUST')} | {levels.count('UPSTREAM')}"
        lines.append(f"| [{chapter}](#{chapter}) | {counts} |")
    levels = [rule.level for rule in rules]
    return "\n".join([*lines, f"| all | {levels.count('MUST')} | {levels.count('UPSTREAM')} |"])


def _rule_text(rule: Rule, registers: Sequence[Register]) -> str:
    """Return the entry of one rule."""
    module = rule.check.__module__.rpartition(".")[2]
    rest = inspect.cleandoc(rule.text).partition("\n\n")[2]
    facts = [f"Level: {rule.level}.", f"Origin: {coded(rule.origin)} ({place_of(rule.origin)})."]
    if rule.needs:
        facts.append(f"Needs: {', '.join(rule.needs)}.")
    if rule.costly:
        facts.append(f"Effort: it calls the implementation again, so it sees one case in {COSTLY_SHARE} at most.")
    for register in registers:
        breaking = [entry.id for entry in register.entries if rule.id in entry.rules]
        if breaking:
            links = ", ".join(f"[{name}](deviations.md#{name})" for name in breaking)
            facts.append(f"{register.library.capitalize()} is known to break it: {links}.")
    facts.append(f"Test: `conformance/{module}.py::{rule.check.__name__}`.")
    listed = "\n".join(f"- {fact}" for fact in facts)
    text = f"**{rule.sentence}**" + (f"\n\n{rest}" if rest else "")
    return f"### {rule.id}\n\n{text}\n\n{listed}"


def deviations_text(registers: Sequence[Register]) -> str:
    """Return the book of the deviations of some registers, those that hurt most first."""
    parts = [_NOTICE, _DEVIATIONS_HEAD.strip()]
    groups = [(register, by_harm(register.entries)) for register in registers]
    for register, harms in groups:
        parts.append(f"## {_ABOUT[register.library]}")
        for harm, entries in harms:
            if entries:
                parts.append(f"### {harm.title}\n\n{harm.meaning}\n\n{_index(entries, register)}")
    for register, harms in groups:
        parts.append(f"## The entries of {register.library}")
        parts += [_entry_text(entry, register) for _, entries in harms for entry in entries]
    return "\n\n".join(parts) + "\n"


def _index(entries: Iterable[Deviation], register: Register) -> str:
    """Return a table of some entries."""
    lines = [f"| [{entry.id}](#{entry.id}) | {versions(entry)} | {', '.join(entry.rules)} |" for entry in entries]
    return "\n".join([f"| entry | {register.library} | rules that its case breaks |", "|---|---|---|", *lines])


def versions(entry: Deviation) -> str:
    """Return which releases have a deviation."""
    found = f"{entry.first} and later" if entry.last is None else f"{entry.first} to {entry.last}"
    return found if entry.torch == "2.5" else f"{found}, with torch {entry.torch} and later"


def _entry_text(entry: Deviation, register: Register) -> str:
    """Return the entry of one deviation."""
    rules = ", ".join(f"[{name}](rules.md#{name.lower()})" for name in entry.rules)
    lines = [
        f"- {register.library.capitalize()}: {versions(entry)}.",
        f"- What it does: {coded(entry.cause)}.",
        f"- What its documentation says: {coded(entry.origin)}.",
        f"- Rules that its case breaks: {rules}.",
        *(f"- In the reference, {_change_text(change)}" for change in entry.changes),
    ]
    profile = f" --profile={FX}" if entry.pinned.profile == FX else ""
    case = f"{register.name}{profile} --case=conformance/deviations/cases/{entry.id}.json --no-known-deviations"
    listed, code = "\n".join(lines), readable(entry.pinned)
    command = f"pytest conformance/ --impl={case}"
    return f"### {entry.id}\n\n{listed}\n\n```python\n{code}\n```\n\n```sh\n{command}\n```"


def _change_text(change: Change) -> str:
    """Return what a change makes of a decision of the reference."""
    said = _first_sentence(change.instead.__doc__).rstrip(".")
    return f"`{change.decision}` is changed: *{said[:1].lower()}{said[1:]}*."


_NAMES = re.compile(r"\w+(?:\.\w+)*\([^()]*\)|\w*_[\w.]*\w|__\w+__")


def coded(text: str) -> str:
    """Return a text with the names of code in it marked as code, unless it marks some itself."""
    return text if "`" in text else _NAMES.sub(lambda found: f"`{found[0]}`", text)


def books() -> dict[Path, str]:
    """Return the text of each file, by its path in the checkout."""
    import_rules()
    docs = Path(__file__).resolve().parents[1] / "docs"
    registers = [load(name) for name in SHIPPED_REGISTERS]
    texts = {"rules.md": rules_text(RULES.values(), registers), "deviations.md": deviations_text(registers)}
    return {docs / name: text for name, text in texts.items()}


def main(arguments: list[str]) -> int:
    """Write the books, or check them; return the exit code."""
    if arguments not in ([], ["--check"]):
        print(f"{' '.join(arguments)!r} is no option; the one option is --check.", file=sys.stderr)
        return 2
    texts = books()
    if not all(path.parent.is_dir() for path in texts):
        print("There is no docs/ beside the suite; run this in a checkout.", file=sys.stderr)
        return 1
    for path, text in texts.items():
        if not arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            name = f"docs/{path.name}"
            print(f"{name} is not up to date; run `python -m {_MODULE}`.", file=sys.stderr)
            return 1
    return 0


_MODULE = "observance.conformance.book"

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
