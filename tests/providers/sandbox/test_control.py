"""The controls: the book from outside, ending payouts by hand, callbacks on demand."""

import asyncio
from typing import Any

import pytest

from tests.providers.sandbox.support import Merchant

PHONE = "254711000000"
PENDING = "254700000072"


async def test_a_reset_forgets_everything(merchant: Merchant) -> None:
    """
    After a reset there are no payouts, no faults, nothing under way, and the float asked for.
    """
    await merchant.pay(PHONE)
    await merchant.control("faults", kind="down")

    await merchant.control("reset", floatKES=500)

    book = await merchant.book()
    assert (500, 500, 0) == (book["floatKES"], book["availableKES"], book["payoutCount"])
    assert 0 == book["underWay"]
    assert {} == book["requests"]
    assert [] == (await merchant.http.get("/_sandbox/faults")).json()
    assert [] == merchant.inbox.deliveries


async def test_an_order_from_before_a_reset_leaves_the_new_book_alone(merchant: Merchant) -> None:
    """
    A reply that is still to come when the book is opened anew is not followed by a payment.
    """
    paying = asyncio.create_task(merchant.pay("254700000026"))
    await merchant.book_once(lambda book: book["payoutCount"] == 1)

    await merchant.control("reset")
    assert 200 == (await paying).status_code

    book = await merchant.quiet_book()
    assert (0, 0, 0) == (book["receivedKES"], book["reservedKES"], book["payoutCount"])
    assert [] == merchant.inbox.deliveries


async def test_ids_and_receipts_do_not_come_again_after_a_reset(merchant: Merchant) -> None:
    """
    A reset forgets payouts, but no later payout gets the id of an earlier one.
    """
    before = (await merchant.pay(PHONE)).json()["payout"]["id"]
    await merchant.control("reset")

    after = (await merchant.pay(PHONE)).json()["payout"]["id"]

    assert before != after


async def test_the_float_can_be_set(merchant: Merchant) -> None:
    """
    What is available is as asked for, and the book still adds up.
    """
    await merchant.pay(PHONE)

    response = await merchant.control("float", availableKES=20)

    book = await merchant.quiet_book()
    assert {"floatKES": 120, "availableKES": 20} == response.json()
    assert (20, 0, 100) == (book["availableKES"], book["reservedKES"], book["receivedKES"])


async def test_a_pending_payout_can_be_completed_by_hand(merchant: Merchant) -> None:
    """
    The phone receives the money at that moment, once, and the merchant is told.
    """
    await merchant.pay(PENDING)
    await merchant.quiet_book()

    completed = await merchant.control("payouts/wd_1/complete")
    again = await merchant.control("payouts/wd_1/complete")
    undone = await merchant.control("payouts/wd_1/fail")

    assert [200, 409, 409] == [r.status_code for r in (completed, again, undone)]
    assert 100 == (await merchant.book())["receivedKES"]
    assert ["success"] == merchant.inbox.told


async def test_a_pending_payout_can_be_failed_by_hand_in_silence(merchant: Merchant) -> None:
    """
    The float has its money back; with ``callback`` false the merchant is not told.
    """
    await merchant.pay(PENDING)
    await merchant.quiet_book()

    await merchant.control("payouts/wd_1/fail", callback=False, errorMessage="by hand")

    book = await merchant.quiet_book()
    assert (0, 0, book["floatKES"]) == (
        book["receivedKES"],
        book["reservedKES"],
        book["availableKES"],
    )
    assert "by hand" == book["payouts"][0]["failure"]
    assert [] == merchant.inbox.deliveries


async def test_a_payout_ended_by_hand_does_not_play_its_script(merchant: Merchant) -> None:
    """
    A payout that was failed before its time came is not paid when it comes.
    """
    await merchant.pay(PHONE)
    await merchant.control("payouts/wd_1/fail")

    assert 0 == (await merchant.quiet_book())["receivedKES"]
    assert ["failed"] == merchant.inbox.told


async def test_a_callback_can_be_sent_on_demand(merchant: Merchant) -> None:
    """
    It says what was asked for, true or not, reports its answers, and settles nothing.
    """
    await merchant.pay(PENDING)
    await merchant.quiet_book()

    response = await merchant.control(
        "payouts/wd_1/callback",
        status="success",
        form="nested",
        event="payout.completed",
        signature="prefixed",
        naming="rail",
        amountOffByKES=-5,
        copies=2,
    )

    assert {"answers": [200, 200]} == response.json()
    first, second = merchant.inbox.deliveries
    assert first.body == second.body
    assert "payout.completed" == first.content["event"]
    assert ("success", 95) == (first.content["data"]["status"], first.content["data"]["amount"])
    assert first.signature is not None
    assert first.signature.startswith("sha256=")
    assert 0 == (await merchant.quiet_book())["receivedKES"]


@pytest.mark.parametrize(
    "content",
    [
        {"form": "round"},
        {"signature": "md5"},
        {"naming": 7},
        {"copies": 0},
        {"status": 1},
        {"amountOffByKES": "5"},
    ],
)
async def test_a_callback_that_makes_no_sense_is_refused(
    merchant: Merchant, content: dict[str, Any]
) -> None:
    """
    An unknown form, signature or naming is 400, and nothing is sent.
    """
    await merchant.pay(PENDING)
    await merchant.quiet_book()

    response = await merchant.control("payouts/wd_1/callback", **content)

    assert 400 == response.status_code
    assert [] == merchant.inbox.deliveries


@pytest.mark.parametrize("what", ["complete", "fail", "callback"])
async def test_the_controls_know_only_payouts_that_exist(merchant: Merchant, what: str) -> None:
    """
    An id that nobody gave out is 404.
    """
    assert 404 == (await merchant.control(f"payouts/wd_none/{what}")).status_code


async def test_a_large_book_can_be_read_without_its_payouts(merchant: Merchant) -> None:
    """
    With ``payouts=false`` the sums and counts come alone.
    """
    await merchant.pay(PHONE)

    book = (await merchant.http.get("/_sandbox/book?payouts=false")).json()

    assert 1 == book["payoutCount"]
    assert "payouts" not in book


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("float", {}),
        ("float", {"availableKES": -1}),
        ("float", {"availableKES": "5"}),
        ("reset", {"floatKES": -1}),
    ],
)
async def test_an_amount_that_cannot_be_is_refused(
    merchant: Merchant, path: str, content: dict[str, Any]
) -> None:
    """
    Amounts in the controls are whole shillings from zero.
    """
    assert 400 == (await merchant.control(path, **content)).status_code
