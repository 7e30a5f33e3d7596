"""Transactions: who opens them, how they end, and what an unclear end means.

``db: Database`` in a signature means "I open and commit"; ``tx: Tx`` means "I take part in
yours". Transactions do not nest, and no network call is made while one is open. Statements
run on the asyncpg connection under SQLAlchemy's pool: a Core statement goes the same way,
but pays for its compilation, so the money path sends plain SQL.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog
from sqlalchemy import Executable, MetaData, Row
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from payops.infra.connecting import engine_on
from payops.kernel import errors
from payops.kernel.retrying import Backoff

log = structlog.get_logger(__name__)

Record: TypeAlias = Any  # asyncpg.Record: asyncpg ships no types
T = TypeVar("T")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One channel for every wake-up: a listener tells them apart by the payload.
CHANNEL = "payops"

# A lock that takes longer than this is somebody else's transaction gone wrong.
_LOCK_SECONDS_MAX = 3
_STATEMENT_SECONDS_MAX = 60
_SILENCE_SECONDS_MAX = 5
_CLOSE_SECONDS_MAX = 5
_CONNECT_SECONDS_MAX = 5

_RETRY = Backoff(attempts_max=5, base=timedelta(milliseconds=10), jitter=timedelta(milliseconds=20))
_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)

# The server's last words on a connection it drops: the commit may or may not have happened.
_UNCLEAR = (
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver, between the server's last words and the hang-up
    OSError,
    TimeoutError,
)
# Raised by a statement before COMMIT was sent: nothing of the transaction stands.
_LOST = (
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_NOT_REPLICATED = "canceling wait for synchronous replication"

_transaction_open: ContextVar[bool] = ContextVar("transaction_open", default=False)


class CommitUnknown(errors.Unavailable):
    """The answer to COMMIT was lost: the work may stand or not. Read its key back."""

    code = "outcome_unknown"
    title = "The outcome of the request is not known yet"


class DatabaseUnavailable(errors.Unavailable):
    code = "database_unavailable"
    title = "The database cannot be reached"


def require_no_transaction(action: str) -> None:
    """Stop a programming error: locks held while the network takes its time."""
    if _transaction_open.get():
        raise RuntimeError(f"cannot {action} while a transaction is open")


class Tx:
    """One open transaction on one connection."""

    __slots__ = ("_connection", "_driver", "_timeout_seconds", "calls_after_commit", "wakes")

    def __init__(self, connection: AsyncConnection, driver: Any, seconds_max: int) -> None:
        # The server's own limit ends a slow statement; this one a server that fell silent.
        self._timeout_seconds = seconds_max + _SILENCE_SECONDS_MAX
        self._connection = connection
        self._driver = driver
        self.wakes: set[str] = set()
        self.calls_after_commit: list[Callable[[], None]] = []

    async def fetch(self, sql: str, *arguments: object) -> list[Record]:
        rows: list[Record] = await self._driver.fetch(
            sql, *arguments, timeout=self._timeout_seconds
        )
        return rows

    async def fetchrow(self, sql: str, *arguments: object) -> Record | None:
        return await self._driver.fetchrow(sql, *arguments, timeout=self._timeout_seconds)

    async def fetchval(self, sql: str, *arguments: object) -> Any:
        return await self._driver.fetchval(sql, *arguments, timeout=self._timeout_seconds)

    async def stream(
        self, sql: str, *arguments: object, rows: int = 1_000
    ) -> AsyncGenerator[list[Record], None]:
        """What one query finds, at most ``rows`` at a time: memory stays bounded."""
        seconds = self._timeout_seconds
        # A cursor made at once prepares under a name, whatever was said about the cache.
        statement = await self._driver.prepare(sql, timeout=seconds)
        cursor = await statement.cursor(*arguments, timeout=seconds)
        while batch := await cursor.fetch(rows, timeout=seconds):
            yield batch

    async def execute(self, sql: str, *arguments: object) -> int:
        """Run one statement; returns how many rows it touched."""
        status: str = await self._driver.execute(sql, *arguments, timeout=self._timeout_seconds)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def select(self, statement: Executable) -> Sequence[Row[Any]]:
        """Run a Core statement: for queries put together from parts, off the hot path."""
        async with asyncio.timeout(self._timeout_seconds):
            return (await self._connection.execute(statement)).all()

    def wake(self, topic: str) -> None:
        """On commit, wake whoever waits for ``topic``, in this process and the others."""
        self.wakes.add(topic)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call ``call`` once the commit is certain: counters, log lines. It must not fail."""
        self.calls_after_commit.append(call)

    async def commit(self, *, notify: bool) -> None:
        """End the transaction; for ``Database`` only, like ``roll_back``."""
        warnings: list[str] = []

        def note(_: object, message: object) -> None:
            warnings.append(str(message))

        wakes = "".join(f"NOTIFY {CHANNEL}, '{topic}'; " for topic in sorted(self.wakes))
        try:
            self._driver.add_log_listener(note)
        except asyncpg.InterfaceError as error:  # closed before COMMIT was sent: nothing stands
            await self._connection.invalidate()
            raise DatabaseUnavailable from error
        try:
            status: str = await self._driver.execute(
                f"{wakes if notify else ''}COMMIT", timeout=self._timeout_seconds
            )
        except _UNCLEAR as error:
            await self._connection.invalidate()
            raise CommitUnknown from error
        finally:
            self._driver.remove_log_listener(note)
        if status != "COMMIT":
            # PostgreSQL ends an aborted transaction with ROLLBACK and no error.
            raise RuntimeError("an error inside the transaction was swallowed; nothing stands")
        if any(_NOT_REPLICATED in warning for warning in warnings):
            raise CommitUnknown

    async def roll_back(self) -> None:
        """Undo; a connection that cannot even do that is thrown away."""
        try:
            await _uncancelled(self._driver.execute("ROLLBACK", timeout=_SILENCE_SECONDS_MAX))
        except (*_UNCLEAR, asyncpg.PostgresError):
            await self._connection.invalidate()


class Database:
    """The one pool of connections, and the only place that begins and ends a transaction."""

    def __init__(self, engine: AsyncEngine, *, notify: bool = True) -> None:
        # AUTOCOMMIT keeps SQLAlchemy from beginning transactions behind our back.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._notify = notify
        self._local_wakes: list[Callable[[str], None]] = []
        self._in_use = 0
        self._unused = asyncio.Event()
        self._unused.set()

    def on_wake(self, call: Callable[[str], None]) -> None:
        """``call(topic)`` after each commit in this process that woke ``topic``."""
        self._local_wakes.append(call)

    @asynccontextmanager
    async def transaction(
        self, *, read_only: bool = False, seconds_max: int = _STATEMENT_SECONDS_MAX
    ) -> AsyncGenerator[Tx, None]:
        """Commit when the block ends, roll back when it raises. Does not nest.

        A read-only one sees one snapshot throughout. ``seconds_max`` bounds each statement.

        Raises:
            CommitUnknown: the commit was sent and its answer lost.
            DatabaseUnavailable: no connection could be had.
        """
        require_no_transaction("open another transaction")
        token = _transaction_open.set(True)
        try:
            async with self._begun(read_only=read_only, seconds_max=seconds_max) as tx:
                try:
                    yield tx
                except BaseException as error:
                    await tx.roll_back()
                    if isinstance(_driver_error(error), _LOST):
                        raise DatabaseUnavailable from error
                    raise
                await _uncancelled(tx.commit(notify=self._notify))
        finally:
            _transaction_open.reset(token)
        for topic in tx.wakes:
            for call in self._local_wakes:
                call(topic)
        for call_after in tx.calls_after_commit:
            call_after()

    async def run(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """``work`` in a transaction, whole and again when the database asks for it.

        Serialization failures and deadlocks are retried a bounded number of times; ``work``
        must therefore change nothing but the database.
        """
        for attempt in range(1, _RETRY.attempts_max):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except _AGAIN:
                await asyncio.sleep(_RETRY.wait_after(attempt).total_seconds())
        async with self.transaction() as tx:
            return await work(tx)

    async def close(self) -> None:
        """Close all connections, those in use when they are given back.

        A pool that is gone by then would drop them unclosed.
        """
        try:
            async with asyncio.timeout(_CLOSE_SECONDS_MAX):
                await self._unused.wait()
        except TimeoutError:
            log.warning("database.closed_in_use", connections=self._in_use)
        await self._engine.dispose()

    def pool_status(self) -> dict[str, int]:
        """Connections in the pool: ``size``, ``in_use`` and ``overflow``."""
        pool: Any = self._engine.pool
        return {
            "size": pool.size(),
            "in_use": pool.checkedout(),
            "overflow": max(pool.overflow(), 0),
        }

    @asynccontextmanager
    async def _begun(self, *, read_only: bool, seconds_max: int) -> AsyncGenerator[Tx, None]:
        """A connection with a transaction open; one that died in the pool is replaced once."""
        begin = _begin(read_only=read_only, seconds_max=seconds_max)
        with self._used():
            try:
                connection = await self._begin(begin)
            except _UNCLEAR:
                try:
                    connection = await self._begin(begin)
                except _UNCLEAR as error:
                    raise DatabaseUnavailable from error
            try:
                yield Tx(connection, await _driver_of(connection), seconds_max)
            finally:
                await connection.close()

    @contextmanager
    def _used(self) -> Generator[None]:
        """While a connection is had, or waited for."""
        self._in_use += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._in_use -= 1
            if not self._in_use:
                self._unused.set()

    async def _begin(self, begin: str) -> AsyncConnection:
        connection = await self._connect()
        try:
            await (await _driver_of(connection)).execute(begin, timeout=_SILENCE_SECONDS_MAX)
        except BaseException:
            # Never back into the pool: it may have a transaction open that nobody owns.
            await connection.invalidate()
            await connection.close()
            raise
        return connection

    async def _connect(self) -> AsyncConnection:
        try:
            return await self._engine.connect()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
            raise DatabaseUnavailable from error


def _begin(*, read_only: bool, seconds_max: int) -> str:
    mode = "ISOLATION LEVEL REPEATABLE READ READ ONLY" if read_only else ""
    return (
        f"BEGIN {mode}; SET LOCAL lock_timeout = '{_LOCK_SECONDS_MAX}s'; "
        f"SET LOCAL statement_timeout = '{seconds_max}s'"
    )


def _driver_error(error: BaseException) -> BaseException:
    """The driver's own error, also when SQLAlchemy has wrapped it (twice) for a Core statement."""
    while isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return error


async def _driver_of(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


async def _uncancelled(work: Awaitable[T]) -> T:
    """Wait for ``work`` to its end even when the caller is cancelled meanwhile.

    A COMMIT given up half-way leaves an outcome nobody knows (docs/decisions).
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # the cancellation is what the caller hears of
        raise


def connect(
    url: str, *, pool_size: int, statement_cache_size: int = 256, notify: bool = True
) -> Database:
    """A ``Database`` on ``postgresql://…``; connections are made when first needed.

    Behind PgBouncer in transaction mode give ``statement_cache_size=0`` and
    ``notify=False``: neither prepared statements nor LISTEN survive it.

    Raises:
        BadAddress: ``url`` cannot be used.
    """
    engine = engine_on(
        url,
        timeout_seconds=_CONNECT_SECONDS_MAX,
        statement_cache_size=statement_cache_size,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_reset_on_return=None,
    )
    return Database(engine, notify=notify)
