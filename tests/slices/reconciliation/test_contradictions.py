"""What the rail says when asked can be as wrong as what it says unasked: a person is told."""

from datetime import timedelta
from typing import Any

import pytest

from payops.infra.db import Tx
from payops.reconciliation.domain import Tally
from payops.withdrawals.domain import State, Withdrawal, read
from payops.withdrawals.ports import Outcome, Report
from payops.withdrawals.service import keeping
from tests.support.rail import NO, UNCLEAR
from tests.support.shop import BARAKA, OTHER_PHONE, Shop


async def is_asked_again(shop: Shop, txid: str) -> Tally:
    """A person wants another look at what is final already."""

    async def work(tx: Tx) -> Withdrawal:
        return await keeping.retry(tx, read(txid), actor="key:wanjiru")

    await shop.db.run(work)
    return await shop.asks()


async def is_settled(shop: Shop, status: str) -> str:
    txid = await shop.is_sent(100)
    await shop.hears({"transactionId": txid, "amountKES": 100, "status": status})
    assert [] == await shop.alerts()
    return txid


async def ages(shop: Shop) -> None:
    await shop.execute(
        "UPDATE withdrawals SET created_at = created_at - $1::interval,"
        " first_sent_at = first_sent_at - $1::interval",
        timedelta(minutes=31),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": 1},
        {"phone": OTHER_PHONE},
        {"user_id": BARAKA},
        {"reference": "po_999"},
        {"txid": "wd_01h455vb4pex5vsknk084sn02q"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED])
async def test_an_answer_that_does_not_agree_raises_an_alert(
    shop: Shop, wrong: Any, outcome: Outcome
) -> None:
    """It moves nothing, whichever way it would have gone, and it is open until somebody looks."""
    txid = await shop.is_sent(100)
    shop.rail.says(Report(outcome, **wrong))

    assert Tally(checked=1, errors=1) == await shop.reconciles()

    assert State.SENT == await shop.state_of(txid)
    assert (0, 100) == await shop.balance()
    assert [f"withdrawal_contradiction:{txid}"] == await shop.alerts()
    assert "reconciliation_error" in await shop.audited(txid)
    await shop.assert_books()


@pytest.mark.parametrize(
    ("status", "then"), [("success", Outcome.FAILED), ("failed", Outcome.PAID)]
)
async def test_an_answer_against_a_final_state_raises_an_alert(
    shop: Shop, status: str, then: Outcome
) -> None:
    """The state stands, the money stays where it is; which of the two is true, a person finds."""
    txid = await is_settled(shop, status)
    settled, balance = await shop.state_of(txid), await shop.balance()
    shop.rail.says(Report(then, txid=txid))

    assert Tally(checked=1, errors=1) == await is_asked_again(shop, txid)

    assert (settled, balance) == (await shop.state_of(txid), await shop.balance())
    assert [f"withdrawal_contradiction:{txid}"] == await shop.alerts()
    assert "withdrawal_webhook_error" in await shop.audited(txid)
    await shop.assert_books()


async def test_a_payout_found_after_a_definitive_no_raises_an_alert(shop: Shop) -> None:
    """The hold was released on the rail's word, and the rail paid after all."""
    txid = await shop.accepts(100)
    shop.rail.answers(NO)
    await shop.sends()
    assert State.FAILED == await shop.state_of(txid)
    shop.rail.says(Report(Outcome.PAID, txid=txid))

    await is_asked_again(shop, txid)

    assert (State.FAILED, (100, 0)) == (await shop.state_of(txid), await shop.balance())
    assert [f"withdrawal_contradiction:{txid}"] == await shop.alerts()


@pytest.mark.parametrize("status", ["success", "failed"])
async def test_an_answer_that_repeats_the_final_state_raises_none(shop: Shop, status: str) -> None:
    """An echo is no trouble."""
    txid = await is_settled(shop, status)
    outcome = Outcome.PAID if status == "success" else Outcome.FAILED
    shop.rail.says(Report(outcome, txid=txid))

    await is_asked_again(shop, txid)

    assert [] == await shop.alerts()


async def test_one_contradiction_seen_twice_is_one_alert(shop: Shop) -> None:
    """By callback and by asking: counted, not repeated."""
    txid = await is_settled(shop, "success")
    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "failed"})
    shop.rail.says(Report(Outcome.FAILED, txid=txid))

    await shop.asks()

    rows = await shop.fetch(
        "SELECT count FROM alerts WHERE key = $1", f"withdrawal_contradiction:{txid}"
    )
    assert [2] == [row["count"] for row in rows]


async def test_a_payout_that_stays_sent_raises_an_alert(shop: Shop) -> None:
    """The rail took it and never said what became of it: the money may have left."""
    txid = await shop.is_sent(100)
    assert 0 == await keeping.alert_unclear(shop.db, older_than_minutes=30)
    await ages(shop)

    assert 1 == await keeping.alert_unclear(shop.db, older_than_minutes=30)

    assert [f"withdrawal_unclear:{txid}"] == await shop.alerts()


async def test_the_alert_of_a_payout_that_stayed_sent_ends_with_it(shop: Shop) -> None:
    """Once it is final there is nothing unclear about it."""
    txid = await shop.is_sent(100)
    await ages(shop)
    await keeping.alert_unclear(shop.db, older_than_minutes=30)

    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})

    assert State.COMPLETED == await shop.state_of(txid)
    assert [] == await shop.alerts()
    assert 0 == await keeping.alert_unclear(shop.db, older_than_minutes=30)


async def test_what_cannot_have_left_or_is_final_is_not_unclear(shop: Shop) -> None:
    """However old: queued, on its first wire, failed, cancelled, paid."""
    await is_settled(shop, "success")
    await is_settled(shop, "failed")
    await shop.cancels(await shop.accepts(100))
    await shop.accepts(100)
    await ages(shop)

    assert 0 == await keeping.alert_unclear(shop.db, older_than_minutes=30)


async def test_the_sweep_finds_every_state_that_may_have_been_paid(shop: Shop) -> None:
    """Sent, unresolved and under review alike."""
    sent = await shop.is_sent(100)
    shop.rail.answers(UNCLEAR)
    unresolved = await shop.accepts(100, user=BARAKA)
    await shop.sends()
    review = await shop.is_sent(100, user="usr_3")
    await shop.execute(
        "UPDATE withdrawals SET state = 'review', due_at = NULL WHERE id = $1", read(review)
    )
    await ages(shop)

    assert 3 == await keeping.alert_unclear(shop.db, older_than_minutes=30)

    expected = sorted(f"withdrawal_unclear:{txid}" for txid in (sent, unresolved, review))
    assert expected == await shop.alerts()
