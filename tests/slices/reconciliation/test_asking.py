"""Asking the rail: what every answer comes to, and that asking twice changes nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from payops.reconciliation.domain import Tally
from payops.withdrawals.domain import State, read
from payops.withdrawals.ports import NoAnswer, NotKnown, Outcome, Report
from payops.withdrawals.service import keeping
from tests.support.rail import UNCLEAR, FakeRail
from tests.support.shop import BARAKA, OTHER_PHONE, OpenShop, Shop

PATIENT = {"unknown_answers_max": 3}


async def wait_seconds(shop: Shop, txid: str) -> int | None:
    """How long until it is due, in whole seconds."""
    (row,) = await shop.fetch(
        "SELECT round(extract(epoch FROM due_at - now()))::int AS wait FROM withdrawals"
        " WHERE id = $1",
        read(txid),
    )
    wait: int | None = row["wait"]
    return wait


async def is_unclear(shop: Shop, kes: int = 100, **fields: Any) -> str:
    """Unresolved here, and in the rail's book."""
    txid = await shop.accepts(kes, **fields)
    shop.rail.answers(UNCLEAR)
    await shop.sends()
    assert State.UNRESOLVED == await shop.state_of(txid)
    return txid


async def test_paid_for_the_rail_is_paid(shop: Shop) -> None:
    """With the receipt, and the hold captured once."""
    txid = await is_unclear(shop)
    shop.rail.pays(txid)

    tally = await shop.reconciles()

    assert Tally(checked=1, completed=1) == tally
    withdrawal = await shop.withdrawal(txid)
    assert (State.COMPLETED, "RCPT1", None) == (
        withdrawal.state,
        withdrawal.receipt,
        withdrawal.due_at,
    )
    assert "reconciliation_check" in await shop.audited(txid)
    await shop.assert_books()


async def test_failed_for_the_rail_is_failed(shop: Shop) -> None:
    """The one definitive negative that releases what was in doubt."""
    txid = await is_unclear(shop)
    shop.rail.fails(txid)

    assert Tally(checked=1, failed=1) == await shop.reconciles()

    assert State.FAILED == await shop.state_of(txid)
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


async def test_on_its_way_is_sent_and_asked_about_again(shop: Shop) -> None:
    """The rail has it: a callback, or a later question, will tell."""
    txid = await is_unclear(shop)

    assert Tally(checked=1, unresolved=1) == await shop.reconciles()

    withdrawal = await shop.withdrawal(txid)
    assert (State.SENT, "po_1") == (withdrawal.state, withdrawal.provider_reference)
    assert (0, 100) == await shop.balance()
    assert await wait_seconds(shop, txid) in range(55, 61)


async def test_not_known_several_times_is_for_a_person_and_keeps_the_hold(
    open_shop: OpenShop,
) -> None:
    """Spaced answers count, others do not; an alert is raised, and no money moves."""
    shop = await open_shop(mpesa_status=PATIENT)
    txid = await shop.is_lost(100)

    for unknown_answers in (1, 2):
        await shop.reconciles()
        await shop.reconciles()
        withdrawal = await shop.withdrawal(txid)
        assert (State.UNRESOLVED, unknown_answers) == (
            withdrawal.state,
            withdrawal.unknown_answers,
        )
        await shop.execute("UPDATE withdrawals SET unknown_at = now() - interval '1 minute'")
    await shop.reconciles()

    assert State.REVIEW == await shop.state_of(txid)
    assert None is await wait_seconds(shop, txid)
    assert [f"withdrawal_review:{txid}"] == await shop.alerts()
    assert (0, 100) == await shop.balance()
    assert 0 == (await shop.asks()).checked
    await shop.assert_books()


@pytest.mark.parametrize("status", ["success", "failed"])
async def test_a_callback_settles_what_was_under_review(open_shop: OpenShop, status: str) -> None:
    """Better late than by hand."""
    shop = await open_shop(mpesa_status={"unknown_answers_max": 1})
    txid = await shop.is_lost(100)
    await shop.reconciles()
    assert State.REVIEW == await shop.state_of(txid)

    await shop.hears({"transactionId": txid, "amountKES": 100, "status": status})

    assert await shop.state_of(txid) in {State.COMPLETED, State.FAILED}
    await shop.assert_books()


async def test_no_answer_is_never_an_answer(open_shop: OpenShop) -> None:
    """However often the rail is silent, nothing is concluded."""
    shop = await open_shop(mpesa_status={"unknown_answers_max": 1})
    txid = await shop.is_lost(100)
    shop.rail.says(*[NoAnswer("timeout")] * 5)

    for _ in range(5):
        assert Tally(checked=1, errors=1) == await shop.reconciles()

    assert State.UNRESOLVED == await shop.state_of(txid)
    assert (0, 100) == await shop.balance()


async def test_the_sweep_asks_at_growing_distances(shop: Shop) -> None:
    """A minute, then doubling up to an hour; never two questions for one due time."""
    txid = await shop.is_lost(100)
    shop.rail.says(*[NoAnswer("timeout")] * 8)

    waits = []
    for _ in range(8):
        await shop.time_comes(txid)
        assert 1 == (await shop.asks()).checked
        assert 0 == (await shop.asks()).checked
        waits.append(await wait_seconds(shop, txid))

    assert [60, 120, 240, 480, 960, 1920, 3600, 3600] == waits
    assert 8 == len(shop.rail.questions)


async def test_a_sent_one_without_a_callback_is_asked_after_the_grace(shop: Shop) -> None:
    """And not before: a callback is the normal way."""
    txid = await shop.is_sent(100)
    assert 0 == (await shop.asks()).checked
    assert await wait_seconds(shop, txid) in range(895, 901)

    shop.rail.pays(txid)
    await shop.time_comes(txid)
    await shop.asks()

    assert State.COMPLETED == await shop.state_of(txid)


async def test_two_reconcilers_at_once_settle_each_once(open_shop: OpenShop) -> None:
    """Both may ask; what an answer moves, it moves once."""
    one = await open_shop()
    two = await open_shop(one.rail)
    txids = [await is_unclear(one, user=f"usr_{n}") for n in range(12)]
    for n, txid in enumerate(txids):
        (one.rail.pays if n % 2 else one.rail.fails)(txid)

    await asyncio.gather(one.reconciles(), two.reconciles(), one.asks(), two.asks())

    states = [await one.state_of(txid) for txid in txids]
    assert [State.FAILED, State.COMPLETED] * 6 == states
    for n in range(12):
        assert ((0, 0) if n % 2 else (100, 0)) == await one.balance(f"usr_{n}")
    await one.assert_books()


async def test_two_sweeps_at_once_share_the_questions(open_shop: OpenShop) -> None:
    """What one has taken up, the other leaves alone meanwhile."""
    one = await open_shop()
    two = await open_shop(one.rail)
    txids = [await is_unclear(one, user=f"usr_{n}") for n in range(10)]
    for txid in txids:
        await one.time_comes(txid)

    tallies = await asyncio.gather(one.asks(), two.asks())

    assert 10 == sum(tally.checked for tally in tallies)
    assert sorted(txids) == sorted(one.rail.questions)


async def test_a_callback_during_the_question_is_not_undone(shop: Shop) -> None:
    """The answer was true when it was given: pending. By then it was paid."""
    txid = await is_unclear(shop)
    shop.rail.holds()
    asking = asyncio.create_task(shop.reconciles())
    while not shop.rail.questions:
        await asyncio.sleep(0)

    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    shop.rail.says(Report(Outcome.PENDING, txid=txid))
    shop.rail.goes_on()
    await asking

    assert State.COMPLETED == await shop.state_of(txid)
    await shop.assert_books()


@pytest.mark.parametrize(
    "wrong", [{"amount_minor": 1}, {"phone": OTHER_PHONE}, {"txid": "wd_x"}, {"user_id": BARAKA}]
)
async def test_an_answer_that_does_not_agree_moves_nothing(shop: Shop, wrong: Any) -> None:
    """Even the rail's own status answer is checked; the question is put again later."""
    txid = await is_unclear(shop)
    shop.rail.says(Report(Outcome.PAID, **wrong))

    assert Tally(checked=1, errors=1) == await shop.reconciles()

    assert State.UNRESOLVED == await shop.state_of(txid)
    assert "reconciliation_error" in await shop.audited(txid)
    assert (await wait_seconds(shop, txid) or 0) > 50


async def test_one_payout_s_error_is_its_own(open_shop: OpenShop) -> None:
    """A bug in the adapter for one answer leaves the others settled."""

    class Buggy(FakeRail):
        async def ask(self, question: Any) -> Any:
            if question.amount_kes == 13:
                raise ZeroDivisionError
            return await super().ask(question)

    shop = await open_shop(Buggy())
    txids = [await is_unclear(shop, kes, user=f"usr_{kes}") for kes in (12, 13, 14)]
    for txid in txids:
        shop.rail.pays(txid)

    tally = await shop.reconciles()

    assert Tally(checked=3, completed=2, errors=1) == tally
    assert State.UNRESOLVED == await shop.state_of(txids[1])
    await shop.assert_books()


async def test_a_night_of_many_pages_asks_about_each_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays flat because pages are walked by id; a page edge loses nobody."""
    monkeypatch.setattr("payops.reconciliation.service.payouts._PAGE", 3)
    txids = [await is_unclear(shop, user=f"usr_{n}") for n in range(7)]
    seen: list[int] = []

    tally = await shop.services.reconciliation.everything(
        min_age_seconds=0, progress=lambda t: seen.append(t.checked)
    )

    assert Tally(checked=7, unresolved=7) == tally
    assert sorted(txids) == sorted(shop.rail.questions)
    assert list(range(1, 8)) == seen


async def test_young_ones_are_left_alone(shop: Shop) -> None:
    """Their reply may be on the wire still."""
    await is_unclear(shop)

    assert 0 == (await shop.services.reconciliation.everything(min_age_seconds=60)).checked
    assert [] == shop.rail.questions


async def test_asking_during_a_send_does_not_end_the_send(shop: Shop) -> None:
    """Not known while the call is on the wire means nothing at all."""
    txid = await shop.accepts(100)
    await shop.services.sender._claims.due(1)
    before = await wait_seconds(shop, txid)
    shop.rail.says(NotKnown())

    await shop.reconciles()

    withdrawal = await shop.withdrawal(txid)
    assert (State.SENDING, 0) == (withdrawal.state, withdrawal.unknown_answers)
    assert abs((await wait_seconds(shop, txid) or 0) - (before or 0)) <= 2


async def test_every_question_s_look_at_a_phone_number_is_on_record(shop: Shop) -> None:
    """Who, why and for which payout, before the network sees it."""
    txid = await is_unclear(shop)
    await shop.reconciles()

    rows = await shop.fetch("SELECT actor, purpose FROM pii_access WHERE subject = $1", txid)

    assert {
        ("system:dispatcher", "payout_send"),
        ("system:reconciliation", "reconciliation"),
    } == {(row["actor"], row["purpose"]) for row in rows}


async def test_what_stays_unclear_for_too_long_raises_an_alert(shop: Shop) -> None:
    """Exposure is money that may have left: somebody must know of it."""
    txid = await is_unclear(shop)
    assert 0 == await keeping.alert_unclear(shop.db, older_than_minutes=30)
    await shop.execute(
        "UPDATE withdrawals SET created_at = created_at - $1::interval,"
        " first_sent_at = first_sent_at - $1::interval",
        timedelta(minutes=31),
    )

    assert 1 == await keeping.alert_unclear(shop.db, older_than_minutes=30)

    assert [f"withdrawal_unclear:{txid}"] == await shop.alerts()
