"""Crypto deposits as operations see them: invoices, figures, rates, breaks, switches."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from payops.app import _keep_house
from payops.deposits.domain.states import State
from tests.support.api import AMINA, Api, code_of, running_api
from tests.support.mint import Mint
from tests.support.nonsense import SECRET
from tests.support.waiting import eventually

SETTINGS = {"crypto": {"usd_kes_rate": "130"}, "velocity": {"deposits_per_hour": 0}}


@pytest.fixture
def mint() -> Mint:
    return Mint()


@pytest.fixture
async def api(url: str, mint: Mint) -> AsyncIterator[Api]:
    async with running_api(url, SETTINGS, crypto=[mint]) as made:
        yield made


async def invoice(api: Api, key: str = "k", **more: object) -> dict[str, Any]:
    body = {"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"} | more
    made = await api.back_end.post(
        "/api/crypto/invoices",
        json=body,
        headers={"Idempotency-Key": key, "X-Request-Id": f"request-of-{key}"},
    )
    assert 201 == made.status_code, made.text
    shown: dict[str, Any] = made.json()
    return shown


async def settles(api: Api, mint: Mint, shown: dict[str, Any], arrived: str = "0.02") -> None:
    mint.arrives(shown["providerReference"], arrived)
    mint.becomes(shown["providerReference"], State.FINISHED)
    await api.shop.execute("UPDATE deposit_payments SET due_at = now() WHERE due_at IS NOT NULL")
    await api.services.deposits.reader.due()


async def get(api: Api, path: str, **parameters: str) -> dict[str, Any]:
    answer = await api.back_end.get(f"/api/ops/{path}", params=parameters)
    assert 200 == answer.status_code, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def a_break(api: Api, mint: Mint) -> str:
    """The provider lost a payment that was credited."""
    shown = await invoice(api)
    await settles(api, mint, shown)
    del mint.book[shown["providerReference"]]
    await api.services.deposit_reconciliation.everything()
    (found,) = (await get(api, "breaks"))["data"]
    identity: str = found["id"]
    return identity


# Invoices


async def test_an_account_has_all_that_is_known(api: Api, mint: Mint) -> None:
    """
    The payments, what arrived, how it was valued, and the trail from the first to the last.
    """
    shown = await invoice(api)
    await settles(api, mint, shown)

    account = await get(api, f"invoices/{shown['invoiceId']}")

    (payment,), (receipt,) = account["payments"], account["receipts"]
    assert ("finished", []) == (account["status"], account["reasons"])
    assert ("primary", "finished", "finished") == (
        payment["kind"],
        payment["status"],
        payment["providerStatus"],
    )
    assert ("credited", "quote", "0.02") == (
        receipt["status"],
        receipt["method"],
        receipt["amount"].rstrip("0"),
    )
    assert {"amount": "20.00", "currency": "USD"} == receipt["credited"] == account["credited"]
    kinds = [entry["kind"] for entry in account["auditTrail"]]
    assert ["deposit_initiated", "deposit_moved", "deposit_moved", "deposit_credited"] == kinds


async def test_invoices_are_found_by_whatever_is_in_hand(api: Api) -> None:
    """
    The user, the state, the provider's id, the id of the request.
    """
    one, other = await invoice(api, "a"), await invoice(api, "b", userId="usr_other")
    ways = [
        {"userId": AMINA},
        {"q": one["providerReference"]},
        {"reference": one["providerReference"]},
        {"q": "request-of-a"},
    ]
    found = [(await get(api, "invoices", **way))["data"] for way in ways]

    assert [[one["invoiceId"]]] * 4 == [[each["invoiceId"] for each in some] for some in found]
    both = (await get(api, "invoices", status="waiting"))["data"]
    assert [other["invoiceId"], one["invoiceId"]] == [each["invoiceId"] for each in both]
    assert [] == (await get(api, "invoices", q="nobody knows it"))["data"]


async def test_a_retry_lets_every_payment_be_read_back(api: Api, mint: Mint) -> None:
    """
    202 with how many; it is on record who asked.
    """
    shown = await invoice(api)
    mint.arrives(shown["providerReference"], "0.02")
    mint.becomes(shown["providerReference"], State.FINISHED)

    answer = await api.back_end.post(f"/api/ops/invoices/{shown['invoiceId']}/retry")
    await api.services.deposits.reader.due()

    assert (202, {"payments": 1}) == (answer.status_code, answer.json())
    account = await get(api, f"invoices/{shown['invoiceId']}")
    assert "finished" == account["status"]
    assert "deposit_read_asked_for" in {entry["kind"] for entry in account["auditTrail"]}


# Figures


async def test_the_figures_have_the_names_of_the_design(api: Api, mint: Mint) -> None:
    """
    All seven and the others, the averages null while there is nothing to average.
    """
    empty = await get(api, "crypto/metrics")
    waiting = await invoice(api, "a")
    await settles(api, mint, await invoice(api, "b"))
    figures = await get(api, "crypto/metrics")

    assert (None, None) == (empty["avgWaitToPending"], empty["avgPendingToFinished"])
    names = {"pending", "confirmed", "finished", "failed", "stuckFor30Min", "stuckPaid"}
    assert dict.fromkeys(names, 0) == {name: empty[name] for name in names}
    assert (1, 0, 1, 0) == tuple(
        figures[name] for name in ("pending", "confirmed", "finished", "failed")
    )
    assert (24, 24, 1) == (
        figures["windowHours"],
        len(figures["settledByHour"]),
        figures["settledByHour"][-1],
    )
    assert figures["timestamp"].endswith("Z")
    assert "waiting" == waiting["status"]
    rendered = (await api.stranger.get("/metrics")).text
    assert re.search(r'payops_deposits\{.*"pending".*\} 1\.0', rendered)


async def test_a_process_that_runs_no_job_shows_the_gauges_too(api: Api) -> None:
    """
    Each counts for itself: what Prometheus sees does not depend on who ran a job last.
    """
    await invoice(api)
    keeping_house = asyncio.create_task(_keep_house(api.services))

    async def shows() -> bool:
        rendered = (await api.stranger.get("/metrics")).text
        return 'payops_deposits{phase="pending"} 1.0' in rendered

    try:
        await eventually(shows)
    finally:
        keeping_house.cancel()


# Rates


async def test_a_rate_is_recorded_and_the_ones_before_it_stay(api: Api) -> None:
    """
    Newest first, with who and why; until there is one, the configured one is shown.
    """
    (configured,) = (await get(api, "fx/rates"))["data"]
    for rate in ("129.5", "131"):
        body = {"rate": rate, "spreadBps": 100, "reason": "central bank"}
        made = await api.back_end.post("/api/ops/fx/rates", json=body)
        assert 201 == made.status_code
    listed = (await get(api, "fx/rates"))["data"]

    assert ("configuration", False) == (configured["setBy"], "id" in configured)
    assert ["131.00", "129.50"] == [one["rate"] for one in listed]
    assert [("129.69", 100, "central bank")] == [
        (listed[0]["rateForPayer"], listed[0]["spreadBps"], listed[0]["reason"])
    ]
    shown = await invoice(api, amount="1296.90", currency="KES")
    assert "129.69" == shown["rate"]
    assert shown["price"]["amount"] == "1296.90"


# Breaks


async def test_a_break_is_taken_on_and_explained(api: Api, mint: Mint) -> None:
    """
    Its owner is who holds the key; explained, it is closed and on record.
    """
    identity = await a_break(api, mint)
    path = f"/api/ops/breaks/{identity}"

    taken = await api.back_end.post(f"{path}/take")
    listed = (await get(api, "breaks"))["data"]
    closed = await api.back_end.post(f"{path}/explain", json={"reason": "their outage"})
    again = await api.back_end.post(f"{path}/explain", json={"reason": "their outage"})

    assert ("not_known", "mint", AMINA) == tuple(
        listed[0][name] for name in ("kind", "provider", "userId")
    )
    assert taken.json()["owner"] == listed[0]["owner"]
    assert [200, 200] == [taken.status_code, closed.status_code]
    assert (404, "break_not_found") == code_of(again)
    assert [] == (await get(api, "breaks"))["data"]


# Switches


async def test_a_switch_says_who_and_why(api: Api) -> None:
    """
    Every flow and every provider has one; thrown twice it is as it was.
    """
    names = [one["name"] for one in (await get(api, "switches"))["data"]]
    body = {"name": "mint", "halted": True, "reason": "odd addresses"}
    first = await api.back_end.post("/api/ops/switches", json=body)
    second = await api.back_end.post("/api/ops/switches", json=body)
    (shown,) = [one for one in (await get(api, "switches"))["data"] if one["halted"]]

    assert {"withdrawals", "deposits", "mint"} <= set(names)
    assert first.json() == second.json() == shown
    assert ("mint", "odd addresses") == (shown["name"], shown["reason"])
    assert shown["changedBy"].startswith("key:")


async def test_a_switch_that_does_not_exist_is_not_made(api: Api) -> None:
    """
    404, and no row.
    """
    body = {"name": f"{SECRET}'--", "halted": True, "reason": "x"}

    refused = await api.back_end.post("/api/ops/switches", json=body)

    assert (404, "unknown_switch") == code_of(refused)
    assert SECRET not in refused.text
    assert not [one for one in (await get(api, "switches"))["data"] if one["halted"]]
