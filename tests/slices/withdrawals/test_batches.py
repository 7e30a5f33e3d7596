"""What moves together shares its statements: their number does not grow with the batch."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from payops.withdrawals.domain import State
from tests.support.shop import OpenShop, Shop


@contextmanager
def statements_of(shop: Shop) -> Iterator[list[str]]:
    """The statements of ``shop`` from now on, as its driver sent them."""
    seen: list[str] = []
    engine: Any = shop.db._engine.sync_engine

    def heard(record: Any) -> None:
        seen.append(record.query)

    def listen(connection: Any, *_: object) -> None:
        connection.driver_connection.add_query_logger(heard)

    def leave(connection: Any, *_: object) -> None:
        connection.driver_connection.remove_query_logger(heard)

    event.listen(engine, "checkout", listen)
    event.listen(engine, "checkin", leave)
    try:
        yield seen
    finally:
        event.remove(engine, "checkout", listen)
        event.remove(engine, "checkin", leave)


async def paid(shop: Shop, count: int) -> tuple[int, int]:
    """Statements for sending ``count`` withdrawals, and for settling them by as many callbacks."""
    txids = [await shop.accepts(10, user=f"usr_{n}") for n in range(count)]
    with statements_of(shop) as sending:
        assert count == await shop.sends()
    said = [{"transactionId": txid, "amountKES": 10, "status": "success"} for txid in txids]
    with statements_of(shop) as settling:
        await asyncio.gather(*(shop.delivers(content) for content in said))
        await shop.services.inbox.drained()

    assert {State.COMPLETED} == {await shop.state_of(txid) for txid in txids}
    return len(sending), len(settling)


async def test_many_cost_as_many_statements_as_one(open_shop: OpenShop) -> None:
    """Claim, record, keep, apply: a statement for each withdrawal anywhere would show."""
    shop = await open_shop(worker={"concurrency": 32})
    await paid(shop, 1)  # whatever is asked once a process

    one, many = await paid(shop, 1), await paid(shop, 30)

    # They need not all meet in one batch; thirty would be hundreds.
    assert many[0] <= 3 * one[0]
    assert many[1] <= 4 * one[1]
    await shop.assert_books()


async def test_a_claim_is_not_followed_by_the_next_at_once(open_shop: OpenShop) -> None:
    """What comes due one by one is not claimed one by one, though there is room."""
    shop = await open_shop()
    began_ns = time.monotonic_ns()

    await shop.services.sender.room()

    assert time.monotonic_ns() - began_ns >= 19_000_000
