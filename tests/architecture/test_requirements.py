"""The locks hold every dependency, by hash, in one version, with no word of where it comes from."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import files, text

LOCKS = files(suffix=".txt")
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def pins(lock: str) -> set[tuple[str, str]]:
    """(name, version) of everything in a lock; a name has two versions where a marker chooses between them."""
    return {(canonicalize_name(name), version) for name, version in PIN.findall(text(lock))}


def project() -> dict[str, list[str]]:
    """The dependencies written in pyproject.toml: `run` and each extra."""
    table = tomllib.loads(text("pyproject.toml"))["project"]
    return {"run": table["dependencies"], **table["optional-dependencies"]}


def test_the_locks_are_all_here() -> None:
    names = {"requirements.txt", "requirements-dev.txt", "requirements-build.txt", "requirements-go.txt"}
    assert names <= set(LOCKS)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_pins_and_hashes_only(lock: str) -> None:
    logical = text(lock).replace("\\\n", " ").splitlines()
    shape = re.compile(r"[\w.-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in logical if not shape.fullmatch(line.strip())] == []


@pytest.mark.parametrize(("extra", "lock"), [("run", "requirements.txt"), ("dev", "requirements-dev.txt")])
def test_a_lock_meets_the_project(extra: str, lock: str) -> None:
    wanted = [Requirement(line) for line in project()[extra]]
    locked = pins(lock)
    missing = [
        str(want)
        for want in wanted
        if not any(
            name == canonicalize_name(want.name) and want.specifier.contains(version) for name, version in locked
        )
    ]
    assert missing == []


def test_the_locks_agree() -> None:
    everything = pins("requirements-dev.txt")
    assert pins("requirements.txt") <= everything
    assert pins("requirements-build.txt") <= everything


def test_every_exception_of_a_linter_has_its_reason() -> None:
    table = text("pyproject.toml")
    lists = re.findall(r'^(?:ignore|"[^"]+") = \[\n(.*?)^\]', table, re.MULTILINE | re.DOTALL)
    entries = [line for body in lists for line in body.splitlines()]
    assert entries
    assert [line for line in entries if not re.search(r'",?\s*# \S', line)] == []
