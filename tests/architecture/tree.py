"""The project's own files, as the architecture tests read them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

GENERATED = ("des/v1/", "proto/go/desv1/")
NOT_OURS = (".git", ".venv", ".build", "node_modules")


@cache
def tracked() -> tuple[str, ...]:
    """Paths of the project's files relative to its root: what git tracks, or all there is where git is not."""
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if git.returncode == 0:
        paths = git.stdout.splitlines()
    else:
        paths = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
        paths = [path for path in paths if not set(Path(path).parts) & {*NOT_OURS, "__pycache__"}]
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


def files(*folders: str, suffix: str) -> list[str]:
    """Files written by hand in these folders (everywhere when none is given) that end in `suffix`."""
    starts = tuple(f"{folder}/" for folder in folders)
    return [
        path
        for path in tracked()
        if path.endswith(suffix) and path.startswith(starts or "") and not path.startswith(GENERATED)
    ]


def text(path: str) -> str:
    """What stands in one file."""
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def tree(path: str) -> ast.Module:
    """One Python file as a syntax tree."""
    return ast.parse(text(path), filename=path)


def nodes(path: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node of one file that has a place, with that place as `path:line`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.stmt, ast.expr, ast.ExceptHandler, ast.alias)):
            yield f"{path}:{node.lineno}", node


def dotted(node: ast.AST) -> str:
    """A name as it is written, `asyncio.create_task`; a call within it reads as `()`, anything else as `?`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
        case ast.Call(func=func):
            return f"{dotted(func)}()"
        case _:
            return "?"
