"""What only one place may do: read the environment, speak SQL; and that every place says what it is.

Who may import whom is in pyproject.toml, as contracts of import-linter.
"""

import ast
import re

from tests.architecture.tree import dotted, files, nodes, tree

READS_ENVIRONMENT = ("des/config.py",)
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv"}

WRITES_SQL = ("des/store/schema.py",)
"""Writes migrations/schema.sql, and runs nothing of what it writes."""

PACKAGE_DEPTH_MAX = 2
"""`des/__init__.py` and `des/*/__init__.py`: the stages. What is nested deeper may be brief."""
ROLE_LINES_MIN = 8

SQL = re.compile(
    r"^\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+(\s+\w+)?\s+set\s|delete\s+from\s|copy\s+\w+\s*\(|"
    r"(create|alter|drop)\s+(temp\s+|temporary\s+|unlogged\s+)?(table|index|schema|role|type)\s|with\s+\w+\s+as\s*\()",
    re.IGNORECASE | re.DOTALL,
)


def test_only_config_reads_the_environment() -> None:
    readers = [
        place
        for path in files("des", suffix=".py")
        if path not in READS_ENVIRONMENT
        for place, node in nodes(path)
        if dotted(node) in ENVIRONMENT or (isinstance(node, ast.alias) and node.name in {"environ", "getenv"})
    ]
    assert readers == []


def test_sql_stands_in_sql_files() -> None:
    written = [
        place
        for path in files("des", suffix=".py")
        if path not in WRITES_SQL
        for place, node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]
    assert written == []


def test_every_module_says_what_it_is() -> None:
    modules = [path for path in files("des", "bench", suffix=".py") if tree(path).body]
    assert [path for path in modules if not ast.get_docstring(tree(path))] == []


def test_every_package_opens_with_its_role() -> None:
    lines = {
        path: len((ast.get_docstring(tree(path)) or "").splitlines())
        for path in files("des", suffix="/__init__.py")
        if path.count("/") <= PACKAGE_DEPTH_MAX
    }
    assert {path: n for path, n in lines.items() if n < ROLE_LINES_MIN} == {}
