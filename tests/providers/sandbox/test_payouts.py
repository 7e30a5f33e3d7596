"""Asking for payouts and asking about them."""

from dataclasses import replace

import pytest

from tests.providers.sandbox.support import API_KEY, SETTINGS, Merchant, merchant_of, payout_in

PHONE = "254711000000"


async def test_an_accepted_payout_is_shown_with_an_id_and_is_not_yet_paid(
    merchant: Merchant,
) -> None:
    """
    The reply to an order carries the rail's id, the merchant's, and the status "pending".
    """
    response = await merchant.pay(PHONE, 1500)

    payout = payout_in(response)
    assert "pending" == payout["status"]
    assert "wd_1" == payout["transactionId"]
    assert (1500, PHONE) == (payout["amount"], payout["recipientPhone"])
    assert payout["id"]
    assert "metadata" not in payout
    assert response.json()["success"] is True


async def test_the_same_transaction_id_gets_the_first_payout_and_pays_once(
    merchant: Merchant,
) -> None:
    """
    Twenty orders with one transaction id, some at once, some after settlement, pay once.
    """
    first = payout_in(await merchant.pay(PHONE))
    repeats = [payout_in(await merchant.pay(PHONE)) for _ in range(9)]
    await merchant.quiet_book()
    repeats += [payout_in(await merchant.pay(PHONE)) for _ in range(10)]

    book = await merchant.quiet_book()
    assert {first["id"]} == {payout["id"] for payout in repeats}
    assert "success" == repeats[-1]["status"]
    assert {"wd_1": 100} == book["received"]["byTransaction"]
    assert 100 == book["receivedKES"]
    assert {"wd_1": 20} == book["requests"]
    assert 1 == len(merchant.inbox.deliveries)


@pytest.mark.parametrize(("phone", "amount"), [(PHONE, 101), ("254711000001", 100)])
async def test_a_transaction_id_used_for_another_order_is_refused(
    merchant: Merchant, phone: str, amount: int
) -> None:
    """
    An id with another phone or amount is 409, and the first payout is left as it is.
    """
    await merchant.pay(PHONE, 100)

    response = await merchant.pay(phone, amount)

    assert 409 == response.status_code
    assert response.json()["success"] is False
    assert {PHONE: 100} == (await merchant.quiet_book())["received"]["byPhone"]


async def test_without_a_transaction_id_every_order_is_a_new_payout(merchant: Merchant) -> None:
    """
    In the dialect of phone and amount only, nothing is de-duplicated.
    """
    ids = {payout_in(await merchant.pay(PHONE, 50, transaction_id=None))["id"] for _ in range(3)}

    book = await merchant.quiet_book()
    assert 3 == len(ids)
    assert {PHONE: 150} == book["received"]["byPhone"]
    assert {} == book["received"]["byTransaction"]
    assert ids == {delivery.content["transactionId"] for delivery in merchant.inbox.deliveries}
    assert {"/account"} == {delivery.path for delivery in merchant.inbox.deliveries}
    assert not any("userId" in delivery.content for delivery in merchant.inbox.deliveries)


@pytest.mark.parametrize("amount", [9, 0, -10, 10.0, 10.5, "100", True, None, [100]])
async def test_an_amount_that_is_not_a_whole_number_from_ten_is_refused(
    merchant: Merchant, amount: object
) -> None:
    """
    Only a JSON integer of at least 10 is an amount.
    """
    response = await merchant.pay(PHONE, amount)

    assert 400 == response.status_code
    assert "VALIDATION_ERROR" == response.json()["code"]
    assert ["amount"] == [error["field"] for error in response.json()["errors"]]
    assert 0 == (await merchant.book())["payoutCount"]


@pytest.mark.parametrize(
    "phone",
    [
        "+254711000000",
        "0711000000",
        "25471100000",
        "2547110000000",
        "254211000000",
        "254711000000\n",
        "25471100000٠",
        "",
        None,
        7,
    ],
)
async def test_a_phone_in_another_form_is_refused(merchant: Merchant, phone: object) -> None:
    """
    A phone is 2547 or 2541 and eight ASCII digits.
    """
    response = await merchant.pay(phone)  # type: ignore[arg-type]

    assert 400 == response.status_code
    assert ["phone"] == [error["field"] for error in response.json()["errors"]]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "http://localhost.example.com/",
        "http://10.0.0.1/x",
        "http://127.0.0.1:x/",
        "http://127.0.0.1/a\r\nx: y",
        "http://[::1",
        "file:///etc/passwd",
        7,
    ],
)
async def test_a_callback_address_beyond_this_machine_is_refused(
    merchant: Merchant, url: object
) -> None:
    """
    Callbacks go to loopback addresses only, whatever an order asks for.
    """
    response = await merchant.pay(PHONE, callbackUrl=url)

    assert 400 == response.status_code
    assert ["callbackUrl"] == [error["field"] for error in response.json()["errors"]]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
async def test_a_body_that_is_no_object_is_refused(merchant: Merchant, body: bytes) -> None:
    """
    What is not a JSON object is 400 in the usual envelope.
    """
    response = await merchant.http.post("/v1/payouts/phone", content=body)

    assert 400 == response.status_code
    assert response.json()["success"] is False


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": "lip_sk_test_other"}, 401),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "lip_pk_test_1"}, 403),
        ({"x-api-key": API_KEY}, 200),
        ({"x-api-key": "", "authorization": f"Bearer {API_KEY}"}, 200),
    ],
)
async def test_the_key_is_checked(merchant: Merchant, headers: dict[str, str], status: int) -> None:
    """
    A wrong key is 401, a publishable one 403; the secret one may come in either header.
    """
    response = await merchant.http.get("/v1/payouts", headers=headers)

    assert status == response.status_code
    assert (status == 200) == response.json()["success"]


async def test_a_payout_is_found_by_either_id_with_its_receipt(merchant: Merchant) -> None:
    """
    GET takes the rail's id or the merchant's; a paid payout shows its receipt.
    """
    accepted = payout_in(await merchant.pay(PHONE))
    await merchant.quiet_book()

    by_ours = payout_in(await merchant.ask("wd_1"))
    by_theirs = payout_in(await merchant.ask(accepted["id"]))

    assert by_ours == by_theirs
    assert "success" == by_ours["status"]
    receipt = by_ours["metadata"]["mpesaReceiptNumber"]
    assert merchant.inbox.deliveries[0].content["receipt"] == receipt
    assert 10 == len(receipt)
    assert receipt.isalnum()
    assert receipt.upper() == receipt


async def test_an_unknown_payout_is_404(merchant: Merchant) -> None:
    """
    GET of an id that nobody gave out is 404 with the error envelope.
    """
    response = await merchant.ask("wd_unknown")

    assert 404 == response.status_code
    assert response.json()["success"] is False


async def test_the_list_is_newest_first_and_paged(merchant: Merchant) -> None:
    """
    Pages of the list hold every payout once, the newest first, with the figures of the paging.
    """
    for number in range(5):
        await merchant.pay(PHONE, transaction_id=f"wd_{number}")

    pages = [
        (await merchant.http.get("/v1/payouts", params={"page": page, "limit": 2})).json()
        for page in (1, 2, 3, 4)
    ]

    shown = [[payout["transactionId"] for payout in page["data"]] for page in pages]
    assert [["wd_4", "wd_3"], ["wd_2", "wd_1"], ["wd_0"], []] == shown
    assert {"page": 3, "limit": 2, "total": 5, "pages": 3} == pages[2]["pagination"]


@pytest.mark.parametrize("query", ["page=0", "page=x", "limit=-1", "limit=0"])
async def test_a_page_that_cannot_be_is_refused(merchant: Merchant, query: str) -> None:
    """
    Page and limit are positive numbers.
    """
    response = await merchant.http.get(f"/v1/payouts?{query}")

    assert 400 == response.status_code


async def test_answers_can_carry_the_payout_under_data() -> None:
    """
    The envelope's key is a setting, for POST and GET alike.
    """
    async with merchant_of(replace(SETTINGS, envelope="data")) as merchant:
        posted = (await merchant.pay(PHONE)).json()
        asked = (await merchant.ask("wd_1")).json()

        assert "wd_1" == posted["data"]["transactionId"] == asked["data"]["transactionId"]
        assert "payout" not in posted


async def test_an_order_beyond_the_float_is_refused_and_not_booked() -> None:
    """
    What the account cannot cover is a 4xx with the envelope; the float is as before.
    """
    async with merchant_of(replace(SETTINGS, float_kes=150)) as merchant:
        await merchant.pay(PHONE, 100)

        response = await merchant.pay(PHONE, 60, transaction_id="wd_2")

        book = await merchant.quiet_book()
        assert 402 == response.status_code
        assert "INSUFFICIENT_BALANCE" == response.json()["code"]
        assert (50, 100) == (book["availableKES"], book["receivedKES"])
