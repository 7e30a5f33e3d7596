"""What changed while an approval waited: nobody approves on what is not known any more."""

import asyncio

import pytest

from payops.approvals.domain import Approval
from payops.approvals.errors import ApprovalDecided, ApprovalPending, Overtaken
from payops.withdrawals.domain import State
from payops.withdrawals.service.resolving import Resolution
from tests.support.people import (
    JANE,
    JOHN,
    MARY,
    NOT_PAID,
    PAID,
    approve,
    ask_resolve,
    desk_of,
    states,
)
from tests.support.rail import Booked
from tests.support.shop import PHONE, OpenShop, Shop


async def rail_has_it_after_all(shop: Shop, txid: str) -> None:
    """The lost payout had arrived; the rail says so when it is asked."""
    shop.rail.book.append(Booked("po_1", txid, PHONE, 100))
    await shop.time_comes(txid)
    await shop.asks()


async def is_overtaken(shop: Shop, asked: Approval) -> None:
    with pytest.raises(Overtaken):
        await approve(shop, asked)
    assert ["overtaken"] == await states(shop)


async def test_what_the_rail_has_since_is_not_given_back(shop: Shop) -> None:
    """
    Asked for while nobody knew; then the rail has it: 409, and the money stays held.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid, NOT_PAID)
    await rail_has_it_after_all(shop, txid)
    assert State.SENT == await shop.state_of(txid)

    await is_overtaken(shop, asked)

    assert (State.SENT, (0, 100)) == (await shop.state_of(txid), await shop.balance())
    assert [] == await shop.alerts()
    (row,) = await shop.fetch("SELECT decided_by, decided_owner, decision_reason FROM approvals")
    assert {
        "decided_by": "system:approvals",
        "decided_owner": None,
        "decision_reason": "More is known of the payout than when it was asked for.",
    } == row
    assert "approval_overtaken" in await shop.audited(txid)
    await shop.assert_books()


@pytest.mark.parametrize(
    "change",
    [
        "state = 'review'",
        "provider_reference = 'po_9'",
        "receipt = 'SLK000NEW0'",
        "attempts = attempts + 1",
    ],
)
@pytest.mark.parametrize("resolution", [PAID, NOT_PAID], ids=["paid", "not paid"])
async def test_each_thing_that_is_learnt_counts(
    shop: Shop, change: str, resolution: Resolution
) -> None:
    """
    Whatever moved, the second person was not asked about that.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid, resolution)
    await shop.execute(f"UPDATE withdrawals SET {change}")

    await is_overtaken(shop, asked)

    assert (0, 100) == await shop.balance()


async def test_one_more_question_without_news_changes_nothing(shop: Shop) -> None:
    """
    The rail is asked every hour at the longest; the second person may be slower than that.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid, NOT_PAID)
    await shop.execute("UPDATE withdrawals SET questions = questions + 1, unknown_answers = 1")

    await approve(shop, asked)

    assert (State.FAILED, (100, 0)) == (await shop.state_of(txid), await shop.balance())


async def test_what_was_asked_by_an_older_release_is_asked_anew(shop: Shop) -> None:
    """
    It did not write down what was known, so it cannot be approved on that.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid)
    await shop.execute("ALTER TABLE approvals DISABLE TRIGGER approvals_decided_once")
    await shop.execute("UPDATE approvals SET payload = payload - 'stood'")
    await shop.execute("ALTER TABLE approvals ENABLE TRIGGER approvals_decided_once")

    await is_overtaken(shop, asked)
    assert State.UNRESOLVED == await shop.state_of(txid)


async def test_it_is_asked_for_anew_with_what_is_known_now(shop: Shop) -> None:
    """
    By whomever, without waiting for a day: the old one makes room and stays on record.
    """
    txid = await shop.is_lost(100)
    old = await ask_resolve(shop, txid, NOT_PAID)
    await rail_has_it_after_all(shop, txid)

    new = await ask_resolve(shop, txid, PAID, by=MARY)
    with pytest.raises(ApprovalDecided, match="overtaken"):
        await approve(shop, old)
    with pytest.raises(ApprovalPending):
        await ask_resolve(shop, txid, NOT_PAID)
    await approve(shop, new)

    assert ["overtaken", "approved"] == await states(shop)
    assert (State.COMPLETED, [], (0, 0)) == (
        await shop.state_of(txid),
        await shop.alerts(),
        await shop.balance(),
    )
    await shop.assert_books()


async def test_it_is_closed_once_however_many_approve(open_shop: OpenShop) -> None:
    """
    Each is refused; one record says that it was overtaken.
    """
    one = await open_shop()
    other = await open_shop(one.rail)
    txid = await one.is_lost(100)
    asked = await ask_resolve(one, txid, NOT_PAID)
    await rail_has_it_after_all(one, txid)

    found = await asyncio.gather(
        *(approve(shop, asked, by) for shop in (one, other) for by in (JOHN, MARY)),
        return_exceptions=True,
    )

    assert {Overtaken, ApprovalDecided} >= {type(one) for one in found}
    assert 1 == (await one.audited(txid)).count("approval_overtaken")
    assert ["overtaken"] == await states(one)
    assert (0, 100) == await one.balance()


async def test_a_rejected_one_is_not_overtaken_afterwards(shop: Shop) -> None:
    """
    What people decided stands.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid, NOT_PAID, by=JANE)
    await rail_has_it_after_all(shop, txid)
    await desk_of(shop).reject(asked.shown_id, by=JOHN)

    with pytest.raises(ApprovalDecided):
        await approve(shop, asked)

    assert ["rejected"] == await states(shop)
