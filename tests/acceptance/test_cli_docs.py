"""docs/cli.md and `--help` say what the commands are, and `des --help` says it at once."""

import subprocess
import sys

from tests.acceptance.cli_reference import PATH, reference
from tests.acceptance.command import des

HEAVY = {"aio_pika", "aiohttp", "asyncpg", "google", "grpc", "phonenumbers", "pydantic", "pyreqwest", "structlog"}
"""Libraries of the service: any of them takes as long to load as everything that the help needs."""


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


def test_help_loads_nothing_of_the_service() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "des.cli", "--help"], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.stderr.splitlines()}
    assert {"des", "typer"} <= loaded
    assert not loaded & HEAVY


def test_des_alone_shows_the_help() -> None:
    assert des().stdout == des("--help").stdout
