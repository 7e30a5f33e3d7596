"""Withdrawals as callers see them."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from payops.access.domain import Scope
from tests.support.api import AMINA, BARAKA, PHONE, Api, code_of, running_api

URL = "/api/withdrawals/mpesa"


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        await made.shop.funds(AMINA, 1_000)
        yield made


async def test_an_accepted_withdrawal_is_shown(api: Api) -> None:
    """
    202 with its address, the money held, the number masked, and nothing that is not known yet.
    """
    response = await api.withdraws()

    shown = response.json()
    assert 202 == response.status_code
    assert f"/api/withdrawals/{shown['txId']}" == response.headers["location"]
    assert re.fullmatch(r"wd_[0-9a-z]{26}", shown["txId"])
    assert {"amount": "100.00", "currency": "KES"} == shown["amount"]
    assert "+2547••••0012" == shown["phoneNumber"]
    assert ("pending", 0, AMINA) == (shown["status"], shown["attempts"], shown["userId"])
    assert not {"providerReference", "receipt", "failure"} & set(shown)
    assert shown["createdAt"].endswith("Z")
    assert (900, 100) == await api.shop.balance()
    assert shown == (await api.back_end.get(response.headers["location"])).json()


async def test_a_repeat_is_the_first_answer_byte_for_byte(api: Api) -> None:
    """
    Same status, same body, marked; one hold, however the JSON is laid out.
    """
    first = await api.withdraws()
    again = await api.withdraws(amountKES="100.00", phoneNumber="0700 000 012")

    assert (202, first.content) == (again.status_code, again.content)
    assert "true" == again.headers["idempotent-replayed"]
    assert "idempotent-replayed" not in first.headers
    assert first.headers["location"] == again.headers["location"]
    assert (900, 100) == await api.shop.balance()


async def test_another_body_under_the_same_key_is_refused(api: Api) -> None:
    """
    A key stands for one request.
    """
    await api.withdraws()

    assert (422, "idempotency_key_reused") == code_of(await api.withdraws(amountKES=200))


async def test_two_callers_with_the_same_key_are_strangers(api: Api) -> None:
    """
    The scope of a key is its caller, its user and the operation.
    """
    one = await api.withdraws()
    other = await api.withdraws(by=api.amina)

    assert one.json()["txId"] != other.json()["txId"]
    assert (800, 200) == await api.shop.balance()


async def test_a_refusal_is_kept_under_its_key(api: Api) -> None:
    """
    What was refused for want of money stays refused under that key, even once there is some.
    """
    first = await api.withdraws(amountKES=5_000)
    await api.shop.funds(AMINA, 10_000)
    again = await api.withdraws(amountKES=5_000)

    assert (422, "insufficient_funds") == code_of(first)
    assert first.content == again.content
    assert "true" == again.headers["idempotent-replayed"]


async def test_a_validation_error_is_not_kept(api: Api) -> None:
    """
    After a slip in the body the same key may be used for the right one.
    """
    assert (422, "invalid_phone_number") == code_of(await api.withdraws(phoneNumber="0812345678"))
    assert 202 == (await api.withdraws()).status_code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"phoneNumber": "0812345678"}, "invalid_phone_number"),
        ({"amountKES": 9}, "amount_out_of_range"),
        ({"amountKES": 250_001}, "amount_out_of_range"),
        ({"amountKES": "10.50"}, "amount_not_whole_shillings"),
        ({"amountKES": 5_000}, "insufficient_funds"),
    ],
)
async def test_what_is_refused(api: Api, body: dict[str, Any], code: str) -> None:
    """
    Each reason has its own code, and nothing is held.
    """
    assert (422, code) == code_of(await api.withdraws(**body))
    assert (1_000, 0) == await api.shop.balance()


async def test_the_fourth_in_an_hour_is_refused(url: str) -> None:
    """
    429 in the agreed words, with the time until a slot is free; also when it is replayed.
    """
    async with running_api(url, {"velocity": {"withdrawals_per_hour": 3}}) as api:
        await api.shop.funds(AMINA, 1_000)
        for number in range(3):
            assert 202 == (await api.withdraws(f"k-{number}")).status_code
        fourth, again = await api.withdraws("k-4"), await api.withdraws("k-4")

    assert (429, "velocity_limit_exceeded") == code_of(fourth)
    assert "Withdrawal limit exceeded (3/hour). Try again later." == fourth.json()["detail"]
    assert 3_500 < int(fourth.headers["retry-after"]) <= 3_600
    assert fourth.content == again.content
    assert 3_500 < int(again.headers["retry-after"]) <= 3_600


async def test_refusals_come_in_the_agreed_order(api: Api) -> None:
    """
    Who asks, the key's header, the body, the key, and then the rules.
    """
    wrong = {"amountKES": 1, "phoneNumber": "1"}
    other_body = {"userId": AMINA, "amountKES": 9, "phoneNumber": PHONE}
    await api.withdraws()
    ways = [
        await api.stranger.post(URL, json=wrong),
        await api.back_end.post(URL, json=wrong),
        await api.back_end.post(URL, headers=[(b"Idempotency-Key", "é".encode())], json=wrong),
        await api.back_end.post(URL, headers={"Idempotency-Key": "k-1"}, json=wrong),
        await api.back_end.post(URL, headers={"Idempotency-Key": "k-1"}, json=other_body),
    ]

    assert [
        (401, "unauthenticated"),
        (400, "idempotency_key_required"),
        (400, "idempotency_key_invalid"),
        (422, "validation_failed"),
        (422, "idempotency_key_reused"),
    ] == [code_of(way) for way in ways]


async def test_a_user_cannot_act_for_another(api: Api) -> None:
    """
    Naming somebody else is 403 wherever it is said; somebody else's withdrawal is not there.
    """
    txid = (await api.withdraws()).json()["txId"]
    baraka = api.as_user(BARAKA)
    body = {"userId": BARAKA, "amountKES": 100, "phoneNumber": PHONE}

    named = await api.amina.post(URL, json=body, headers={"Idempotency-Key": "k"})
    listed = await api.amina.get("/api/withdrawals", params={"userId": BARAKA})
    read = await api.stranger.get(f"/api/withdrawals/{txid}", headers=baraka)
    cancelled = await api.stranger.post(f"/api/withdrawals/{txid}/cancel", headers=baraka)

    assert [403, 403, 404, 404] == [r.status_code for r in (named, listed, read, cancelled)]
    assert (900, 100) == await api.shop.balance()


async def test_a_scope_that_is_missing_is_403(api: Api) -> None:
    """
    A key that may read may not withdraw.
    """
    headers = await api.with_scopes(Scope.WITHDRAWALS_READ)

    response = await api.stranger.post(URL, headers=headers)

    assert 403 == response.status_code


async def test_a_key_must_name_a_user(api: Api) -> None:
    """
    An API key acts for nobody in particular.
    """
    response = await api.back_end.post(
        URL,
        json={"amountKES": 100, "phoneNumber": PHONE},
        headers={"Idempotency-Key": "k"},
    )

    assert (422, "validation_failed") == code_of(response)
    assert "/userId" == response.json()["errors"][0]["pointer"]


async def test_a_pending_withdrawal_can_be_cancelled(api: Api) -> None:
    """
    The money comes back, once; a repeat says the same.
    """
    txid = (await api.withdraws()).json()["txId"]

    answers = [await api.amina.post(f"/api/withdrawals/{txid}/cancel") for _ in range(2)]

    assert [(200, "cancelled")] * 2 == [(a.status_code, a.json()["status"]) for a in answers]
    assert (1_000, 0) == await api.shop.balance()


async def test_what_was_sent_cannot_be_cancelled(api: Api) -> None:
    """
    409 from the moment an attempt is on record.
    """
    txid = await api.shop.is_sent(100)

    response = await api.amina.post(f"/api/withdrawals/{txid}/cancel")

    assert (409, "not_cancellable") == code_of(response)


async def test_a_list_is_read_in_pages(api: Api) -> None:
    """
    Newest first, by an opaque cursor, without repeats or gaps, and without anybody else's.
    """
    await api.shop.accepts(50, user=BARAKA)
    made = [(await api.withdraws(f"k-{n}", amountKES=10 + n)).json()["txId"] for n in range(5)]
    seen: list[str] = []
    page = (await api.amina.get("/api/withdrawals", params={"limit": 2})).json()
    while True:
        seen += [one["txId"] for one in page["data"]]
        if not page["hasMore"]:
            break
        params = {"limit": 2, "cursor": page["nextCursor"]}
        page = (await api.amina.get("/api/withdrawals", params=params)).json()

    assert made[::-1] == seen
    assert "nextCursor" not in page


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"cursor": "nonsense"}])
async def test_a_page_that_cannot_be_is_refused(api: Api, query: dict[str, str]) -> None:
    """
    422, with a pointer to the parameter.
    """
    response = await api.amina.get("/api/withdrawals", params=query)

    assert (422, "validation_failed") == code_of(response)
    assert f"/query/{next(iter(query))}" == response.json()["errors"][0]["pointer"]


@pytest.mark.parametrize("txid", ["wd_nothing", "wd_01h455vb4pex5vsknk084sn02q", "x'; DROP--"])
async def test_an_id_of_nothing_is_404(api: Api, txid: str) -> None:
    """
    Whether it could be an id of ours or not.
    """
    response = await api.back_end.get(f"/api/withdrawals/{txid}")

    assert (404, "withdrawal_not_found") == code_of(response)


async def test_a_completed_withdrawal_shows_what_the_rail_called_it(api: Api) -> None:
    """
    Status, attempts, the rail's own id and the receipt.
    """
    txid = await api.shop.is_sent(100)
    api.shop.rail.pays(txid)
    await api.shop.reconciles()

    shown = (await api.amina.get(f"/api/withdrawals/{txid}")).json()

    assert ("completed", 1) == (shown["status"], shown["attempts"])
    assert ("po_1", "RCPT1") == (shown["providerReference"], shown["receipt"])


async def test_answers_are_never_kept_by_a_cache(api: Api) -> None:
    """
    Every answer says so, and bears the id it can be asked about by.
    """
    response = await api.withdraws()

    assert "no-store" == response.headers["cache-control"]
    assert response.headers["x-request-id"].startswith("req_")
