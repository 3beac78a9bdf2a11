"""Write docs/history.md: what was reported of `prepare` upstream, and the rules that tell it.

python -m tests.history_table
"""

from __future__ import annotations

from pathlib import Path

from .history import REPORTS, UPSTREAM, Report

PATH = Path(__file__).resolve().parents[1] / "docs" / "history.md"

_HEAD = """\
<!-- Written by `python -m tests.history_table`. Change the modules of tests/history/, and write it again. -->

# What went wrong before

These are {count} defects of `prepare` that PyTorch's issue trackers tell of since 2021, in our own words. Some were
reported and some were found and mended by the authors; those of pt2e's `prepare`, which has the same task, are among
them. For each there is a small model on which it goes wrong, and the fault is put back into the reference: a decision
that is made as wrongly as was told. Each of the *rules* tells it there, and without the fault no rule is broken. A test
holds both (`tests/test_history.py`; the models and the faults are in `tests/history/`).

*Still* names the [known deviation](deviations.md) by which the `prepare` of torch 2.13.0 breaks such a rule on that
model to this day, for the reason that was reported or for another one.

| number | year | what went wrong | rules | still |
|---|---|---|---|---|
"""


def text() -> str:
    """Return the whole document, the oldest numbers first."""
    ordered = sorted(REPORTS, key=lambda report: (report.year, report.repository, report.number, report.sentence))
    return _HEAD.format(count=len(REPORTS)) + "\n".join(map(_line, ordered)) + "\n"


def _line(report: Report) -> str:
    """Return the line of one report."""
    tracker = "" if report.repository == UPSTREAM else report.repository
    rules = ", ".join(f"[{name}](rules.md#{name.lower()})" for name in report.rules)
    still = f"[{report.still}](deviations.md#{report.still})" if report.still else ""
    number = f"[{tracker}#{report.number}]({report.link})"
    return f"| {number} | {report.year} | {report.sentence} | {rules} | {still} |"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
