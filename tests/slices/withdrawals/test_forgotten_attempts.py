"""An attempt whose process died, of a withdrawal that went on without its answer."""

from datetime import timedelta

import pytest

from payops.withdrawals.domain import State
from payops.withdrawals.errors import NotResolvable
from payops.withdrawals.ports import NotKnown, Outcome, Report
from payops.withdrawals.service import claiming
from tests.support.people import NOT_PAID, PAID, approve, ask_resolve
from tests.support.rail import NO
from tests.support.shop import Shop
from tests.support.waiting import eventually


async def dies_and_is_reported(shop: Shop, how: str) -> str:
    """The call was on the wire; before the lease is over, the rail says that it has it."""
    txid = await shop.accepts(100)
    await shop.services.sender._claims.due(1)
    if how == "callback":
        await shop.hears({"transactionId": txid, "amountKES": 100, "status": "pending"})
    else:
        shop.rail.says(Report(Outcome.PENDING, txid=txid, reference="po_7"))
        await shop.reconciles()
    assert (State.SENT, [None]) == (await shop.state_of(txid), await shop.attempts(txid))
    return txid


async def lease_ends(shop: Shop) -> None:
    seconds = shop.services.settings.mpesa_retry.lease_seconds + 1
    await shop.execute(
        "UPDATE payout_attempts SET started_at = now() - $1::interval", timedelta(seconds=seconds)
    )


async def close(shop: Shop) -> int:
    lease = timedelta(seconds=shop.services.settings.mpesa_retry.lease_seconds)
    return await claiming.close_forgotten(shop.db, lease=lease)


@pytest.mark.parametrize("how", ["callback", "question"])
@pytest.mark.parametrize("paid", [True, False])
async def test_people_decide_once_the_lease_is_over(shop: Shop, how: str, *, paid: bool) -> None:
    """Not before: until then the answer may still come. Nobody who died keeps people waiting."""
    txid = await dies_and_is_reported(shop, how)
    shop.rail.says(NotKnown())
    asked = await ask_resolve(shop, txid, PAID if paid else NOT_PAID)
    assert 0 == await close(shop)
    with pytest.raises(NotResolvable, match="on the wire"):
        await approve(shop, asked)

    await lease_ends(shop)
    assert 1 == await close(shop)
    await approve(shop, asked)

    expected = (State.COMPLETED, (0, 0)) if paid else (State.FAILED, (100, 0))
    assert expected == (await shop.state_of(txid), await shop.balance())
    assert ["lease_expired"] == await shop.attempts(txid)
    assert "withdrawal_attempt_answered" in await shop.audited(txid)
    await shop.assert_books()


async def test_what_is_being_sent_keeps_its_lease(shop: Shop) -> None:
    """There the lease's end is a doubt, and the claim that finds it says so."""
    txid = await shop.accepts(100)
    await shop.services.sender._claims.due(1)
    await lease_ends(shop)

    assert 0 == await close(shop)

    assert (State.SENDING, [None]) == (await shop.state_of(txid), await shop.attempts(txid))


async def test_an_answer_after_all_moves_nothing(shop: Shop) -> None:
    """Closed is closed: a late no to it releases no money."""
    txid = await shop.accepts(100)
    shop.rail.ignores(NO)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)
    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "pending"})
    await lease_ends(shop)
    assert 1 == await close(shop)

    shop.rail.goes_on()
    await shop.settles_down()

    assert (State.SENT, (0, 100)) == (await shop.state_of(txid), await shop.balance())
    assert ["lease_expired"] == await shop.attempts(txid)
    await shop.assert_books()


async def test_the_jobs_close_them(shop: Shop) -> None:
    """Every minute, on one replica."""
    txid = await dies_and_is_reported(shop, "callback")
    await lease_ends(shop)

    await shop.services.scheduler.run_and_wait("attempts-close")

    assert ["lease_expired"] == await shop.attempts(txid)
