"""Paid although its money went back: two people accept the loss, once, and it is in the books."""

import asyncio
import json

import pytest

from payops.access.errors import FourEyesRequired
from payops.bootstrap import INVARIANTS
from payops.ledger import service as ledger
from payops.withdrawals.domain import State
from payops.withdrawals.errors import NotWritableOff, ReceiptTaken
from tests.support.people import (
    JANE_TOO,
    JOHN,
    MARY,
    NOT_PAID,
    approve,
    ask_resolve,
    ask_write_off,
    states,
)
from tests.support.shop import BARAKA, OpenShop, Shop

RECEIPT, OTHER = "SLK4H7RTY9", "SLK4H7RTY0"


async def is_paid_after_all(shop: Shop, kes: int = 100) -> str:
    """Reported as failed, given back, and then reported as paid."""
    txid = await shop.is_sent(kes)
    said = {"transactionId": txid, "amountKES": kes}
    await shop.hears({**said, "status": "failed"})
    await shop.hears({**said, "status": "success", "receipt": RECEIPT})
    assert State.FAILED is await shop.state_of(txid)
    assert [f"withdrawal_contradiction:{txid}"] == await contradictions(shop)
    return txid


async def contradictions(shop: Shop) -> list[str]:
    """Open alerts of them; the notification that was parked has one of its own."""
    return [key for key in await shop.alerts() if key.startswith("withdrawal_contradiction")]


async def sum_of(shop: Shop, account: str) -> int:
    rows = await shop.fetch(
        "SELECT coalesce(sum(amount), 0)::bigint / 100 AS kes FROM entries WHERE account = $1",
        account,
    )
    return int(rows[0]["kes"])


async def test_the_loss_is_booked_and_the_alert_is_over(shop: Shop) -> None:
    """What went out counts as gone, at the house's cost; the user keeps what they have."""
    txid = await is_paid_after_all(shop)
    before = await shop.balance()

    await approve(shop, await ask_write_off(shop, txid, RECEIPT))

    assert (100, -100) == (
        await sum_of(shop, "mpesa:clearing"),
        await sum_of(shop, "losses:mpesa"),
    )
    assert before == await shop.balance() == (100, 0)
    assert [] == await contradictions(shop)
    kept = await shop.withdrawal(txid)
    assert (State.FAILED, RECEIPT, None) == (kept.state, kept.receipt, kept.due_at)
    await shop.assert_books()


async def test_who_and_why_are_on_record(shop: Shop) -> None:
    """Both people, the root cause, the receipt and the sum, with the withdrawal."""
    txid = await is_paid_after_all(shop)

    asked = await ask_write_off(shop, txid, RECEIPT)
    await approve(shop, asked)

    (record,) = await shop.fetch(
        "SELECT actor, user_id, subject, detail FROM audit_log"
        " WHERE kind = 'withdrawal_written_off'"
    )
    assert (JOHN.actor, txid) == (record["actor"], record["subject"])
    assert {
        "approval": asked.shown_id,
        "askedBy": "jane",
        "reason": "their statement",
        "receipt": RECEIPT,
        "amountMinor": 10_000,
    } == json.loads(record["detail"])


@pytest.mark.parametrize("kind", ["cancelled", "decided as failed"])
async def test_whatever_gave_the_money_back_can_be_written_off(shop: Shop, kind: str) -> None:
    """Cancelled before it was sent by our books, or failed by two people's word."""
    if kind == "cancelled":
        txid = await shop.accepts(100)
        await shop.cancels(txid)
    else:
        txid = await shop.is_lost(100)
        await approve(shop, await ask_resolve(shop, txid, NOT_PAID))

    await approve(shop, await ask_write_off(shop, txid, RECEIPT))

    assert -100 == await sum_of(shop, "losses:mpesa")
    await shop.assert_books()


async def test_what_was_not_given_back_is_not_written_off(shop: Shop) -> None:
    """Under way, unclear, or paid: there is no loss in it."""
    waits = await shop.accepts(10)
    paid = await shop.is_sent(20, user=BARAKA)
    await shop.hears({"transactionId": paid, "amountKES": 20, "status": "success"})

    for txid in (waits, paid):
        with pytest.raises(NotWritableOff):
            await ask_write_off(shop, txid)
    assert [] == await states(shop)


async def test_it_takes_two_people(shop: Shop) -> None:
    """Whoever asked cannot approve it, by whatever key."""
    txid = await is_paid_after_all(shop)
    asked = await ask_write_off(shop, txid, RECEIPT)

    with pytest.raises(FourEyesRequired):
        await approve(shop, asked, JANE_TOO)

    assert 0 == await sum_of(shop, "losses:mpesa")


async def test_nothing_is_written_off_twice(shop: Shop) -> None:
    """Not by asking again, nor with another receipt, nor by a second journal."""
    txid = await is_paid_after_all(shop)
    await approve(shop, await ask_write_off(shop, txid, RECEIPT))

    for receipt in (RECEIPT, OTHER):
        with pytest.raises(NotWritableOff):
            await ask_write_off(shop, txid, receipt)

    assert -100 == await sum_of(shop, "losses:mpesa")


@pytest.mark.parametrize("_", range(3))
async def test_two_who_approve_at_once_book_one_loss(open_shop: OpenShop, _: int) -> None:
    """On two replicas: the rows are locked, and the journal that closes is one."""
    one = await open_shop()
    other = await open_shop(one.rail)
    txid = await is_paid_after_all(one)
    asked = await ask_write_off(one, txid, RECEIPT)

    done = await asyncio.gather(
        approve(one, asked), approve(other, asked, MARY), return_exceptions=True
    )

    assert 1 == sum(not isinstance(result, BaseException) for result in done)
    assert -100 == await sum_of(one, "losses:mpesa")
    await one.assert_books()


async def test_a_receipt_stands_for_one_payment(shop: Shop) -> None:
    """The one of a payout that was paid is not evidence of another's; nothing is booked."""
    paid = await shop.is_sent(20, user=BARAKA)
    await shop.hears(
        {"transactionId": paid, "amountKES": 20, "status": "success", "receipt": OTHER}
    )
    txid = await is_paid_after_all(shop)
    asked = await ask_write_off(shop, txid, OTHER)

    with pytest.raises(ReceiptTaken):
        await approve(shop, asked)

    assert (0, ["pending"]) == (await sum_of(shop, "losses:mpesa"), await states(shop))
    assert [f"withdrawal_contradiction:{txid}"] == await contradictions(shop)


@pytest.mark.parametrize(
    "lie",
    [
        "UPDATE withdrawals SET amount = amount + 1",
        "UPDATE withdrawals SET state = 'completed', failure_code = NULL",
        "UPDATE entries SET amount = amount + 1 WHERE account = 'mpesa:clearing'",
    ],
)
async def test_a_write_off_that_is_tampered_with_is_found(shop: Shop, lie: str) -> None:
    """It belongs to one withdrawal that was given back, with its amount."""
    txid = await is_paid_after_all(shop)
    await approve(shop, await ask_write_off(shop, txid, RECEIPT))
    async with shop.db.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute(lie)

    broken = {violation.name for violation in await ledger.verify(shop.db, INVARIANTS)}

    assert "write_offs_belong_to_withdrawals" in broken
