"""A halt: nothing new is taken, nothing is sent, held money stays safe; then all goes on."""

import json

import pytest

from payops.switches import service as switches
from payops.withdrawals.domain import State
from tests.support.rail import OUTAGE
from tests.support.shop import OpenShop, Shop


async def _throw(shop: Shop, name: str, *, halted: bool) -> None:
    change = switches.halt if halted else switches.resume
    async with shop.db.transaction() as tx:
        await change(tx, name, reason="test", actor="person:test")


@pytest.mark.parametrize("name", ["withdrawals", "lipana"])
async def test_while_halted_a_withdrawal_is_refused_and_its_key_stays_free(
    shop: Shop, name: str
) -> None:
    """The flow, or its only rail: 503 now; the same key is accepted afterwards."""
    await shop.funds("usr_amina", 1000)
    await _throw(shop, name, halted=True)
    refused = await shop.asks_for(500, key="k")
    assert refused.body is not None
    assert (503, "withdrawals_halted") == (refused.status, json.loads(refused.body)["code"])
    assert (1000, 0) == await shop.balance()
    await _throw(shop, name, halted=False)
    assert 202 == (await shop.asks_for(500, key="k")).status
    assert (500, 500) == await shop.balance()


@pytest.mark.parametrize("name", ["withdrawals", "lipana"])
async def test_what_was_accepted_before_is_kept_and_sent_after(shop: Shop, name: str) -> None:
    """It waits, with its money held, however often the sender looks; then it is sent."""
    txid = await shop.accepts(500)
    await _throw(shop, name, halted=True)
    for _ in range(3):
        assert 0 == await shop.sends()
    assert State.PENDING == await shop.state_of(txid)
    assert [] == shop.rail.sends
    await _throw(shop, name, halted=False)
    await shop.sends()
    assert State.SENT == await shop.state_of(txid)
    await shop.assert_books()


async def test_a_halt_outlasts_the_longest_wait_without_failing_anybody(shop: Shop) -> None:
    """Two hours queued because of our halt is not the rail's outage."""
    txid = await shop.accepts(500)
    await _throw(shop, "withdrawals", halted=True)
    await shop.execute("UPDATE withdrawals SET created_at = now() - interval '2 hours'")
    await shop.sends()
    await shop.services.sender._claims.without_rail()
    assert State.PENDING == await shop.state_of(txid)


async def test_between_two_attempts_a_halt_stops_the_next(open_shop: OpenShop) -> None:
    """A doubtful send is not repeated while halted; it is when that is over."""
    shop = await open_shop(mpesa_retry={"base_delay_ms": 50, "jitter_ms": 0})
    shop.rail.answers(OUTAGE)
    txid = await shop.accepts(500)
    await shop.services.sender.send_due()
    await _throw(shop, "withdrawals", halted=True)
    await shop.settles_down()
    assert State.SENDING == await shop.state_of(txid)
    assert 1 == len(shop.rail.sends)
    await _throw(shop, "withdrawals", halted=False)
    await shop.time_comes(txid)
    await shop.sends()
    assert State.SENT == await shop.state_of(txid)
    assert 2 == len(shop.rail.sends)


async def test_a_callback_settles_while_halted(shop: Shop) -> None:
    """What was sent is followed to its end."""
    txid = await shop.is_sent(500)
    await _throw(shop, "withdrawals", halted=True)
    await shop.hears({"transactionId": txid, "status": "success", "amountKES": 500})
    assert State.COMPLETED == await shop.state_of(txid)
    await shop.assert_books()
