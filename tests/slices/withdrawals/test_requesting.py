"""Accepting: limits and funds under concurrency, and what stands after a refusal."""

import asyncio
import json
from datetime import timedelta

import pytest

from payops.idempotency.domain import Answer
from payops.kernel.money import KES
from payops.ledger import service as ledger
from payops.ledger.domain import Owner
from payops.withdrawals.domain import State, read
from tests.support.rail import NO
from tests.support.shop import AMINA, BARAKA, PHONE, OpenShop, Shop

LIMITED = {"withdrawals_per_hour": 3, "withdrawal_kes_per_day": 500_000}


def code_of(answer: Answer) -> str:
    assert answer.body is not None
    content = json.loads(answer.body)
    return str(content.get("code", content.get("status")))


async def test_accepting_holds_the_money_and_answers_with_the_withdrawal(shop: Shop) -> None:
    """The phone number is masked in the answer and unreadable in the database."""
    await shop.funds(AMINA, 1_000)

    answer = await shop.asks_for(400)

    assert answer.body is not None
    assert answer.resource is not None
    content = json.loads(answer.body)
    assert (202, "pending", "+2547••••0012", 0) == (
        answer.status,
        content["status"],
        content["phoneNumber"],
        content["attempts"],
    )
    assert {"Location": f"/api/withdrawals/{answer.resource}"} == answer.headers
    assert (600, 400) == await shop.balance()
    (row,) = await shop.fetch("SELECT * FROM withdrawals")
    assert PHONE.digits not in str(row)
    assert ["withdrawal_initiated"] == await shop.audited(answer.resource)
    await shop.assert_books()


@pytest.mark.parametrize("kes", [9, 250_001])
async def test_an_amount_outside_the_limits_is_refused(shop: Shop, kes: int) -> None:
    """Both ends, and nothing moves."""
    await shop.funds(AMINA, 300_000)

    answer = await shop.asks_for(kes)

    assert (422, "amount_out_of_range") == (answer.status, code_of(answer))
    assert (300_000, 0) == await shop.balance()


@pytest.mark.parametrize("kes", [10, 250_000])
async def test_the_limits_themselves_are_accepted(shop: Shop, kes: int) -> None:
    """Both ends are included."""
    await shop.accepts(kes)

    assert (0, kes) == await shop.balance()


async def test_a_user_without_a_wallet_has_no_funds(shop: Shop) -> None:
    """A refusal, not an error; and it is on record."""
    answer = await shop.asks_for(100)

    assert (422, "insufficient_funds") == (answer.status, code_of(answer))
    kinds = await shop.fetch("SELECT kind FROM audit_log WHERE user_id = $1", AMINA)
    assert [{"kind": "withdrawal_refused"}] == kinds


async def test_money_for_one_pays_for_one(open_shop: OpenShop) -> None:
    """Thirty requests on two replicas for the last hundred shillings; readers look on."""
    one, two = await open_shop(), await open_shop()
    await one.funds(AMINA, 100)
    seen: list[tuple[int, int]] = []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            seen.append(await one.balance())

    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(*(shop.asks_for(100) for shop in (one, two) * 15))
    done.set()
    await watching

    assert [202] + [422] * 29 == sorted(answer.status for answer in answers)
    assert {(100, 0), (0, 100)} >= set(seen)
    assert (0, 100) == await one.balance()
    await one.assert_books()


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


async def test_one_refusal_in_a_batch_is_that_request_s_alone(shop: Shop) -> None:
    """While a lock is held the requests queue, and are decided together."""
    await shop.funds(AMINA, 100)
    await shop.funds(BARAKA, 1_000)
    owners = [Owner(user, KES.code) for user in (AMINA, BARAKA)]

    async with shop.db.transaction() as tx:
        await ledger.lock(tx, owners)
        waiting = [
            asyncio.create_task(shop.asks_for(kes, user=user))
            for user, kes in [(BARAKA, 5), (AMINA, 100), (AMINA, 100), (BARAKA, 900), (BARAKA, 90)]
        ]
        while len(shop.services.withdrawal_desk._batcher._queue) > 0:
            await asyncio.sleep(0)
    answers = await asyncio.gather(*waiting)

    assert [422, 202, 422, 202, 202] == [answer.status for answer in answers]
    assert ((0, 100), (10, 990)) == (await shop.balance(AMINA), await shop.balance(BARAKA))
    await shop.assert_books()
