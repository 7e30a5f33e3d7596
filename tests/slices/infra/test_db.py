"""Transactions on a real database: how they end, and what an unclear end means."""

import asyncio
import contextvars
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from payops.infra.db import (
    CommitUnknown,
    Database,
    DatabaseUnavailable,
    Tx,
    connect,
    require_no_transaction,
)
from tests.support import sql
from tests.support.postgres import connected
from tests.support.waiting import eventually

TABLE = "CREATE UNLOGGED TABLE IF NOT EXISTS notes (id int PRIMARY KEY, text text)"


@pytest.fixture
async def notes(url: str) -> Any:
    """A small pool, and a table ``notes`` for as long as the test."""
    async with connected(url) as connection:
        await connection.execute(TABLE)
    database = connect(url, pool_size=3)
    yield database
    await database.close()
    async with connected(url) as connection:
        await connection.execute("DROP TABLE notes")


async def texts(database: Database) -> list[str]:
    return [row["text"] for row in await sql.fetch(database, "SELECT text FROM notes ORDER BY id")]


async def write(tx: Tx, note_id: int, text: str = "x") -> None:
    await tx.execute("INSERT INTO notes VALUES ($1, $2)", note_id, text)


async def test_a_block_that_ends_commits_and_one_that_raises_does_not(notes: Database) -> None:
    """All or nothing, and the connection is good for the next one."""
    async with notes.transaction() as tx:
        await write(tx, 1)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is the transaction
        async with notes.transaction() as tx:
            await write(tx, 2)
            raise ZeroDivisionError

    assert ["x"] == await texts(notes)
    assert 0 == notes.pool_status()["in_use"]


async def test_transactions_do_not_nest(notes: Database) -> None:
    """Not even by way of a function that opens its own; and no call leaves the house."""
    async with notes.transaction():
        with pytest.raises(RuntimeError, match="open another transaction"):
            async with notes.transaction():
                pass
        with pytest.raises(RuntimeError, match="cannot call the network"):
            require_no_transaction("call the network")

    require_no_transaction("call the network")


async def test_a_read_only_transaction_sees_one_moment_and_changes_nothing(
    notes: Database, url: str
) -> None:
    """What is committed meanwhile is not in its snapshot."""
    async with notes.transaction(read_only=True) as tx:
        assert 0 == await tx.fetchval("SELECT count(*) FROM notes")
        async with connected(url) as other:
            await other.execute("INSERT INTO notes VALUES (1, 'x')")
        assert 0 == await tx.fetchval("SELECT count(*) FROM notes")

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with notes.transaction(read_only=True) as tx:
            await write(tx, 2)


async def test_a_deadlock_is_retried_whole(notes: Database) -> None:
    """Two transactions lock crosswise; both do their work in the end."""
    async with notes.transaction() as tx:
        await write(tx, 1)
        await write(tx, 2)
    both_hold_one = asyncio.Barrier(2)
    runs: list[int] = []

    async def lock(first: int, second: int) -> None:
        is_first_run = first not in runs
        runs.append(first)

        async def work(tx: Tx) -> None:
            await tx.execute("UPDATE notes SET text = text || 'a' WHERE id = $1", first)
            nonlocal is_first_run
            if is_first_run:
                is_first_run = False
                async with asyncio.timeout(5):
                    await both_hold_one.wait()
            else:
                runs.append(first)
            await tx.execute("UPDATE notes SET text = text || 'b' WHERE id = $1", second)

        await notes.run(work)

    await asyncio.gather(lock(1, 2), lock(2, 1))

    assert 3 == len(runs)
    assert {("a", "b")} == {tuple(sorted(text[1:])) for text in await texts(notes)}


async def test_a_conflict_that_stays_is_not_retried_for_ever(notes: Database) -> None:
    """A bounded number of times, then the caller is told."""
    tries = 0

    async def work(tx: Tx) -> None:
        nonlocal tries
        tries += 1
        await tx.execute("DO $$ BEGIN RAISE serialization_failure; END $$")

    with pytest.raises(asyncpg.SerializationError):
        await notes.run(work)

    assert 5 == tries


async def test_a_lock_is_not_waited_for_for_ever(notes: Database) -> None:
    """Three seconds: what takes longer is somebody else's trouble."""
    async with notes.transaction() as tx:
        await write(tx, 1)

    async def delete() -> int:
        return await sql.execute(notes, "DELETE FROM notes")

    async with notes.transaction() as tx:
        await tx.execute("SELECT * FROM notes FOR UPDATE")
        task = asyncio.get_running_loop().create_task(delete(), context=contextvars.Context())
        with pytest.raises(asyncpg.LockNotAvailableError):
            await task


async def test_a_connection_that_died_in_the_pool_is_replaced(notes: Database, url: str) -> None:
    """The next transaction notices nothing."""
    pid = await sql.fetchval(notes, "SELECT pg_backend_pid()")
    await kill(url, pid)

    assert pid != await sql.fetchval(notes, "SELECT pg_backend_pid()")


async def test_a_connection_lost_before_the_commit_has_done_nothing(
    notes: Database, url: str
) -> None:
    """That is certain, so it is said: unavailable, and not unknown."""
    with pytest.raises(DatabaseUnavailable):  # noqa: PT012 - the block is the transaction
        async with notes.transaction() as tx:
            await write(tx, 1)
            await kill(url, await tx.fetchval("SELECT pg_backend_pid()"))
            await tx.fetchval("SELECT 1")

    assert [] == await texts(notes)


async def test_a_commit_that_meets_a_dead_connection_did_not_happen(
    notes: Database, url: str
) -> None:
    """Nothing was sent, so nothing is unknown, and nothing that waits for a commit is called."""
    called: list[str] = []

    with pytest.raises(DatabaseUnavailable):  # noqa: PT012 - the block is the transaction
        async with notes.transaction() as tx:
            await write(tx, 1)
            tx.after_commit(lambda: called.append("after"))
            tx.wake("topic")
            await kill(url, await tx.fetchval("SELECT pg_backend_pid()"))
            await eventually(tx._driver.is_closed)

    assert [] == called
    assert [] == await texts(notes)
    assert 0 == notes.pool_status()["in_use"]


async def test_a_commit_whose_answer_never_comes_is_unknown(notes: Database, url: str) -> None:
    """Nobody may assume that it failed: here it stood."""
    with pytest.raises(CommitUnknown):  # noqa: PT012 - the block is the transaction
        async with notes.transaction() as tx:
            await write(tx, 1)
            pid = await tx.fetchval("SELECT pg_backend_pid()")
            driver: Any = tx._driver

            class Lost:
                def __getattr__(self, name: str) -> Any:
                    return getattr(driver, name)

                @staticmethod
                async def execute(statement: str, **limits: int) -> Any:
                    await driver.execute(statement)
                    await asyncio.get_running_loop().create_task(
                        kill(url, pid), context=contextvars.Context()
                    )
                    return await driver.execute("SELECT 1")

            tx._driver = Lost()

    assert ["x"] == await texts(notes)
    assert 0 == notes.pool_status()["in_use"]


async def test_a_commit_that_is_not_replicated_is_unknown(notes: Database) -> None:
    """The server says so in a warning only, while it reports success."""
    with pytest.raises(CommitUnknown):  # noqa: PT012 - the block is the transaction
        async with notes.transaction() as tx:
            await write(tx, 1)
            driver: Any = tx._driver

            class Warns:
                def __getattr__(self, name: str) -> Any:
                    return getattr(driver, name)

                @staticmethod
                async def execute(statement: str, **limits: int) -> Any:
                    await driver.execute(
                        "DO $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication"
                        " due to user request'; END $$"
                    )
                    return await driver.execute(statement)

            tx._driver = Warns()


async def test_a_cancelled_caller_does_not_cut_a_commit_short(notes: Database) -> None:
    """The commit ends before the cancellation is felt."""
    committing = asyncio.Event()

    async def work() -> None:
        async with notes.transaction() as tx:
            await write(tx, 1)
            driver: Any = tx._driver

            class Slow:
                def __getattr__(self, name: str) -> Any:
                    return getattr(driver, name)

                @staticmethod
                async def execute(statement: str, **limits: int) -> Any:
                    committing.set()
                    return await driver.execute(f"SELECT pg_sleep(0.2); {statement}")

            tx._driver = Slow()

    task = asyncio.create_task(work())
    await eventually(committing.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ["x"] == await texts(notes)
    assert 0 == notes.pool_status()["in_use"]


async def test_a_cancelled_statement_is_rolled_back(notes: Database) -> None:
    """And its connection serves the next one."""
    started = asyncio.Event()

    async def work() -> None:
        async with notes.transaction() as tx:
            await write(tx, 1)
            started.set()
            await tx.fetchval("SELECT pg_sleep(30)")

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await eventually(started.is_set)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert [] == await texts(notes)
    assert 0 == notes.pool_status()["in_use"]


async def test_what_comes_after_a_commit_comes_only_then(notes: Database) -> None:
    """Wake-ups and calls of a transaction that rolled back are never heard."""
    heard: list[str] = []
    notes.on_wake(heard.append)

    async with notes.transaction() as tx:
        tx.wake("one")
        tx.wake("one")
        tx.after_commit(lambda: heard.append("call"))
        assert [] == heard
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is the transaction
        async with notes.transaction() as tx:
            tx.wake("two")
            tx.after_commit(lambda: heard.append("never"))
            raise ZeroDivisionError

    assert ["one", "call"] == heard


async def test_a_wake_up_reaches_other_processes_with_the_commit(notes: Database, url: str) -> None:
    """By NOTIFY on the one channel, topic as payload."""
    heard: list[str] = []
    async with connected(url) as other:
        await other.add_listener("payops", lambda *args: heard.append(args[-1]))

        async with notes.transaction() as tx:
            tx.wake("withdrawals")

        await eventually(lambda: ["withdrawals"] == heard)


async def test_a_statement_has_a_time_limit(notes: Database) -> None:
    """One that takes for ever ends the transaction, with nothing done."""
    with pytest.raises(DatabaseUnavailable):  # noqa: PT012 - the block is the transaction
        async with notes.transaction(seconds_max=1) as tx:
            await write(tx, 1)
            await tx.fetchval("SELECT pg_sleep(30)")

    assert [] == await texts(notes)


async def test_no_database_is_unavailable() -> None:
    """Not an error of the driver's own that nobody catches."""
    nowhere = connect("postgresql://nobody@127.0.0.1:1/none", pool_size=1)

    with pytest.raises(DatabaseUnavailable):
        async with nowhere.transaction():
            pass

    await nowhere.close()


async def test_a_core_statement_runs_in_the_same_transaction(notes: Database) -> None:
    """Queries put together from parts see what plain ones wrote."""
    async with notes.transaction() as tx:
        await write(tx, 1, "mine")
        rows = await tx.select(sa.select(sa.literal_column("text")).select_from(sa.table("notes")))
        assert ["mine"] == [row.text for row in rows]


async def test_a_connection_lost_under_a_core_statement_is_unavailable_too(
    notes: Database,
    url: str,
) -> None:
    """Which way a statement went makes no difference to what it means that it failed."""
    with pytest.raises(DatabaseUnavailable):  # noqa: PT012 - the block is the transaction
        async with notes.transaction() as tx:
            await kill(url, await tx.fetchval("SELECT pg_backend_pid()"))
            await tx.select(sa.select(sa.literal_column("1")))

    assert 0 == notes.pool_status()["in_use"]


async def kill(url: str, pid: int) -> None:
    """End a backend from outside, and wait until it is gone."""
    async with connected(url) as other:
        assert await other.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)


async def test_a_connection_in_use_is_closed_when_it_is_given_back(url: str) -> None:
    """Closing waits for who has one: a pool that is gone would drop it, open, for nobody."""
    database = connect(url, pool_size=2)
    begun, go_on, drivers = asyncio.Event(), asyncio.Event(), []

    async def use() -> None:
        async with database.transaction() as tx:
            drivers.append(tx._driver)
            begun.set()
            await go_on.wait()

    using = asyncio.create_task(use())
    await begun.wait()
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(using, closing)

    assert [True] == [driver.is_closed() for driver in drivers]
