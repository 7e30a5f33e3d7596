"""Sending: at most one payout per withdrawal, whatever the rail answers or does not."""

import asyncio
from typing import Any

import pytest

from payops.withdrawals.domain import State
from payops.withdrawals.ports import Answer, Taken
from tests.support.rail import NEVER_CONNECTED, NO, OUTAGE, UNCLEAR, WRONG_KEY
from tests.support.shop import AMINA, OpenShop, Shop
from tests.support.waiting import eventually


async def test_what_the_rail_takes_is_sent_and_stays_held(shop: Shop) -> None:
    """Accepted is not paid: the hold stays until a report."""
    txid = await shop.is_sent(250)

    withdrawal = await shop.withdrawal(txid)
    assert ("po_1", 1, True) == (
        withdrawal.provider_reference,
        withdrawal.attempts,
        withdrawal.is_doubtful,
    )
    assert (0, 250) == await shop.balance()
    assert ["taken"] == await shop.attempts(txid)
    await shop.assert_books()


async def test_two_senders_send_one_payout_each(open_shop: OpenShop) -> None:
    """Replicas that look at once share the queue; nothing goes out twice."""
    one, two = await open_shop(), await open_shop()
    txids = {await one.accepts(10, user=f"usr_{n}") for n in range(20)}

    counts = await asyncio.gather(
        *(shop.services.sender.send_due() for shop in (one, two, one, two))
    )
    await asyncio.gather(one.settles_down(), two.settles_down())

    assert 20 == sum(counts)
    assert sorted(txids) == sorted(one.rail.sends + two.rail.sends)
    await one.assert_books()


async def test_the_attempt_is_on_record_before_the_call(shop: Shop) -> None:
    """While the rail is thinking, the books already say that it was asked to pay."""
    txid = await shop.accepts(10)
    shop.rail.holds()

    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)

    assert [None] == await shop.attempts(txid)
    assert State.SENDING == await shop.state_of(txid)
    assert 0 == await shop.sends_nothing_more()


async def test_an_ended_lease_is_asked_about_and_never_sent_again(shop: Shop) -> None:
    """The process died with the call on the wire: nobody knows, so nobody guesses."""
    txid = await shop.is_lost(100)

    await shop.sends()

    assert [] == shop.rail.sends
    assert ["lease_expired"] == await shop.attempts(txid)
    assert (0, 100) == await shop.balance()
    await shop.assert_books()


async def test_a_late_answer_still_names_the_payout(shop: Shop) -> None:
    """The lease ended first, then the rail said it had taken it."""
    txid = await shop.accepts(10)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)
    await shop.time_comes(txid)
    await shop.services.sender._claims.due(1)
    assert State.UNRESOLVED == await shop.state_of(txid)

    shop.rail.goes_on()
    await shop.settles_down()

    assert State.SENT == await shop.state_of(txid)
    assert "po_1" == (await shop.withdrawal(txid)).provider_reference
    assert ["lease_expired"] == await shop.attempts(txid)


async def test_a_late_no_does_not_release_anything(shop: Shop) -> None:
    """Only the open attempt may move the withdrawal."""
    txid = await shop.accepts(10)
    shop.rail.ignores(NO)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)
    await shop.time_comes(txid)
    await shop.services.sender._claims.due(1)
    unresolved = await shop.withdrawal(txid)

    shop.rail.goes_on()
    await shop.settles_down()

    assert State.UNRESOLVED is unresolved.state
    assert unresolved == await shop.withdrawal(txid)
    assert (0, 10) == await shop.balance()


async def test_a_definitive_no_releases_the_money(shop: Shop) -> None:
    """Once, with the reason, and the withdrawal is final."""
    txid = await shop.accepts(100)
    shop.rail.ignores(NO)

    await shop.sends()

    withdrawal = await shop.withdrawal(txid)
    assert withdrawal.failure is not None
    assert (State.FAILED, "declined") == (withdrawal.state, withdrawal.failure.code)
    assert (100, 0) == await shop.balance()
    assert [txid] == shop.rail.sends
    await shop.assert_books()


async def test_never_connecting_five_times_fails_and_releases(shop: Shop) -> None:
    """Five tries, the same id each time, and then the money is the user's again."""
    txid = await shop.accepts(100)
    shop.rail.ignores(*[NEVER_CONNECTED] * 5)

    await shop.sends()

    withdrawal = await shop.withdrawal(txid)
    assert withdrawal.failure is not None
    assert (State.FAILED, "provider_unavailable", 5) == (
        withdrawal.state,
        withdrawal.failure.code,
        withdrawal.attempts,
    )
    assert [txid] * 5 == shop.rail.sends
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


async def test_a_lost_answer_is_repeated_and_pays_once(shop: Shop) -> None:
    """The rail acted and its answer was lost; the same id again gets the first payout."""
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE, OUTAGE)

    await shop.sends()

    assert State.SENT == await shop.state_of(txid)
    assert ["lost", "lost", "taken"] == await shop.attempts(txid)
    assert 1 == len(shop.rail.book)
    await shop.assert_books()


async def test_lost_five_times_is_unresolved_and_held(shop: Shop) -> None:
    """The safe loop ends; the money stays where it is and a question is due."""
    txid = await shop.accepts(100)
    shop.rail.answers(*[OUTAGE] * 5)

    await shop.sends()
    await shop.time_comes(txid)
    await shop.sends()

    assert State.UNRESOLVED == await shop.state_of(txid)
    assert [txid] * 5 == shop.rail.sends
    assert (0, 100) == await shop.balance()
    await shop.assert_books()


async def test_a_no_after_a_lost_answer_is_not_believed(shop: Shop) -> None:
    """The first send may have been acted on: the no to the second proves nothing about it."""
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE)
    shop.rail.ignores(NO)

    await shop.sends()

    assert State.UNRESOLVED == await shop.state_of(txid)
    assert (0, 100) == await shop.balance()


async def test_a_2xx_that_says_failed_is_asked_about_at_once(shop: Shop) -> None:
    """Sending it again could not clear it up."""
    txid = await shop.accepts(100)
    shop.rail.answers(UNCLEAR)

    await shop.sends()

    assert (State.UNRESOLVED, [txid]) == (await shop.state_of(txid), shop.rail.sends)


async def test_a_callback_during_the_call_settles_it_once(shop: Shop) -> None:
    """It overtakes the reply, which is then an echo that still brings the reference."""
    txid = await shop.accepts(100)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)

    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    assert State.COMPLETED == await shop.state_of(txid)
    shop.rail.goes_on()
    await shop.settles_down()

    withdrawal = await shop.withdrawal(txid)
    assert (State.COMPLETED, "po_1") == (withdrawal.state, withdrawal.provider_reference)
    assert ["taken"] == await shop.attempts(txid)
    assert (0, 0) == await shop.balance()
    await shop.assert_books()


async def test_a_failure_reported_during_the_retries_ends_them(shop: Shop) -> None:
    """The next attempt finds the withdrawal final and sends nothing."""
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)

    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "failed"})
    shop.rail.goes_on()
    await shop.settles_down()

    assert (State.FAILED, [txid]) == (await shop.state_of(txid), shop.rail.sends)
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


async def test_an_error_of_ours_during_the_call_leaves_it_to_the_lease(shop: Shop) -> None:
    """Nothing is assumed of a call that ended in a bug."""
    txid = await shop.accepts(100)
    bug: Any = "no answer at all"
    shop.rail.answers(bug)

    await shop.sends()

    assert (State.SENDING, [None]) == (await shop.state_of(txid), await shop.attempts(txid))
    await shop.time_comes(txid)
    await shop.sends()
    assert State.UNRESOLVED == await shop.state_of(txid)
    assert (0, 100) == await shop.balance()


async def test_one_reference_for_two_withdrawals_is_told_to_a_person(shop: Shop) -> None:
    """The rail paid one of them at most; both keep their money until it is clear which."""
    first = await shop.accepts(100)
    second = await shop.accepts(100, user="usr_2")
    shop.rail.answers(Taken("po_same"), Taken("po_same"))

    await shop.sends()

    assert {State.SENT} == {await shop.state_of(first), await shop.state_of(second)}
    (alert,) = await shop.alerts()
    assert alert in {f"payout_reference:{txid}:payout" for txid in (first, second)}


async def test_no_more_calls_at_once_than_allowed(open_shop: OpenShop) -> None:
    """The rest stays in the queue, claimable by another replica."""
    shop = await open_shop(worker={"concurrency": 3})
    txids = [await shop.accepts(10, user=f"usr_{n}") for n in range(5)]
    shop.rail.holds()

    assert 3 == await shop.services.sender.send_due()
    assert 0 == await shop.services.sender.send_due()
    await eventually(lambda: 3 == len(shop.rail.sends))
    shop.rail.goes_on()
    await shop.settles_down()
    assert 2 == await shop.sends()

    assert sorted(txids) == sorted(shop.rail.sends)


async def test_stopping_waits_for_the_call_on_the_wire(shop: Shop) -> None:
    """Its answer is recorded before the process is gone."""
    txid = await shop.accepts(10)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)

    stopping = asyncio.create_task(shop.services.sender.stop(5))
    await asyncio.sleep(0)
    shop.rail.goes_on()
    await stopping

    assert State.SENT == await shop.state_of(txid)
    assert 0 == await shop.services.sender.send_due()


async def test_stopping_gives_up_a_call_that_takes_too_long(shop: Shop) -> None:
    """The attempt stays open, so its lease brings it back as a question, not as a send."""
    txid = await shop.accepts(10)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)

    await shop.services.sender.stop(0)

    assert (State.SENDING, [None]) == (await shop.state_of(txid), await shop.attempts(txid))


async def test_stopping_between_two_attempts_leaves_the_next_to_the_queue(
    open_shop: OpenShop,
) -> None:
    """Another replica goes on with the same id where this one stopped."""
    shop = await open_shop(mpesa_retry={"base_delay_ms": 60_000})
    txid = await shop.accepts(10)
    shop.rail.answers(OUTAGE)
    await shop.services.sender.send_due()

    async def is_waiting() -> bool:
        return ["lost"] == await shop.attempts(txid)

    await eventually(is_waiting)
    await shop.services.sender.stop(5)
    assert State.SENDING == await shop.state_of(txid)

    other = await open_shop(shop.rail)
    await other.time_comes(txid)
    await other.sends()

    assert State.SENT == await other.state_of(txid)
    assert (2, 1) == (len(shop.rail.sends), len(shop.rail.book))


@pytest.mark.parametrize("answer", [NEVER_CONNECTED, OUTAGE])
async def test_the_retry_wait_is_a_due_time_in_the_database(
    open_shop: OpenShop, answer: Answer
) -> None:
    """Whoever takes over waits as long as the one who began would have."""
    shop = await open_shop(mpesa_retry={"base_delay_ms": 60_000})
    txid = await shop.accepts(10)
    shop.rail.answers(answer)
    await shop.services.sender.send_due()

    async def wait_seconds() -> int | None:
        rows = await shop.fetch(
            "SELECT extract(epoch FROM due_at - now())::int AS wait FROM withdrawals"
            " WHERE tries = 1"
        )
        return rows[0]["wait"] if rows else None

    wait = await eventually(wait_seconds)
    assert 55 <= wait <= 60
    assert AMINA == (await shop.withdrawal(txid)).user_id


async def test_a_refused_key_is_nobody_s_try(shop: Shop) -> None:
    """Queued again without a try used, and a person is told."""
    txid = await shop.accepts(100)
    shop.rail.ignores(WRONG_KEY)

    await shop.sends()

    withdrawal = await shop.withdrawal(txid)
    assert (State.PENDING, 0, False) == (
        withdrawal.state,
        withdrawal.tries,
        withdrawal.is_doubtful,
    )
    assert ["rail_credentials:lipana"] == await shop.alerts()
    assert 0 == await shop.sends()
    assert State.CANCELLED == (await shop.cancels(txid)).state
    await shop.assert_books()
