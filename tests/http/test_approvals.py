"""Two people over HTTP: keys of two owners ask and approve; scopes, keys and conflicts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from payops.access.domain import Scope
from payops.access.service import create_key
from payops.kernel.money import USD, Money
from payops.ledger import entries
from payops.ledger import service as ledger
from payops.ledger.domain import Owner
from payops.withdrawals.domain import State
from tests.support.api import AMINA, Api, code_of, running_api

OPS = "/api/ops"
NOBODY_S = "wd_01h455vb4pex5vsknk084sn02q"


@dataclass(frozen=True)
class Office:
    api: Api
    jane: httpx.AsyncClient
    jane_too: httpx.AsyncClient
    john: httpx.AsyncClient

    async def asks(self, path: str, key: str | None = None, **body: object) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.jane.post(f"{OPS}{path}", json=body, headers=headers)

    async def approves(self, asked: httpx.Response, **body: object) -> httpx.Response:
        assert 202 == asked.status_code, asked.text
        assert "pending_approval" == asked.json()["status"]
        path = f"{OPS}/approvals/{asked.json()['approvalId']}/approve"
        return await self.john.post(path, json=body) if body else await self.john.post(path)


@pytest.fixture
async def office(url: str) -> AsyncIterator[Office]:
    settings = {"approvals": {"unblock_alone_max_kes": 500}}
    async with running_api(url, settings) as api:
        people = [await _of(api, owner) for owner in ("jane", "Jane", "john")]
        try:
            yield Office(api, *people)
        finally:
            for one in people:
                await one.aclose()


async def _of(api: Api, owner: str) -> httpx.AsyncClient:
    issued = await create_key(
        api.services.db, name="ops", owner=owner, scopes=set(Scope), live=False
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(api.app, raise_app_exceptions=False),
        base_url="http://payops.test",
        headers={"Authorization": f"Bearer {issued.text}"},
    )


async def is_paid(api: Api) -> str:
    txid = await api.shop.is_sent(100)
    await api.shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    return txid


async def test_a_payout_is_resolved_by_two(office: Office) -> None:
    """202 with the approval; the same owner is 403; another approves, and it is done."""
    shop = office.api.shop
    txid = await shop.is_lost(100)

    asked = await office.asks(
        f"/withdrawals/{txid}/resolve", outcome="completed", reason="receipt", receipt="SLK4H7RTY9"
    )
    listed = (await office.john.get(f"{OPS}/approvals", params={"status": "pending"})).json()
    own = await office.jane_too.post(f"{OPS}/approvals/{asked.json()['approvalId']}/approve")
    done = await office.approves(asked, reason="seen it")
    again = await office.approves(asked)
    shown = (await office.john.get(f"{OPS}/withdrawals/{txid}")).json()

    (waiting,) = listed["data"]
    assert (asked.json()["approvalId"], "withdrawal_resolve", txid, "jane") == tuple(
        waiting[name] for name in ("approvalId", "action", "subject", "askedBy")
    )
    assert {
        "outcome": "completed",
        "receipt": "SLK4H7RTY9",
        "stood": {
            "status": "unresolved",
            "providerReference": None,
            "receipt": None,
            "attempts": 1,
        },
    } == waiting["asked"]
    assert (403, "four_eyes_required") == code_of(own)
    assert (200, "approved", "john", "seen it") == (
        done.status_code,
        *(done.json()[name] for name in ("status", "decidedBy", "decisionReason")),
    )
    assert (409, "approval_decided") == code_of(again)
    assert ("completed", "SLK4H7RTY9") == (shown["status"], shown["receipt"])
    assert "approval_approved" in [one["kind"] for one in shown["auditTrail"]]
    await shop.assert_books()


async def test_a_refund_needs_a_key_and_two_people(office: Office) -> None:
    """The same key asks once; the money is back once."""
    shop = office.api.shop
    txid = await is_paid(office.api)
    path = f"/withdrawals/{txid}/refund"

    without = await office.asks(path, reason="duplicate charge")
    asked = await office.asks(path, "k-1", reason="duplicate charge")
    repeat = await office.asks(path, "k-1", reason="duplicate charge")
    other = await office.asks(path, "k-1", reason="another reason")
    again = await office.asks(path, "k-2", reason="another reason")
    done = await office.approves(asked)
    late = await office.asks(path, "k-3", reason="once more")
    replayed = await office.asks(path, "k-1", reason="duplicate charge")

    assert (400, "idempotency_key_required") == code_of(without)
    assert (202, asked.content, "true") == (
        repeat.status_code,
        repeat.content,
        repeat.headers["Idempotent-Replayed"],
    )
    assert (422, "idempotency_key_reused") == code_of(other)
    assert (409, "approval_pending") == code_of(again)
    assert asked.json()["approvalId"] == again.json()["approvalId"]
    assert 200 == done.status_code
    assert (409, "not_refundable") == code_of(late)
    assert asked.content == replayed.content
    assert (State.REVERSED, (100, 0)) == (await shop.state_of(txid), await shop.balance())
    await shop.assert_books()


async def test_an_answer_past_its_retention_is_made_anew(office: Office) -> None:
    """The link from the key to its approval stays."""
    txid = await is_paid(office.api)
    asked = await office.asks(f"/withdrawals/{txid}/refund", "k-1", reason="r")
    await office.api.shop.execute("UPDATE idempotency_keys SET body = NULL")

    repeat = await office.asks(f"/withdrawals/{txid}/refund", "k-1", reason="r")

    assert (202, asked.json()) == (repeat.status_code, repeat.json())


async def test_twenty_refunds_asked_for_at_once_are_one(office: Office) -> None:
    """Under twenty keys: one approval, and one journal when it is approved."""
    shop = office.api.shop
    txid = await is_paid(office.api)

    answers = await asyncio.gather(
        *(office.asks(f"/withdrawals/{txid}/refund", f"k-{n}", reason="r") for n in range(20))
    )
    await asyncio.gather(*(office.approves(answers[0]) for _ in range(5)))

    assert {202} == {one.status_code for one in answers}
    assert 1 == len({one.json()["approvalId"] for one in answers})
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"outcome": "paid", "reason": "r"}, "/outcome"),
        ({"outcome": "failed"}, "/reason"),
        ({"outcome": "failed", "reason": " "}, "/reason"),
        ({"outcome": "failed", "reason": "r" * 501}, "/reason"),
        ({"outcome": "failed", "reason": "r", "receipt": "SLK4H7RTY9"}, "/receipt"),
        ({"outcome": "completed", "reason": "r", "receipt": "no receipt"}, "/receipt"),
        ({"outcome": "completed", "reason": "r", "more": 1}, "/more"),
    ],
)
async def test_what_cannot_be_asked_is_422(
    office: Office, body: dict[str, Any], pointer: str
) -> None:
    """With a pointer, before anything is looked at."""
    answer = await office.asks(f"/withdrawals/{NOBODY_S}/resolve", **body)

    assert 422 == answer.status_code
    assert pointer in {fault["pointer"] for fault in answer.json()["errors"]} | {"/more"}


async def test_what_is_not_there_or_not_possible_is_said(office: Office) -> None:
    """404 for ids nobody has, 409 for states in which nothing is to be decided."""
    shop = office.api.shop
    pending = await shop.accepts(100)

    found = [
        await office.asks(f"/withdrawals/{txid}/resolve", outcome="failed", reason="r")
        for txid in ("x", NOBODY_S, pending)
    ]
    refunds = [
        await office.asks(f"/withdrawals/{txid}/refund", "k", reason="r")
        for txid in ("x", NOBODY_S, pending)
    ]
    decided = await office.john.post(f"{OPS}/approvals/apr_x/approve")
    invoice = await office.asks("/invoices/inv_x/resolve", outcome="dismiss", reason="r")

    assert [(404, "withdrawal_not_found")] * 2 == [code_of(one) for one in found[:2]]
    assert [(404, "withdrawal_not_found")] * 2 == [code_of(one) for one in refunds[:2]]
    assert (409, "not_resolvable") == code_of(found[2])
    assert (409, "not_refundable") == code_of(refunds[2])
    assert (404, "approval_not_found") == code_of(decided)
    assert (404, "invoice_not_found") == code_of(invoice)


async def test_a_switch_is_halted_by_one_and_resumed_by_two(office: Office) -> None:
    """Halting is at once; resuming waits; what was not halted is on anyway."""
    body = {"name": "withdrawals", "reason": "odd callbacks"}

    on = await office.asks("/switches", halted=False, **body)
    halted = await office.asks("/switches", halted=True, **body)
    asked = await office.asks("/switches", halted=False, **body)
    still = (await office.john.get(f"{OPS}/switches")).json()["data"]
    done = await office.approves(asked)
    after = (await office.john.get(f"{OPS}/switches")).json()["data"]

    assert (200, False) == (on.status_code, on.json()["halted"])
    assert (200, True) == (halted.status_code, halted.json()["halted"])
    assert ["withdrawals"] == [one["name"] for one in still if one["halted"]]
    assert (200, "switch_resume", "withdrawals") == (
        done.status_code,
        done.json()["action"],
        done.json()["subject"],
    )
    assert "userId" not in done.json()
    assert [] == [one["name"] for one in after if one["halted"]]
    assert [] == await office.api.shop.alerts()


async def test_a_switch_that_was_halted_anew_is_not_resumed(office: Office) -> None:
    """The approval was for another halt; it does nothing, and is closed."""
    body = {"name": "deposits", "reason": "r"}
    await office.asks("/switches", halted=True, **body)
    asked = await office.asks("/switches", halted=False, **body)
    await office.api.shop.execute("UPDATE switches SET changed_at = now() + interval '1 second'")

    refused = await office.approves(asked)
    rejected = await office.john.post(f"{OPS}/approvals/{asked.json()['approvalId']}/reject")
    listed = (await office.john.get(f"{OPS}/approvals", params={"status": "overtaken"})).json()

    assert (409, "approval_overtaken") == code_of(refused)
    assert (409, "approval_decided") == code_of(rejected)
    assert [asked.json()["approvalId"]] == [one["approvalId"] for one in listed["data"]]
    assert [{"is_halted": True}] == await office.api.shop.fetch("SELECT is_halted FROM switches")


async def test_a_user_with_much_at_stake_is_unblocked_by_two(office: Office) -> None:
    """Available and held above the limit: another person; below it one is enough."""
    shop = office.api.shop
    await shop.accepts(300)
    await shop.funds(AMINA, 201)
    path = f"/users/{AMINA}"
    blocked = await office.asks(f"{path}/block", reason="a complaint")
    assert 200 == blocked.status_code

    asked = await office.asks(f"{path}/unblock", reason="settled")
    shown = (await office.john.get(f"{OPS}{path}")).json()
    done = await office.approves(asked)
    after = (await office.john.get(f"{OPS}{path}")).json()

    assert (202, True) == (asked.status_code, shown["isBlocked"])
    assert (200, False) == (done.status_code, after["isBlocked"])
    assert "approval_approved" in [one["kind"] for one in after["auditTrail"]]


async def test_a_user_with_little_is_unblocked_by_one(office: Office) -> None:
    """Exactly the limit is not above it."""
    await office.api.shop.funds(AMINA, 500)
    await office.asks(f"/users/{AMINA}/block", reason="a complaint")

    lifted = await office.asks(f"/users/{AMINA}/unblock", reason="settled")
    again = await office.asks(f"/users/{AMINA}/unblock", reason="settled")

    assert (200, "settled") == (lifted.status_code, lifted.json()["liftReason"])
    assert (409, "user_not_blocked") == code_of(again)


@pytest.mark.parametrize(("rate", "status"), [("130", 200), ("1000", 202), (None, 202)])
async def test_dollars_count_at_the_rate_of_today(url: str, rate: str | None, status: int) -> None:
    """USD 1.00 at 130 is little and at 1,000 is much; without a rate it is always much."""
    settings = {"approvals": {"unblock_alone_max_kes": 500}, "crypto": {"usd_kes_rate": rate}}
    async with running_api(url, settings) as api:
        owner, dollar = Owner(AMINA, USD.code), Money.whole(1, USD)
        async with api.services.db.transaction() as tx:
            await ledger.lock(tx, [owner], create=[owner])
            await ledger.post(tx, [entries.credit(AMINA, dollar, reference="r", reason="t")])
        await api.back_end.post(f"{OPS}/users/{AMINA}/block", json={"reason": "r"})

        lifted = await api.back_end.post(f"{OPS}/users/{AMINA}/unblock", json={"reason": "r"})

        assert status == lifted.status_code


async def test_a_block_imposed_anew_is_not_lifted(office: Office) -> None:
    """Somebody had another reason since: the approval was not for that."""
    await office.api.shop.funds(AMINA, 501)
    await office.asks(f"/users/{AMINA}/block", reason="first")
    asked = await office.asks(f"/users/{AMINA}/unblock", reason="settled")
    await office.asks(f"/users/{AMINA}/block", reason="second")

    refused = await office.approves(asked)
    shown = (await office.john.get(f"{OPS}/users/{AMINA}")).json()

    assert (409, "approval_overtaken") == code_of(refused)
    assert "second" == shown["block"]["reason"]


async def test_a_short_block_does_not_lift_a_long_one(office: Office) -> None:
    """A block for a minute in place of one for ever would be unblocking alone."""
    await office.api.shop.funds(AMINA, 501)
    path = f"/users/{AMINA}/block"
    soon, later = [(datetime.now(UTC) + timedelta(hours=hours)).isoformat() for hours in (1, 2)]

    assert 200 == (await office.asks(path, reason="first", until=soon)).status_code
    assert 200 == (await office.asks(path, reason="longer", until=later)).status_code
    refused = await office.asks(path, reason="shorter", until=soon)
    assert 200 == (await office.asks(path, reason="for ever")).status_code
    again = await office.asks(path, reason="shorter", until=later)
    shown = (await office.john.get(f"{OPS}/users/{AMINA}")).json()

    assert [(409, "blocked_for_longer")] * 2 == [code_of(refused), code_of(again)]
    assert "for ever" == shown["block"]["reason"]


async def test_a_loosened_rule_is_listed_and_approved_with_the_others(office: Office) -> None:
    """Under its own id; who proposed it gets 403 here as there."""
    rule = {"name": "one-an-hour", "measure": "count", "limit": 1, "mode": "enforce", "reason": "r"}
    await office.jane.post(f"{OPS}/velocity/rules", json=rule)
    path = f"{OPS}/velocity/rules/one-an-hour"
    asked = await office.jane.put(path, json={"limit": 9, "reason": "busy"})
    change = asked.json()["changeId"]
    txid = await office.api.shop.is_lost(100)
    payout = await office.asks(f"/withdrawals/{txid}/resolve", outcome="failed", reason="r")

    listed = (await office.john.get(f"{OPS}/approvals")).json()["data"]
    first = (await office.john.get(f"{OPS}/approvals", params={"limit": "1"})).json()
    rest = await office.john.get(
        f"{OPS}/approvals", params={"limit": "1", "cursor": first["nextCursor"]}
    )
    own = await office.jane_too.post(f"{OPS}/approvals/{change}/approve")
    done = await office.john.post(f"{OPS}/approvals/{change}/approve")
    again = await office.john.post(f"{OPS}/approvals/{change}/reject")
    rules = (await office.john.get(f"{OPS}/velocity")).json()["rules"]

    assert [payout.json()["approvalId"], change] == [one["approvalId"] for one in listed]
    assert [change] == [one["approvalId"] for one in rest.json()["data"]]
    assert ("velocity_loosen", "one-an-hour", 9) == (
        listed[1]["action"],
        listed[1]["subject"],
        listed[1]["asked"]["limit"],
    )
    assert (403, "four_eyes_required") == code_of(own)
    assert (200, "approved", "john") == (
        done.status_code,
        done.json()["status"],
        done.json()["decidedBy"],
    )
    assert (409, "velocity_change_decided") == code_of(again)
    assert 9 == next(one["limit"] for one in rules if one["name"] == "one-an-hour")
    waiting = [f"approval_waiting:{payout.json()['approvalId']}"]
    assert waiting == await office.api.shop.alerts()


async def test_writing_gives_no_right_to_approve(office: Office) -> None:
    """Each half of an act has its scope."""
    txid = await office.api.shop.is_lost(100)
    asked = await office.asks(f"/withdrawals/{txid}/resolve", outcome="failed", reason="r")
    path = f"{OPS}/approvals/{asked.json()['approvalId']}"
    writer = await office.api.with_scopes(Scope.OPS_READ, Scope.OPS_WRITE)
    approver = await office.api.with_scopes(Scope.OPS_APPROVE)
    body = {"outcome": "failed", "reason": "r"}

    refused = [
        await office.api.stranger.post(f"{path}/{decision}", headers=writer)
        for decision in ("approve", "reject")
    ]
    asking = await office.api.stranger.post(
        f"{OPS}/withdrawals/{txid}/resolve", json=body, headers=approver
    )
    done = await office.api.stranger.post(f"{path}/approve", headers=approver)

    assert [(403, "scope_missing")] * 2 == [code_of(one) for one in refused]
    assert (403, "scope_missing") == code_of(asking)
    assert 200 == done.status_code


@pytest.mark.parametrize("content", [b"", b" ", b"{}", b'{"reason": "yes"}'])
async def test_a_decision_needs_no_words(office: Office, content: bytes) -> None:
    """A body may be left out."""
    txid = await office.api.shop.is_lost(100)
    asked = await office.asks(f"/withdrawals/{txid}/resolve", outcome="failed", reason="r")

    path = f"{OPS}/approvals/{asked.json()['approvalId']}/reject"
    assert 200 == (await office.john.post(path, content=content)).status_code


@pytest.mark.parametrize("content", [b"[]", b"nonsense", b'{"reason": 5}', b'{"more": "x"}'])
async def test_words_that_cannot_be_read_decide_nothing(office: Office, content: bytes) -> None:
    """400 or 422, and it waits on."""
    txid = await office.api.shop.is_lost(100)
    asked = await office.asks(f"/withdrawals/{txid}/resolve", outcome="failed", reason="r")

    path = f"{OPS}/approvals/{asked.json()['approvalId']}/approve"
    answer = await office.john.post(path, content=content)

    assert answer.status_code in {400, 422}
    assert State.UNRESOLVED == await office.api.shop.state_of(txid)
