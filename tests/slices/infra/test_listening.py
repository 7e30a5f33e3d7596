"""Wake-ups between replicas, and what happens when the listening connection is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from payops.infra.db import Database
from payops.infra.listening import Listener, Wakeups
from tests.support.postgres import connected
from tests.support.waiting import eventually

SOON = timedelta(seconds=10)
NOW = timedelta(milliseconds=1)


@pytest.fixture
def wakeups() -> Wakeups:
    return Wakeups()


@pytest.fixture
async def listener(url: str, wakeups: Wakeups) -> AsyncIterator[Listener]:
    listener = Listener(url, wakeups)
    listener.start()
    await eventually(lambda: listener.is_connected)
    yield listener
    await listener.stop()


async def test_a_commit_elsewhere_wakes_who_waits_here(
    database: Database, listener: Listener, wakeups: Wakeups
) -> None:
    """
    What a transaction of another replica woke rings here, once, and only for its topic.
    """
    payouts, keys = wakeups.subscribe("payouts"), wakeups.subscribe("keys")

    async with database.transaction() as tx:
        tx.wake("payouts")

    assert await payouts.wait(SOON)
    assert not await payouts.wait(NOW)
    assert not await keys.wait(NOW)


async def test_a_rolled_back_transaction_wakes_nobody(
    database: Database, listener: Listener, wakeups: Wakeups
) -> None:
    """
    A notification belongs to its transaction: the next one that commits arrives alone.
    """
    payouts, keys = wakeups.subscribe("payouts"), wakeups.subscribe("keys")

    with contextlib.suppress(ZeroDivisionError):
        async with database.transaction() as tx:
            tx.wake("payouts")
            raise ZeroDivisionError
    async with database.transaction() as tx:
        tx.wake("keys")

    assert await keys.wait(SOON)
    assert not await payouts.wait(NOW)


async def test_a_lost_connection_is_replaced_and_everybody_looks_once(
    url: str, database: Database, listener: Listener, wakeups: Wakeups
) -> None:
    """
    After the server dropped the connection, all topics ring, and wake-ups are heard again.
    """
    payouts = wakeups.subscribe("payouts")

    async with connected(url) as connection:
        killed = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'payops-listener' AND datname = current_database()"
        )

    assert 1 == killed
    assert await payouts.wait(SOON)  # nothing was sent: this is the look after the silence
    assert listener.is_connected
    async with database.transaction() as tx:
        tx.wake("payouts")
    assert await payouts.wait(SOON)


async def test_a_database_that_is_away_is_not_an_error(wakeups: Wakeups) -> None:
    """
    A listener that cannot connect keeps trying and can still be stopped.
    """
    seen: list[bool] = []
    listener = Listener("postgresql://nobody@127.0.0.1:1/nothing", wakeups, changed=seen.append)

    listener.start()
    await asyncio.sleep(0)
    await listener.stop()

    assert not listener.is_connected
    assert [] == seen


async def test_a_subscriber_that_fails_does_not_silence_the_others(wakeups: Wakeups) -> None:
    """
    One callback's error is logged; the bell behind it rings all the same.
    """

    def fails() -> None:
        raise ZeroDivisionError

    wakeups.call("keys", fails)
    bell = wakeups.subscribe("keys")

    wakeups.wake("keys")

    assert await bell.wait(NOW)
