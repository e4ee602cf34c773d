"""docs/cli.md and `--help` say what the commands are, and `des --help` says it at once."""

import resource

from tests.acceptance.cli_reference import PATH, reference
from tests.acceptance.command import des

HELP_CPU_S_MAX = 0.3


def test_the_reference_is_that_of_the_commands() -> None:
    assert PATH.read_text(encoding="utf-8") == reference(), "run: python -m tests.acceptance.cli_reference"


def test_help_is_there_for_every_command() -> None:
    page = reference()
    commands = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## des ")]
    assert len(commands) >= 18
    for command in (["des"], *(command.split() for command in commands[:3])):
        shown = des(*command[1:], "--help")
        assert shown.returncode == 0
        assert "Usage: " + " ".join(command) in shown.stdout


def test_help_takes_a_third_of_a_second_of_a_processor() -> None:
    """Processor time, for the machine may be busy with other tests."""
    des("--help")  # what is compiled once is compiled
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert des("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= HELP_CPU_S_MAX


def test_des_alone_shows_the_help() -> None:
    assert des().stdout == des("--help").stdout
