"""Callbacks: their bytes, their signatures, when they come and how often."""

import asyncio
from dataclasses import replace

import pytest

from tests.providers.sandbox.support import SETTINGS, Delivery, Inbox, Merchant, merchant_of
from tests.support.waiting import eventually


async def delivered(merchant: Merchant, phone: str, count: int = 1) -> list[Delivery]:
    """The callbacks of one payout of 100 KES, once no more are to come."""
    await merchant.pay(phone)
    await merchant.quiet_book()
    assert count == len(merchant.inbox.deliveries)
    return merchant.inbox.deliveries


async def test_a_callback_is_signed_over_its_raw_bytes(merchant: Merchant) -> None:
    """
    The header is the lower-case hexadecimal HMAC-SHA256 of exactly the bytes that arrive.
    """
    (callback,) = await delivered(merchant, "254700000000")

    assert callback.is_genuine
    assert "/webhooks/mpesa/wd_1" == callback.path
    assert "application/json" == callback.headers["content-type"]


async def test_a_success_names_what_was_paid(merchant: Merchant) -> None:
    """
    The plain form has id, user, amount, status and receipt, and nothing else.
    """
    (callback,) = await delivered(merchant, "254700000000")

    receipt = callback.content["receipt"]
    expected = {
        "transactionId": "wd_1",
        "userId": "user-1",
        "amountKES": 100,
        "status": "success",
        "receipt": receipt,
    }
    assert expected == callback.content


async def test_a_failure_says_why(merchant: Merchant) -> None:
    """
    A failure has an error message and no receipt; the message may hold a name and a number.
    """
    (callback,) = await delivered(merchant, "254700000002")

    assert "failed" == callback.content["status"]
    assert "TEST CUSTOMER" in callback.content["errorMessage"]
    assert "254700000002" in callback.content["errorMessage"]
    assert "receipt" not in callback.content


async def test_the_nested_form_is_an_event_with_data(merchant: Merchant) -> None:
    """
    Script 51 sends event and data {transactionId, amount, currency, status, phone, timestamp}.
    """
    (callback,) = await delivered(merchant, "254700000051")

    data = callback.content["data"]
    expected = {
        "transactionId": "wd_1",
        "amount": 100,
        "currency": "KES",
        "status": "success",
        "phone": "254700000051",
        "timestamp": data["timestamp"],
    }
    assert {"event": "transaction.success", "data": expected} == callback.content
    assert callback.is_genuine


async def test_the_flat_form_is_an_event_with_everything_beside_it(merchant: Merchant) -> None:
    """
    Script 52 sends event, transaction_id, phone, amount and reference, and no status.
    """
    (callback,) = await delivered(merchant, "254700000052")

    expected = {
        "event": "transaction.success",
        "transaction_id": "wd_1",
        "phone": "254700000052",
        "amount": 100,
        "reference": callback.content["reference"],
    }
    assert expected == callback.content
    assert callback.is_genuine


async def test_a_callback_can_bear_the_rails_id(merchant: Merchant) -> None:
    """
    Script 50 names the payout as the rail does.
    """
    (callback,) = await delivered(merchant, "254700000050")

    (payout,) = (await merchant.book())["payouts"]
    assert payout["id"] == callback.content["transactionId"]
    assert callback.is_genuine


async def test_a_signature_can_be_spelled_otherwise(merchant: Merchant, inbox: Inbox) -> None:
    """
    Scripts 53 and 54 sign rightly, with a prefix or in capitals.
    """
    await delivered(merchant, "254700000053")
    await merchant.pay("254700000054", transaction_id="wd_2")
    await merchant.quiet_book()

    prefixed, upper = inbox.deliveries
    assert prefixed.signature is not None
    assert upper.signature is not None
    assert replaced(prefixed, prefixed.signature.removeprefix("sha256=")).is_genuine
    assert prefixed.signature.startswith("sha256=")
    assert replaced(upper, upper.signature.lower()).is_genuine
    assert upper.signature == upper.signature.upper()


@pytest.mark.parametrize("phone", ["254700000060", "254700000063"])
async def test_a_forged_callback_is_not_sent_again(merchant: Merchant, phone: str) -> None:
    """
    Scripts 60 and 63 send one callback that is not genuine, then nothing, though it is refused.
    """
    merchant.inbox.answers.append(401)

    (callback,) = await delivered(merchant, phone)

    assert not callback.is_genuine
    assert (callback.signature is None) == (phone == "254700000063")


async def test_a_callback_can_be_wrong_and_genuinely_signed(
    merchant: Merchant, inbox: Inbox
) -> None:
    """
    Scripts 61, 62 and 64 err in amount, user and id; the signature is right, the money too.
    """
    for number in (61, 62, 64):
        await merchant.pay(f"2547000000{number}", transaction_id=f"wd_{number}")
    book = await merchant.quiet_book()

    wrong = {delivery.path[-2:]: delivery.content for delivery in inbox.deliveries}
    assert 110 == wrong["61"]["amountKES"]
    assert "somebody-else" == wrong["62"]["userId"]
    known = {payout["id"] for payout in book["payouts"]} | {"wd_61", "wd_62", "wd_64"}
    assert wrong["64"]["transactionId"] not in known
    assert all(delivery.is_genuine for delivery in inbox.deliveries)
    assert {100} == set(book["received"]["byTransaction"].values())


async def test_three_copies_are_under_way_at_once(merchant: Merchant, inbox: Inbox) -> None:
    """
    Script 40 does not wait for an answer before it sends the next copy.
    """
    inbox.open_for_answers.clear()
    await merchant.pay("254700000040")

    await eventually(lambda: inbox.open_now == 3)
    inbox.open_for_answers.set()

    await merchant.quiet_book()
    assert 1 == len({delivery.body for delivery in inbox.deliveries})


async def test_a_callback_can_come_before_the_reply(merchant: Merchant, inbox: Inbox) -> None:
    """
    Script 41 answers the POST only when its callback has been answered.
    """
    inbox.open_for_answers.clear()
    paying = asyncio.create_task(merchant.pay("254700000041"))

    await eventually(lambda: inbox.open_now == 1)
    assert not paying.done()
    inbox.open_for_answers.set()

    assert "success" == (await paying).json()["payout"]["status"]


async def test_contradictions_come_one_after_the_other(merchant: Merchant, inbox: Inbox) -> None:
    """
    The second callback of script 42 is sent after the first was answered, never before.
    """
    inbox.open_for_answers.clear()
    await merchant.pay("254700000042")
    await eventually(lambda: inbox.open_now == 1)
    assert ["success"] == inbox.told
    inbox.open_for_answers.set()

    await merchant.quiet_book()
    assert ["success", "failed"] == inbox.told
    assert 1 == inbox.open_max


async def test_a_refused_callback_is_sent_again_until_it_is_accepted(
    merchant: Merchant, inbox: Inbox
) -> None:
    """
    Anything but 200 is repeated with the same bytes; after a 200 there is no more.
    """
    inbox.answers.extend([503, 202])

    first, *others = await delivered(merchant, "254700000000", count=3)

    assert [(first.body, first.signature)] * 2 == [(o.body, o.signature) for o in others]
    (payout,) = (await merchant.book())["payouts"]
    assert [503, 202, 200] == payout["callbackAnswers"]
    assert 100 == payout["receivedKES"]


async def test_the_first_delivery_can_be_forged_and_its_repeat_genuine(
    merchant: Merchant, inbox: Inbox
) -> None:
    """
    Script 45 is refused once for its signature and accepted when it comes again.
    """
    inbox.answers.append(401)

    forged, genuine = await delivered(merchant, "254700000045", count=2)

    assert not forged.is_genuine
    assert genuine.is_genuine
    assert forged.body == genuine.body


async def test_repeats_end_after_a_bounded_number() -> None:
    """
    A callback that nobody ever accepts is sent once and then as often as the settings say.
    """
    settings = replace(SETTINGS, callback_retries=2, delays=replace(SETTINGS.delays, retry_ms=10))
    async with merchant_of(settings) as merchant:
        merchant.inbox.answers.extend([500] * 9)

        await delivered(merchant, "254700000000", count=3)


async def test_deliveries_at_once_are_bounded() -> None:
    """
    However many payouts settle together, no more callbacks are open than the settings allow.
    """
    async with merchant_of(replace(SETTINGS, callbacks_at_once=2)) as merchant:
        merchant.inbox.open_for_answers.clear()
        for number in range(6):
            await merchant.pay("254711000000", transaction_id=f"wd_{number}")
        await merchant.book_once(lambda book: book["receivedKES"] == 600)
        await eventually(lambda: merchant.inbox.open_now == 2)
        merchant.inbox.open_for_answers.set()
        await merchant.quiet_book()

        assert 6 == len(merchant.inbox.deliveries)
        assert 2 == merchant.inbox.open_max == merchant.inbox.connections


def replaced(delivery: Delivery, signature: str) -> Delivery:
    return replace(delivery, headers=delivery.headers | {"x-lipana-signature": signature})
