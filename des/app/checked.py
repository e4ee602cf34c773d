"""Settings looked at as far as that goes without starting anything, and refused with all that is wrong at once.

What `des serve`, `des dev` and `des config check` begin with: the same mistakes in the same words on each of them.
"""

from collections.abc import Sequence
from pathlib import Path

from des.app.providers import check_waterfalls, make_providers
from des.clock import SystemClock
from des.config import Settings, read_settings
from des.config_problems import Problems
from des.errors import Violation
from des.store.directory import Directory
from des.store.postgres import Database


def checked_settings(path: Path | None = None, *, servers: bool = True) -> Settings:
    """Settings of which every part can be put together. Raises ConfigError with everything that is wrong.

    `servers`: both of them have to be named, as every process but `des dev` needs them.
    """
    settings, found = read_settings(path)
    problems = Problems(found)
    if servers:
        problems.of(settings.require_servers, None)
    problems.of(lambda: settings.armed_failpoint, None)
    built = Problems()
    people = Directory(Database(settings.database_url.get_secret_value()))  # made, never started: nobody is asked
    check_waterfalls(settings, make_providers(settings, people, SystemClock(), built), built)
    problems.found += [one for one in built.found if not _follows(one, found)]
    if problems.found:
        raise settings.wrong(problems.found)
    return settings


def _follows(problem: Violation, found: Sequence[Violation]) -> bool:
    """Whether it is there only because the field that it is about could not be read."""
    wrong_fields = {one.field.split(".")[1] for one in found if one.field.startswith("fields.")}
    section, *path = problem.field.split(".")
    return section == "providers" and path[1:2] == ["values"] and path[2] in wrong_fields
