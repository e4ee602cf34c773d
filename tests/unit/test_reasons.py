"""docs/errors.md names every reason code that the code can give, and no other."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, TypeAlias

import pytest

from des.surface import SURFACES
from tests.acceptance.bad_batches import AS_JSON, AS_PROTOBUF
from tests.acceptance.reasons import HTTP, QUARANTINE, REASONS, REJECTED
from tests.architecture.tree import ROOT, dotted, files, tree

PAGE = ROOT / "docs" / "errors.md"

NOT_MET = {
    "INVALID_INPUT": "each InvalidInput has a code of its own",
    "WEBHOOK_REFUSED": "what is raised is one of its kinds",
    "REPLAYED": "is answered with 204, as if the delivery were new",
    "CALL_FAILED": "becomes the outcome of a call, which stands on a receipt",
    "MISSING_INPUT": "as CALL_FAILED",
}
"""Codes of classes that no surface shows, and why."""

TAKES = {"InvalidInput": 0, "Finding": 0, "InvalidUnit": 3, "Refused": 4, "Unreadable": 1, "failure": 0}
"""What is called with a reason code, and which of its arguments that is. Whoever passes one on is found by that."""

CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_ROW = re.compile(r"^\| `([A-Z0-9_]+)` \|", re.MULTILINE)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Call(NamedTuple):
    """A call, and the innermost function that it stands in."""

    path: str
    node: ast.Call
    function: Function | None


class Calls(ast.NodeVisitor):
    """Finds the calls of one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._functions: list[Function] = []
        self.found: list[Call] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._within(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._within(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.found.append(Call(self._path, node, self._functions[-1] if self._functions else None))
        self.generic_visit(node)

    def _within(self, node: Function) -> None:
        self._functions.append(node)
        self.generic_visit(node)
        self._functions.pop()


@cache
def calls() -> tuple[Call, ...]:
    """Every call in des/."""
    found: list[Call] = []
    for path in files("des", suffix=".py"):
        visitor = Calls(path)
        visitor.visit(tree(path))
        found += visitor.found
    return tuple(found)


def code_of(node: ast.AST | None) -> str | None:
    """The code that a constant is."""
    match node:
        case ast.Constant(value=str(text)) if CODE.fullmatch(text):
            return text
        case _:
            return None


def parameters(function: Function) -> list[str]:
    """Names of what it takes by position, without `self`."""
    return [argument.arg for argument in function.args.args if argument.arg != "self"]


def argument(call: ast.Call, place: int) -> ast.expr | None:
    """The argument that is the code; where a tuple is unpacked for it and what follows, that."""
    for keyword in call.keywords:
        if keyword.arg == "reason":
            return keyword.value
    for index, one in enumerate(call.args[: place + 1]):
        if index == place or isinstance(one, ast.Starred):
            return one
    return None


@cache
def takers() -> dict[tuple[str, str], int]:
    """(file, or nothing where it may be called from others; name) of all that is called with a code, and its place."""
    found = {("", name): place for name, place in TAKES.items()}
    while True:
        more = {passed for call in calls() if (passed := passing_on(call, found)) and passed[0] not in found}
        if not more:
            return found
        found |= dict(more)


def passing_on(call: Call, known: dict[tuple[str, str], int]) -> tuple[tuple[str, str], int] | None:
    """The function around a call, where it passes on one of its own parameters as the code."""
    given = argument(call.node, place) if (place := place_in(call, known)) is not None else None
    if not isinstance(given, ast.Name) or call.function is None or given.id not in parameters(call.function):
        return None
    name = call.function.name
    return (call.path if name.startswith("_") else "", name), parameters(call.function).index(given.id)


def place_in(call: Call, known: dict[tuple[str, str], int]) -> int | None:
    """Which argument of a call is a code, None where none is."""
    name = dotted(call.node.func).rpartition(".")[2]
    return known.get((call.path, name), known.get(("", name)))


@cache
def tuples() -> dict[str, str]:
    """Codes that stand in a tuple with their message, by the tuple's name: `_SEALED = ("ENRICHMENT_SEALED", "…")`."""
    found: dict[str, str] = {}
    for path in files("des", suffix=".py"):
        for node in tree(path).body:
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple(elts=[first, ast.Constant()]))
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.Tuple(elts=[first, ast.Constant()]))
                ):
                    if code := code_of(first):
                        found[name] = code
                case _:
                    pass
    return found


def told(given: ast.expr, function: Function | None) -> set[str] | None:
    """The codes that an argument may be; none where it is passed on; None where that cannot be told."""
    match given:
        case ast.Constant():
            return {code} if (code := code_of(given)) else None
        case ast.Starred(value=ast.Name(id=name) | ast.Attribute(attr=name)) if name in tuples():
            return {tuples()[name]}
        case ast.Attribute(attr="reason"):
            return set()
        case ast.Name(id=name) if function is not None:
            assigned = [*assignments(function, name)]
            codes = {code for value in assigned for node in ast.walk(value) if (code := code_of(node))}
            return codes or (set() if name in parameters(function) else None)
        case _:
            return None


def assignments(function: Function, name: str) -> Iterator[ast.expr]:
    """What is assigned to a name in a function."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=assigned)], value=value) if assigned == name:
                yield value
            case _:
                pass


def of_calls() -> Iterator[tuple[str, set[str] | None]]:
    """(place, codes) of every call with a code."""
    for call in calls():
        place = place_in(call, takers())
        given = argument(call.node, place) if place is not None else None
        if given is not None:
            yield f"{call.path}:{call.node.lineno}", told(given, call.function)


def of_classes() -> Iterator[str]:
    """Codes of the kinds of DesError, and of the enum of what is wrong with a row of people."""
    nodes = (node for path in files("des", suffix=".py") for node in ast.walk(tree(path)))
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    kinds = {"DesError"}
    while more := {node.name for node in classes if kinds & {dotted(base) for base in node.bases}} - kinds:
        kinds |= more
    for node in classes:
        wanted = {"reason"} if node.name in kinds else None
        if wanted or node.name == "Reason":
            yield from codes_in(node, wanted)


def codes_in(node: ast.ClassDef, names: set[str] | None) -> Iterator[str]:
    """Codes that are attributes of a class, of all names where none are given."""
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if names is None or name in names:
                if code := code_of(value):
                    yield code
            case _:
                pass


@cache
def codes() -> frozenset[str]:
    """Every reason code in des/."""
    return frozenset(of_classes()) | {code for _, found in of_calls() for code in found or ()}


def test_which_code_it_is_can_be_told_of_every_call() -> None:
    assert [place for place, found in of_calls() if found is None] == []


def test_the_page_lists_what_the_code_can_give_and_nothing_else() -> None:
    listed = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(codes() - NOT_MET.keys())


def test_what_no_surface_shows_is_there() -> None:
    assert NOT_MET.keys() <= codes()


def test_every_code_with_a_status_of_its_own_is_met_with_it() -> None:
    assert SURFACES.keys() <= codes()


@pytest.mark.parametrize("name", AS_JSON)
def test_what_json_may_have_is_met_by_http_and_in_quarantine(name: str) -> None:
    assert {HTTP, QUARANTINE} <= {*REASONS[AS_JSON[name][1]].met}


@pytest.mark.parametrize("name", AS_PROTOBUF)
def test_what_protobuf_may_have_is_met_in_streams_and_in_quarantine(name: str) -> None:
    assert {REJECTED, QUARANTINE} <= {*REASONS[AS_PROTOBUF[name][1]].met}
