"""Why people did something is kept for ever and shown around: without their customers' numbers."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from payops.access.domain import Scope
from payops.access.service import create_key
from payops.alerts import domain as alerts
from payops.kernel.ids import new_id
from payops.reconciliation.domain import show_break
from payops.webhooks import domain as notifications
from tests.support.api import AMINA, Api, code_of, running_api

OPS = "/api/ops"
NUMBER = "0700000099"
SPELLINGS = ("0700000099", "700000099", "254700000099", "700 000 099")
REASON = f"the customer called from {NUMBER} and +254 700 000 099"
RULES = f"{OPS}/velocity/rules"

OPENAPI = Path(__file__).parents[2] / "docs/openapi.json"
TRIED = {
    "/api/wallets/{userId}/credits",
    "/api/wallets/{userId}/debits",
    *(
        f"{OPS}{path}"
        for path in (
            "/alerts/{id}/resolve",
            "/approvals/{id}/approve",
            "/approvals/{id}/reject",
            "/breaks/{breakId}/explain",
            "/fx/rates",
            "/switches",
            "/users/{userId}/block",
            "/users/{userId}/unblock",
            "/velocity/rules",
            "/velocity/rules/{rule}",
            "/webhooks/{id}/body",
            "/withdrawals/doubt",
            "/withdrawals/{txId}/phone",
            "/withdrawals/{txId}/refund",
            "/withdrawals/{txId}/resolve",
            "/withdrawals/{txId}/write-off",
        )
    ),
}
SAME_DOOR = {f"{OPS}/invoices/{{invoiceId}}/resolve"}  # as for payouts: Approvals.ask

_TEXTS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public'
    AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'ARRAY')
ORDER BY table_name, ordinal_position
"""
_BREAK = """
INSERT INTO reconciliation_breaks (id, provider, kind, subject, user_id, detail)
VALUES ($1, 'mint', 'not_known', 'pay_1', $2, '{}')
"""


@dataclass(frozen=True)
class Office:
    api: Api
    john: httpx.AsyncClient  # the second person

    async def posts(self, path: str, status: int, key: str = "", /, **body: object) -> str:
        """Ask for it with the reason; the id of what waits for another person, if any."""
        headers = {"Idempotency-Key": key} if key else {}
        content = {"reason": REASON} | body
        answer = await self.api.back_end.post(path, json=content, headers=headers)
        assert status == answer.status_code, (path, answer.text)
        return str(answer.json().get("approvalId", ""))

    async def decides(self, approval: str, how: str) -> None:
        path = f"{OPS}/approvals/{approval}/{how}"
        answer = await self.john.post(path, json={"reason": REASON})
        assert 200 == answer.status_code, answer.text


@pytest.fixture
async def office(url: str) -> AsyncIterator[Office]:
    settings = {"velocity": {"withdrawals_per_hour": 9}, "approvals": {"unblock_alone_max_kes": 0}}
    async with running_api(url, settings) as api:
        issued = await create_key(
            api.services.db, name="ops", owner="john", scopes=set(Scope), live=False
        )
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(api.app, raise_app_exceptions=False),
            base_url="http://payops.test",
            headers={"Authorization": f"Bearer {issued.text}"},
        )
        async with client:
            yield Office(api, client)


async def test_a_number_in_a_reason_is_kept_nowhere(office: Office) -> None:
    """
    Every route that takes a reason is given one; then every text of the database and every
    answer of the operations' API is searched for it.
    """
    await _wallets(office)
    payouts = await _withdrawals(office)
    await _switches_and_blocks(office)
    await _rules_and_rates(office)
    await _alerts_and_notifications(office)

    assert [] == await _kept(office.api)
    paths = [*_lists(office.api), f"{OPS}/users/{AMINA}"]
    for txid in payouts:
        paths += [f"{OPS}/withdrawals/{txid}", f"{OPS}/withdrawals/{txid}/why"]
    assert [] == [path for path in paths if _has_it(await _read(office, path))]
    said = await office.api.shop.fetch("SELECT reason, decision_reason FROM approvals")
    assert all("called from [phone]" in row["reason"] for row in said)
    assert any("called from [phone]" in (row["decision_reason"] or "") for row in said)


def test_no_route_that_takes_a_reason_is_forgotten() -> None:
    """
    A new one is given a number above, or goes through a door that another of them went through.
    """
    described = json.loads(OPENAPI.read_text())
    found = {
        path
        for path, methods in described["paths"].items()
        for method in methods.values()
        if "reason" in _fields(described, method)
    }
    assert found == TRIED | SAME_DOOR


def _fields(described: dict[str, Any], method: dict[str, Any]) -> set[str]:
    """The members of the body that a method takes."""
    content = method.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema.get("properties", ()))


async def _wallets(office: Office) -> None:
    for direction in ("credits", "debits"):
        path, amount = f"/api/wallets/{AMINA}/{direction}", {"amount": "1.00", "currency": "KES"}
        await office.posts(path, 201, f"k-{direction}", reference=direction, **amount)


async def _withdrawals(office: Office) -> tuple[str, str]:
    shop = office.api.shop
    lost, paid = await shop.is_lost(100), await shop.is_sent(100)
    await shop.accepts(100)
    await shop.hears({"transactionId": paid, "amountKES": 100, "status": "success"})
    path = f"{OPS}/withdrawals"
    await office.decides(
        await office.posts(f"{path}/{lost}/resolve", 202, outcome="failed"), "approve"
    )
    loss = await office.posts(f"{path}/{lost}/write-off", 202, receipt="SLK4H7RTY9")
    await office.decides(loss, "approve")
    await office.decides(await office.posts(f"{path}/{paid}/refund", 202, "k-1"), "reject")
    await office.posts(f"{path}/{paid}/refund", 202, "k-2")
    await office.posts(f"{path}/{paid}/phone", 200, purpose="investigation")
    return lost, paid


async def _switches_and_blocks(office: Office) -> None:
    await office.posts(f"{OPS}/switches", 200, name="lipana", halted=True)
    resumed = await office.posts(f"{OPS}/switches", 202, name="lipana", halted=False)
    await office.decides(resumed, "approve")
    await office.posts(f"{OPS}/switches", 200, name="withdrawals", halted=True)
    await office.posts(f"{OPS}/withdrawals/doubt", 200, allPending=True, dryRun=False)
    await office.api.shop.funds(AMINA, 1)
    user = f"{OPS}/users/{AMINA}"
    await office.posts(f"{user}/block", 200)
    await office.decides(await office.posts(f"{user}/unblock", 202), "approve")
    await office.posts(f"{user}/block", 200)


async def _rules_and_rates(office: Office) -> None:
    client, name = office.api.back_end, "user-withdrawals-per-hour"
    stricter = await client.put(f"{RULES}/{name}", json={"limit": 2, "reason": REASON})
    assert 200 == stricter.status_code, stricter.text
    for limit, how in ((99, "approve"), (100, "reject")):
        looser = await client.put(f"{RULES}/{name}", json={"limit": limit, "reason": REASON})
        assert 202 == looser.status_code, looser.text
        await office.decides(looser.json()["changeId"], how)
    rule = {"name": "sum-a-day", "measure": "sum", "limit": 500}
    await office.posts(RULES, 201, **rule)
    await office.posts(f"{OPS}/fx/rates", 201, rate="130")
    found = new_id()
    await office.api.shop.execute(_BREAK, found, AMINA)
    await office.posts(f"{OPS}/breaks/{show_break(found)}/explain", 200)


async def _alerts_and_notifications(office: Office) -> None:
    shop = office.api.shop
    await shop.hears(b"no JSON at all")
    (kept,) = await shop.fetch("SELECT id FROM webhook_deliveries WHERE state = 'parked'")
    (alert,) = await shop.fetch("SELECT id FROM alerts WHERE kind = 'webhook_parked'")
    path = f"{OPS}/webhooks/{notifications.show(kept['id'])}/body"
    await office.posts(path, 200, purpose="investigation")
    await office.posts(f"{OPS}/alerts/{alerts.show(alert['id'])}/resolve", 200)


def _lists(api: Api) -> list[str]:
    """Whatever operations can read without naming one thing."""
    paths = api.app.openapi()["paths"]
    return [
        path
        for path, methods in paths.items()
        if path.startswith(OPS)
        and "{" not in path
        and "get" in methods
        and not any(one.get("required") for one in methods["get"].get("parameters", ()))
    ]


async def _read(office: Office, path: str) -> str:
    answer = await office.api.back_end.get(path)
    assert 200 == answer.status_code, (path, answer.text)
    return answer.text


async def _kept(api: Api) -> list[tuple[str, str]]:
    """The columns in which the number stands, however it is spelled."""
    found = []
    for row in await api.shop.fetch(_TEXTS):
        table, column = row["table_name"], row["column_name"]
        values = await api.shop.fetch(f'SELECT "{column}"::text AS text FROM "{table}"')
        if any(_has_it(value["text"] or "") for value in values):
            found.append((table, column))
    return found


def _has_it(text: str) -> bool:
    return any(spelling in text for spelling in SPELLINGS)


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_a_block_until_no_moment_is_refused(office: Office, until: str) -> None:
    """
    422 at the field, and nobody is blocked.
    """
    answer = await office.api.back_end.post(
        f"{OPS}/users/{AMINA}/block", json={"reason": "r", "until": until}
    )

    assert (422, "validation_failed") == code_of(answer)
    assert ["/until"] == [fault["pointer"] for fault in answer.json()["errors"]]
    assert [] == await office.api.shop.fetch("SELECT * FROM user_blocks")
