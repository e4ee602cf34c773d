"""Every benchmark runs and answers in the promised form. Never a time: those belong to bench/results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS

ROOT = Path(__file__).parents[2]
SCALE = "0.01"


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_ends_with_one_object_of_figures(name: str) -> None:
    command = [sys.executable, "-m", "bench", name, "--json", "--scale", SCALE]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    assert result["bench"] == name
    assert result["ratio"] > 0
    assert result["target"] > 0
    assert isinstance(result["met"], bool)
    figures = result.keys() - {"bench", "ratio", "target", "met"}
    assert len(figures) >= 3


def test_the_readme_asks_a_question_for_every_benchmark() -> None:
    readme = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    assert [name for name in BENCHMARKS if f"| `{name}` |" not in readme] == []
