"""Where a command writes: results to stdout, words about them to stderr; under `--json` both are JSON, a line each."""

import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from des.errors import ConfigError, DesError, Violation

if TYPE_CHECKING:
    from rich.console import Console

_VIOLATIONS_SHOWN = 10
"""Wrong places printed for people; under `--json` all of them are there."""


class Output:
    """The two streams of one command. Human words vanish under `--json`, documents vanish without it."""

    def __init__(self, as_json: bool, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr

    @property
    def on_terminal(self) -> bool:
        """Whether somebody watches: moving progress makes sense on a terminal only."""
        return not self.as_json and self._stderr.isatty()

    def console(self) -> "Console":
        """Return a rich console on stderr, for progress that moves."""
        from rich.console import Console

        return Console(file=self._stderr)

    def document(self, value: Any) -> None:
        """Write one JSON document on a line of its own, at once: somebody may be waiting for this line."""
        if self.as_json:
            self.line(encoded(value))

    def line(self, text: str) -> None:
        """Write one line to stdout, whoever reads it."""
        self._stdout.write(text + "\n")
        self._stdout.flush()

    def text(self, data: bytes) -> None:
        """Write encoded text to stdout as it is: a piece of a result that is never held as a whole."""
        self._stdout.buffer.write(data)
        self._stdout.buffer.flush()

    def say(self, text: str) -> None:
        """Write a line for people to stdout."""
        if not self.as_json:
            self.line(text)

    def note(self, text: str) -> None:
        """Write a line for people to stderr: what goes on while the result is made."""
        if not self.as_json:
            self._stderr.write(text + "\n")
            self._stderr.flush()

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write rows for people: a table as wide as the terminal, never cut where stdout is a file or a pipe."""
        if self.as_json:
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        cells = [list(row) for row in rows]
        width = None if self._stdout.isatty() else _natural_width(columns, cells)
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        Console(file=self._stdout, width=width).print(table)

    def failure(self, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        """Write `error: REASON: message` to stderr, or the same as JSON."""
        if self.as_json:
            text = encoded({"error": {"reason": reason, "message": message, **(details or {})}})
        else:
            text = f"error: {reason}: {message}"
        self._stderr.write(text + "\n")
        self._stderr.flush()

    def error(self, error: DesError) -> None:
        """Write an error of DES, with its wrong places where it names them."""
        violations: Sequence[Violation] = getattr(error, "violations", ())  # InvalidInput here, RemoteError from afar
        self.failure(error.reason, error.message, {"violations": violations} if violations else None)
        if isinstance(error, ConfigError):
            return  # its message tells every place, on each surface that has nothing but a message
        for violation in violations[:_VIOLATIONS_SHOWN]:
            self.note(f"  {violation.field}: {violation.description}")
        if len(violations) > _VIOLATIONS_SHOWN:
            self.note(f"  … and {len(violations) - _VIOLATIONS_SHOWN} more")

    def bug(self, error: Exception) -> None:
        """Write an error that nobody foresaw; its traceback only for people."""
        if not self.as_json:
            traceback.print_exception(error, file=self._stderr)
        self.failure("INTERNAL", f"{type(error).__name__}: {error}")


def encoded(value: Any, *, pretty: bool = False) -> str:
    """Return a value as JSON on one line; `pretty` indents it for people."""
    import msgspec

    data = msgspec.json.encode(value)
    return (msgspec.json.format(data, indent=2) if pretty else data).decode()


def _natural_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    longest = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    return sum(longest) * 2 + 3 * len(columns)  # twice: characters of some scripts take two cells


def counted(count: int, one: str, many: str) -> str:
    """Return a count with its noun: `1 batch`, `2,000 batches`."""
    return f"{count:,} {one if count == 1 else many}"
