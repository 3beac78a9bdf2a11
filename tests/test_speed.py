"""The benchmark of speed measures what it says: all models, and a floor that gives the same result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEED = ROOT / "benchmarks" / "speed"

MODELS = ("a chain", "a fan-out", "a list", "ResNet", "MobileNetV2", "ViT", "transformer", "LSTM tagger")


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the benchmark's programs."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=SPEED)


def test_a_quick_run_has_figures_of_all_models_and_becomes_a_chapter(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    run = benchmark("run.py", "--quick", "--path", "qconfigs", "--results", str(results))
    assert run.returncode == 0, run.stderr
    found = json.loads(results.read_text())
    assert {row["model"] for row in found["rows"]} == set(MODELS)
    for row in found["rows"]:
        assert set(row["seconds"]) == {"reference", "torch", "floor"}
        assert row["observers"]["reference"] == row["observers"]["floor"] > 0
        assert abs(row["observers"]["torch"] - row["observers"]["reference"]) <= 1
    chapter = benchmark("-c", CHAPTER, str(results))
    assert chapter.stdout.startswith("## What `prepare` costs"), chapter.stderr
    assert all(f"| {name} | " in chapter.stdout for name in MODELS)


CHAPTER = """
import json, sys
from speed_table import chapter
print(chapter(json.load(open(sys.argv[1]))))
"""

COMPARING = """
import sys, warnings
import torch
from calls import template
from models import ARCHITECTURES
from observance.conformance.differences import differences
from observance.conformance.observation import observe

warnings.simplefilter("ignore")
for name in ARCHITECTURES:
    given = template(ARCHITECTURES[name], 2, sys.argv[1])
    contestants = given.contestants()
    reference, floor = (contestants[which](*given.arguments()) for which in ("reference", "floor"))
    graph = given.model.graph
    for difference in differences(observe(graph, reference), observe(graph, floor)):
        print(name, difference)
    example = given.example()
    with torch.no_grad():
        torch.testing.assert_close(floor(example), given.model(example))
"""
"""Prints where the floor's result is not the reference's; and runs it."""


@pytest.mark.parametrize("path", ["qconfigs", "annotations"])
def test_the_floor_puts_the_observers_where_the_reference_does_and_changes_no_value(path: str) -> None:
    if path == "annotations":
        pytest.importorskip("torchao")
    comparing = benchmark("-c", COMPARING, path)
    assert (comparing.returncode, comparing.stdout) == (0, ""), comparing.stdout + comparing.stderr


GOALS = """
from speed_table import Goal, Row, chapter, goals

def row(nodes, reference, torch, floor, peak):
    seconds = {"reference": [9.0, reference], "floor": [floor]} | ({"torch": [torch]} if torch else {})
    collecting = {name: [0.0] * len(times) for name, times in seconds.items()} | {"reference": [0.0, reference / 2]}
    found = {"path": "qconfigs", "model": "a chain", "depth": 1, "nodes": nodes, "observers": {"reference": 1}}
    return Row(found | {"seconds": seconds, "collecting": collecting, "peaks": {"reference": peak}, "failed": {}})

for goal in goals("qconfigs", [row(1000, 1.0, 5.0, 0.5, 1000), row(4000, 8.0, 0, 2.0, 4000)]):
    print(goal.line())
"""


def test_a_goal_is_met_where_it_is_met_everywhere() -> None:
    lines = benchmark("-c", GOALS).stdout.splitlines()
    faster, near, time, working, memory = [line.split(" | ", 1)[1] for line in lines]
    assert faster == "**met** | 1 of 1 | 1 of 1 | 5.000: a chain, 1000 nodes |"
    assert near == "**not met** | 1 of 2 |  | 4.000: a chain, 4000 nodes |"
    assert time == "**not met** | 0 of 1 | 1 of 1 | 1.500: a chain |"
    assert working == "**not met** | 0 of 1 | 1 of 1 | 1.500: a chain |"
    assert memory == "**met** | 1 of 1 |  | 1.000: a chain |"
