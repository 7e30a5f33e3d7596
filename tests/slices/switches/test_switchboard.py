"""What a process believes of the switches: never that all is on because it has not looked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from payops.infra.db import Tx
from payops.switches import service as switches
from payops.switches.domain import Switch
from payops.withdrawals.domain import State
from tests.support.shop import AMINA, OpenShop, Shop
from tests.support.waiting import eventually

LOCK = "LOCK TABLE switches IN ACCESS EXCLUSIVE MODE"
WAITING = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND relation = 'switches'::regclass"


async def halt(shop: Shop, name: str = "withdrawals") -> None:
    async with shop.db.transaction() as tx:
        await switches.halt(tx, name, reason="test", actor="person:test")


async def looks(shop: Shop) -> Switch | None:
    """What the process of ``shop`` believes of its withdrawals."""
    async with shop.db.transaction(read_only=True) as tx:
        return await shop.services.switchboard.halted(tx, ["withdrawals"])


async def looks_in_vain(shop: Shop) -> None:
    """As ``looks``, in a transaction that has failed already."""
    async with shop.db.transaction() as tx:
        with suppress(asyncpg.DivisionByZeroError):
            await tx.fetchval("SELECT 1/0")
        await shop.services.switchboard.halted(tx, ["withdrawals"])


@asynccontextmanager
async def locked(shop: Shop) -> AsyncIterator[Tx]:
    """While nobody can read the switches."""
    entered, leave = asyncio.Event(), asyncio.Event()
    held: list[Tx] = []

    async def hold() -> None:
        async with shop.db.transaction() as tx:
            await tx.execute(LOCK)
            held.append(tx)
            entered.set()
            await leave.wait()

    holding = asyncio.create_task(hold())
    await entered.wait()
    try:
        yield held[0]
    finally:
        leave.set()
        await holding


async def readers(shop: Shop) -> int:
    """How many wait for the lock."""
    (row,) = await shop.fetch(WAITING)
    return int(row["n"])


async def test_of_many_that_look_first_at_once_each_is_told(open_shop: OpenShop) -> None:
    """
    The second does not take the first one's question for an answer.
    """
    here, there = await open_shop(), await open_shop()
    await halt(here)

    found = await asyncio.gather(*(looks(there) for _ in range(5)))

    assert 5 == sum(one is not None for one in found)


async def test_a_read_that_is_held_up_lets_nothing_out(open_shop: OpenShop) -> None:
    """
    A fresh process whose first look takes its time sends nothing meanwhile.
    """
    here = await open_shop()
    txid = await here.accepts(100)
    await halt(here)
    fresh = await open_shop(here.rail)

    async with locked(here):
        slow = asyncio.create_task(looks(fresh))
        await eventually(lambda: _at_least(here, 1))
        sending = asyncio.create_task(fresh.sends())
        await eventually(lambda: _at_least(here, 2, or_done=sending))
    await sending

    assert await slow is not None
    assert ([], State.PENDING) == (here.rail.sends, await here.state_of(txid))


async def test_a_read_that_failed_is_no_knowledge(open_shop: OpenShop) -> None:
    """
    Who looks next looks for itself.
    """
    here, there = await open_shop(), await open_shop()
    await halt(here)

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await looks_in_vain(there)

    assert await looks(there) is not None


async def test_a_read_that_fails_later_leaves_nothing_out_of_date(open_shop: OpenShop) -> None:
    """
    What was known half a second ago does not outlive a read that failed.
    """
    here, there = await open_shop(), await open_shop()
    assert await looks(there) is None
    await halt(here)
    there.services.switchboard.forget()

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await looks_in_vain(there)

    assert await looks(there) is not None


async def test_a_wake_up_during_a_read_is_not_lost(open_shop: OpenShop) -> None:
    """
    What was read before the switch was thrown is nobody's knowledge after it.
    """
    here, there = await open_shop(), await open_shop()

    async def looks_at_an_old_snapshot() -> Switch | None:
        async with there.db.transaction(read_only=True) as tx:
            await tx.fetchval("SELECT 1")
            seen.set()
            await go_on.wait()
            return await there.services.switchboard.halted(tx, ["withdrawals"])

    seen, go_on = asyncio.Event(), asyncio.Event()
    old = asyncio.create_task(looks_at_an_old_snapshot())
    await seen.wait()
    async with locked(here) as tx:
        go_on.set()
        await eventually(lambda: _at_least(here, 1))
        await switches.halt(tx, "withdrawals", reason="test", actor="person:test")
        there.services.switchboard.forget()

    assert await old is None, "its snapshot is older than the halt"
    assert await looks(there) is not None


async def test_a_halt_reaches_a_request_of_a_process_that_never_looked(open_shop: OpenShop) -> None:
    """
    The first thing a replica does is told what stands.
    """
    here = await open_shop()
    await here.funds(AMINA, 100)
    await halt(here)
    fresh = await open_shop(here.rail)

    statuses = {(await fresh.asks_for(50, key=str(n))).status for n in range(3)}

    assert {503} == statuses


async def _at_least(shop: Shop, waiting: int, or_done: "asyncio.Task[int] | None" = None) -> bool:
    return (or_done is not None and or_done.done()) or await readers(shop) >= waiting
