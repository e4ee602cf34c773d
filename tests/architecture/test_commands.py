"""`./dev`, CI and the documents say the same."""

import re
import subprocess

from tests.architecture.tree import ROOT, files, text


def verbs() -> set[str]:
    """What `./dev help` offers."""
    answer = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"^  (\w+) ", answer.stdout, re.MULTILINE))


def test_every_verb_is_documented() -> None:
    documented = set(re.findall(r"\./dev (\w+)", text("CONTRIBUTING.md")))
    assert verbs() - documented - {"help"} == set()


def test_every_documented_verb_is_there() -> None:
    mentioned = {(path, verb) for path in files(suffix=".md") for verb in re.findall(r"`?\./dev ([a-z]+)", text(path))}
    known = verbs()
    assert {(path, verb) for path, verb in mentioned if verb not in known} == set()


def test_the_readme_shows_the_two_commands() -> None:
    assert "./dev demo" in text("README.md")
    assert "./dev test" in text("README.md")


def test_an_unknown_verb_is_refused_by_name() -> None:
    answer = subprocess.run([ROOT / "dev", "dance"], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "no such verb: dance" in answer.stderr


def test_ci_runs_what_people_run() -> None:
    commands = [line for line in text(".ci/run").splitlines() if line.startswith("./dev ")]
    assert [command.split()[1] for command in commands] == ["lint", "test"]
