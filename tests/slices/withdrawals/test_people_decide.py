"""Payouts that people settle or give back, against the rail that has its own word to say."""

import asyncio

import asyncpg
import pytest

from payops.approvals.errors import ApprovalDecided, Overtaken
from payops.bootstrap import INVARIANTS
from payops.kernel.errors import Conflict
from payops.ledger import service as ledger
from payops.withdrawals.domain import State
from payops.withdrawals.errors import NotRefundable, NotResolvable, ReceiptTaken
from payops.withdrawals.ports import NotKnown
from payops.withdrawals.service import keeping
from payops.withdrawals.service.deciding import Bearer
from payops.withdrawals.service.resolving import Resolution, Verdict
from tests.support.people import (
    JOHN,
    MARY,
    NOT_PAID,
    PAID,
    approve,
    ask_refund,
    ask_resolve,
    states,
)
from tests.support.shop import AMINA, BARAKA, OpenShop, Shop
from tests.support.waiting import eventually

RECEIPT = "SLK4H7RTY9"


def said(txid: str, status: str, **more: object) -> dict[str, object]:
    return {"transactionId": txid, "amountKES": 100, "status": status} | more


async def is_paid(shop: Shop, **more: object) -> str:
    txid = await shop.is_sent(100)
    await shop.hears(said(txid, "success", **more))
    assert State.COMPLETED == await shop.state_of(txid)
    return txid


async def sum_of(shop: Shop, account: str) -> int:
    """What an account of the house has, in whole shillings."""
    rows = await shop.fetch(
        "SELECT coalesce(sum(amount), 0)::bigint AS sum FROM entries WHERE account = $1", account
    )
    return int(rows[0]["sum"]) // 100


async def test_what_was_not_paid_is_released(shop: Shop) -> None:
    """
    The user has the money again, and is told that the payout failed.
    """
    txid = await shop.is_lost(100)
    await approve(shop, await ask_resolve(shop, txid, NOT_PAID))

    done = await shop.withdrawal(txid)
    assert (State.FAILED, (100, 0)) == (done.state, await shop.balance())
    assert done.failure
    assert ("payout_failed", None) == (done.failure.code, done.due_at)
    await shop.assert_books()


@pytest.mark.parametrize("state", ["sent", "review"])
async def test_people_decide_in_each_unclear_state(shop: Shop, state: str) -> None:
    """
    Also while questions go on, and after they have stopped.
    """
    txid = await shop.is_sent(100)
    await shop.execute(f"UPDATE withdrawals SET state = '{state}'")

    await approve(shop, await ask_resolve(shop, txid, PAID))

    assert State.COMPLETED == await shop.state_of(txid)
    await shop.assert_books()


async def test_what_is_not_unclear_is_not_for_people(shop: Shop) -> None:
    """
    Nothing was sent, or it is over: neither may be talked into another state.
    """
    pending = await shop.accepts(100)
    with pytest.raises(NotResolvable):
        await ask_resolve(shop, pending)
    with pytest.raises(NotRefundable):
        await ask_refund(shop, pending)
    cancelled = (await shop.cancels(pending)).txid
    with pytest.raises(NotResolvable):
        await ask_resolve(shop, cancelled)
    paid = await is_paid(shop)
    with pytest.raises(NotResolvable):
        await ask_resolve(shop, paid, NOT_PAID)
    unclear = await shop.is_lost(100)
    with pytest.raises(NotRefundable):
        await ask_refund(shop, unclear)
    assert [] == await states(shop)


async def test_what_is_on_the_wire_waits_for_its_answer(shop: Shop) -> None:
    """
    A callback has overtaken the reply: until that is in, or its lease over, nobody decides.
    What the reply then says was not known to whoever asked before, so it is asked for anew.
    """
    txid = await shop.accepts(100)
    shop.rail.holds()
    await shop.sends_nothing_more()
    await eventually(lambda: shop.rail.sends)
    await shop.hears(said(txid, "pending"))
    await shop.execute("UPDATE withdrawals SET state = 'sent'")
    asked = await ask_resolve(shop, txid, NOT_PAID)

    with pytest.raises(NotResolvable, match="on the wire"):
        await approve(shop, asked)
    assert ["pending"] == await states(shop)
    shop.rail.goes_on()
    await shop.settles_down()
    with pytest.raises(Overtaken):
        await approve(shop, asked)
    await approve(shop, await ask_resolve(shop, txid, NOT_PAID))

    assert (State.FAILED, (100, 0)) == (await shop.state_of(txid), await shop.balance())
    await shop.assert_books()


async def test_a_receipt_is_of_one_payout(shop: Shop) -> None:
    """
    Of two withdrawals resolved with the same receipt at once, one is; the other waits on.
    """
    await is_paid(shop, receipt="SLK000OLD0")
    mine, other = await shop.is_lost(100), await shop.is_lost(100, user=BARAKA)
    taken = await ask_resolve(shop, mine, Resolution(Verdict.COMPLETED, "SLK000OLD0"))
    with pytest.raises(ReceiptTaken):
        await approve(shop, taken)
    await shop.services.four_eyes.desk.reject(taken.shown_id, by=JOHN)

    asked = [
        await ask_resolve(shop, txid, Resolution(Verdict.COMPLETED, RECEIPT))
        for txid in (mine, other)
    ]
    found = await asyncio.gather(*(approve(shop, one) for one in asked), return_exceptions=True)

    assert [ReceiptTaken] == [type(e) for e in found if isinstance(e, BaseException)]
    assert {State.COMPLETED, State.UNRESOLVED} == {
        await shop.state_of(txid) for txid in (mine, other)
    }
    assert ["approved", "pending", "rejected"] == sorted(await states(shop))
    await shop.assert_books()


async def test_a_receipt_that_contradicts_the_rails_is_refused(shop: Shop) -> None:
    """
    Two receipts would be two payments.
    """
    txid = await shop.is_lost(100)
    await shop.execute("UPDATE withdrawals SET receipt = 'SLK0000000'")
    asked = await ask_resolve(shop, txid, Resolution(Verdict.COMPLETED, RECEIPT))

    with pytest.raises(ReceiptTaken):
        await approve(shop, asked)


@pytest.mark.parametrize(("resolution", "status"), [(NOT_PAID, "success"), (PAID, "failed")])
async def test_a_callback_that_contradicts_the_decision_is_raised(
    shop: Shop, resolution: Resolution, status: str
) -> None:
    """
    It changes nothing: it is parked, and a critical alert says so.
    """
    txid = await shop.is_sent(100)
    await approve(shop, await ask_resolve(shop, txid, resolution))
    before = (await shop.state_of(txid), await shop.balance())

    await shop.hears(said(txid, status))

    assert before == (await shop.state_of(txid), await shop.balance())
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()
    assert ["parked"] == [state for state, _ in await shop.inbox()]
    await shop.assert_books()


@pytest.mark.parametrize("number", range(5))
async def test_a_decision_and_a_callback_at_once_are_one_effect(
    open_shop: OpenShop, number: int
) -> None:
    """
    "Not paid" by people, "paid" by the rail: whichever is second is refused and seen.
    """
    one = await open_shop()
    other = await open_shop(one.rail)
    txid = await one.is_sent(100)
    asked = await ask_resolve(one, txid, NOT_PAID)

    await asyncio.gather(
        approve(one, asked), other.hears(said(txid, "success", n=number)), return_exceptions=True
    )

    state, (decision,) = await one.state_of(txid), await states(one)
    contradicted = f"withdrawal_contradiction:{txid}" in await one.alerts()
    if decision == "approved":
        assert (State.FAILED, (100, 0), True) == (state, await one.balance(), contradicted)
    else:
        assert ("overtaken", State.COMPLETED) == (decision, state)
        assert ((0, 0), False) == (await one.balance(), contradicted)
    await one.assert_books()


async def test_a_decision_clears_the_alerts_of_its_payout(shop: Shop) -> None:
    """
    Unclear, in review, contradicted: a person has decided on it.
    """
    txid = await shop.is_sent(100)
    await shop.hears(said(txid, "success", amountKES=999))
    await shop.execute("UPDATE withdrawals SET created_at = now() - interval '1 day'")
    await keeping.alert_unclear(shop.db, older_than_minutes=30)
    assert {f"withdrawal_contradiction:{txid}", f"withdrawal_unclear:{txid}"} <= set(
        await shop.alerts()
    )

    await approve(shop, await ask_resolve(shop, txid, PAID))

    assert [] == [key for key in await shop.alerts() if key.startswith("withdrawal")]


async def test_a_refund_gives_the_money_back_at_the_houses_expense(shop: Shop) -> None:
    """
    The rail keeps its clearing, since it says that it paid; the loss is on an account of its own.
    """
    txid = await is_paid(shop)
    await approve(shop, await ask_refund(shop, txid))

    assert (State.REVERSED, (100, 0)) == (await shop.state_of(txid), await shop.balance())
    assert (100, -100) == (
        await sum_of(shop, "mpesa:clearing"),
        await sum_of(shop, "losses:mpesa"),
    )
    await shop.assert_books()


async def test_a_refund_of_what_the_rail_returned_costs_the_house_nothing(shop: Shop) -> None:
    """
    The money is back in the float: clearing has nothing of it any more.
    """
    txid = await is_paid(shop)
    await approve(shop, await ask_refund(shop, txid, bearer=Bearer.RAIL))

    assert (0, 0) == (await sum_of(shop, "mpesa:clearing"), await sum_of(shop, "losses:mpesa"))
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


async def test_nothing_is_given_back_twice(shop: Shop) -> None:
    """
    Not by asking again, not by approving again, not by a second journal.
    """
    txid = await is_paid(shop)
    asked = await ask_refund(shop, txid)
    await approve(shop, asked)

    with pytest.raises(ApprovalDecided):
        await approve(shop, asked, MARY)
    with pytest.raises(NotRefundable):
        await ask_refund(shop, txid)
    with pytest.raises(asyncpg.UniqueViolationError):
        await shop.execute(
            "INSERT INTO journals (user_id, id, kind, reference, closes, reason)"
            " SELECT user_id, gen_random_uuid(), 'another', 'r', closes, '' FROM journals"
            " WHERE kind = 'withdrawal_refunded'"
        )
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


async def test_a_refund_that_is_tampered_with_is_found(shop: Shop) -> None:
    """
    A withdrawal that says reversed without its journal breaks the books' invariants.
    """
    txid = await is_paid(shop)
    await shop.execute("UPDATE withdrawals SET state = 'reversed'")

    broken = [violation.name for violation in await ledger.verify(shop.db, INVARIANTS)]
    assert ["reversed_withdrawals_were_given_back"] == broken
    assert State.REVERSED == await shop.state_of(txid)


@pytest.mark.parametrize("number", range(5))
async def test_a_refund_and_a_late_failure_at_once_give_back_once(
    open_shop: OpenShop, number: int
) -> None:
    """
    The rail takes its word back while people refund: one refund, and the callback is parked.
    """
    one = await open_shop()
    other = await open_shop(one.rail)
    txid = await is_paid(one)
    asked = await ask_refund(one, txid)

    await asyncio.gather(approve(one, asked), other.hears(said(txid, "failed", n=number)))

    assert (State.REVERSED, (100, 0)) == (await one.state_of(txid), await one.balance())
    assert ["applied", "parked"] == sorted(state for state, _ in await one.inbox())
    await one.assert_books()


async def test_what_the_rail_says_after_a_refund_moves_nothing(shop: Shop) -> None:
    """
    Paid, once more, is nothing new; failed is a contradiction for people.
    """
    txid = await is_paid(shop)
    await approve(shop, await ask_refund(shop, txid))

    await shop.hears(said(txid, "success", again=1))
    assert [] == await shop.alerts()
    await shop.hears(said(txid, "failed"))

    assert (State.REVERSED, (100, 0)) == (await shop.state_of(txid), await shop.balance())
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()
    await shop.assert_books()


async def test_a_resolved_payout_is_not_sent_or_asked_about_on_its_own(shop: Shop) -> None:
    """
    It rests: nothing is due any more.
    """
    shop.rail.says(NotKnown())
    txid = await shop.is_lost(100)
    await approve(shop, await ask_resolve(shop, txid, NOT_PAID))
    before = (list(shop.rail.sends), list(shop.rail.questions))

    await shop.time_comes(txid)
    await shop.sends()
    await shop.asks()

    assert before == (shop.rail.sends, shop.rail.questions)
    assert (100, 0) == await shop.balance(AMINA)


async def test_a_refund_and_a_question_at_once_agree(shop: Shop) -> None:
    """
    Whatever the rail answers meanwhile, the books are right and the money is back once.
    """
    txid = await is_paid(shop)
    shop.rail.pays(txid)
    asked = await ask_refund(shop, txid)

    found = await asyncio.gather(
        approve(shop, asked), shop.reconciles(), approve(shop, asked, MARY), return_exceptions=True
    )

    assert 1 == sum(isinstance(one, Conflict) for one in found)
    assert (100, 0) == await shop.balance()
    await shop.assert_books()
