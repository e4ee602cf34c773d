"""Every error DES raises on purpose. One root; transient and terminal by type; the reason code by class or instance.

The reason code (UPPER_SNAKE) is the same on every surface: gRPC `ErrorInfo`, problem+json, quarantine rows, the CLI.
"""

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """One wrong place: its path (`contact_list[3].first_name`) and what would be right."""

    field: str
    description: str


class DesError(Exception):
    """Something went wrong inside DES."""

    reason = "INTERNAL"

    def __init__(self, message: str = "") -> None:
        """Take the message, or the class's docstring where none is given."""
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])

    @property
    def message(self) -> str:
        """What is wrong, where, and the remedy."""
        return str(self)


class TransientError(DesError):
    """It may work when tried again."""

    reason = "UNAVAILABLE"


class TerminalError(DesError):
    """It will not work however often it is tried."""


class Overloaded(TransientError):
    """DES takes nothing more for the moment; send again after `retry_after_s` seconds."""

    reason = "OVERLOADED"

    def __init__(self, message: str = "", retry_after_s: float = 1.0) -> None:
        """Take the message and the seconds after which to try again."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BrokerUnavailable(TransientError):
    """The broker did not confirm in time; send again, what had arrived is a duplicate."""

    reason = "BROKER_UNAVAILABLE"


class StoreUnavailable(TransientError):
    """Postgres cannot be reached; try again."""

    reason = "STORE_UNAVAILABLE"


class CommitUnknown(TransientError):
    """The reply to COMMIT was lost: the unit may or may not have landed."""

    reason = "COMMIT_UNKNOWN"


class Unstorable(TerminalError):
    """Postgres refuses a value of the unit for what it is; the same unit will never commit."""

    reason = "UNSTORABLE"


class Unreadable(TerminalError):
    """What Postgres holds of a batch is not what DES has put there."""

    reason = "STORED_BATCH_UNREADABLE"


class InvalidInput(TerminalError):
    """What was sent cannot be accepted; `violations` name each wrong place.

    `reason` is the instance's own: EMPTY_BATCH, UNKNOWN_FIELD, INVALID_ERID, MALFORMED_PROTOBUF, …
    """

    reason = "INVALID_INPUT"

    def __init__(
        self,
        reason: str,
        message: str,
        violations: tuple[Violation, ...] = (),
        erid: str = "",
        batch_id: str = "",
    ) -> None:
        """Take the reason code, the message, the wrong places, and ERID and batch id as far as they could be read."""
        super().__init__(message)
        self.reason = reason
        self.violations = violations
        self.erid = erid
        self.batch_id = batch_id


class NotFound(TerminalError):
    """There is no such thing, or it is another tenant's."""

    reason = "NOT_FOUND"


class SchemaMismatch(TerminalError):
    """The database's schema is not the one this version works with."""

    reason = "SCHEMA_MISMATCH"


class ConfigError(TerminalError):
    """The configuration is wrong; the message names the place and the remedy.

    `violations` name each place where places are what is wrong: the message has them too, a line each.
    """

    reason = "INVALID_CONFIGURATION"

    def __init__(self, message: str = "", violations: tuple[Violation, ...] = ()) -> None:
        """Take the message, and the wrong places that it tells of."""
        super().__init__(message)
        self.violations = violations

    @classmethod
    def at(cls, place: str, description: str) -> "ConfigError":
        """Make the error of one wrong place."""
        return cls(f"{place}: {description}", (Violation(place, description),))
