"""The chapter on a long run, made from `hour.json`."""

from __future__ import annotations

from typing import Any

SHOWN = 12
"""At most so many minutes are shown, and the last one."""


def chapter(results: dict[str, Any]) -> str:
    """Return the chapter, as Markdown."""
    return "\n\n".join(["## A long run of `explore`", _what(results), _table(results["samples"])]) + "\n"


def _what(results: dict[str, Any]) -> str:
    """Return what was run, and what it came to."""
    options, samples = " ".join(results["options"]), results["samples"]
    # The first minutes are those in which the processes begin.
    first, last = (_total(sample) for sample in (samples[min(5, len(samples) - 1)], _last_whole(samples)))
    *replaced, verdict = map(_plain, results["said"])
    lost = "nothing was lost" if results["exit"] == 0 else f"the run ended with exit code {results['exit']}"
    return (
        f"`benchmarks/suite/hour.py` ran `pytest conformance/ --impl=torch {options}` for {results['minutes']:.0f} "
        f"minutes on {results['cpus']} cores, and looked every minute at the memory that its processes hold and share "
        f"with none: pytest's, those that judge, and those in which torch is called. At the end: "
        f"{'; '.join([verdict, *replaced, lost])}. All processes held {first} MB in the sixth minute, {last} MB in the "
        f"last one before the first of them ended, and {max(map(_total, samples))} MB at most."
    )


def _last_whole(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the last sample that has all processes: at the end of a run they end one by one."""
    most = max(len(sample["megabytes"]) for sample in samples)
    return next(sample for sample in reversed(samples) if len(sample["megabytes"]) == most)


def _plain(line: str) -> str:
    """Return pytest's last line without its ornament."""
    return line.strip("= ")


def _total(sample: dict[str, Any]) -> int:
    """Return what all processes held at once."""
    return sum(sample["megabytes"])


def _table(samples: list[dict[str, Any]]) -> str:
    """Return the memory of some minutes, that of the largest processes apart."""
    step = max(1, -(-len(samples) // SHOWN))
    shown = [*samples[1:-1:step], samples[-1]]
    rows = [
        f"| {sample['minutes']:.0f} | {_total(sample)} | {', '.join(map(str, sample['megabytes']))} |"
        for sample in shown
    ]
    return "\n".join(["| minute | MB | of each process |", "|--:|--:|---|", *rows])
