"""NOWPayments' notifications: their bytes, their signatures, when they come and how often."""

import hashlib
import hmac
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from payops.sandbox.nowpayments.javascript import number, sorted_keys, stringify
from payops.sandbox.nowpayments.notifications import sign
from tests.providers.sandbox.crypto import IPN_SECRET, SETTINGS, Shop, shop_of
from tests.providers.sandbox.support import Delivery

VECTORS = json.loads((Path(__file__).parent / "ipn_vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["signed"], ids=lambda vector: vector["id"])
def test_signatures_are_those_of_javascript(vector: dict[str, Any]) -> None:
    """
    Node's JSON.stringify of the sorted content, and its HMAC, come out to the byte.
    """
    content = json.loads(vector["body_raw"], parse_float=Decimal)

    assert vector["canonical"] == stringify(sorted_keys(content))
    assert vector["signature"] == sign(content, vector["secret"])


@pytest.mark.parametrize("example", VECTORS["numbers"], ids=lambda example: example["literal"])
def test_numbers_are_written_as_javascript_writes_them(example: dict[str, str]) -> None:
    """
    The fewest digits, no exponent where it can be done without, no padding of it.
    """
    assert example["js"] == number(Decimal(example["literal"]))


def test_texts_are_written_as_javascript_writes_them() -> None:
    """
    Letters beyond ASCII stay, control characters and half a pair are escaped.
    """
    assert '"a/é\u2028😀\x7f"' == stringify("a/é\u2028😀\x7f")
    assert r'"\u0001\b\t\n\"\\"' == stringify('\x01\b\t\n"\\')
    assert r'"\ud800"' == stringify("\ud800")


async def test_a_notification_has_the_payments_id_as_a_number(shop: Shop) -> None:
    """
    The payment's id is a number, the purchase's a text, the value in fiat 0, the moment a number.
    """
    opened = (await shop.open(coin="eth")).json()
    await shop.quiet_book()

    last = shop.notices[-1]
    assert int(opened["payment_id"]) == last["payment_id"]
    assert opened["purchase_id"] == last["purchase_id"]
    assert (None, None, 0) == tuple(
        last[name] for name in ("parent_payment_id", "invoice_id", "actually_paid_at_fiat")
    )
    assert opened["pay_amount"] == last["actually_paid"] == last["pay_amount"]
    assert isinstance(last["updated_at"], int)
    assert {"currency": "eth", "depositFee": 0.00015471, "withdrawalFee": 0, "serviceFee": 0} == (
        last["fee"]
    )
    assert "created_at" not in last
    assert last["outcome_amount"] + last["fee"]["depositFee"] == pytest.approx(last["pay_amount"])


async def test_an_account_can_be_settled_in_one_coin() -> None:
    """
    With an outcome coin every payment is converted to it, and so is the fee.
    """
    account = replace(SETTINGS.nowpayments, outcome_coin="usdttrc20")
    async with shop_of(replace(SETTINGS, nowpayments=account)) as shop:
        await shop.open(coin="btc", price=200)
        await shop.quiet_book()

        last = shop.notices[-1]
    assert ("usdttrc20", 199.0, "usdttrc20", 1) == (
        *(last["outcome_currency"], last["outcome_amount"]),
        *(last["fee"]["currency"], last["fee"]["depositFee"]),
    )


async def test_every_ordinary_notification_is_genuine(shop: Shop) -> None:
    """
    The header is the HMAC of the sorted content, computed here without the sandbox's own code.
    """
    await shop.open("06", coin="btc")
    await shop.quiet_book()

    assert 7 == len(shop.inbox.deliveries)
    assert all(is_genuine(delivery) for delivery in shop.inbox.deliveries)
    assert {"/webhooks/nowpayments"} == {delivery.path for delivery in shop.inbox.deliveries}


@pytest.mark.parametrize(("key", "signatures"), [("10", 1), ("37", 0)])
async def test_a_false_one_is_sent_once_and_is_not_genuine(
    shop: Shop, key: str, signatures: int
) -> None:
    """
    Scripts 10 and 37 begin with one that says finished; refused, it does not come again.
    """
    shop.inbox.answers.append(401)

    await shop.open(key)
    await shop.quiet_book()

    forged, *rest = shop.inbox.deliveries
    assert "finished" == shop.notices[0]["payment_status"]
    assert signatures == list(forged.headers).count("x-nowpayments-sig")
    assert not is_genuine(forged)
    assert all(is_genuine(delivery) for delivery in rest)


async def test_a_respelled_id_keeps_the_signature(shop: Shop) -> None:
    """
    Script 24 writes the id with a fraction and with an exponent; the header is as before.
    """
    opened = (await shop.open("24")).json()
    await shop.quiet_book()

    digits = opened["payment_id"]
    plain, fraction, exponent = shop.inbox.deliveries[-3:]
    assert f'"payment_id":{digits}.0,'.encode() in fraction.body
    assert f'"payment_id":{digits[0]}.{digits[1:]}e9,'.encode() in exponent.body
    assert 1 == len({d.headers["x-nowpayments-sig"] for d in (plain, fraction, exponent)})


async def test_the_last_notification_may_lack_its_fee(shop: Shop) -> None:
    """
    Script 23 leaves out fee and value in fiat.
    """
    await shop.open("23")
    await shop.quiet_book()

    assert {"fee", "actually_paid_at_fiat"}.isdisjoint(shop.notices[-1])
    assert is_genuine(shop.inbox.deliveries[-1])


async def test_a_refused_notification_is_sent_again_as_it_was(shop: Shop) -> None:
    """
    Whatever is not 2xx is repeated, the same bytes; 204 is an acceptance.
    """
    shop.inbox.answers.extend([503, 204])

    opened = (await shop.open("36")).json()
    book = await shop.quiet_book()

    first, second = shop.inbox.deliveries
    assert (first.body, first.headers) == (second.body, second.headers)
    assert [503, 204] == book["payments"][0]["answers"]
    assert opened["payment_id"] == book["payments"][0]["paymentId"]


async def test_repeats_end_after_a_few(shop: Shop) -> None:
    """
    One that nobody ever accepts is sent once and three times more; then only asking helps.
    """
    shop.inbox.answers.extend([500] * 9)

    await shop.open("36")
    await shop.quiet_book()

    assert 4 == len(shop.inbox.deliveries)


async def test_without_a_secret_nothing_is_told() -> None:
    """
    An account whose secret was never set up sends no notifications, as in earnest.
    """
    account = replace(SETTINGS.nowpayments, ipn_secret="")
    async with shop_of(replace(SETTINGS, nowpayments=account)) as shop:
        await shop.open()
        book = await shop.quiet_book()

        assert "finished" == book["payments"][0]["status"]
        assert [] == shop.notices


async def test_without_an_address_nothing_is_told(shop: Shop) -> None:
    """
    A payment that names no callback address is asked about, or nothing is known of it.
    """
    await shop.open(ipn_callback_url=None)

    assert "finished" == (await shop.quiet_book())["payments"][0]["status"]
    assert [] == shop.notices


def is_genuine(delivery: Delivery) -> bool:
    """By the form in which Python and JavaScript agree: all numbers here are in plain digits."""
    content = json.loads(delivery.body, parse_float=Literal)
    canonical = _canonical(content).encode()
    expected = hmac.new(IPN_SECRET.encode(), canonical, hashlib.sha512).hexdigest()
    return delivery.headers.get("x-nowpayments-sig") == expected


class Literal(str):
    """A number as it was written."""

    __slots__ = ()


def _canonical(value: Any) -> str:
    match value:
        case dict():
            inner = (f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value))
            return "{" + ",".join(inner) + "}"
        case list():
            return "[" + ",".join(map(_canonical, value)) + "]"
        case Literal():
            return str(value)
        case _:
            return json.dumps(value)
