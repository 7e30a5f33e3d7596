"""The worker's loops: woken by commits, surviving errors, and gone when they are told to go."""

import asyncio
import time
from typing import Any

from payops.infra.db import Tx
from payops.withdrawals.domain import State
from payops.worker import Worker
from tests.support.shop import BARAKA, OpenShop, Shop
from tests.support.waiting import eventually


async def is_in(shop: Shop, txid: str, state: State) -> None:
    async def check() -> bool:
        return state is await shop.state_of(txid)

    await eventually(check)


def loops() -> set[str]:
    names = {"dispatch", "sweep", "drain"}
    return {task.get_name() for task in asyncio.all_tasks()} & names


async def test_an_accepted_withdrawal_is_sent_and_settled_by_itself(open_shop: OpenShop) -> None:
    """No call of ours but the request and the callback; the poll alone would take a minute."""
    shop = await open_shop(worker={"poll_ms": 60_000})
    worker = Worker(shop.services)
    worker.start()

    txid = await shop.accepts(100)
    await is_in(shop, txid, State.SENT)
    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    await is_in(shop, txid, State.COMPLETED)
    await worker.stop()

    assert set() == loops()
    await shop.assert_books()


async def test_what_another_process_accepted_is_found_by_polling(open_shop: OpenShop) -> None:
    """Without any wake-up between them."""
    worker_shop, api_shop = await open_shop(), await open_shop()
    worker = Worker(worker_shop.services)
    worker.start()

    txid = await api_shop.accepts(100)

    await is_in(api_shop, txid, State.SENT)
    await worker.stop()
    assert [txid] == worker_shop.rail.sends


async def test_a_loop_that_fails_goes_on(open_shop: OpenShop) -> None:
    """An error is logged; the next round does its work."""
    shop = await open_shop()
    failures: list[str] = []
    claims: Any = shop.services.sender._claims

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(claims, name)

        async def due(self, limit: int) -> Any:
            if not failures:
                failures.append("once")
                raise ZeroDivisionError
            return await claims.due(limit)

    shop.services.sender._claims = Failing()  # type: ignore[assignment]
    worker = Worker(shop.services)
    worker.start()
    txid = await shop.accepts(100)

    await is_in(shop, txid, State.SENT)
    await worker.stop()
    assert ["once"] == failures


async def test_stopping_in_the_middle_loses_nothing_and_is_soon_over(open_shop: OpenShop) -> None:
    """Calls that hang are left to their leases; what was queued is another's to send."""
    shop = await open_shop(worker={"concurrency": 2, "drain_seconds": 1})
    txids = [await shop.accepts(10, user=f"usr_{n}") for n in range(4)]
    shop.rail.holds()
    worker = Worker(shop.services)
    worker.start()
    await eventually(lambda: 2 == len(shop.rail.sends))

    began = time.monotonic()
    await worker.stop()

    assert time.monotonic() - began < 8
    assert set() == loops()
    states = sorted([await shop.state_of(txid) for txid in txids])
    assert [State.PENDING, State.PENDING, State.SENDING, State.SENDING] == states
    assert 2 == len(shop.rail.sends)
    await shop.assert_books()

    other = await open_shop()
    await other.sends()
    assert 2 == len(other.rail.sends)
    assert set() == set(other.rail.sends) & set(shop.rail.sends)


async def test_stopping_while_the_database_is_slow_keeps_the_answer(open_shop: OpenShop) -> None:
    """The rail has answered; the process waits for the record of it."""
    shop = await open_shop()
    txid = await shop.accepts(10)
    await shop.accepts(10, user=BARAKA)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: 2 == len(shop.rail.sends))
    locked, release = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await tx.execute("SELECT * FROM withdrawals FOR UPDATE")
        locked.set()
        await release.wait()

    holding = asyncio.create_task(shop.db.run(hold))
    await eventually(locked.is_set)
    shop.rail.goes_on()
    stopping = asyncio.create_task(shop.services.sender.stop(5))
    await eventually(lambda: shop.services.sender._records._busy)
    release.set()
    await asyncio.gather(holding, stopping)

    assert State.SENT == await shop.state_of(txid)
    await shop.assert_books()
