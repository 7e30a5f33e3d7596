"""What cannot be true beside what is known: a person is told, and the rail is asked for it."""

from datetime import timedelta

import pytest

from payops.withdrawals.domain import State
from payops.withdrawals.ports import (
    Answer,
    AnswerLost,
    NoAnswer,
    NotKnown,
    Outcome,
    Report,
    Taken,
)
from payops.withdrawals.service import deciding
from tests.support.rail import NEVER_CONNECTED, NO, OUTAGE, WRONG_KEY
from tests.support.shop import OpenShop, Shop
from tests.support.waiting import eventually

MINUTE = timedelta(minutes=1)


def said(txid: str, status: str, **more: object) -> dict[str, object]:
    return {"transactionId": txid, "amountKES": 100, "status": status} | more


async def is_contradicted(shop: Shop) -> str:
    """Paid, by the rail's first word; not paid, by its second."""
    txid = await shop.is_sent(100)
    await shop.hears(said(txid, "success"))
    await shop.hears(said(txid, "failed"))
    return txid


async def test_no_answer_about_a_contradiction_is_asked_for_again(shop: Shop) -> None:
    """A rail that is away just then must not end the matter."""
    txid = await is_contradicted(shop)
    shop.rail.says(NoAnswer("503"), NoAnswer("timeout"))

    await shop.asks()
    await shop.time_comes(txid)
    await shop.asks()

    left = await shop.withdrawal(txid)
    assert (State.COMPLETED, [txid] * 2) == (left.state, shop.rail.questions)
    assert left.due_at is not None
    assert 0 < (left.due_at - (await shop.fetch("SELECT now()"))[0]["now"]).total_seconds() < 3_700


async def test_another_copy_of_a_callback_is_no_answer(shop: Shop) -> None:
    """Only what the rail says when it is asked ends the asking."""
    txid = await is_contradicted(shop)
    shop.rail.says(NoAnswer("503"))
    await shop.asks()

    await shop.hears(said(txid, "success", again=1))

    assert (await shop.withdrawal(txid)).due_at is not None


@pytest.mark.parametrize("answer", [NotKnown(), None])
async def test_an_answer_about_a_contradiction_ends_the_asking(
    shop: Shop, answer: NotKnown | None
) -> None:
    """Whatever it is: the alert stays, and people decide."""
    txid = await is_contradicted(shop)
    shop.rail.pays(txid)
    shop.rail.says(NoAnswer("503"), *([answer] if answer else []))
    await shop.asks()
    await shop.time_comes(txid)

    await shop.asks()

    left = await shop.withdrawal(txid)
    assert (State.COMPLETED, None) == (left.state, left.due_at)
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()


async def test_a_contradiction_is_not_asked_about_for_ever(shop: Shop) -> None:
    """A day of silence is enough; a person can ask once more, and that counts anew."""
    txid = await is_contradicted(shop)
    questions = deciding.FINAL_QUESTIONS_MAX
    shop.rail.says(*[NoAnswer("503")] * (questions + 1))
    for _ in range(questions + 3):
        await shop.time_comes(txid)
        await shop.asks()
    assert questions == len(shop.rail.questions)
    assert None is (await shop.withdrawal(txid)).due_at

    await shop.hears(said(txid, "failed", again=1))
    await shop.asks()

    assert (await shop.withdrawal(txid)).due_at is not None


async def test_questions_of_its_open_days_do_not_count(shop: Shop) -> None:
    """It was unclear for a week before it was settled: the contradiction is asked about anew."""
    txid = await shop.is_sent(100)
    await shop.hears(said(txid, "success"))
    await shop.execute("UPDATE withdrawals SET questions = 200")
    await shop.hears(said(txid, "failed"))
    shop.rail.says(NoAnswer("503"))

    await shop.asks()

    assert (await shop.withdrawal(txid)).due_at is not None


async def test_one_whose_number_was_erased_cannot_be_asked_about(shop: Shop) -> None:
    """A question needs the number: it would be due for ever, and raise an alert each time."""
    txid = await shop.is_sent(100)
    await shop.hears(said(txid, "success"))
    await shop.execute(
        "UPDATE withdrawals SET phone_sealed = '', phone_index = '', phone_masked = 'erased'"
    )

    await shop.hears(said(txid, "failed"))
    await shop.asks()

    assert None is (await shop.withdrawal(txid)).due_at
    assert f"phone_unreadable:{txid}" not in await shop.alerts()
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()


async def test_not_known_after_a_review_is_no_second_review(shop: Shop) -> None:
    """A final one has no way there: it would be another contradiction, made by us."""
    txid = await shop.is_lost(100)
    await shop.execute(
        "UPDATE withdrawals SET unknown_answers = 9, unknown_at = now() - interval '1 day'"
    )
    await shop.hears(said(txid, "success"))
    await shop.hears(said(txid, "failed"))
    before = (await shop.audited(txid)).count("withdrawal_webhook_error")
    shop.rail.says(NotKnown())

    await shop.asks()

    assert before == (await shop.audited(txid)).count("withdrawal_webhook_error")


async def is_overtaken(shop: Shop, *answers: Answer, status: str) -> str:
    """A callback comes while the reply to the last send is on its way."""
    txid = await shop.accepts(100)
    shop.rail.ignores(*answers)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)
    await shop.hears(said(txid, status))
    shop.rail.goes_on()
    await shop.settles_down()
    return txid


@pytest.mark.parametrize("answer", [NO, WRONG_KEY, NEVER_CONNECTED])
async def test_a_reply_that_denies_what_was_called_back_is_raised(
    shop: Shop, answer: Answer
) -> None:
    """Paid, says the callback; never, says the reply to the only send there was."""
    txid = await is_overtaken(shop, answer, status="success")

    assert (State.COMPLETED, [txid]) == (await shop.state_of(txid), shop.rail.sends)
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()
    assert "withdrawal_webhook_error" in await shop.audited(txid)
    await shop.asks()
    assert [txid] == shop.rail.questions
    await shop.assert_books()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Taken("po_1"), "success"),
        (OUTAGE, "success"),
        (AnswerLost("2xx that says failed", repeatable=False), "success"),
        (NO, "failed"),
        (Taken("po_1"), "failed"),
    ],
)
async def test_a_reply_that_agrees_or_says_nothing_is_not_raised(
    shop: Shop, answer: Answer, status: str
) -> None:
    """A callback that overtakes is the ordinary case."""
    txid = await is_overtaken(shop, answer, status=status)

    assert [] == await shop.alerts()
    await shop.asks()
    assert [] == shop.rail.questions
    assert 1 == len(shop.rail.sends), txid


async def test_a_no_to_the_repeat_of_what_was_paid_is_not_raised(open_shop: OpenShop) -> None:
    """The first send was paid and its answer lost; "there is one already" is true."""
    shop = await open_shop(mpesa_retry={"base_delay_ms": 300})
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE)
    shop.rail.ignores(NO)
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)
    shop.rail.holds()
    await eventually(lambda: [txid] * 2 == shop.rail.sends)
    await shop.hears(said(txid, "success"))
    shop.rail.goes_on()
    await shop.settles_down()

    assert (State.COMPLETED, ["lost", "declined"]) == (
        await shop.state_of(txid),
        await shop.attempts(txid),
    )
    assert [] == await shop.alerts()


async def test_the_rail_s_own_contradiction_of_a_final_one_is_for_people(shop: Shop) -> None:
    """It was asked and it answered: asking the same again would change nothing."""
    txid = await is_contradicted(shop)
    shop.rail.says(Report(Outcome.FAILED, txid=txid))

    await shop.asks()

    left = await shop.withdrawal(txid)
    assert (State.COMPLETED, None) == (left.state, left.due_at)
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()


async def test_a_retry_waits_for_what_another_process_was_told(open_shop: OpenShop) -> None:
    """The rail asked for a minute's patience; the one that began the loop had been told less."""
    one = await open_shop(mpesa_retry={"base_delay_ms": 600, "jitter_ms": 0})
    txid = await one.accepts(100)
    one.rail.answers(OUTAGE, AnswerLost("429", retry_after=MINUTE))
    await one.services.sender.send_due()

    async def is_lost_times(times: int) -> bool:
        return ["lost"] * times == await one.attempts(txid)

    await eventually(lambda: is_lost_times(1))
    other = await open_shop(one.rail)
    await other.time_comes(txid)
    await other.services.sender.send_due()
    await eventually(lambda: is_lost_times(2))

    await one.settles_down()  # its own wait is over; the minute is not

    assert [txid] * 2 == one.rail.sends
    assert State.SENDING == await one.state_of(txid)
    await other.services.sender.stop(1)
    await one.time_comes(txid)
    await one.sends()
    assert (State.SENT, 3) == (await one.state_of(txid), len(one.rail.sends))
