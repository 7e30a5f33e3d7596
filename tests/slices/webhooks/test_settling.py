"""Callbacks: kept before they are acknowledged, believed when they agree, effective once."""

import asyncio
from typing import Any

import pytest

from payops.withdrawals.domain import State
from payops.withdrawals.errors import NotCancellable
from tests.support.shop import AMINA, BARAKA, OTHER_PHONE, PHONE, OpenShop, Shop


def success(txid: str, **fields: Any) -> dict[str, Any]:
    return {
        "transactionId": txid,
        "userId": AMINA,
        "amountKES": 100,
        "status": "success",
        "receipt": "SFX1ABCDEF",
    } | fields


async def test_a_success_pays_out_the_held_money(shop: Shop) -> None:
    """State, ledger, audit and the mark, in one commit; nothing is left to ask."""
    txid = await shop.is_sent(100)

    assert await shop.hears(success(txid), path=txid)

    withdrawal = await shop.withdrawal(txid)
    assert (State.COMPLETED, "SFX1ABCDEF", None) == (
        withdrawal.state,
        withdrawal.receipt,
        withdrawal.due_at,
    )
    assert [("applied", "")] == await shop.inbox()
    assert (0, 0) == await shop.balance()
    assert "withdrawal_success" in await shop.audited(txid)
    await shop.assert_books()


async def test_a_failure_releases_the_held_money(shop: Shop) -> None:
    """With words that may be shown."""
    txid = await shop.is_sent(100)

    await shop.hears(success(txid, status="failed", errorMessage="Njoroge: insufficient float"))

    withdrawal = await shop.withdrawal(txid)
    assert withdrawal.failure is not None
    assert (State.FAILED, "payout_failed") == (withdrawal.state, withdrawal.failure.code)
    assert "Njoroge" not in withdrawal.failure.message
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


@pytest.mark.parametrize("status", ["success", "failed"])
async def test_a_report_settles_what_was_in_doubt(shop: Shop, status: str) -> None:
    """Unresolved is waiting for exactly this."""
    txid = await shop.is_lost(100)

    await shop.hears(success(txid, status=status))

    expected = State.COMPLETED if status == "success" else State.FAILED
    assert expected == await shop.state_of(txid)
    await shop.assert_books()


async def test_three_copies_at_once_on_two_replicas_pay_once(open_shop: OpenShop) -> None:
    """The copies are one delivery, with one effect."""
    one, two = await open_shop(), await open_shop()
    txid = await one.is_sent(100)

    taken = await asyncio.gather(*(shop.delivers(success(txid)) for shop in (one, two) * 3))
    await asyncio.gather(one.services.inbox.drained(), two.services.inbox.drained())

    assert [True] * 6 == taken
    assert [("applied", "")] == await one.inbox()
    assert (0, 0) == await one.balance()
    assert 1 == (await one.audited(txid)).count("withdrawal_success")
    await one.assert_books()


async def test_the_same_news_in_other_bytes_changes_nothing_more(shop: Shop) -> None:
    """Another delivery of the same fact is an echo."""
    txid = await shop.is_sent(100)
    await shop.hears(success(txid))

    await asyncio.gather(
        shop.hears(success(txid), path=txid),
        shop.hears(success(txid, attempt=2)),
        shop.hears(success(txid, attempt=3)),
    )

    assert [("applied", "")] * 4 == await shop.inbox()
    assert 1 == (await shop.audited(txid)).count("withdrawal_success")
    assert [] == await shop.alerts()
    await shop.assert_books()


@pytest.mark.parametrize(("first", "then"), [("success", "failed"), ("failed", "success")])
async def test_a_contradiction_is_parked_and_the_rail_is_asked(
    shop: Shop, first: str, then: str
) -> None:
    """The final state stands, a person is told, and the question is put at once."""
    txid = await shop.is_sent(100)
    await shop.hears(success(txid, status=first))
    settled, balance = await shop.state_of(txid), await shop.balance()

    await shop.hears(success(txid, status=then))

    assert (settled, balance) == (await shop.state_of(txid), await shop.balance())
    (_, parked) = await shop.inbox()
    assert "parked" == parked[0]
    assert "contradiction" in (parked[1] or "")
    alerts = await shop.alerts()
    assert f"withdrawal_contradiction:{txid}" in alerts
    assert any(alert.startswith("webhook_parked:") for alert in alerts)

    await shop.asks()
    assert [txid] == shop.rail.questions
    assert settled == await shop.state_of(txid)
    await shop.assert_books()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("amount", {"amountKES": 99}),
        ("amount", {"amountKES": 10_000}),
        ("user", {"userId": BARAKA}),
        ("phone", {"phone": OTHER_PHONE.digits}),
        ("reference", {"payoutId": "po_999"}),
    ],
)
@pytest.mark.parametrize("status", ["success", "failed"])
async def test_what_does_not_agree_is_parked_without_effect(
    shop: Shop, field: str, wrong: dict[str, object], status: str
) -> None:
    """Signed, about a withdrawal of ours, and wrong in one thing: nobody moves money on it."""
    txid = await shop.is_sent(100)

    assert await shop.hears(success(txid, status=status, phone=PHONE.digits) | wrong)

    assert State.SENT == await shop.state_of(txid)
    assert (0, 100) == await shop.balance()
    assert [("parked", f"mismatch: {field}")] == await shop.inbox()
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()
    await shop.asks()
    assert [txid] == shop.rail.questions


async def test_an_address_and_a_body_that_differ_are_parked_and_both_asked(
    shop: Shop,
) -> None:
    """The body is signed and names the subject; the path is not, and must agree."""
    txid = await shop.is_sent(100)
    other = await shop.is_sent(100, user=BARAKA)

    await shop.hears(success(txid), path=other)

    assert [("parked", "mismatch: path")] == await shop.inbox()
    assert {State.SENT} == {await shop.state_of(txid), await shop.state_of(other)}


@pytest.mark.parametrize("status", ["success", "pending"])
async def test_a_report_before_anything_was_sent_is_a_doubt(shop: Shop, status: str) -> None:
    """Another server may have sent it and lost that with itself: ask; never send, never release."""
    txid = await shop.accepts(100)

    await shop.hears(success(txid, status=status, payoutId="po_9"))

    left = await shop.withdrawal(txid)
    assert (State.UNRESOLVED, True, "po_9") == (
        left.state,
        left.is_doubtful,
        left.provider_reference,
    )
    assert [("applied", "")] == await shop.inbox()
    assert [f"withdrawal_contradiction:{txid}"] == await shop.alerts()
    with pytest.raises(NotCancellable):
        await shop.cancels(txid)
    await shop.asks()
    assert ([txid], 0) == (shop.rail.questions, await shop.sends())
    assert (0, 100) == await shop.balance()
    await shop.assert_books()


async def test_a_failure_before_anything_was_sent_is_parked(shop: Shop) -> None:
    """Nothing was paid, by anybody: there is no doubt about that, and it can still be sent."""
    txid = await shop.accepts(100)

    await shop.hears(success(txid, status="failed"))

    assert State.PENDING == await shop.state_of(txid)
    assert "parked" == (await shop.inbox())[0][0]
    await shop.assert_books()


async def test_a_report_that_does_not_agree_puts_nothing_in_doubt(shop: Shop) -> None:
    """Of another amount, it is about something else; what is queued stays queued."""
    txid = await shop.accepts(100)

    await shop.hears(success(txid, amountKES=99))

    assert State.PENDING == await shop.state_of(txid)
    assert [("parked", "mismatch: amount")] == await shop.inbox()


async def test_a_report_about_a_cancelled_one_is_parked(shop: Shop) -> None:
    """Its money is the user's again; if the rail paid, a person must know."""
    txid = await shop.accepts(100)
    await shop.cancels(txid)

    await shop.hears(success(txid))

    assert State.CANCELLED == await shop.state_of(txid)
    assert f"withdrawal_contradiction:{txid}" in await shop.alerts()
    await shop.assert_books()


async def test_a_reference_that_becomes_known_later_finds_its_report(shop: Shop) -> None:
    """The callback overtook the reply that would have told us the rail's own id."""
    txid = await shop.accepts(100)
    shop.rail.holds()
    await shop.services.sender.send_due()

    await shop.hears(
        {"payoutId": "po_1", "amount": 100, "status": "success", "event": "payout.success"}
    )
    assert "unknown" == (await shop.inbox())[0][0]
    assert State.SENDING == await shop.state_of(txid)

    shop.rail.goes_on()
    await shop.settles_down()
    await shop.services.inbox.drain()

    assert State.COMPLETED == await shop.state_of(txid)
    assert "applied" == (await shop.inbox())[0][0]
    await shop.assert_books()


async def test_an_unknown_one_is_kept_and_tried_at_growing_distances(shop: Shop) -> None:
    """It may be about something another system made; it is nobody's effect."""
    await shop.hears({"payoutId": "po_77", "amount": 100, "status": "success"})

    waits = []
    for _ in range(4):
        (row,) = await shop.fetch(
            "SELECT round(extract(epoch FROM due_at - handled_at_or_now))::int AS wait FROM"
            " (SELECT due_at, now() AS handled_at_or_now FROM webhook_deliveries) AS d"
        )
        waits.append(row["wait"])
        await shop.execute("UPDATE webhook_deliveries SET due_at = now()")
        await shop.services.inbox.drain()

    assert [2, 4, 8, 16] == waits
    assert [("unknown", "no such withdrawal")] == await shop.inbox()


async def test_after_a_week_an_unknown_one_is_parked(shop: Shop) -> None:
    """Nobody ever knew it: a person must look."""
    await shop.hears({"payoutId": "po_77", "amount": 100, "status": "success"})
    await shop.execute(
        "UPDATE webhook_deliveries SET due_at = now(), received_at = now() - interval '8 days'"
    )

    await shop.services.inbox.drain()

    assert [("parked", "nobody ever knew it")] == await shop.inbox()
    assert 1 == len(await shop.alerts())


async def test_what_the_path_names_is_asked_about_though_the_body_is_unknown(
    shop: Shop,
) -> None:
    """The path proves nothing, but it says whom to ask about."""
    txid = await shop.is_sent(100)

    await shop.hears({"payoutId": "po_77", "amount": 100, "status": "success"}, path=txid)
    await shop.asks()

    assert State.SENT == await shop.state_of(txid)
    assert [txid] == shop.rail.questions
