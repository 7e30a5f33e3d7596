"""Blocking a user: nothing new, what was not sent comes back, what was is followed to its end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from payops.access.domain import Scope
from payops.ops.users import service as users
from payops.withdrawals.domain import State
from tests.support.api import AMINA, BARAKA, Api, code_of, running_api
from tests.support.rail import OUTAGE


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        await made.shop.funds(AMINA, 1_000)
        yield made


async def blocks(api: Api, user: str = AMINA, **body: object) -> httpx.Response:
    content = {"reason": "a complaint", **body}
    return await api.back_end.post(f"/api/ops/users/{user}/block", json=content)


async def unblocks(api: Api, **body: object) -> httpx.Response:
    content = {"reason": "settled", **body}
    return await api.back_end.post(f"/api/ops/users/{AMINA}/unblock", json=content)


async def sweeps(api: Api) -> int:
    return await users.sweep(api.services.db, api.services.metrics)


async def test_a_blocked_user_withdraws_nothing_until_unblocked(api: Api) -> None:
    """403, not kept under the key: the same request passes afterwards."""
    blocked = await blocks(api)
    refused, other = await api.withdraws("k-1"), await api.withdraws("k-2", userId=BARAKA)
    lifted = await unblocks(api)
    passed = await api.withdraws("k-1")

    assert (200, [], "a complaint") == (
        blocked.status_code,
        blocked.json()["cancelled"],
        blocked.json()["reason"],
    )
    assert (403, "user_blocked") == code_of(refused)
    assert (422, "insufficient_funds") == code_of(other)
    assert (200, "settled") == (lifted.status_code, lifted.json()["liftReason"])
    assert 202 == passed.status_code


async def test_what_was_not_sent_comes_back_and_what_was_is_followed(api: Api) -> None:
    """Pending is cancelled; sent and sending go on to their end, also when that is paid."""
    shop = api.shop
    sent = await shop.is_sent(100)
    pending = await shop.accepts(50)

    answer = await blocks(api)

    assert [pending] == answer.json()["cancelled"]
    assert (State.SENT, State.CANCELLED) == (
        await shop.state_of(sent),
        await shop.state_of(pending),
    )
    shop.rail.pays(sent)
    await shop.reconciles()
    assert State.COMPLETED == await shop.state_of(sent)
    assert (1_050, 0) == await shop.balance()
    await shop.assert_books()


async def test_an_attempt_on_the_wire_is_not_taken_back(api: Api) -> None:
    """It may be paid: only its own answer ends it."""
    shop = api.shop
    lost = await shop.is_lost(100)

    assert [] == (await blocks(api)).json()["cancelled"]
    assert State.UNRESOLVED == await shop.state_of(lost)


async def test_what_the_rail_turned_away_is_swept(api: Api) -> None:
    """Back in the queue after the block, it is given back and not sent again."""
    shop = api.shop
    txid = await shop.accepts(100)
    await shop.execute("UPDATE withdrawals SET state = 'sending'")
    assert [] == (await blocks(api)).json()["cancelled"]
    await shop.execute("UPDATE withdrawals SET state = 'pending'")

    assert 1 == await sweeps(api)
    assert State.CANCELLED == await shop.state_of(txid)
    assert 0 == await sweeps(api)


async def test_a_sweep_leaves_others_alone(api: Api) -> None:
    """Users without a block, and with one that is over or lifted."""
    shop = api.shop
    txid = await shop.accepts(100, user=BARAKA)
    await blocks(api)
    await blocks(api, BARAKA, until=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert State.CANCELLED == await shop.state_of(txid)
    await shop.execute("UPDATE user_blocks SET until = now() WHERE user_id = $1", BARAKA)

    later = await shop.accepts(100, user=BARAKA)

    assert 0 == await sweeps(api)
    assert State.PENDING == await shop.state_of(later)


async def test_a_race_leaves_nothing_to_be_sent(api: Api) -> None:
    """Requests and the block at once: each is refused or given back, whatever came first."""
    work = [api.withdraws(f"k-{n}", amountKES=10) for n in range(10)]
    answers = await asyncio.gather(*work[:5], blocks(api), *work[5:])
    await sweeps(api)

    assert {200, 202, 403} >= {answer.status_code for answer in answers}
    rows = await api.shop.fetch("SELECT DISTINCT state FROM withdrawals")
    assert {"cancelled"} >= {row["state"] for row in rows}
    assert (1_000, 0) == await api.shop.balance()
    await api.shop.assert_books()


async def test_a_block_ends_by_itself(api: Api) -> None:
    """At ``until``, by the database's clock; lifting it then is a conflict."""
    await blocks(api, until=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert 403 == (await api.withdraws("k-1")).status_code
    await api.shop.execute("UPDATE user_blocks SET until = now()")

    assert 202 == (await api.withdraws("k-1")).status_code
    assert (409, "user_not_blocked") == code_of(await unblocks(api))


async def test_a_second_block_replaces_the_first(api: Api) -> None:
    """One is in force; both stay in the history, and in the audit log."""
    await blocks(api, reason="first")
    await blocks(api, reason="second")

    shown = (await api.back_end.get(f"/api/ops/users/{AMINA}")).json()

    assert ("second", True) == (shown["block"]["reason"], shown["isBlocked"])
    assert ["second", "first"] == [block["reason"] for block in shown["blocks"]]
    assert 2 == (await api.shop.audited(AMINA)).count("user_blocked")


async def test_blocks_at_once_leave_one_in_force(api: Api) -> None:
    """The wallet's lock orders them."""
    answers = await asyncio.gather(*(blocks(api, reason=f"r{n}") for n in range(8)))

    assert {200} == {answer.status_code for answer in answers}
    rows = await api.shop.fetch("SELECT FROM user_blocks WHERE lifted_at IS NULL")
    assert 1 == len(rows)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": "  "},
        {"reason": "r" * 501},
        {"reason": "r", "until": "2020-01-01T00:00:00Z"},
        {"reason": "r", "until": "2030-01-01T00:00:00"},
        {"reason": "r", "forever": True},
    ],
)
async def test_a_block_needs_a_reason_and_a_future(api: Api, body: dict[str, Any]) -> None:
    """A time needs its zone."""
    answer = await api.back_end.post(f"/api/ops/users/{AMINA}/block", json=body)

    assert (422, "validation_failed") == code_of(answer)


async def test_unblocking_needs_a_reason(api: Api) -> None:
    """And a block."""
    assert (409, "user_not_blocked") == code_of(await unblocks(api))
    await blocks(api)
    assert (422, "validation_failed") == code_of(await unblocks(api, reason=""))


async def test_a_user_is_shown_whole(api: Api) -> None:
    """Wallets, devices, withdrawals, trail; a user nobody knows has nothing of it."""
    await api.withdraws()

    shown = (await api.back_end.get(f"/api/ops/users/{AMINA}")).json()
    unknown = (await api.back_end.get("/api/ops/users/nobody")).json()

    assert not shown["isBlocked"]
    assert {"amount": "900.00", "currency": "KES"} == shown["wallets"][0]["available"]
    assert ["first"] == [device["how"] for device in shown["devices"]]
    assert ["pending"] == [one["status"] for one in shown["withdrawals"]]
    assert "withdrawal_initiated" in [entry["kind"] for entry in shown["auditTrail"]]
    assert [[]] * 3 == [unknown[name] for name in ("wallets", "devices", "withdrawals")]


async def test_reading_gives_no_right_to_block(api: Api) -> None:
    """Each act has its scope."""
    headers = await api.with_scopes(Scope.OPS_READ)

    answer = await api.stranger.post(
        f"/api/ops/users/{AMINA}/block", json={"reason": "r"}, headers=headers
    )

    assert (403, "scope_missing") == code_of(answer)


async def test_an_outage_does_not_hide_a_block(api: Api) -> None:
    """A payout with a lost answer stays unresolved, with its hold, through block and sweep."""
    shop = api.shop
    shop.rail.ignores(OUTAGE)
    txid = await shop.accepts(100)
    await shop.sends()
    before = await shop.state_of(txid)

    await blocks(api)
    await sweeps(api)

    assert before == await shop.state_of(txid)
    await shop.assert_books()
