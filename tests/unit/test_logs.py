"""Log events come out as JSON lines or columns on standard error, libraries' among them, nothing on standard output."""

import subprocess
import sys

import orjson
import pytest

from des.errors import ConfigError
from des.logs import configure_logging

SPEAK = """
import logging, sys
from uuid import UUID
from des.logs import configure_logging
from des.telemetry import Event, logger
log = logger("des.test")
configure_logging(sys.argv[1], sys.argv[2])
log.debug(Event.SERVICE_STARTED, service="quiet")
log.info(Event.SERVICE_STOPPED, service="store", erid=UUID(int=1))
try:
    raise ValueError("broken")
except ValueError:
    log.exception(Event.TASK_FAILED, task="pump")
logging.getLogger("aio_pika.queue").info("a frame")
logging.getLogger("aio_pika.queue").warning("lost %s", "it")
logging.getLogger("aiormq.connection").error("lost it too")
"""


def spoken(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SPEAK, *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "auto"])  # standard error is no terminal here
def test_json_is_one_object_a_line(form: str) -> None:
    stopped, failed, lost = map(orjson.loads, spoken(form, "info"))
    assert stopped["event"] == "service_stopped"
    assert stopped["module"] == "des.test"
    assert stopped["level"] == "info"
    assert stopped["erid"] == "00000000-0000-0000-0000-000000000001"
    assert stopped["timestamp"].endswith("Z")
    assert failed["exception"][0]["exc_value"] == "broken"
    assert (lost["event"], lost["logger"], lost["level"]) == ("lost it", "aio_pika.queue", "warning")


def test_columns_are_for_people() -> None:
    lines = spoken("console", "info")
    assert "service_stopped" in lines[0]
    assert "ValueError: broken" in "\n".join(lines)
    assert "lost it" in lines[-1]


def test_the_level_filters() -> None:
    assert len(spoken("json", "error")) == 1
    assert len(spoken("json", "debug")) == 4


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match="debug, info, warning, error"):
        configure_logging("json", "loud")
