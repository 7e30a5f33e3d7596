"""Velocity over HTTP: what is left, what the report shows, changes by two people, backtests."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from payops.access.domain import Scope
from payops.access.service import create_key
from tests.support.api import AMINA, Api, code_of, running_api

RULES = "/api/ops/velocity/rules"
HOURLY = f"{RULES}/user-withdrawals-per-hour"


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url, {"velocity": {"withdrawals_per_hour": 3}}) as made:
        await made.shop.funds(AMINA, 1_000)
        yield made


async def key_of(api: Api, owner: str) -> dict[str, str]:
    issued = await create_key(
        api.services.db, name="ops", owner=owner, scopes=set(Scope), live=False
    )
    return {"Authorization": f"Bearer {issued.text}"}


async def test_an_accepted_answer_says_what_remains(api: Api) -> None:
    """In the ``RateLimit`` field; a repeat has it as it was said."""
    answers = [await api.withdraws(f"k-{number}") for number in range(3)]
    repeat = await api.withdraws("k-0")

    left = [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers]
    assert [f'"user-withdrawals-per-hour";r={n}' for n in (2, 1, 0)] == left
    assert answers[0].headers["ratelimit"] == repeat.headers["ratelimit"]
    assert "ratelimit" not in (await api.withdraws("k-9")).headers


async def test_twenty_requests_at_once_are_three(api: Api) -> None:
    """Over HTTP as well: exactly the limit passes, and the wait is until a slot frees."""
    answers = await asyncio.gather(*(api.withdraws(f"k-{n}", amountKES=10) for n in range(20)))

    refused = [answer for answer in answers if answer.status_code == 429]
    assert (3, 17) == (sum(one.status_code == 202 for one in answers), len(refused))
    assert {(429, "velocity_limit_exceeded")} == {code_of(one) for one in refused}
    assert all(3_590 < int(one.headers["retry-after"]) <= 3_600 for one in refused)


async def test_the_report_counts_hits_by_hour_and_rule(api: Api) -> None:
    """Beside the rules as they stand."""
    for number in range(5):
        await api.withdraws(f"k-{number}")

    shown = (await api.back_end.get("/api/ops/velocity")).json()

    (hits,) = shown["data"]
    assert ("user-withdrawals-per-hour", "enforce", 2, 1) == tuple(
        hits[name] for name in ("rule", "mode", "hits", "users")
    )
    assert {"amount": "200.00", "currency": "KES"} == hits["amount"]
    assert (3, 0, "enforce") == tuple(shown["rules"][0][n] for n in ("limit", "version", "mode"))
    assert "Withdrawal limit exceeded (3/hour). Try again later." == shown["rules"][0]["says"]


async def test_a_stricter_rule_acts_at_once_and_a_looser_one_waits(api: Api) -> None:
    """The proposer, by whichever of their keys, gets 403; another person approves."""
    jane, jane_too, john = [await key_of(api, owner) for owner in ("jane", "Jane", "john")]
    stricter = await api.stranger.put(HOURLY, json={"limit": 1, "reason": "r"}, headers=jane)
    looser = await api.stranger.put(HOURLY, json={"limit": 9, "reason": "r"}, headers=jane)
    path = f"/api/ops/velocity/changes/{looser.json()['changeId']}"

    own = await api.stranger.post(f"{path}/approve", headers=jane_too)
    other = await api.stranger.post(f"{path}/approve", headers=john)
    again = await api.stranger.post(f"{path}/reject", headers=john)
    history = (await api.back_end.get("/api/ops/velocity/history")).json()["data"]
    listed = (await api.back_end.get("/api/ops/velocity/changes")).json()["data"]

    assert (200, 1) == (stricter.status_code, stricter.json()["rule"]["limit"])
    assert (202, "pending_approval") == (looser.status_code, looser.json()["status"])
    assert (403, "four_eyes_required") == code_of(own)
    assert (200, 9, "john") == (
        other.status_code,
        other.json()["rule"]["limit"],
        other.json()["approvedBy"],
    )
    assert (409, "velocity_change_decided") == code_of(again)
    assert [1, 3] == [version["before"]["limit"] for version in history]
    assert [("approved", "jane")] == [(one["state"], one["proposedBy"]) for one in listed]


async def test_sums_are_in_shillings(api: Api) -> None:
    """Going in and coming out."""
    rule = {
        "name": "daily-sum",
        "measure": "sum",
        "limit": 150,
        "mode": "enforce",
        "reason": "r",
    }
    made = await api.back_end.post(RULES, json=rule)
    first, second = await api.withdraws("k-1"), await api.withdraws("k-2")

    assert (201, 150) == (made.status_code, made.json()["rule"]["limit"])
    assert '"daily-sum";r=50' in first.headers["ratelimit"]
    assert (
        "Daily withdrawal limit exceeded (KES 150/day). Try again later."
        == (second.json()["detail"])
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"measure": "sum", "action": "deposit"}, "/measure"),
        ({"scope": "recipient", "action": "deposit"}, "/scope"),
        ({"limit": 0}, "/limit"),
        ({"name": "Bad"}, "/name"),
        ({"windowHours": 999}, "/windowHours"),
        ({"mode": "loud"}, "/mode"),
    ],
)
async def test_what_can_be_no_rule_is_422(api: Api, body: dict[str, object], pointer: str) -> None:
    """With a pointer."""
    rule = {"name": "some-rule", "measure": "count", "limit": 1, "reason": "r"} | body

    answer = await api.back_end.post(RULES, json=rule)

    assert 422 == answer.status_code
    assert pointer == answer.json()["errors"][0]["pointer"]


async def test_a_rule_that_is_not_there_is_404(api: Api) -> None:
    """And so is a change."""
    change = await api.back_end.put(f"{RULES}/nothing-here", json={"limit": 1, "reason": "r"})
    decided = await api.back_end.post("/api/ops/velocity/changes/chg_x/approve")

    assert (404, "velocity_rule_not_found") == code_of(change)
    assert (404, "velocity_change_not_found") == code_of(decided)


async def backtest(api: Api, **body: object) -> httpx.Response:
    return await api.back_end.post("/api/ops/velocity/backtest", json=body)


async def test_a_backtest_says_what_would_have_been_stopped(api: Api) -> None:
    """Of all that was accepted; nothing changes."""
    for number in range(3):
        await api.withdraws(f"k-{number}")
    txid = (await api.back_end.get("/api/withdrawals", params={"userId": AMINA})).json()["data"]

    found = (await backtest(api, measure="count", windowHours=1, limit=1)).json()
    summed = (await backtest(api, measure="sum", scope="recipient", limit=250)).json()

    assert 3 == len(txid)
    assert (3, 2, "200.00", 1) == (
        found["considered"],
        found["stopped"],
        found["stoppedAmount"]["amount"],
        found["users"],
    )
    assert (1, "100.00", 1) == (
        summed["stopped"],
        summed["stoppedAmount"]["amount"],
        summed["recipients"],
    )
    assert [] == (await api.back_end.get("/api/ops/velocity/history")).json()["data"]
