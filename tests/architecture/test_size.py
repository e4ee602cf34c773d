"""Files and functions stay short enough to be read at once, and are named for what is in them."""

import ast
import re
from pathlib import PurePath

from tests.architecture.tree import files, nodes, text

LINES_OF_FILE_MAX = 500
LINES_OF_FUNCTION_MAX = 70

SAYS_NOTHING = {
    "base",
    "bases",
    "common",
    "commons",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "util",
    "utils",
}
CLASS_SAYS_NOTHING = re.compile(r"(Manager|Helper|Helpers|Util|Utils)$")


def test_files_are_short() -> None:
    lengths = {path: text(path).count("\n") for suffix in (".py", ".sql", ".proto") for path in files(suffix=suffix)}
    lengths["dev"] = text("dev").count("\n")
    del lengths["migrations/schema.sql"]  # made of the migrations, and as long as there are tables
    assert {path: lines for path, lines in lengths.items() if lines > LINES_OF_FILE_MAX} == {}


def test_functions_are_short() -> None:
    long = {
        f"{place} {node.name}": lines
        for path in files("des", "tests", "bench", suffix=".py")
        for place, node in nodes(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := (node.end_lineno or node.lineno) - node.lineno) > LINES_OF_FUNCTION_MAX
    }
    assert long == {}


def test_modules_are_named_for_one_noun() -> None:
    paths = files("des", "tests", "bench", suffix=".py")
    words = {
        path: {word for part in PurePath(path).with_suffix("").parts for word in part.split("_")} for path in paths
    }
    assert {path: found for path in paths if (found := words[path] & SAYS_NOTHING)} == {}


def test_classes_are_named_for_what_they_do() -> None:
    classes = (
        (place, node.name)
        for path in files("des", "tests", "bench", suffix=".py")
        for place, node in nodes(path)
        if isinstance(node, ast.ClassDef)
    )
    assert [(place, name) for place, name in classes if CLASS_SAYS_NOTHING.search(name)] == []


def test_no_module_is_named_after_a_library_it_imports() -> None:
    clashes = [
        place
        for path in files("des", suffix=".py")
        for place, node in nodes(path)
        if PurePath(path).stem in imported(node)
    ]
    assert clashes == []


def imported(node: ast.AST) -> set[str]:
    """Top-level packages that one statement imports."""
    match node:
        case ast.Import(names=names):
            return {alias.name.partition(".")[0] for alias in names}
        case ast.ImportFrom(module=str(module)):
            return {module.partition(".")[0]}
        case _:
            return set()
