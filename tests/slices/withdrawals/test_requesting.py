"""Accepting: limits and funds under concurrency, and what stands after a refusal."""

import asyncio
import json

import pytest

from payops.idempotency.domain import Answer
from payops.kernel.money import KES
from payops.ledger import service as ledger
from payops.ledger.domain import Owner
from tests.support.shop import AMINA, BARAKA, PHONE, OpenShop, Shop


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
