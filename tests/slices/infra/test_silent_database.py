"""A database that neither answers nor hangs up: every wait ends, and unknown is said to be."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from payops.infra import db
from payops.infra.db import CommitUnknown, Database, DatabaseUnavailable, connect
from payops.withdrawals.domain import State
from tests.support import sql
from tests.support.shop import AMINA, Shop, running_shop
from tests.support.waiting import eventually
from tests.support.wire import Wire, wired

_SECONDS_MAX = 15  # far above what these limits add up to, far below "for ever"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of life, a minute and five seconds, as one second each."""
    begins: Any = Database.transaction
    monkeypatch.setattr(db, "_SILENCE_SECONDS_MAX", 1)
    monkeypatch.setitem(begins.__wrapped__.__kwdefaults__, "seconds_max", 1)


@pytest.fixture
async def wire(url: str) -> AsyncIterator[Wire]:
    async with wired(url) as made:
        yield made


async def ask(database: Database) -> None:
    async with database.transaction(read_only=True) as tx:
        await tx.fetchval("SELECT 1")


@pytest.fixture
async def database(wire: Wire) -> AsyncIterator[Database]:
    """On the wire, with every connection it will need made before the wire fails."""
    pool = connect(wire.url, pool_size=3)
    await ask(pool)
    yield pool
    wire.is_cut()
    await pool.close()


@pytest.fixture
async def shop(wire: Wire) -> AsyncIterator[Shop]:
    async with running_shop(wire.url) as made:
        yield made


@asynccontextmanager
async def soon(wire: Wire) -> AsyncIterator[None]:
    """The block ends by itself; what would wait for ever is cut off, and then fails here."""
    began = time.monotonic()
    rescue = asyncio.get_running_loop().call_later(_SECONDS_MAX, wire.is_cut)
    try:
        async with asyncio.timeout(2 * _SECONDS_MAX):
            yield
    finally:
        rescue.cancel()
        assert time.monotonic() - began < _SECONDS_MAX, "it waited for the end of the silence"


async def fund(database: Database, user: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO wallets (user_id, currency, available, held, version)"
            " VALUES ($1, 'KES', 0, 0, 0)",
            user,
        )


async def users(url: str) -> list[str]:
    """Who has a wallet, asked past the wire."""
    direct = connect(url, pool_size=2)
    rows = await sql.fetch(direct, "SELECT user_id FROM wallets ORDER BY user_id")
    await direct.close()
    return [row["user_id"] for row in rows]


async def test_a_statement_into_silence_ends(database: Database, wire: Wire) -> None:
    """As unavailable: COMMIT was never sent, so nothing stands; the pool is whole again."""
    async with soon(wire):
        with pytest.raises(DatabaseUnavailable):  # noqa: PT012 - the block is the transaction
            async with database.transaction() as tx:
                await tx.fetchval("SELECT 1")
                wire.falls_silent()
                await tx.fetchval("SELECT 1")

    wire.mends()
    assert 1 == await sql.fetchval(database, "SELECT 1")
    assert 0 == database.pool_status()["in_use"]


async def test_a_transaction_that_begins_in_silence_ends(database: Database, wire: Wire) -> None:
    """The idle connection and the one made in its place are both given up."""
    wire.falls_silent()

    async with soon(wire):
        with pytest.raises(DatabaseUnavailable):
            await ask(database)

    wire.mends()
    await ask(database)
    assert 0 == database.pool_status()["in_use"]


async def test_a_commit_into_silence_is_unknown(database: Database, wire: Wire, url: str) -> None:
    """The server has it, or it has not: here it arrived and stands, and nobody may deny it."""
    wire.loses_the_answer_to(b"COMMIT")

    async with soon(wire):
        with pytest.raises(CommitUnknown):
            await fund(database, "usr_1")

    assert wire.has_lost
    assert ["usr_1"] == await users(url)
    await fund(database, "usr_2")
    assert ["usr_1", "usr_2"] == await users(url)


async def test_a_commit_that_never_arrives_is_unknown_too(
    database: Database, wire: Wire, url: str
) -> None:
    """From here the two cannot be told apart, so they are not."""
    async with soon(wire):
        with pytest.raises(CommitUnknown):  # noqa: PT012 - the block is the transaction
            async with database.transaction() as tx:
                await tx.execute(
                    "INSERT INTO wallets (user_id, currency, available, held, version)"
                    " VALUES ('usr_1', 'KES', 0, 0, 0)"
                )
                wire.falls_silent()

    wire.is_cut()
    assert [] == await users(url)


async def test_the_key_settles_what_became_of_a_silent_commit(shop: Shop, wire: Wire) -> None:
    """The caller gets the stored answer of the one withdrawal there is."""
    await shop.funds(AMINA, 500)
    wire.loses_the_answer_to(b"COMMIT")

    async with soon(wire):
        answer = await shop.asks_for(100, key="k")

    assert wire.has_lost
    again = await shop.asks_for(100, key="k")
    assert (202, answer.body, answer.resource) == (answer.status, again.body, again.resource)
    assert (400, 100) == await shop.balance()
    await shop.assert_books()


async def test_a_record_whose_commit_fell_silent_is_made_once(shop: Shop, wire: Wire) -> None:
    """It is recorded again because nobody knows, and the second time changes nothing."""
    txid = await shop.accepts(100)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)
    wire.loses_the_answer_to(b"COMMIT")

    async with soon(wire):
        shop.rail.goes_on()
        await shop.settles_down()

    assert wire.has_lost
    assert (State.SENT, ["taken"]) == (await shop.state_of(txid), await shop.attempts(txid))
    assert 1 == (await shop.audited(txid)).count("withdrawal_sent")
    await shop.assert_books()
