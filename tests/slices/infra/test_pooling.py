"""Behind a pooler in transaction mode: nothing depends on a session, and nothing is left in one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from payops.deposits.domain.states import State as Invoiced
from payops.infra import migrating
from payops.infra.db import Database, connect
from payops.infra.listening import Listener, Wakeups
from payops.kernel.ids import new_id
from payops.withdrawals.domain import State
from tests.support import sql
from tests.support.commands import Payops
from tests.support.pooling import faults_on, said_on
from tests.support.postgres import connected
from tests.support.process import caller, environment, forked
from tests.support.shop import running_shop
from tests.support.till import open_till
from tests.support.waiting import eventually
from tests.support.wire import Wire, wired

POOLED = {"pool": {"size": 4, "statement_cache_size": 0, "listen": False}}
TWICE = range(2)  # a second time a name would be met again

_STATE = """
    SELECT (SELECT count(*) FROM pg_prepared_statements) AS prepared,
        (SELECT array_agg(name) FROM pg_settings
         WHERE source = 'session' AND setting <> reset_val) AS settings,
        (SELECT array_agg(channel) FROM pg_listening_channels() AS channel) AS channels,
        (SELECT count(*) FROM pg_locks
         WHERE pid = pg_backend_pid() AND locktype = 'advisory') AS locks,
        (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors
"""


@pytest.fixture
async def wire(url: str) -> AsyncIterator[Wire]:
    async with wired(url) as made:
        yield made


@pytest.fixture
async def pooled(wire: Wire) -> AsyncIterator[Database]:
    """A pool of one connection, with the settings for PgBouncer."""
    database = connect(wire.url, pool_size=1, statement_cache_size=0, notify=False)
    yield database
    await database.close()


async def test_no_way_to_run_a_statement_prepares_it_under_a_name(
    pooled: Database, wire: Wire
) -> None:
    """Names are counted in each process from one, so another's would be met on the server."""
    for number in TWICE:
        async with pooled.transaction() as tx:
            assert [number] == [row[0] for row in await tx.fetch("SELECT $1::int", number)]
            assert [number] == list(await tx.fetchrow("SELECT $1::int", number) or ())
            assert number == await tx.fetchval("SELECT $1::int", number)
            await tx.execute("SELECT $1::int", number)
            await tx.select(sa.select(sa.literal(number)))
            batches = [rows async for rows in tx.stream("SELECT $1::int", number)]
            assert [[(number,)]] == [[tuple(row) for row in rows] for rows in batches]

    assert [] == faults_on(wire)


async def test_a_stream_goes_on_while_other_statements_run(pooled: Database) -> None:
    """What it reads from outlives the nameless statement that the next one takes the place of."""
    found = []
    async with pooled.transaction(read_only=True) as tx:
        async for rows in tx.stream("SELECT generate_series(1, $1::int)", 5, rows=2):
            found += [row[0] for row in rows]
            assert "another" == await tx.fetchval("SELECT $1::text", "another")

    assert [1, 2, 3, 4, 5] == found


@pytest.mark.parametrize("ends", ["committed", "rolled back"])
async def test_a_transaction_leaves_nothing_in_its_session(pooled: Database, ends: str) -> None:
    """Its limits end with it: the connection's next transaction may be another process's."""
    with suppress(ZeroDivisionError):
        async with pooled.transaction(seconds_max=7) as tx:
            driver = tx._driver
            # Arrays of these are looked up by the driver, which has settings of its own for it.
            await tx.fetch("SELECT $1::uuid[], $2::bigint[]", [new_id()], [1])
            _ = [rows async for rows in tx.stream("SELECT generate_series(1, 3)", rows=2)]
            tx.wake("topic")
            if ends == "rolled back":
                raise ZeroDivisionError

    assert (0, None, None, 0, 0) == tuple(await driver.fetchrow(_STATE))


async def test_migrating_needs_no_session(empty_url: str) -> None:
    """Not even the turn: its lock belongs to a transaction."""
    async with wired(empty_url) as wire:
        await asyncio.gather(*(migrating.migrate(wire.url) for _ in TWICE))

        assert [] == faults_on(wire)

    async with connected(empty_url) as connection:
        assert migrating.head_revision() == await connection.fetchval("TABLE alembic_version")


async def test_money_goes_out_without_a_session(wire: Wire) -> None:
    """The whole way of a payout with the two settings, its callback and the books included."""
    async with running_shop(wire.url, overrides=POOLED) as shop:
        txid = await shop.is_sent(100)
        assert await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
        assert State.COMPLETED == await shop.state_of(txid)
        await shop.assert_books()

    assert [] == faults_on(wire)


async def test_money_comes_in_without_a_session(wire: Wire) -> None:
    """The whole way of a deposit likewise."""
    async with open_till(wire.url, overrides=POOLED) as till:
        invoice = await till.invoice("20.00")
        assert Invoiced.FINISHED == (await till.settles(invoice, "0.02")).state
        await till.assert_books()

    assert [] == faults_on(wire)


@pytest.mark.slow
async def test_a_service_needs_no_session(wire: Wire, database: Database, tmp_path: Path) -> None:
    """The process as it is started, with its loops and its timed jobs."""
    environ = environment(wire.url, POOL__STATEMENT_CACHE_SIZE=0, POOL__LISTEN="false")

    async def has_run_jobs() -> bool:
        return bool(await sql.fetchval(database, "SELECT count(*) FROM job_runs"))

    with forked(environ, tmp_path / "serve.log") as serving:
        async with caller("nobody") as http:
            await serving.ready(http)
        await eventually(has_run_jobs)
        assert 0 == await asyncio.to_thread(serving.terminate)

    assert [] == faults_on(wire)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("doctor",),
        ("ledger", "verify"),
        ("audit", "verify"),
        ("audit", "export", "--from", "2026-01-01", "--to", "2027-01-01", "--out", "bundle"),
        ("report", "daily"),
        ("overview",),
        ("checklist", "daily"),
        ("jobs", "list"),
    ],
    ids=" ".join,
)
async def test_no_command_needs_a_session(
    wire: Wire, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """The settings of the services are those of the commands."""
    payops = Payops.on(
        wire.url,
        tmp_path,
        PAYOPS_POOL__STATEMENT_CACHE_SIZE="0",
        PAYOPS_POOL__LISTEN="false",
    )

    ended = await asyncio.to_thread(payops.run, *command)

    assert 0 == ended.code, ended.out + ended.err
    assert [] == faults_on(wire)


async def test_a_listener_is_what_cannot_be_pooled(wire: Wire) -> None:
    """Which is why a setting leaves it out; and that this test's eyes are open."""
    listener = Listener(wire.url, Wakeups())
    listener.start()
    await eventually(lambda: listener.is_connected)
    await listener.stop()

    assert 'LISTEN "payops"' in faults_on(wire)


async def test_a_cache_of_statements_is_what_cannot_be_pooled(wire: Wire) -> None:
    """Which is why a setting leaves it out; and that this test's eyes are open."""
    database = connect(wire.url, pool_size=1)
    assert 1 == await sql.fetchval(database, "SELECT 1")
    await database.close()

    (said,) = said_on(wire)
    assert said.named
