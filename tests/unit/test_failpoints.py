"""An armed failpoint kills the process with SIGKILL at the hit it was told; unarmed, nothing happens."""

import signal
import subprocess
import sys

import pytest

from des.errors import ConfigError
from des.failpoints import Failpoint, hit, parse

DIE = """
from des.failpoints import Failpoint, arm, hit
arm(Failpoint.COMMIT_BEFORE, 3)
hit(Failpoint.COMMIT_AFTER)
for n in range(1, 5):
    print(n, flush=True)
    hit(Failpoint.COMMIT_BEFORE)
"""


def test_the_armed_point_kills_at_the_given_hit() -> None:
    done = subprocess.run([sys.executable, "-c", DIE], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["1", "2", "3"]
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("point", Failpoint)
def test_nothing_armed_nothing_happens(point: Failpoint) -> None:
    hit(point)
    assert parse(point) == (point, 1)


def test_a_count_is_read() -> None:
    assert parse("accept_before_commit:3") == (Failpoint.ACCEPT_BEFORE_COMMIT, 3)


@pytest.mark.parametrize("text", ["", "nowhere", "commit_before:0", "commit_before:x", "commit_before:-1"])
def test_anything_else_is_refused_with_the_names(text: str) -> None:
    with pytest.raises(ConfigError, match="accept_before_commit"):
        parse(text)
