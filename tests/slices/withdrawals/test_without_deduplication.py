"""A rail that would pay the same request twice: what may have left is never sent again."""

import pytest

from payops.withdrawals.domain import State
from payops.withdrawals.ports import Answer, Candidates, Outcome, Report
from tests.support.rail import NEVER_CONNECTED, NO, OUTAGE, FakeRail
from tests.support.shop import OTHER_PHONE, PHONE, OpenShop, Shop


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await open_shop(FakeRail(deduplicates=False))


async def test_a_lost_answer_is_never_sent_again(shop: Shop) -> None:
    """One send, then only questions."""
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE)

    await shop.sends()
    await shop.time_comes(txid)
    await shop.sends()

    assert (State.UNRESOLVED, [txid]) == (await shop.state_of(txid), shop.rail.sends)
    assert (0, 100) == await shop.balance()


async def test_what_never_connected_may_be_sent_again(shop: Shop) -> None:
    """Proof that nothing left is proof on any rail."""
    txid = await shop.accepts(100)
    shop.rail.ignores(NEVER_CONNECTED, NEVER_CONNECTED)

    await shop.sends()

    assert State.SENT == await shop.state_of(txid)
    assert 1 == len(shop.rail.book)


async def test_equal_payouts_go_one_after_the_other(shop: Shop) -> None:
    """Two in flight to one phone with one amount could not be told apart afterwards."""
    first = await shop.accepts(100)
    second = await shop.accepts(100, user="usr_2")
    other_amount = await shop.accepts(101, user="usr_3")
    other_phone = await shop.accepts(100, user="usr_4", to=OTHER_PHONE)

    await shop.sends()
    waiting = [t for t in (first, second) if State.PENDING == await shop.state_of(t)]
    assert 1 == len(waiting)
    assert {State.SENT} == {await shop.state_of(t) for t in (other_amount, other_phone)}
    await shop.time_comes(waiting[0])
    await shop.sends()
    assert waiting[0] not in shop.rail.sends

    (sent,) = {first, second} - set(waiting)
    await shop.hears({"transactionId": sent, "amountKES": 100, "status": "success"})
    await shop.time_comes(waiting[0])
    await shop.sends()

    assert State.SENT == await shop.state_of(waiting[0])
    assert 4 == len(shop.rail.book)
    await shop.assert_books()


@pytest.mark.parametrize("answer", [NO, NEVER_CONNECTED])
async def test_a_payout_that_was_not_made_frees_the_way(shop: Shop, answer: Answer) -> None:
    """Failed or back in the queue and cancelled: the next of its kind may go."""
    first = await shop.accepts(100)
    shop.rail.ignores(*[answer] * 5)
    await shop.sends()
    assert State.FAILED == await shop.state_of(first)
    shop.rail._script.clear()

    second = await shop.accepts(100, user="usr_2")
    await shop.sends()

    assert State.SENT == await shop.state_of(second)


async def test_the_only_candidate_is_the_payout(shop: Shop) -> None:
    """Found by phone, amount and time; its reference is claimed with it."""
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE)
    await shop.sends()
    shop.rail.pays(txid)
    await shop.time_comes(txid)

    tally = await shop.asks()

    withdrawal = await shop.withdrawal(txid)
    assert (1, 1) == (tally.checked, tally.completed)
    assert (State.COMPLETED, "po_1", "RCPT1") == (
        withdrawal.state,
        withdrawal.provider_reference,
        withdrawal.receipt,
    )
    await shop.assert_books()


async def test_a_candidate_that_another_has_claimed_is_not_taken(shop: Shop) -> None:
    """An earlier, equal payout is that one's, however well it fits."""
    earlier = await shop.is_sent(100)
    shop.rail.pays(earlier)
    await shop.hears({"data": {"payoutId": "x"}, "event": "nonsense"})
    await shop.time_comes(earlier)
    await shop.asks()
    assert State.COMPLETED == await shop.state_of(earlier)

    txid = await shop.is_lost(100, user="usr_2")
    await shop.asks()

    withdrawal = await shop.withdrawal(txid)
    assert (State.UNRESOLVED, 1, None) == (
        withdrawal.state,
        withdrawal.unknown_answers,
        withdrawal.provider_reference,
    )


async def test_two_unclaimed_candidates_are_for_a_person(shop: Shop) -> None:
    """Nobody guesses whose money it was; the hold stays and an alert is raised."""
    txid = await shop.is_lost(100)
    found = tuple(
        Report(Outcome.PAID, reference=name, amount_minor=10_000, phone=PHONE)
        for name in ("po_7", "po_8")
    )
    shop.rail.says(Candidates(found))

    await shop.asks()

    assert State.REVIEW == await shop.state_of(txid)
    assert (0, 100) == await shop.balance()
    assert [f"withdrawal_review:{txid}"] == await shop.alerts()
    await shop.assert_books()


async def test_two_searches_at_once_do_not_share_one_payout(shop: Shop) -> None:
    """Equal payouts are never both in flight, so a search never has a rival."""
    first = await shop.is_lost(100)
    await shop.accepts(100, user="usr_2")

    assert 0 == await shop.sends()

    assert [] == shop.rail.sends
    assert State.UNRESOLVED == await shop.state_of(first)
