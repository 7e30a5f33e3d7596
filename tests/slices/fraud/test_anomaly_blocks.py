"""A block by the watcher beside one by a person: the longer one stands, and nobody fails."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from payops.fraud.service import blocking
from payops.kernel.errors import Invalid
from payops.kernel.money import KES
from payops.ledger import service as ledger
from payops.ledger.domain import Owner
from tests.support.mint import Mint
from tests.support.shop import AMINA, BARAKA, OpenShop, Shop
from tests.support.till import OpenTill, Till, open_tills

__all__ = ["open_tills"]

WATCHED = {"deposits_per_hour": 1, "anomaly_refusals": 1, "anomaly_block_minutes": 30}


async def blocks(at: Shop | Till, user: str = AMINA) -> list[dict[str, Any]]:
    """The blocks of ``user`` that stand, with their reasons."""
    return await at.fetch(
        "SELECT blocked_by, reason, until - now() AS lasts FROM user_blocks"
        " WHERE user_id = $1 AND lifted_at IS NULL",
        user,
    )


async def person_blocks(at: Shop | Till, hours: int | None = None, user: str = AMINA) -> None:
    async with at.db.transaction() as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        until = None if hours is None else now + timedelta(hours=hours)
        await blocking.block(tx, user, reason="stolen phone", by="person:jane", until=until)


@pytest.fixture
async def till(open_tills: OpenTill) -> Till:
    return await open_tills(velocity=WATCHED)


@pytest.mark.parametrize("hours", [None, 2])
async def test_a_person_s_longer_block_is_not_shortened(till: Till, hours: int | None) -> None:
    """
    A blocked user who asks for deposits too often does not get out in half an hour.
    """
    await person_blocks(till, hours)
    statuses = [(await till.asks_for("20.00")).status for _ in range(4)]

    assert [201, 429, 429, 429] == statuses
    (stands,) = await blocks(till)
    assert ("person:jane", "stolen phone") == (stands["blocked_by"], stands["reason"])
    assert [f"velocity_anomaly:{AMINA}"] == await till.alerts()


async def test_a_shorter_block_gives_way_to_a_longer_one(open_tills: OpenTill) -> None:
    """
    What ends sooner than the watcher's would is replaced by it.
    """
    till = await open_tills(velocity=WATCHED | {"anomaly_block_minutes": 300})
    await person_blocks(till, 1)
    for _ in range(2):
        await till.asks_for("20.00")

    (stands,) = await blocks(till)
    assert "system:velocity" == stands["blocked_by"]
    assert timedelta(hours=4) < stands["lasts"] <= timedelta(hours=5)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("wallets", [[Owner(AMINA, KES.code)], []], ids=["wallet", "no wallet"])
async def test_a_person_and_the_watcher_at_once_are_one_block(
    open_tills: OpenTill, number: int, wallets: list[Owner]
) -> None:
    """
    Nobody is told of a key that exists already, in whichever order; the person's stands.
    """
    mint = Mint()
    here = await open_tills(mint, velocity=WATCHED)
    there = await open_tills(mint, velocity=WATCHED)
    async with here.db.transaction() as tx:
        await ledger.lock(tx, wallets, create=wallets)
    await here.asks_for("20.00")

    acts = [person_blocks(here), *(there.asks_for("20.00") for _ in range(3))]
    found = await asyncio.gather(*(acts if number % 2 else acts[::-1]), return_exceptions=True)

    assert [] == [one for one in found if isinstance(one, BaseException)]
    (stands,) = await blocks(here)
    assert ("person:jane", None) == (stands["blocked_by"], stands["lasts"])


async def test_many_blocks_at_once_are_one_each(open_shop: OpenShop) -> None:
    """
    Ten hands, two users, two processes: each user has one block, and nobody fails.
    """
    shops = [await open_shop(), await open_shop()]

    found = await asyncio.gather(
        *(person_blocks(shops[n % 2], n + 1, (AMINA, BARAKA)[n % 3 == 0]) for n in range(10)),
        return_exceptions=True,
    )

    assert [None] * 10 == found
    assert [1, 1] == [len(await blocks(shops[0], user)) for user in (AMINA, BARAKA)]


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_a_moment_beyond_the_calendar_is_refused(shop: Shop, until: str) -> None:
    """
    Wherever it comes from: it is no moment in UTC.
    """
    with pytest.raises(Invalid) as refused:
        async with shop.db.transaction() as tx:
            await blocking.block(
                tx, AMINA, reason="r", by="person:jane", until=datetime.fromisoformat(until)
            )

    assert ["/until"] == [fault.pointer for fault in refused.value.faults]
