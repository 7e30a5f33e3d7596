"""Controls and pages of NOWPayments: paying by hand, pushing, and what the book says of it."""

from decimal import Decimal
from typing import Any

import pytest

from payops.sandbox.nowpayments.coins import COINS
from tests.providers.sandbox.crypto import Shop

HELD = "36"  # waits until somebody pays


async def held(shop: Shop, **more: Any) -> str:
    """The id of a payment that waits."""
    payment: str = (await shop.open(HELD, **more)).json()["payment_id"]
    await shop.quiet_book()
    return payment


async def test_a_payment_can_be_paid_by_hand(shop: Shop) -> None:
    """
    Without an amount all that is missing arrives; the payment is told through to the end.
    """
    payment = await held(shop)

    paid = (await shop.control(f"nowpayments/payments/{payment}/pay")).json()

    assert ("finished", paid["payAmount"]) == (paid["status"], paid["received"])
    told = [notice["payment_status"] for notice in shop.notices]
    assert ["waiting", "confirming", "confirmed", "sending", "finished"] == told
    assert {"btc": paid["payAmount"]} == (await shop.book())["receivedByCoin"]


async def test_less_than_asked_for_is_partially_paid_until_the_rest_arrives(shop: Shop) -> None:
    """
    Amounts by hand add up, exactly.
    """
    payment = await held(shop, coin="ltc")

    part = (await shop.control(f"nowpayments/payments/{payment}/pay", amount="0.5")).json()
    rest = (await shop.control(f"nowpayments/payments/{payment}/pay")).json()

    assert ("partially_paid", "0.5") == (part["status"], part["received"])
    assert "finished" == rest["status"]
    assert Decimal(rest["payAmount"]) == Decimal(rest["received"])


async def test_another_coin_can_arrive_by_hand(shop: Shop) -> None:
    """
    It is stated under its own name, and no third coin can join it.
    """
    payment = await held(shop, coin="usdc")
    path = f"nowpayments/payments/{payment}/pay"

    await shop.control(path, amount="99", coin="dai")

    assert "dai" == shop.notices[-1]["pay_currency"]
    assert 409 == (await shop.control(path, amount="1", coin="eth")).status_code
    assert {"dai": "99"} == (await shop.book())["receivedByCoin"]


async def test_a_status_can_be_pushed(shop: Shop) -> None:
    """
    Any word, told or not; without coins nothing is settled by it.
    """
    payment = await held(shop)
    path = f"nowpayments/payments/{payment}/status"

    await shop.control(path, status="on_hold")
    silent = (await shop.control(path, status="finished", notify=False)).json()

    assert ["waiting", "on_hold"] == [notice["payment_status"] for notice in shop.notices]
    assert ("finished", None, "0") == (silent["status"], silent["outcome"], silent["received"])


async def test_a_notification_can_be_sent_on_demand(shop: Shop) -> None:
    """
    It says what was asked for, true or not, reports its answers, and changes nothing.
    """
    payment = await held(shop)
    shop.inbox.answers.extend([200, 503])

    response = await shop.control(
        f"nowpayments/payments/{payment}/notify",
        status="finished",
        copies=2,
        signature="wrong",
        spelling="fraction",
        fee=False,
    )

    assert [200, 503] == sorted(response.json()["answers"])
    assert b".0," in shop.inbox.deliveries[-1].body
    shown = (await shop.get(f"payment/{payment}")).json()
    assert "waiting" == shown["payment_status"]


async def test_a_second_deposit_can_be_made(shop: Shop) -> None:
    """
    It is a payment of its own with what arrived, which GET knows or not.
    """
    payment = await held(shop)

    child = (
        await shop.control(
            f"nowpayments/payments/{payment}/repeat", amount="0.001", status="finished", known=False
        )
    ).json()

    assert (payment, "0.00100000", "finished") == (
        child["parentId"],
        child["received"],
        child["status"],
    )
    assert 404 == (await shop.get(f"payment/{child['paymentId']}")).status_code


async def test_scripts_wait_in_line(shop: Shop) -> None:
    """
    By number or name, for so many payments; then prices choose again.
    """
    await shop.control("nowpayments/script", script="04")
    waiting = await shop.control("nowpayments/script", script="unpaid", count=2)
    await shop.http.delete("/_sandbox/nowpayments/script")
    await shop.control("nowpayments/script", script="expired")
    for _ in range(2):
        await shop.open("42")

    assert ["partial", "unpaid", "unpaid"] == waiting.json()
    scripts = [payment["script"] for payment in (await shop.quiet_book())["payments"]]
    assert ["stuck", "expired"] == scripts
    assert [] == (await shop.http.get("/_sandbox/nowpayments/script")).json()


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("script", {"script": "no-such"}, 404),
        ("script", {"script": "01", "count": 0}, 400),
        ("script", {"script": "01", "count": 10_000}, 400),
        ("payments/1/pay", {}, 404),
        ("payments/x/notify", {}, 404),
        ("invoices/1/pay", {"coin": "btc"}, 404),
        ("payments/{id}/pay", {"amount": 1}, 400),
        ("payments/{id}/pay", {"amount": "-1"}, 400),
        ("payments/{id}/pay", {"amount": "NaN"}, 400),
        ("payments/{id}/pay", {"amount": "x"}, 400),
        ("payments/{id}/pay", {"coin": "gold"}, 400),
        ("payments/{id}/status", {}, 400),
        ("payments/{id}/notify", {"signature": "md5"}, 400),
        ("payments/{id}/repeat", {"amount": "0"}, 400),
    ],
)
async def test_what_makes_no_sense_is_refused(
    shop: Shop, path: str, content: dict[str, Any], status: int
) -> None:
    """
    Unknown payments are 404, unknown words and amounts that cannot be are 400.
    """
    payment = await held(shop)

    response = await shop.control(f"nowpayments/{path.replace('{id}', payment)}", **content)

    assert status == response.status_code
    assert {} == (await shop.book())["receivedByCoin"]


async def test_a_reset_forgets_everything(shop: Shop) -> None:
    """
    Payments, faults and scripts are gone; no id is given out twice.
    """
    before = await held(shop)
    await shop.control("nowpayments/script", script="over")
    await shop.control("nowpayments/faults", kind="500")

    await shop.control("nowpayments/reset")

    assert [] == (await shop.book())["payments"]
    after = await held(shop)
    assert int(after) > int(before)
    assert "unpaid" == (await shop.book())["payments"][0]["script"]


async def test_an_invoice_can_be_paid_in_two_coins(shop: Shop) -> None:
    """
    Each choice of a coin is a payment with the same invoice and order.
    """
    page = await shop.open_page()

    for coin in ("btc", "sol"):
        await shop.control(f"nowpayments/invoices/{page['id']}/pay", coin=coin)
    book = await shop.quiet_book()

    first, second = book["payments"]
    assert first["paymentId"] != second["paymentId"]
    assert [page["id"]] * 2 == [payment["invoiceId"] for payment in book["payments"]]
    assert ["inv_1"] * 2 == [payment["orderId"] for payment in book["payments"]]
    assert [second["paymentId"], first["paymentId"]] == book["invoices"][0]["paymentIds"]


async def test_an_invoice_without_a_coin_needs_one(shop: Shop) -> None:
    """
    What the payer would pick must be said, unless the merchant has.
    """
    free, fixed = await shop.open_page(), await shop.open_page(pay_currency="BTC")

    answers = [
        (await shop.control(f"nowpayments/invoices/{page['id']}/pay")).status_code
        for page in (free, fixed)
    ]

    assert [400, 200] == answers


async def test_a_person_can_pay_on_the_page(shop: Shop) -> None:
    """
    The page offers every coin, then an address and a button, then it shows the end.
    """
    page = await shop.open_page(success_url="http://127.0.0.1:1/crypto/success?a=1&b=2")
    where = f"/nowpayments/pay/{page['id']}"
    offered = (await shop.http.get(page["invoice_url"])).text

    await shop.http.post(f"{where}/coin", content="coin=xrp")
    (payment,) = (await shop.quiet_book())["payments"]
    chosen = (await shop.http.get(where)).text
    back = await shop.http.post(f"{where}/{payment['paymentId']}", content="share=all")
    await shop.quiet_book()
    done = (await shop.http.get(where)).text

    assert all(f'value="{coin}"' in offered for coin in COINS)
    assert "success?a=1&amp;b=2" in offered
    assert payment["payAddress"] in chosen
    assert payment["memo"] in chosen
    assert "Pay half" in chosen
    assert (303, page["invoice_url"].removeprefix(str(shop.http.base_url).rstrip("/"))) == (
        back.status_code,
        back.headers["location"],
    )
    assert "finished" in done
    assert "Pay half" not in done


async def test_a_person_can_pay_half(shop: Shop) -> None:
    """
    Half of it is partially_paid, whatever the script has.
    """
    page = await shop.open_page()
    await shop.http.post(f"/nowpayments/pay/{page['id']}/coin", content="coin=btc")
    (payment,) = (await shop.book())["payments"]

    await shop.http.post(
        f"/nowpayments/pay/{page['id']}/{payment['paymentId']}", content="share=half"
    )

    (paid,) = (await shop.quiet_book())["payments"]
    assert "partially_paid" == paid["status"]
    assert Decimal(paid["payAmount"]) == 2 * Decimal(paid["received"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/1"),
        ("GET", "/x"),
        ("POST", "/1/coin"),
        ("POST", "/{id}/coin"),
        ("POST", "/{id}/1"),
    ],
)
async def test_a_page_that_does_not_exist_is_404(shop: Shop, method: str, path: str) -> None:
    """
    Unknown invoices, payments and coins are 404.
    """
    page = await shop.open_page()

    response = await shop.http.request(
        method, f"/nowpayments/pay{path.replace('{id}', page['id'])}", content="coin=gold"
    )

    assert 404 == response.status_code


async def test_a_page_escapes_what_the_merchant_wrote(shop: Shop) -> None:
    """
    Markup in a description is text, and a link that is none of the web's is left out.
    """
    response = await shop.post(
        "invoice",
        **shop.order() | {"order_description": "<script>", "success_url": "javascript:alert(1)"},
    )

    shown = (await shop.http.get(response.json()["invoice_url"])).text
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert "javascript" not in shown
