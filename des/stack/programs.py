"""Finds the servers that are installed on this machine, newest first, and says which package is missing."""

import os
import pwd
import shutil
from pathlib import Path

from des.errors import ConfigError


def postgres_folder() -> Path:
    """Folder of `postgres`, `initdb`, `pg_dump` and the rest. Raises ConfigError where there is none."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = sorted(debian, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdecimal() else 0)
    if newest:
        return newest[-1].parent
    return _on_path("postgres", package="postgresql").parent


def rabbitmq_server() -> Path:
    """`rabbitmq-server` itself. Raises ConfigError where there is none."""
    # Debian's wrapper in /usr/sbin insists on root and on the package's own folders; what it wraps does not.
    unwrapped = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if unwrapped.exists():
        return unwrapped
    return _on_path("rabbitmq-server", package="rabbitmq-server")


def epmd() -> Path:
    """Erlang's port mapper. Raises ConfigError where there is none."""
    return _on_path("epmd", package="erlang-base")


def postgres_account() -> pwd.struct_passwd | None:
    """The user Postgres has to run as: None (the current one) unless that is root, which it refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigError("Postgres does not run as root and there is no user `postgres` or `nobody` to run it as")


def _on_path(program: str, package: str) -> Path:
    found = shutil.which(program)
    if found is None:
        raise ConfigError(f"{program} is not installed; on Debian: apt-get install {package}")
    return Path(found).resolve()
