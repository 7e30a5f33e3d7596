"""Devices and networks as callers see them: who is trusted, who is asked, and the way out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from payops.fraud.domain.devices import read_verification
from tests.support.api import AMINA, BARAKA, PHONE, Api, code_of, running_api

PROXY = {"trusted_proxies": "127.0.0.1/32"}
HOME, CAFE = "198.51.100.7", "203.0.113.9"


@asynccontextmanager
async def opened(url: str, **overrides: Any) -> AsyncIterator[Api]:
    async with running_api(url, {**PROXY, **overrides}) as api:
        await api.shop.funds(AMINA, 10_000)
        yield api


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    """Behind a trusted proxy, so that a test can say where a request comes from."""
    async with opened(url) as made:
        yield made


async def withdraws(
    api: Api, device: str | None = "phone-a", where: str = HOME, *, key: str = "", **more: Any
) -> httpx.Response:
    """A withdrawal of Amina's; without a ``key`` under one never used before."""
    headers = {"Idempotency-Key": key or f"k-{next(NUMBERS)}", "X-Forwarded-For": where}
    if device is not None:
        headers["X-Device-Fingerprint"] = device
    body = {"amountKES": 100, "phoneNumber": PHONE} | more
    return await api.amina.post("/api/withdrawals/mpesa", json=body, headers=headers)


NUMBERS = iter(range(1_000_000))


async def confirms(api: Api, challenge: httpx.Response, code: str = "") -> httpx.Response:
    shown = challenge.json()
    return await api.amina.post(
        f"/api/device-verifications/{shown['verificationId']}/confirm",
        json={"code": code or shown["devCode"]},
    )


def wrong(challenge: httpx.Response) -> str:
    return f"{(int(challenge.json()['devCode']) + 1) % 1_000_000:06}"


async def test_the_first_device_and_network_are_trusted(api: Api) -> None:
    """And go on passing; addresses of one /24 are one network."""
    statuses = [
        (await withdraws(api)).status_code,
        (await withdraws(api)).status_code,
        (await withdraws(api, where="198.51.100.200")).status_code,
    ]

    assert [202] * 3 == statuses


@pytest.mark.parametrize(
    ("device", "where", "why"),
    [
        ("phone-b", HOME, "device_unknown"),
        (None, HOME, "fingerprint_missing"),
        ("phone-a", CAFE, "network_unknown"),
        ("phone-b", CAFE, "device_unknown"),
    ],
)
async def test_what_is_not_known_is_asked_about(
    api: Api, device: str | None, where: str, why: str
) -> None:
    """429 with the way out; nothing moves, nothing counts, and it is on record."""
    await withdraws(api)

    refused = await withdraws(api, device, where)

    shown = refused.json()
    assert (429, "unusual_activity") == code_of(refused)
    assert shown["retryable"]
    assert shown["verificationId"].startswith("ver_")
    assert (9_900, 100) == await api.shop.balance()
    (record,) = await api.shop.fetch(
        "SELECT user_id, subject, detail FROM audit_log WHERE kind = 'unusual_activity'"
    )
    assert (AMINA, shown["verificationId"]) == (record["user_id"], record["subject"])
    assert f'"why":"{why}"' in record["detail"]
    (decision,) = await api.shop.fetch("SELECT * FROM fraud_decisions WHERE code <> ''")
    assert ("challenged", why) == (decision["outcome"], decision["seen"])


async def test_the_same_request_passes_once_it_is_confirmed(api: Api) -> None:
    """With the same key: the refusal was not kept under it. Then both are known."""
    await withdraws(api)
    refused = await withdraws(api, "phone-b", CAFE, key="same")

    confirmed = await confirms(api, refused)
    again = await withdraws(api, "phone-b", CAFE, key="same")
    repeat = await withdraws(api, "phone-b", CAFE, key="same")

    assert 200 == confirmed.status_code
    assert refused.json()["verificationId"] == confirmed.json()["verificationId"]
    assert (202, None) == (again.status_code, again.headers.get("idempotent-replayed"))
    assert (202, "true") == (repeat.status_code, repeat.headers.get("idempotent-replayed"))
    assert again.content == repeat.content
    assert 202 == (await withdraws(api, "phone-b", HOME)).status_code
    assert 202 == (await withdraws(api, "phone-a", CAFE)).status_code


async def test_requests_without_a_fingerprint_are_a_device_too(api: Api) -> None:
    """A back end that passes none on: its first request trusts "none", the next ones pass."""
    first = [(await withdraws(api, None)).status_code for _ in range(3)]

    assert [202] * 3 == first
    assert 429 == (await withdraws(api, "phone-a")).status_code


async def test_of_two_first_devices_at_once_one_is_first(url: str) -> None:
    """Twenty requests of twenty devices, on two replicas: one is taken on trust."""
    async with opened(url) as one, running_api(url, PROXY) as two:
        answers = await asyncio.gather(
            *(withdraws((one, two)[n % 2], f"phone-{n}") for n in range(20))
        )
        rows = await one.shop.fetch("SELECT how FROM devices")

    assert [202, *[429] * 19] == sorted(answer.status_code for answer in answers)
    assert [{"how": "first"}] == rows


async def test_an_open_verification_is_used_again(api: Api) -> None:
    """Asking again sends no second code, so that asking is no way to flood anybody."""
    await withdraws(api)
    answers = [await withdraws(api, "phone-b") for _ in range(3)]
    at_once = await asyncio.gather(*(withdraws(api, "phone-b") for _ in range(5)))

    assert 1 == len({answer.json()["verificationId"] for answer in (*answers, *at_once)})
    (row,) = await api.shop.fetch("SELECT count(*) AS made FROM device_verifications")
    assert 1 == row["made"]


async def test_codes_cannot_be_asked_for_without_end(api: Api) -> None:
    """Five an hour that nobody confirms; then a wait, and no further code."""
    await withdraws(api)
    for number in range(5):
        assert "devCode" in (await withdraws(api, f"phone-{number}x")).json()

    sixth = await withdraws(api, "phone-6x")

    assert (429, "unusual_activity") == code_of(sixth)
    assert 3_500 < int(sixth.headers["retry-after"]) <= 3_600
    assert "devCode" not in sixth.json()


async def test_a_code_can_be_tried_five_times(api: Api) -> None:
    """Then the right one does not help any more; the next request makes a new verification."""
    await withdraws(api)
    refused = await withdraws(api, "phone-b")

    tries = [await confirms(api, refused, wrong(refused)) for _ in range(5)]
    right = await confirms(api, refused)
    again = await withdraws(api, "phone-b")

    assert [(422, "device_code_wrong")] * 5 == [code_of(one) for one in tries]
    assert "The code is wrong; 4 tries are left." == tries[0].json()["detail"]
    assert (409, "device_verification_closed") == code_of(right)
    assert refused.json()["verificationId"] != again.json()["verificationId"]
    assert 1 == len(await api.shop.fetch("SELECT FROM devices"))


async def test_tries_made_at_once_all_count(api: Api) -> None:
    """Thirty guesses in parallel are five tries: each is counted under the row's lock."""
    await withdraws(api)
    refused = await withdraws(api, "phone-b")

    tries = await asyncio.gather(*(confirms(api, refused, wrong(refused)) for _ in range(30)))

    assert 5 == sum(one.status_code == 422 for one in tries)
    assert 25 == sum(one.status_code == 409 for one in tries)
    (row,) = await api.shop.fetch("SELECT state, tries FROM device_verifications")
    assert {"state": "failed", "tries": 5} == row


async def test_a_code_is_good_once(api: Api) -> None:
    """Twice at once as well: one confirms, the other comes too late."""
    await withdraws(api)
    refused = await withdraws(api, "phone-b")

    both = await asyncio.gather(confirms(api, refused), confirms(api, refused))

    assert [200, 409] == sorted(one.status_code for one in both)


async def test_a_code_ends_after_ten_minutes(api: Api) -> None:
    """By the database's clock; the request then gets a new one."""
    await withdraws(api)
    refused = await withdraws(api, "phone-b")
    await api.shop.execute("UPDATE device_verifications SET expires_at = now()")

    late = await confirms(api, refused)
    again = await withdraws(api, "phone-b")

    assert (409, "device_verification_closed") == code_of(late)
    assert refused.json()["verificationId"] != again.json()["verificationId"]
    assert 200 == (await confirms(api, again)).status_code


async def test_another_users_verification_is_not_there(api: Api) -> None:
    """404, with the right code; the back end may confirm for its user."""
    await withdraws(api)
    refused = (await withdraws(api, "phone-b")).json()
    path = f"/api/device-verifications/{refused['verificationId']}/confirm"
    body = {"code": refused["devCode"]}

    by_other = await api.stranger.post(path, json=body, headers=api.as_user(BARAKA))
    of_nothing = await api.amina.post("/api/device-verifications/ver_x/confirm", json=body)
    by_back_end = await api.back_end.post(path, json=body)

    missing = (404, "device_verification_not_found")
    assert [missing, missing] == [code_of(by_other), code_of(of_nothing)]
    assert 200 == by_back_end.status_code


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "１２３４５６", 123456, ""])
async def test_a_code_is_six_digits(api: Api, code: object) -> None:
    """Anything else is refused before it counts as a try."""
    await withdraws(api)
    refused = (await withdraws(api, "phone-b")).json()

    answer = await api.amina.post(
        f"/api/device-verifications/{refused['verificationId']}/confirm", json={"code": code}
    )

    assert (422, "validation_failed") == code_of(answer)
    assert [{"tries": 0}] == await api.shop.fetch("SELECT tries FROM device_verifications")


async def test_devices_are_listed_and_removed(api: Api) -> None:
    """Newest first, without anything that identifies the device outside; then asked about."""
    await withdraws(api)
    await confirms(api, await withdraws(api, "phone-b"))

    listed = (await api.amina.get("/api/devices")).json()["data"]
    removed = await api.amina.delete(f"/api/devices/{listed[1]['deviceId']}")
    twice = await api.amina.delete(f"/api/devices/{listed[1]['deviceId']}")

    assert ["verified", "first"] == [device["how"] for device in listed]
    assert "lastUsedAt" in listed[1]
    assert not any("phone" in str(device) for device in listed)
    assert (204, b"") == (removed.status_code, removed.content)
    assert (404, "device_not_found") == code_of(twice)
    assert 1 == len((await api.amina.get("/api/devices")).json()["data"])
    assert 429 == (await withdraws(api, "phone-a")).status_code


async def test_who_removes_every_device_is_no_newcomer(api: Api) -> None:
    """Or else a stolen token could remove them all and be trusted as the first."""
    await withdraws(api)
    (device,) = (await api.amina.get("/api/devices")).json()["data"]
    await api.amina.delete(f"/api/devices/{device['deviceId']}")

    assert 429 == (await withdraws(api, "thief")).status_code
    refused = await withdraws(api, "phone-a")
    assert 200 == (await confirms(api, refused)).status_code
    assert 202 == (await withdraws(api, "phone-a")).status_code


async def test_a_users_devices_are_their_own(api: Api) -> None:
    """Another user sees and removes nothing; the back end names whose it means."""
    await withdraws(api)
    (device,) = (await api.amina.get("/api/devices")).json()["data"]
    baraka = api.as_user(BARAKA)

    seen = await api.stranger.get("/api/devices", headers=baraka)
    named = await api.stranger.get("/api/devices", headers=baraka, params={"userId": AMINA})
    removed = await api.stranger.delete(f"/api/devices/{device['deviceId']}", headers=baraka)
    by_key = await api.back_end.get("/api/devices", params={"userId": AMINA})

    assert [] == seen.json()["data"]
    assert [403, 404] == [named.status_code, removed.status_code]
    assert [device] == by_key.json()["data"]


async def test_a_forged_address_makes_no_network_known(url: str) -> None:
    """What the caller says is believed from a trusted proxy only, and there from the right."""
    async with running_api(url) as api:  # no proxy is trusted: all come from where they come from
        await api.shop.funds(AMINA, 1_000)
        assert 202 == (await withdraws(api, where=HOME)).status_code
        assert 202 == (await withdraws(api, where=CAFE)).status_code

    async with opened(url) as api:
        await api.shop.funds(AMINA, 1_000)
        await confirms(api, await withdraws(api, where=HOME))
        forged = await withdraws(api, where=f"{HOME}, {CAFE}")
    assert (429, "unusual_activity") == code_of(forged)


async def test_monitoring_records_and_lets_pass(url: str) -> None:
    """And learns nothing: what was only watched is still unknown when it is enforced."""
    async with opened(url, device={"policy": "monitor"}) as api:
        await withdraws(api)
        watched = await withdraws(api, "phone-b")
        records = await api.shop.fetch("SELECT FROM audit_log WHERE kind = 'unusual_activity'")
    assert (202, 1) == (watched.status_code, len(records))

    async with opened(url) as api:
        assert 429 == (await withdraws(api, "phone-b")).status_code


async def test_off_looks_at_nothing(url: str) -> None:
    """No device is kept."""
    async with opened(url, device={"policy": "off"}) as api:
        statuses = [(await withdraws(api, f"phone-{n}")).status_code for n in range(2)]
        rows = await api.shop.fetch("SELECT FROM devices")

    assert ([202, 202], []) == (statuses, rows)


async def test_the_first_device_is_asked_about_if_so_decided(url: str) -> None:
    """``first_use`` ``verify``: then it passes, and the code made it known."""
    async with opened(url, device={"first_use": "verify"}) as api:
        refused = await withdraws(api)
        assert (429, "unusual_activity") == code_of(refused)
        await confirms(api, refused)

        assert 202 == (await withdraws(api)).status_code


async def test_velocity_comes_before_devices_and_funds_after(url: str) -> None:
    """The order of refusals; a challenge counts for nothing."""
    async with opened(url, velocity={"withdrawals_per_hour": 1}) as api:
        strange = await withdraws(api, amountKES=250_000)
        assert (422, "insufficient_funds") == code_of(strange)
        await withdraws(api)
        limited = await withdraws(api, "phone-b")
        await api.shop.execute("UPDATE withdrawals SET created_at = now() - interval '2 hours'")
        challenged = await withdraws(api, "phone-b", amountKES=250_000)

    assert (429, "velocity_limit_exceeded") == code_of(limited)
    assert (429, "unusual_activity") == code_of(challenged)


async def test_a_wrong_body_under_the_key_of_a_challenge_is_decided_anew(api: Api) -> None:
    """Nothing was kept: the key stands for nothing yet."""
    await withdraws(api)
    await withdraws(api, "phone-b", key="k")

    assert 202 == (await withdraws(api, "phone-a", key="k", amountKES=50)).status_code


async def test_a_code_is_stored_nowhere(api: Api) -> None:
    """It is made of the verification's id and a key whenever it is needed."""
    await withdraws(api)
    refused = (await withdraws(api, "phone-b")).json()
    code = api.services.fraud.devices.code_of(AMINA, read_verification(refused["verificationId"]))
    tables = ("device_verifications", "device_messages", "audit_log", "fraud_decisions")
    dump = "".join([str(await api.shop.fetch(f"SELECT * FROM {name}")) for name in tables])

    assert code == refused["devCode"]
    assert f"'{code}'" not in dump
    assert f'"{code}"' not in dump
