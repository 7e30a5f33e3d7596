"""Cancelling: only what was never sent, only by whom it belongs to, against the sender's race."""

import asyncio

import pytest

from payops.kernel.ids import new_id
from payops.withdrawals.domain import State, show
from payops.withdrawals.errors import NotCancellable, WithdrawalNotFound
from tests.support.rail import OUTAGE
from tests.support.shop import AMINA, BARAKA, OpenShop, Shop


async def test_cancelling_gives_the_money_back_once(shop: Shop) -> None:
    """A repeat changes nothing and is no error."""
    txid = await shop.accepts(100)

    first = await shop.cancels(txid, user=AMINA)
    again = await shop.cancels(txid, user=AMINA)

    assert first == again
    assert (100, 0) == await shop.balance()
    assert 0 == await shop.sends()
    await shop.assert_books()


async def test_another_user_s_withdrawal_does_not_exist(shop: Shop) -> None:
    """Neither its state nor that there is one is told."""
    txid = await shop.accepts(100)

    with pytest.raises(WithdrawalNotFound):
        await shop.cancels(txid, user=BARAKA)
    with pytest.raises(WithdrawalNotFound):
        await shop.cancels(show(new_id()), user=AMINA)

    assert State.PENDING == await shop.state_of(txid)


async def test_what_was_sent_cannot_be_cancelled(open_shop: OpenShop) -> None:
    """From the first attempt on it may have been paid."""
    shop = await open_shop()
    sent = await shop.is_sent(100)
    lost = await shop.is_lost(100)
    settled = await shop.is_sent(100, user=BARAKA)
    await shop.hears({"transactionId": settled, "amountKES": 100, "status": "success"})

    for txid in (sent, lost, settled):
        with pytest.raises(NotCancellable):
            await shop.cancels(txid)

    await shop.assert_books()


async def test_what_is_in_doubt_between_two_attempts_cannot_be_cancelled(
    open_shop: OpenShop,
) -> None:
    """Even while nothing is on the wire."""
    shop = await open_shop(mpesa_retry={"base_delay_ms": 60_000})
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE)
    await shop.services.sender.send_due()
    await shop.services.sender.stop(2)

    with pytest.raises(NotCancellable):
        await shop.cancels(txid)


async def test_cancel_and_send_never_both_win(open_shop: OpenShop) -> None:
    """Twenty races: either it is cancelled and unsent, or sent and not cancelled."""
    shop = await open_shop()
    txids = [await shop.accepts(10, user=f"usr_{n}") for n in range(20)]

    results = await asyncio.gather(
        *(shop.cancels(txid) for txid in txids[::2]),
        shop.services.sender.send_due(),
        *(shop.cancels(txid) for txid in txids[1::2]),
        return_exceptions=True,
    )
    await shop.settles_down()

    states = {txid: await shop.state_of(txid) for txid in txids}
    assert all(isinstance(r, NotCancellable) for r in results if isinstance(r, BaseException))
    assert sorted(shop.rail.sends) == sorted(t for t, s in states.items() if s is State.SENT)
    assert {State.SENT, State.CANCELLED} >= set(states.values())
    await shop.assert_books()
