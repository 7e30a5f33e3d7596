"""NOWPayments' endpoints: what they take, what they answer, and in which types."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from payops.sandbox.nowpayments.coins import COINS
from tests.providers.sandbox.crypto import API_KEY, Shop


def types_of(content: dict[str, Any], *names: str) -> list[str]:
    return [type(content[name]).__name__ for name in names]


async def test_the_answer_to_a_post_has_both_ids_as_texts(shop: Shop) -> None:
    """
    payment_id and purchase_id are strings, amounts are numbers, nothing was received.
    """
    response = await shop.open(coin="BTC", price=128)

    opened = response.json()
    assert 201 == response.status_code
    assert ["str", "str"] == types_of(opened, "payment_id", "purchase_id")
    assert ("waiting", "usd", "btc", 128, 0.002) == tuple(
        opened[name]
        for name in (
            "payment_status",
            "price_currency",
            "pay_currency",
            "price_amount",
            "pay_amount",
        )
    )
    assert ("inv_1", None, None, None) == tuple(
        opened[name] for name in ("order_id", "amount_received", "payin_extra_id", "smart_contract")
    )
    assert "actually_paid" not in opened
    assert opened["created_at"].endswith("Z")


async def test_get_has_both_ids_as_numbers(shop: Shop) -> None:
    """
    The same payment, asked for by its id: both ids are numbers, burning_percent a text "null".
    """
    opened = (await shop.open()).json()
    await shop.quiet_book()

    shown = (await shop.get(f"payment/{opened['payment_id']}")).json()

    assert ["int", "int", "float"] == types_of(shown, "payment_id", "purchase_id", "actually_paid")
    assert opened["payment_id"] == str(shown["payment_id"])
    assert opened["pay_amount"] == shown["actually_paid"]
    assert opened["pay_address"] == shown["pay_address"]
    assert ("null", None) == (shown["burning_percent"], shown["invoice_id"])
    assert shown["outcome_amount"] < shown["actually_paid"]
    assert {"payment_extra_ids", "parent_payment_id"}.isdisjoint(shown)


async def test_an_invoice_has_its_id_and_price_as_texts(shop: Shop) -> None:
    """
    A page has neither status nor address, and its price currency is in capitals.
    """
    page = await shop.open_page(success_url="http://127.0.0.1:1/crypto/success")

    assert ["str", "str", "NoneType"] == types_of(page, "id", "price_amount", "pay_currency")
    assert ("99.01", "USD") == (page["price_amount"], page["price_currency"])
    assert f"/nowpayments/pay/{page['id']}?iid={page['id']}" in page["invoice_url"]
    assert {"payment_status", "pay_address"}.isdisjoint(page)


async def test_a_payment_on_an_invoice_names_it(shop: Shop) -> None:
    """
    With a coin an invoice gives a payment, whose notifications carry the invoice's id.
    """
    page = await shop.open_page()

    response = await shop.post("invoice-payment", iid=page["id"], pay_currency="ltc")

    await shop.quiet_book()
    assert 201 == response.status_code
    assert {int(page["id"])} == {notice["invoice_id"] for notice in shop.notices}
    assert "finished" == shop.notices[-1]["payment_status"]


@pytest.mark.parametrize("coin", ["xrp", "xlm"])
async def test_some_coins_need_a_memo(shop: Shop, coin: str) -> None:
    """
    Shared addresses come with digits that tell the payer apart, in every answer.
    """
    opened = (await shop.open(coin=coin)).json()
    await shop.quiet_book()

    shown = (await shop.get(f"payment/{opened['payment_id']}")).json()
    assert opened["payin_extra_id"].isdigit()
    assert {opened["payin_extra_id"]} == {shown["payin_extra_id"]} | {
        notice["payin_extra_id"] for notice in shop.notices
    }


@pytest.mark.parametrize("coin", COINS)
async def test_a_quote_is_rounded_up_to_what_can_be_sent(shop: Shop, coin: str) -> None:
    """
    What is to be paid is worth the price, and at most one unit of the coin more.
    """
    opened = (await shop.open(coin=coin, price=19.99)).json()

    amount, unit = (
        Decimal(str(opened["pay_amount"])),
        Decimal(1).scaleb(-COINS[coin].amount_decimals),
    )
    excess = amount - Decimal("19.99") / COINS[coin].usd
    assert 0 <= excess < unit
    assert COINS[coin].network == opened["network"]
    assert str(COINS[coin].decimals) == opened["network_precision"]


async def test_the_same_order_twice_is_two_payments(shop: Shop) -> None:
    """
    There is no idempotency: an order id is a remark.
    """
    first, second = (await shop.open()).json(), (await shop.open()).json()

    assert first["payment_id"] != second["payment_id"]
    assert first["pay_address"] != second["pay_address"]
    assert first["order_id"] == second["order_id"]


@pytest.mark.parametrize("key", ["", "wrong", API_KEY[:-1]])
@pytest.mark.parametrize("path", ["payment/1", "merchant/coins", "min-amount"])
async def test_without_the_key_nothing_is_answered(shop: Shop, path: str, key: str) -> None:
    """
    A wrong key is 403 in the error envelope, whatever is asked.
    """
    response = await shop.http.get(f"/nowpayments/v1/{path}", headers={"x-api-key": key})

    assert_refused(response, 403, "INVALID_API_KEY")


async def test_the_status_needs_no_key(shop: Shop) -> None:
    """
    GET /status is for everybody.
    """
    assert {"message": "OK"} == (await shop.http.get("/nowpayments/v1/status")).json()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"price_amount": "99"}, "INVALID_REQUEST_PARAMS"),
        ({"price_amount": 0}, "INVALID_REQUEST_PARAMS"),
        ({"price_amount": -1}, "INVALID_REQUEST_PARAMS"),
        ({"price_amount": True}, "INVALID_REQUEST_PARAMS"),
        ({"price_amount": None}, "INVALID_REQUEST_PARAMS"),
        ({"price_amount": 1e300}, "INVALID_REQUEST_PARAMS"),
        ({"price_amount": 0.5}, "AMOUNT_MINIMAL_ERROR"),
        ({"price_currency": "kes"}, "BAD_REQUEST"),
        ({"price_currency": None}, "INVALID_REQUEST_PARAMS"),
        ({"pay_currency": "usdt"}, "CURRENCY_UNAVAILABLE"),
        ({"pay_currency": None}, "INVALID_REQUEST_PARAMS"),
        ({"order_id": 7}, "INVALID_REQUEST_PARAMS"),
        ({"ipn_callback_url": "http://example.com/"}, "INVALID_REQUEST_PARAMS"),
    ],
)
async def test_a_payment_that_makes_no_sense_is_refused(
    shop: Shop, more: dict[str, Any], code: str
) -> None:
    """
    Wrong types, currencies nobody has, too little: 400, and nothing is opened.
    """
    response = await shop.post("payment", **shop.order() | {"pay_currency": "btc"} | more)

    assert_refused(response, 400, code)
    assert [] == (await shop.book())["payments"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"price_amount": NaN}', b"\xff"])
async def test_what_is_no_json_object_is_refused(shop: Shop, body: bytes) -> None:
    """
    The body must be a JSON object.
    """
    response = await shop.http.post(
        "/nowpayments/v1/payment", content=body, headers={"x-api-key": API_KEY}
    )

    assert_refused(response, 400, "INVALID_REQUEST_PARAMS")


@pytest.mark.parametrize(
    ("payment", "status"), [("abc", 400), ("1.0", 400), ("-1", 400), ("1", 404), ("9" * 30, 400)]
)
async def test_only_numbers_are_asked_for(shop: Shop, payment: str, status: int) -> None:
    """
    An id must be a number; one that nobody gave out is 404.
    """
    code = "NOT_FOUND" if status == 404 else "INVALID_REQUEST_PARAMS"
    assert_refused(await shop.get(f"payment/{payment}"), status, code)


async def test_an_invoice_that_does_not_exist_cannot_be_paid(shop: Shop) -> None:
    """
    An unknown invoice is 404.
    """
    assert_refused(
        await shop.post("invoice-payment", iid="1", pay_currency="btc"), 404, "NOT_FOUND"
    )


async def test_the_lists_of_coins_agree(shop: Shop) -> None:
    """
    Lower case in one list, capitals under another key in the next, records in the third.
    """
    plain = (await shop.get("currencies")).json()["currencies"]
    chosen = (await shop.get("merchant/coins")).json()["selectedCurrencies"]
    records = (await shop.get("full-currencies")).json()["currencies"]

    assert list(COINS) == plain
    assert [code.upper() for code in plain] == chosen == [record["code"] for record in records]
    usdc = next(record for record in records if record["code"] == "USDC")
    assert ("eth", "6", True, True, False) == tuple(
        usdc[name]
        for name in (
            *("network", "network_precision", "enable"),
            *("available_for_payment", "extra_id_exists"),
        )
    )


async def test_a_minimum_is_told_in_fiat_when_that_is_asked_for(shop: Shop) -> None:
    """
    ``fiat_equivalent`` names a currency in the question and is an amount in the answer.
    """
    plain = (await shop.get("min-amount", currency_from="btc")).json()
    told = await shop.get(
        "min-amount", currency_from="btc", currency_to="usdttrc20", fiat_equivalent="usd"
    )

    assert {"currency_from": "btc", "currency_to": "btc", "min_amount": 0.00001563} == plain
    assert 1.0003 == told.json()["fiat_equivalent"]


async def test_an_estimate_converts_either_way(shop: Shop) -> None:
    """
    From coins to dollars and back, at the fixed prices of this small world.
    """
    there = await shop.get("estimate", amount="0.5", currency_from="btc", currency_to="usd")
    back = await shop.get("estimate", amount=32000, currency_from="usd", currency_to="btc")

    assert (32000, 0.5) == (there.json()["estimated_amount"], back.json()["estimated_amount"])


@pytest.mark.parametrize(
    "query",
    [
        {"amount": "x", "currency_from": "btc", "currency_to": "usd"},
        {"amount": "1", "currency_from": "btc", "currency_to": "kes"},
        {"amount": "NaN", "currency_from": "btc", "currency_to": "usd"},
        {},
    ],
)
async def test_an_estimate_that_makes_no_sense_is_refused(
    shop: Shop, query: dict[str, str]
) -> None:
    """
    Unknown currencies and what is no amount are 400.
    """
    assert 400 == (await shop.get("estimate", **query)).status_code


async def test_a_provider_that_is_down_opens_nothing(shop: Shop) -> None:
    """
    Faults of the whole provider come in its own envelope, and only to it.
    """
    await shop.control("nowpayments/faults", kind="500", count=1)
    await shop.control("nowpayments/faults", kind="429", count=1, retryAfterSeconds=3)
    await shop.control("nowpayments/faults", kind="down", count=1)

    assert_refused(await shop.open(), 500, "INTERNAL_ERROR")
    limited = await shop.open()
    with pytest.raises(httpx.RemoteProtocolError):
        await shop.open()

    assert_refused(limited, 429, "TOO_MANY_REQUESTS")
    assert "3" == limited.headers["retry-after"]
    assert [] == (await shop.book())["payments"]
    assert 200 == (await shop.store("rates")).status_code


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    content = response.json()
    assert (status, status, code, False) == (
        response.status_code,
        content["statusCode"],
        content["code"],
        content["status"],
    )
    assert content["message"]
