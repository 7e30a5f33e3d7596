"""PostgreSQL killed in the middle of the run: what was acknowledged is still there."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from payops.dev.postgres import EmbeddedPostgres
from payops.infra.db import CommitUnknown, DatabaseUnavailable
from payops.infra.migrating import migrate
from tests.support.shop import AMINA, Shop, running_shop

CUSTOMERS = 8
KILLED_AFTER = 40  # acknowledged requests


@pytest.fixture
def durable() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres.temporary() as server:
        yield server


async def ask_until_it_ends(shop: Shop, name: int, acknowledged: dict[str, str]) -> None:
    """One request after another; every answer that came is noted under its key."""
    for number in range(1_000):
        key = f"{name}-{number}"
        try:
            answer = await shop.asks_for(10, key=key)
        except (CommitUnknown, DatabaseUnavailable):
            return
        assert answer.resource
        acknowledged[key] = answer.resource


async def test_no_acknowledged_withdrawal_is_lost_when_the_database_is_killed(
    durable: EmbeddedPostgres,
) -> None:
    """Every key that was answered leads to the same withdrawal afterwards, and the books hold."""
    await migrate(durable.url)
    acknowledged: dict[str, str] = {}
    async with running_shop(durable.url) as shop:
        await shop.funds(AMINA, 1_000_000)
        customers = [
            asyncio.create_task(ask_until_it_ends(shop, name, acknowledged))
            for name in range(CUSTOMERS)
        ]
        async with asyncio.timeout(60):
            while len(acknowledged) < KILLED_AFTER:
                await asyncio.sleep(0)
            os.kill(durable.pid, signal.SIGKILL)
            await asyncio.gather(*customers)

        await asyncio.to_thread(durable.ensure_running)

        answers = {key: await shop.asks_for(10, key=key) for key in acknowledged}
        assert acknowledged == {key: answer.resource for key, answer in answers.items()}
        assert all(answer.is_replay for answer in answers.values())
        await shop.assert_books()
