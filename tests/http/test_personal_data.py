"""Opening a phone number over HTTP: who may, why, how often, and what is on record of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from payops.access.domain import Scope
from tests.support.house import PHONE, House, opened
from tests.support.sql import execute

PII, AUDIT, READ = Scope.PII_READ, Scope.AUDIT_READ, Scope.OPS_READ
WHY = {"purpose": "customer_support", "reason": "ticket 4711"}


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def opens(house: House, txid: str, body: Any = WHY, **headers: str) -> Any:
    return await house.client.post(
        f"/api/ops/withdrawals/{txid}/phone", headers=headers or await house.key(PII), json=body
    )


async def test_a_number_is_shown_to_whoever_may_and_says_why(house: House) -> None:
    """In the clear; everywhere else the same withdrawal shows its mask."""
    txid = (await house.withdrawal())["txId"]

    answer = await opens(house, txid)

    assert (200, {"txId": txid, "phoneNumber": f"+{PHONE}"}) == (answer.status_code, answer.json())
    assert "no-store" == answer.headers["cache-control"]
    shown = await house.get(f"/api/ops/withdrawals/{txid}", READ)
    assert "+2547••••0001" == shown.json()["phoneNumber"]


async def test_the_read_is_on_record_in_both_logs(house: House) -> None:
    """Who, which, why, from where and when; the chained log proves the other."""
    txid = (await house.withdrawal())["txId"]
    key = await house.key(PII, owner="jane")

    answer = await opens(house, txid, **key, **{"X-Request-Id": "support-4711"})

    assert 200 == answer.status_code
    (record,) = (await house.get("/api/ops/pii-access", AUDIT, subject=txid)).json()["data"]
    (event,) = [
        one
        for one in (await house.get("/api/ops/audit", AUDIT, subject=txid)).json()["data"]
        if one["kind"] == "personal_data_opened"
    ]
    assert ("customer_support", "ticket 4711", "withdrawals.phone_sealed", "amina") == tuple(
        record[name] for name in ("purpose", "reason", "field", "userId")
    )
    assert record["actor"] == event["actor"]
    assert record["actor"].startswith("key:key_")
    assert ("support-4711", "support-4711") == (record["requestId"], event["requestId"])
    assert "127.0.0.0/24" == record["origin"]
    assert record["at"] == event["at"]
    assert 1 == event["detail"]["count"]


async def test_a_reason_does_not_keep_what_it_is_about(house: House) -> None:
    """People write numbers into reasons; they are taken out before it is stored."""
    txid = (await house.withdrawal())["txId"]

    await opens(house, txid, {**WHY, "reason": "called from 0700 000 001 about it"})

    (record,) = (await house.get("/api/ops/pii-access", AUDIT, subject=txid)).json()["data"]
    assert "called from [phone] about it" == record["reason"]


@pytest.mark.parametrize(
    "body",
    [
        {"purpose": "payout_send", "reason": "ticket 4711"},
        {"purpose": "key_rotation", "reason": "ticket 4711"},
        {"purpose": "curiosity", "reason": "ticket 4711"},
        {"purpose": "customer_support", "reason": "x"},
        {"purpose": "customer_support"},
        {"reason": "ticket 4711"},
        {},
    ],
)
async def test_without_a_purpose_of_the_list_nothing_is_shown(house: House, body: Any) -> None:
    """The purposes of the service itself are not for people, and a reason is in words."""
    txid = (await house.withdrawal())["txId"]

    answer = await opens(house, txid, body)

    assert (422, "validation_failed") == (answer.status_code, answer.json()["code"])
    assert [] == (await house.get("/api/ops/pii-access", AUDIT, subject=txid)).json()["data"]


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not PII])
async def test_no_other_scope_shows_it(house: House, scope: Scope) -> None:
    """Not even those of operations and of auditors."""
    txid = (await house.withdrawal())["txId"]

    answer = await opens(house, txid, **await house.key(scope))

    assert (403, "scope_missing") == (answer.status_code, answer.json()["code"])


async def test_the_user_of_the_withdrawal_may_not_either(house: House) -> None:
    """Users know their own numbers; a stolen token must not."""
    txid = (await house.withdrawal())["txId"]

    assert 403 == (await opens(house, txid, **house.token("amina"))).status_code


@pytest.mark.parametrize("txid", ["wd_nonsense", "wd_00000000000000000000000000"])
async def test_what_is_not_there_is_not_shown(house: House, txid: str) -> None:
    """And nothing is recorded."""
    answer = await opens(house, txid)

    assert (404, "withdrawal_not_found") == (answer.status_code, answer.json()["code"])


async def test_what_was_erased_is_said_to_be(house: House) -> None:
    """The withdrawal is shown with a word in place of the mask."""
    txid = (await house.withdrawal())["txId"]
    await execute(
        house.services.db,
        "UPDATE withdrawals SET state = 'cancelled', due_at = NULL,"
        " phone_sealed = '', phone_index = '', phone_masked = 'erased'",
    )

    answer = await opens(house, txid)

    assert (409, "personal_data_erased") == (answer.status_code, answer.json()["code"])
    shown = await house.get(f"/api/ops/withdrawals/{txid}", READ)
    assert "erased" == shown.json()["phoneNumber"]


async def test_twenty_in_an_hour_and_then_somebody_looks_into_it(house: House) -> None:
    """The refusal says when to come back, is audited, and is open as an alert."""
    txid = (await house.withdrawal())["txId"]
    key = await house.key(PII)

    answers = await asyncio.gather(*(opens(house, txid, **key) for _ in range(25)))

    assert Counter({200: 20, 429: 5}) == Counter(answer.status_code for answer in answers)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert "personal_data_quota_reached" == refused.json()["code"]
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    alerts = (await house.get("/api/ops/alerts", READ)).json()["data"]
    (alert,) = [one for one in alerts if one["kind"] == "personal_data_quota"]
    assert 5 == alert["count"]
    audited = await house.get("/api/ops/audit", AUDIT, kind="personal_data_refused")
    assert 5 == len(audited.json()["data"])
    assert PHONE not in audited.text + str(alerts)


async def test_auditors_get_a_report(house: House) -> None:
    """Counted by who and why."""
    txid = (await house.withdrawal())["txId"]
    key = await house.key(PII)
    for _ in range(3):
        await opens(house, txid, **key)

    answer = await house.get("/api/ops/pii-access/report", AUDIT, days="7")

    assert 200 == answer.status_code
    (tally,) = answer.json()["data"]
    assert ("customer_support", 3, 1) == tuple(
        tally[name] for name in ("purpose", "reads", "users")
    )
    assert 403 == (await house.get("/api/ops/pii-access/report", READ)).status_code


async def test_a_search_by_number_needs_the_right_and_is_recorded(house: House) -> None:
    """In any spelling; who looks for a number learns whether it is a customer's."""
    txid = (await house.withdrawal())["txId"]

    found = await house.get("/api/ops/withdrawals", READ, PII, phone="0700 000-001")
    without = await house.get("/api/ops/withdrawals", READ, phone="0700000001")

    assert [txid] == [one["txId"] for one in found.json()["data"]]
    assert (403, "scope_missing") == (without.status_code, without.json()["code"])
    searched = await house.get("/api/ops/audit", AUDIT, kind="withdrawals_searched")
    assert {"by": "phone", "found": 1} == searched.json()["data"][0]["detail"]
