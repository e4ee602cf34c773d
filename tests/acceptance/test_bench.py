"""Every benchmark runs and answers in the promised form. Never a time: those belong to bench/results."""

import asyncio
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS
from bench.figures import Result
from bench.harness import harness

ROOT = Path(__file__).parents[2]
BY_COMMAND = "rate_limit"
"""One is run as people run it, with servers of its own: what workers before it sent would count in its windows. The
others run one after the other on the same servers."""
SCALE = 0.01

Run = Callable[[str], Result]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        servers = harness()
        rig = runner.run(servers.__aenter__())

        async def measure(name: str) -> Result:
            await rig.empty()
            result: Result = await importlib.import_module(f"bench.{name}").run(rig, SCALE)
            return result

        try:
            yield lambda name: runner.run(measure(name))
        finally:
            runner.run(servers.__aexit__(None, None, None))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != BY_COMMAND])
def test_a_benchmark_answers_with_a_ratio_and_figures(name: str, run: Run) -> None:
    check(name, run(name).as_json())


@pytest.mark.slow
def test_the_command_ends_with_one_object() -> None:
    command = [sys.executable, "-m", "bench", BY_COMMAND, "--json", "--scale", str(SCALE)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert ended.returncode == 0, ended.stderr
    check(BY_COMMAND, ended.stdout.splitlines()[-1])


def check(name: str, line: str) -> None:
    result = json.loads(line)
    assert result["bench"] == name
    assert result["ratio"] > 0
    assert result["target"] > 0
    assert isinstance(result["met"], bool)
    assert len(result.keys() - {"bench", "ratio", "target", "met"}) >= 3


def test_the_readme_asks_a_question_for_every_benchmark() -> None:
    readme = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    assert [name for name in BENCHMARKS if f"| `{name}` |" not in readme] == []
