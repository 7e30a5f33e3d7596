"""A person who asks for another look gets what the state allows, and never a second payout."""

import asyncio
from typing import Any

import pytest

from payops.infra.db import Tx
from payops.withdrawals.domain import State, Withdrawal, read
from payops.withdrawals.errors import NothingToRetry
from payops.withdrawals.service import keeping
from tests.support.rail import NEVER_CONNECTED, OUTAGE, UNCLEAR
from tests.support.shop import OpenShop, Shop
from tests.support.waiting import eventually

PATIENT = {"base_delay_ms": 60_000}


async def retried(shop: Shop, txid: str) -> Withdrawal:
    async def work(tx: Tx) -> Withdrawal:
        return await keeping.retry(tx, read(txid), actor="key:wanjiru")

    return await shop.db.run(work)


async def is_between_attempts(shop: Shop, answer: Any) -> str:
    """Sending, its first attempt answered, the next a minute off, and nobody driving it."""
    txid = await shop.accepts(100)
    shop.rail.answers(answer)
    await shop.services.sender.send_due()

    async def is_answered() -> bool:
        return [None] != await shop.attempts(txid)

    await eventually(is_answered)
    await shop.services.sender.stop(5)
    assert State.SENDING == await shop.state_of(txid)
    return txid


@pytest.mark.parametrize("answer", [NEVER_CONNECTED, OUTAGE])
async def test_between_two_attempts_the_next_one_comes_now(
    open_shop: OpenShop, answer: Any
) -> None:
    """Sending, but nothing on the wire: the same id goes out at once, and pays once."""
    shop = await open_shop(mpesa_retry=PATIENT)
    txid = await is_between_attempts(shop, answer)
    other = await open_shop(shop.rail)
    assert 0 == await other.sends()

    assert State.SENDING is (await retried(other, txid)).state
    await other.sends()

    assert (State.SENT, [txid] * 2) == (await other.state_of(txid), other.rail.sends)
    assert 1 == len(other.rail.book)
    assert "withdrawal_retried" in await other.audited(txid)
    await other.assert_books()


async def test_while_an_attempt_is_on_the_wire_it_is_refused(shop: Shop) -> None:
    """Due now would mean that its lease is over: the answer would find it unresolved."""
    txid = await shop.accepts(100)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)
    before = await shop.withdrawal(txid)

    with pytest.raises(NothingToRetry):
        await retried(shop, txid)

    assert before == await shop.withdrawal(txid)
    assert "withdrawal_retried" not in await shop.audited(txid)
    shop.rail.goes_on()
    await shop.settles_down()
    assert State.SENT == await shop.state_of(txid)


async def test_many_people_at_once_send_it_once(open_shop: OpenShop) -> None:
    """Each is told that it is looked at; one attempt comes of it."""
    shop = await open_shop(mpesa_retry=PATIENT)
    txid = await is_between_attempts(shop, NEVER_CONNECTED)
    other = await open_shop(shop.rail)

    await asyncio.gather(*(retried(other, txid) for _ in range(5)))
    await other.sends()

    assert ["not_delivered", "taken"] == await other.attempts(txid)
    assert 1 == len(other.rail.book)


async def test_in_doubt_it_is_asked_about_and_never_sent(shop: Shop) -> None:
    """However much somebody wants it sent."""
    txid = await shop.accepts(100)
    shop.rail.answers(UNCLEAR)
    await shop.sends()

    assert State.UNRESOLVED is (await retried(shop, txid)).state
    await shop.sends()
    await shop.asks()

    assert ([txid], [txid]) == (shop.rail.sends, shop.rail.questions)
    await shop.assert_books()


async def test_a_cancelled_one_stays_cancelled(shop: Shop) -> None:
    """Its money is back in the wallet."""
    txid = await shop.accepts(100)
    await shop.cancels(txid)

    with pytest.raises(NothingToRetry):
        await retried(shop, txid)

    assert 0 == await shop.sends()
