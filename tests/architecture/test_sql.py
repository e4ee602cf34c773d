"""Every SQL statement has a name, says why it is there, and is used."""

import re

from tests.architecture.tree import files, text

NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
NUMBERED = re.compile(r"migrations/\d{14}_\w+\.sql$")


def queries() -> list[str]:
    """The files of named statements; migrations are files of their own kind."""
    return files("des", suffix=".sql")


def named() -> list[tuple[str, str, str]]:
    """(path, name, body) of every named statement."""
    found = []
    for path in queries():
        parts = NAME.split(text(path))
        found += [(path, name, body) for name, body in zip(parts[1::2], parts[2::2], strict=True)]
    return found


def test_no_statement_stands_before_the_first_name() -> None:
    heads = {path: NAME.split(text(path))[0].splitlines() for path in queries()}
    assert [path for path, head in heads.items() if any(line and not line.startswith("--") for line in head)] == []


def test_every_name_has_one_statement_with_its_why() -> None:
    wrong = [
        (path, name)
        for path, name, body in named()
        if not body.lstrip().startswith("-- ") or statement(body).count(";") > 1 or not statement(body)
    ]
    assert wrong == []


def test_every_name_stands_once() -> None:
    names = [name for _, name, _ in named()]
    assert sorted(names) == sorted(set(names))


def test_every_statement_is_used() -> None:
    code = "\n".join(text(path) for path in files("des", suffix=".py"))
    words = set(re.findall(r"\w+", code))
    assert [(path, name) for path, name, _ in named() if name not in words] == []


def test_every_migration_can_be_read_by_dbmate() -> None:
    paths = [path for path in files("migrations", suffix=".sql") if NUMBERED.match(path)]
    assert paths
    assert [path for path in paths if not text(path).startswith("-- migrate:up")] == []
    versions = [path.split("/")[1].split("_")[0] for path in paths]
    assert versions == sorted(set(versions))


def statement(body: str) -> str:
    """A body without its comments."""
    return "\n".join(line for line in body.splitlines() if not line.lstrip().startswith("--")).strip()
