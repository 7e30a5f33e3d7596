"""Limits of many and of much: decided under the wallet's lock, so that no race passes them."""

import asyncio
import json
from datetime import timedelta

from payops.idempotency.domain import Answer
from payops.withdrawals.domain import State, read
from tests.support.rail import NO
from tests.support.shop import AMINA, OpenShop

LIMITED = {"withdrawals_per_hour": 3, "withdrawal_kes_per_day": 500_000}


def code_of(answer: Answer) -> str:
    assert answer.body is not None
    return str(json.loads(answer.body)["code"])


async def test_exactly_three_of_twenty_at_once_pass_the_hourly_limit(
    open_shop: OpenShop,
) -> None:
    """The limit is decided under the wallet's lock, so a race cannot pass it."""
    one = await open_shop(velocity=LIMITED)
    two = await open_shop(velocity=LIMITED)
    await one.funds(AMINA, 100_000)

    answers = await asyncio.gather(*(shop.asks_for(100) for shop in (one, two) * 10))

    refused = [answer for answer in answers if answer.status == 429]
    assert (3, 17) == (sum(answer.status == 202 for answer in answers), len(refused))
    assert {"velocity_limit_exceeded"} == {code_of(answer) for answer in refused}
    assert all(3_500 < int(answer.headers["Retry-After"]) <= 3_600 for answer in refused)
    assert (99_700, 300) == await one.balance()
    await one.assert_books()


async def test_the_daily_sum_cannot_be_passed_by_a_race(open_shop: OpenShop) -> None:
    """Four times 200,000 at once: two fit into half a million."""
    limits = {"withdrawals_per_hour": 0, "withdrawal_kes_per_day": 500_000}
    one, two = await open_shop(velocity=limits), await open_shop(velocity=limits)
    await one.funds(AMINA, 1_000_000)

    answers = await asyncio.gather(*(shop.asks_for(200_000) for shop in (one, two) * 2))

    assert [202, 202, 429, 429] == sorted(answer.status for answer in answers)
    assert (600_000, 400_000) == await one.balance()


async def test_cancelled_ones_do_not_count_and_failed_ones_do(open_shop: OpenShop) -> None:
    """A slot is given back only by the user's own change of mind."""
    shop = await open_shop(velocity={"withdrawals_per_hour": 2})
    first = await shop.accepts(100)
    await shop.cancels(first)
    shop.rail.ignores(NO)
    second = await shop.accepts(100)
    await shop.sends()
    assert State.FAILED == await shop.state_of(second)

    third = await shop.asks_for(100)
    fourth = await shop.asks_for(100)

    assert (202, 429) == (third.status, fourth.status)


async def test_refusals_do_not_count(open_shop: OpenShop) -> None:
    """Asking for too much ten times leaves all three slots."""
    shop = await open_shop(velocity=LIMITED)
    await shop.funds(AMINA, 300)
    for _ in range(10):
        assert 422 == (await shop.asks_for(1_000)).status

    assert [202] * 3 == [(await shop.asks_for(100)).status for _ in range(3)]


async def test_an_hour_later_a_slot_is_free(open_shop: OpenShop) -> None:
    """The window slides with the database's clock."""
    shop = await open_shop(velocity={"withdrawals_per_hour": 1})
    txid = await shop.accepts(100)
    await shop.funds(AMINA, 100)
    assert 429 == (await shop.asks_for(100)).status

    await shop.execute(
        "UPDATE withdrawals SET created_at = created_at - $2::interval WHERE id = $1",
        read(txid),
        timedelta(minutes=60),
    )

    assert 202 == (await shop.asks_for(100)).status
