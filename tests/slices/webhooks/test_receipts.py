"""Two receipts for one payout mean that the customer was paid twice."""

from contextlib import suppress

import pytest
from asyncpg import DivisionByZeroError

from payops.infra.db import Database
from tests.support import sql
from tests.support.shop import Shop


async def test_a_second_receipt_is_parked_and_told(shop: Shop) -> None:
    """The first receipt stands; the other one is for a person."""
    txid = await shop.is_sent(100)
    await shop.hears({"transactionId": txid, "status": "success", "receipt": "AAA1111111"})

    await shop.hears({"transactionId": txid, "status": "success", "receipt": "BBB2222222"})

    assert ["applied", "parked"] == [state for state, _ in await shop.inbox()]
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()


async def test_a_swallowed_error_is_no_commit(database: Database) -> None:
    """PostgreSQL ends an aborted transaction with ROLLBACK and without an error."""

    async def swallow() -> None:
        async with database.transaction() as tx:
            with suppress(DivisionByZeroError):
                await tx.execute("SELECT 1 / 0")

    with pytest.raises(RuntimeError, match="nothing stands"):
        await swallow()

    assert 1 == await sql.fetchval(database, "SELECT 1")
