"""The pool: the one place where connections are opened and where asyncpg's errors become DES's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg

from des.errors import CommitUnknown, StoreUnavailable, Unstorable

# A session that holds locks must not outlive the process that forgot it (facts/postgres: server-side bounds). No
# timeout ends one that waits for its client between the messages of a statement: keepalives find a machine that is
# gone, and who takes over a worker's leases ends its sessions (leases.sql, `fence`).
SESSION_SETTINGS = {
    "statement_timeout": "60s",
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "on",
    "jit": "off",
    # Left to itself, Postgres plans most of ours anew at each execution, for the sake of the one row they are about:
    # with the plan that is kept a contact takes 9 ms in place of 12 where nothing else is going on (bench latency).
    "plan_cache_mode": "force_generic_plan",
    # Starting workers takes longer (6 ms measured) than any statement of ours does alone.
    "max_parallel_workers_per_gather": "0",
    # Every statement goes by key, from a few thousand rows to many millions, long before statistics are there: a plan
    # that reads a whole table must never look cheaper. So what a statement makes itself is grouped, not joined with
    # itself: that would hold each of its rows against each other.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

APPLICATION_NAME = "des"

_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting, crashed, cancelled
    asyncpg.InsufficientResourcesError,  # connections, memory, disk
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that has become a standby
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a statement on a session whose end has been read already
    OSError,
    TimeoutError,
)
_TRY_AGAIN = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)

_REPLY_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What ends a statement without an answer of Postgres: it may have been carried out."""

_UNSTORABLE = (
    asyncpg.DataError,
    asyncpg.CheckViolationError,
    asyncpg.NotNullViolationError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.ProgramLimitExceededError,
    UnicodeEncodeError,
)

Connection = Any
"""An asyncpg connection as the pool hands it out (asyncpg-stubs cannot name the proxy's methods)."""


def sessions_of(owner: UUID) -> str:
    """Return the application name of a worker's sessions, by which `fence` finds them."""
    return f"{APPLICATION_NAME} {owner}"


@contextlib.contextmanager
def mapped_errors() -> Any:
    """Turn what asyncpg raises for a lost or busy server into StoreUnavailable; Postgres's data errors pass.

    What asyncpg itself cannot encode is Unstorable: it would be refused for ever.
    """
    try:
        yield
    except (*_UNAVAILABLE, *_TRY_AGAIN) as error:
        if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
            raise Unstorable(f"{type(error).__name__}: {error}") from error
        what = str(error) or type(error).__name__
        raise StoreUnavailable(f"Postgres: {what}; trying again helps once it is back") from error


@contextlib.contextmanager
def mapped_refusals() -> Any:
    """Turn what Postgres refuses for what it is, and always will, into Unstorable."""
    try:
        yield
    except _UNSTORABLE as error:
        raise Unstorable(f"{type(error).__name__}: {error}") from error


async def _keep_session(_: object) -> None:
    """Spare the round trip of a reset at each release: nothing here changes a session's state."""


class Database:
    """A pool of connections to one Postgres. A Service: `start`, `stop`."""

    name = "database"

    def __init__(
        self,
        url: str,
        connections_max: int = 10,
        acquire_timeout_s: float = 10.0,
        application_name: str = APPLICATION_NAME,
    ) -> None:
        """Take the URL (`postgresql://…`), the most connections, the longest wait for one, and whose they are."""
        self._url = url
        self._settings = SESSION_SETTINGS | {"application_name": application_name}
        self._connections_max = connections_max
        self._acquire_timeout_s = acquire_timeout_s
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        """Open the pool. Raises StoreUnavailable."""
        with mapped_errors():
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self._connections_max,
                server_settings=self._settings,
                timeout=self._acquire_timeout_s,
                reset=_keep_session,
            )

    async def stop(self) -> None:
        """Close the pool, by force after a while; harmless when never started and when repeated."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises StoreUnavailable; never take a second one while holding one."""
        if self._pool is None:
            raise StoreUnavailable("the database pool is not open")
        with mapped_errors():
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection in a transaction, committed at the end of the block.

        Raises CommitUnknown where the reply to COMMIT was lost, StoreUnavailable where it surely did not land.
        """
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                with contextlib.suppress(*_UNAVAILABLE):
                    await transaction.rollback()
                raise
            try:
                await transaction.commit()
            except _UNAVAILABLE as error:
                raise CommitUnknown(f"COMMIT: {str(error) or type(error).__name__}") from error

    @contextlib.asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """Lend a connection for one statement that writes, which is a transaction of its own: two round trips less.

        Raises CommitUnknown where its reply was lost, StoreUnavailable where it surely did not land.
        """
        async with self.connection() as connection:
            try:
                yield connection
            except _REPLY_LOST as error:
                if isinstance(error, ValueError):  # an argument that asyncpg could not encode
                    raise
                raise CommitUnknown(f"statement: {str(error) or type(error).__name__}") from error

    async def check(self) -> None:
        """Return when Postgres answers. Raises StoreUnavailable."""
        async with self.connection() as connection:
            await connection.execute("select 1")

    async def connect(self) -> asyncpg.Connection:
        """Open a connection of the caller's own, outside the pool (LISTEN, session locks). Raises StoreUnavailable."""
        with mapped_errors():
            return await asyncpg.connect(self._url, server_settings=self._settings, timeout=self._acquire_timeout_s)
