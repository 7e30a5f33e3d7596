"""Crypto deposits as callers see them."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from payops.access.domain import Scope
from payops.deposits.domain.invoices import Checkout
from payops.deposits.domain.states import State
from payops.deposits.ports import (
    AnswerLost,
    CredentialRefused,
    NotDelivered,
    Reason,
    Refused,
)
from payops.switches import service as switches
from tests.support.api import AMINA, BARAKA, Api, code_of, running_api
from tests.support.mint import ADDRESSES, Mint
from tests.support.nonsense import SECRET

URL = "/api/crypto/invoices"
BODY = {"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"}
SETTINGS = {"crypto": {"usd_kes_rate": "130"}, "velocity": {"deposits_per_hour": 0}}


@pytest.fixture
def mint() -> Mint:
    return Mint()


@pytest.fixture
async def api(url: str, mint: Mint) -> AsyncIterator[Api]:
    async with running_api(url, SETTINGS, crypto=[mint]) as made:
        yield made


async def asks(api: Api, key: str = "k", **body: object) -> httpx.Response:
    """Ask through the back end; ``None`` leaves a field out."""
    content = {name: value for name, value in (BODY | body).items() if value is not None}
    return await api.back_end.post(URL, json=content, headers={"Idempotency-Key": key})


async def test_an_invoice_is_an_address_and_an_amount(api: Api) -> None:
    """
    201 with its own address, every amount a text, times in UTC, nothing that is not known yet.
    """
    response = await asks(api, payCurrency="btc")

    shown = response.json()
    assert 201 == response.status_code
    assert f"{URL}/{shown['invoiceId']}" == response.headers["location"]
    assert re.fullmatch(r"inv_[0-9a-z]{26}", shown["invoiceId"])
    assert {
        "userId": AMINA,
        "price": {"amount": "20.00", "currency": "USD"},
        "payCurrency": "BTC",
        "payAmount": "0.02000000",
        "address": ADDRESSES["BTC"],
        "network": "bitcoin",
        "provider": "mint",
        "status": "waiting",
    }.items() <= shown.items()
    assert shown["createdAt"].endswith("Z")
    assert shown["quoteExpiresAt"].endswith("Z")
    assert not {"memo", "checkoutUrl", "credited", "rate", "reasons", "charged"} & set(shown)
    assert shown == (await api.amina.get(response.headers["location"])).json()


async def test_a_memo_stands_beside_its_address(api: Api) -> None:
    """
    Where the network has one, the two are shown together.
    """
    shown = (await asks(api, payCurrency="XRP")).json()

    assert (ADDRESSES["XRP"], "12345") == (shown["address"], shown["memo"])


async def test_a_page_has_no_address(api: Api) -> None:
    """
    The payer picks the coin there; there is nothing to pay to here.
    """
    shown = (await asks(api, payCurrency=None, checkout="hosted")).json()

    assert shown["checkoutUrl"].startswith("https://mint.test/")
    assert not {"address", "payAmount", "payCurrency", "network"} & set(shown)


async def test_a_price_in_shillings_bears_its_rate(api: Api) -> None:
    """
    What a dollar was is on the invoice.
    """
    shown = (await asks(api, amount="1300", currency="KES")).json()

    assert {"amount": "1300.00", "currency": "KES"} == shown["price"]
    assert shown["rate"].startswith("130")


async def test_a_repeat_is_the_first_answer_byte_for_byte(api: Api, mint: Mint) -> None:
    """
    However the JSON is laid out and the coin is spelled; the provider is asked once.
    """
    first = await asks(api)
    again = await asks(api, amount=20, payCurrency="btc", checkout="address")

    assert (201, first.content) == (again.status_code, again.content)
    assert "true" == again.headers["idempotent-replayed"]
    assert "idempotent-replayed" not in first.headers
    assert first.headers["location"] == again.headers["location"]
    assert 1 == len(mint.intents)


async def test_a_repeat_shows_the_invoice_as_it_was_made(api: Api, mint: Mint) -> None:
    """
    Also when it has been paid since: what a key was answered with does not change.
    """
    first = await asks(api)
    await _paid(api, mint, first.json())

    assert first.content == (await asks(api)).content
    read = (await api.amina.get(first.headers["location"])).json()
    assert ("finished", {"amount": "20.00", "currency": "USD"}) == (
        read["status"],
        read["credited"],
    )


async def _paid(api: Api, mint: Mint, shown: dict[str, Any]) -> None:
    mint.arrives(shown["providerReference"], shown["payAmount"])
    mint.becomes(shown["providerReference"], State.FINISHED)
    await api.shop.execute("UPDATE deposit_payments SET due_at = now()")
    await api.services.deposits.reader.due()


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "20.01"},
        {"currency": "KES"},
        {"payCurrency": "ETH"},
        {"provider": "mint"},
        {"checkout": "hosted"},
    ],
)
async def test_another_body_under_the_same_key_is_refused(api: Api, other: dict[str, Any]) -> None:
    """
    A key stands for one request, down to the provider and the kind of checkout.
    """
    await asks(api)

    assert (422, "idempotency_key_reused") == code_of(await asks(api, **other))


async def test_two_callers_with_the_same_key_are_strangers(api: Api) -> None:
    """
    The scope of a key is its caller, its user and the operation.
    """
    one = await asks(api)
    mine = {name: value for name, value in BODY.items() if name != "userId"}
    other = await api.amina.post(URL, json=mine, headers={"Idempotency-Key": "k"})

    assert [201, 201] == [one.status_code, other.status_code]
    assert one.json()["invoiceId"] != other.json()["invoiceId"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"payCurrency": "NOPE"}, "unsupported_currency"),
        ({"provider": "nobody"}, "unknown_provider"),
        ({"provider": f"{SECRET}'; --"}, "unknown_provider"),
        ({"amount": "0.50"}, "amount_below_minimum"),
        ({"amount": "10000.01"}, "amount_above_maximum"),
    ],
)
async def test_a_refusal_is_kept_under_its_key(
    api: Api, mint: Mint, body: dict[str, Any], code: str
) -> None:
    """
    422 in words that repeat nothing; a repeat gets the same, and the provider is never asked.
    """
    first, again = await asks(api, **body), await asks(api, **body)

    assert (422, code) == code_of(first)
    assert SECRET not in first.text
    assert first.content == again.content
    assert "true" == again.headers["idempotent-replayed"]
    assert [] == mint.intents


async def test_a_checkout_that_nobody_has_is_refused(api: Api, mint: Mint) -> None:
    """
    A provider without pages does not sell one.
    """
    mint.checkouts = frozenset({Checkout.ADDRESS})

    refused = await asks(api, payCurrency=None, checkout="hosted")
    assert (422, "unsupported_currency") == code_of(refused)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (NotDelivered("no route"), 503, "provider_unavailable"),
        (CredentialRefused("401"), 503, "provider_unavailable"),
        (AnswerLost("reset"), 502, "provider_failed"),
        (Refused(Reason.OTHER, SECRET, SECRET), 502, "provider_failed"),
        (Refused(Reason.BELOW_MINIMUM, SECRET, SECRET), 422, "amount_below_minimum"),
        (Refused(Reason.COIN_UNAVAILABLE, SECRET, SECRET), 422, "unsupported_currency"),
    ],
)
async def test_what_a_provider_did_is_a_problem_in_our_words(
    api: Api, mint: Mint, answer: Any, status: int, code: str
) -> None:
    """
    None of its own words reach the caller; what may be tried again says so.
    """
    mint.answers.append(answer)

    response = await asks(api)

    assert (status, code) == code_of(response)
    assert SECRET not in response.text
    assert (status != 422) == response.json()["retryable"]
    assert ("retry-after" in response.headers) == (status == 503)


@pytest.mark.parametrize("name", ["deposits", "mint"])
async def test_while_halted_the_answer_is_503_and_not_kept(api: Api, name: str) -> None:
    """
    The same key passes once it is resumed.
    """
    async with api.services.db.transaction() as tx:
        await switches.halt(tx, name, reason="test", actor="test")
    api.services.switchboard.forget()
    halted = await asks(api)
    async with api.services.db.transaction() as tx:
        await switches.resume(tx, name, reason="test", actor="test")
    api.services.switchboard.forget()

    assert (503, "deposits_halted") == code_of(halted)
    assert 201 == (await asks(api)).status_code


async def test_shillings_without_a_rate_are_503(url: str) -> None:
    """
    Nothing is priced at a guess.
    """
    async with running_api(url, {"crypto": {"usd_kes_rate": None}}, crypto=[Mint()]) as api:
        refused = await asks(api, currency="KES", amount="1300")

    assert (503, "rate_unavailable") == code_of(refused)


async def test_the_sixth_in_an_hour_is_refused(url: str) -> None:
    """
    429 in the agreed words, with the time until a slot is free.
    """
    async with running_api(url, {"velocity": {"deposits_per_hour": 5}}, crypto=[Mint()]) as api:
        made = [await asks(api, f"k-{number}") for number in range(5)]
        sixth = await asks(api, "k-6")

    assert [201] * 5 == [one.status_code for one in made]
    assert (429, "velocity_limit_exceeded") == code_of(sixth)
    assert "Deposit limit exceeded (5/hour). Try again later." == sixth.json()["detail"]
    assert 3_500 < int(sixth.headers["retry-after"]) <= 3_600
    assert "ratelimit" in made[0].headers


async def test_twenty_at_once_under_one_key_make_one(api: Api, mint: Mint) -> None:
    """
    201 with one body, or 409 while the provider is asked; never a second address.
    """
    answers = await asyncio.gather(*(asks(api) for _ in range(20)))

    made = {answer.content for answer in answers if answer.status_code == 201}
    others = {code_of(answer) for answer in answers if answer.status_code != 201}
    assert 1 == len(made) == len(mint.intents)
    assert others <= {(409, "idempotency_in_progress")}


async def test_refusals_come_in_the_agreed_order(api: Api) -> None:
    """
    Who asks, the key's header, the body, the key, and then the rules.
    """
    await asks(api)
    wrong: dict[str, Any] = {"amount": -1}
    no_coin = {name: value for name, value in BODY.items() if name != "payCurrency"}
    ways = [
        await api.stranger.post(URL, json=wrong),
        await api.back_end.post(URL, json=wrong),
        await api.back_end.post(URL, headers=[(b"Idempotency-Key", "é".encode())], json=wrong),
        await api.back_end.post(URL, headers={"Idempotency-Key": "k"}, json=wrong),
        await api.back_end.post(URL, headers={"Idempotency-Key": "k"}, json=no_coin),
        await asks(api, payCurrency="NOPE"),
    ]

    assert [
        (401, "unauthenticated"),
        (400, "idempotency_key_required"),
        (400, "idempotency_key_invalid"),
        (422, "validation_failed"),
        (422, "validation_failed"),
        (422, "idempotency_key_reused"),
    ] == [code_of(way) for way in ways]


async def test_a_user_cannot_act_for_another(api: Api) -> None:
    """
    Naming somebody else is 403 wherever it is said; somebody else's invoice is not there.
    """
    invoice = (await asks(api)).json()["invoiceId"]
    body = BODY | {"userId": BARAKA}

    named = await api.amina.post(URL, json=body, headers={"Idempotency-Key": "k"})
    listed = await api.amina.get(URL, params={"userId": BARAKA})
    read = await api.stranger.get(f"{URL}/{invoice}", headers=api.as_user(BARAKA))

    assert [(403, "other_user"), (403, "other_user"), (404, "invoice_not_found")] == [
        code_of(answer) for answer in (named, listed, read)
    ]
    mine = (await api.stranger.get(URL, headers=api.as_user(BARAKA))).json()
    assert [] == mine["data"]


async def test_a_scope_that_is_missing_is_403(api: Api) -> None:
    """
    Reading does not make invoices, and making does not read; wallets' scopes do neither.
    """
    reads = await api.with_scopes(Scope.DEPOSITS_READ, Scope.WALLETS_WRITE)
    writes = await api.with_scopes(Scope.DEPOSITS_WRITE, Scope.WALLETS_READ)
    address = {"currency": "BTC", "address": "x"}

    found = [
        await api.stranger.post(URL, headers=reads),
        await api.stranger.get(URL, headers=writes),
        await api.stranger.get(f"{URL}/inv_x", headers=writes),
        await api.stranger.get("/api/crypto/currencies", headers=writes),
        await api.stranger.post("/api/crypto/addresses/validate", headers=writes, json=address),
    ]

    assert [(403, "scope_missing")] * 5 == [code_of(answer) for answer in found]


async def test_a_list_is_newest_first_and_whole(api: Api) -> None:
    """
    Page by page, nothing twice and nothing left out, by state if wanted.
    """
    made = [(await asks(api, f"k-{number}")).json()["invoiceId"] for number in range(5)]
    seen: list[str] = []
    parameters = {"userId": AMINA, "limit": "2"}
    while True:
        page = (await api.back_end.get(URL, params=parameters)).json()
        seen += [one["invoiceId"] for one in page["data"]]
        if "nextCursor" not in page or page["nextCursor"] is None:
            break
        parameters["cursor"] = page["nextCursor"]

    assert made[::-1] == seen
    finished = await api.back_end.get(URL, params={"userId": AMINA, "status": "finished"})
    assert [] == finished.json()["data"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"status": "paid"},
        {"status": f"{SECRET}'--"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "two"},
        {"cursor": SECRET},
        {"userId": f"../{SECRET}"},
    ],
)
async def test_a_wrong_parameter_is_pointed_at(api: Api, parameters: dict[str, str]) -> None:
    """
    422, and nothing of it comes back.
    """
    refused = await api.back_end.get(URL, params={"userId": AMINA} | parameters)

    assert (422, "validation_failed") == code_of(refused)
    assert f"/query/{next(iter(parameters))}" == refused.json()["errors"][0]["pointer"]
    assert SECRET not in refused.text


async def test_the_coins_of_each_provider(api: Api) -> None:
    """
    In upper case, by provider.
    """
    answer = await api.amina.get("/api/crypto/currencies")

    assert (200, {"mint": ["BTC", "ETH", "XRP"]}) == (answer.status_code, answer.json())


@pytest.mark.parametrize(
    ("currency", "address", "network", "valid"),
    [
        ("BTC", ADDRESSES["BTC"], "bitcoin", True),
        ("btc", ADDRESSES["BTC"], "bitcoin", True),
        ("BTC", ADDRESSES["BTC"][:-1] + "5", "bitcoin", False),
        ("ETH", ADDRESSES["ETH"], "ethereum", True),
        ("ETH", ADDRESSES["ETH"].replace("A", "a"), "ethereum", False),
        ("BTC", ADDRESSES["ETH"], "bitcoin", False),
        ("BTC", "", "bitcoin", False),
        ("BTC", SECRET, "bitcoin", False),
        ("NOPE", ADDRESSES["BTC"], None, False),
    ],
)
async def test_an_address_is_judged_by_its_checksum(
    api: Api,
    currency: str,
    address: str,
    network: str | None,
    valid: bool,  # noqa: FBT001 - a parameter of a table
) -> None:
    """
    A verdict in either case, with a reason when it is none, and without the address.
    """
    answer = await api.amina.post(
        "/api/crypto/addresses/validate", json={"currency": currency, "address": address}
    )

    found = answer.json()
    assert (200, valid) == (answer.status_code, found["valid"])
    assert network == found.get("network")
    assert valid == ("reason" not in found)
    assert SECRET not in answer.text


@pytest.mark.parametrize("page", ["success", "cancel"])
async def test_a_payer_comes_back_to_a_page(api: Api, page: str) -> None:
    """
    Without credentials; whatever the provider adds to the address is neither used nor shown.
    """
    answer = await api.stranger.get(f"/crypto/{page}", params={"NP_id": SECRET})

    assert (200, "text/html; charset=utf-8") == (
        answer.status_code,
        answer.headers["content-type"],
    )
    assert SECRET not in answer.text
