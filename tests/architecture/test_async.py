"""No task without an owner, no deadline that loses a result, no error swallowed, no test that waits for the clock."""

import ast
import re

from tests.architecture.tree import dotted, files, nodes

OWNS_TASKS = ("des/lifecycle.py", "des/actors/")
"""Code that may start a task; all other code asks an owner of tasks, or uses a TaskGroup it waits for."""

STARTS_A_TASK = re.compile(r"^(asyncio\.(create_task|ensure_future)|(.*\.)?(loop|get_running_loop\(\))\.create_task)$")


def calls(*folders: str) -> list[tuple[str, str]]:
    """(`path:line`, name as written) of every call in these folders."""
    return [
        (place, dotted(node.func))
        for path in files(*folders, suffix=".py")
        for place, node in nodes(path)
        if isinstance(node, ast.Call)
    ]


def test_tasks_are_started_by_their_owners_only() -> None:
    found = [(place, name) for place, name in calls("des") if STARTS_A_TASK.match(name)]
    assert [place for place, _ in found if not place.startswith(OWNS_TASKS)] == []


def test_deadlines_are_timeout_blocks() -> None:
    assert [place for place, name in calls("des", "tests", "bench") if name.endswith("wait_for")] == []


def test_no_bare_except() -> None:
    handlers = (
        (place, node)
        for path in files("des", "tests", "bench", suffix=".py")
        for place, node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
    )
    assert [place for place, node in handlers if node.type is None] == []


def test_tests_do_not_sleep() -> None:
    assert [place for place, name in calls("tests") if name in {"asyncio.sleep", "time.sleep", "sleep"}] == []
