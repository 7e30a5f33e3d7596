"""Opening a notification's body over HTTP: who may, why, how often, and what is on record."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from payops.access.domain import Scope
from payops.infra.settings import Pii
from tests.support.house import House, opened, settings_for
from tests.support.sql import execute

PII, AUDIT = Scope.PII_READ, Scope.AUDIT_READ
WHY = {"purpose": "investigation", "reason": "ticket 4711"}
SENT = {"status": "odd", "accountName": "Amina W", "phone": "0700000012", "amountKES": 100}


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def opens(house: House, shown_id: str, body: Any = WHY, *scopes: Scope) -> Any:
    return await house.post(f"/api/ops/webhooks/{shown_id}/body", *(scopes or (PII,)), body=body)


async def test_what_was_sent_is_shown_and_nobody_is_named(house: House) -> None:
    """With where it came from; never stored on the way."""
    kept = await house.notification(json.dumps(SENT).encode())

    answer = await opens(house, kept["id"])

    assert 200 == answer.status_code, answer.text
    assert (kept["id"], "lipana") == (answer.json()["id"], answer.json()["source"])
    assert {
        "status": "odd",
        "accountName": "[hidden]",
        "phone": "[hidden]",
        "amountKES": 100,
    } == json.loads(answer.json()["body"])
    assert "no-store" == answer.headers["cache-control"]


async def test_the_read_is_on_record_in_both_logs(house: House) -> None:
    """Who, which and why."""
    kept = await house.notification()

    assert 200 == (await opens(house, kept["id"])).status_code

    page = await house.get("/api/ops/pii-access", AUDIT, subject=kept["id"], purpose=WHY["purpose"])
    (record,) = page.json()["data"]
    (event,) = (await house.get("/api/ops/audit", AUDIT, kind="personal_data_opened")).json()[
        "data"
    ][:1]
    assert ("ticket 4711", "webhook_deliveries.body_sealed") == (record["reason"], record["field"])
    assert (kept["id"], record["actor"]) == (event["subject"], event["actor"])


async def test_a_quota_ends_it(url: str) -> None:
    """It is the one of phone numbers, too; who reaches it is told of."""
    pii = settings_for(url).pii
    async with opened(
        url, pii=Pii(keys=pii.keys, index_key=pii.index_key, reads_per_hour=1)
    ) as one:
        kept = await one.notification()
        key = await one.key(PII, Scope.OPS_READ)
        path = f"/api/ops/webhooks/{kept['id']}/body"

        answers = [await one.client.post(path, headers=key, json=WHY) for _ in range(2)]

        assert [200, 429] == [answer.status_code for answer in answers]
        assert "personal_data_quota_reached" == answers[1].json()["code"]
        alerts = (await one.client.get("/api/ops/alerts", headers=key)).json()["data"]
        assert "personal_data_quota" in {alert["kind"] for alert in alerts}


async def test_what_was_erased_is_not_shown(house: House) -> None:
    """And nothing is recorded as read."""
    kept = await house.notification()
    await execute(house.services.db, "UPDATE webhook_deliveries SET body_sealed = NULL")

    answer = await opens(house, kept["id"])

    assert "personal_data_erased" == answer.json()["code"]
    page = await house.get("/api/ops/pii-access", AUDIT, purpose=WHY["purpose"])
    assert [] == page.json()["data"]


@pytest.mark.parametrize("shown_id", ["whk_01h455vb4pex5vsknk084sn02q", "wd_x", "x"])
async def test_what_is_not_there_is_not_shown(house: House, shown_id: str) -> None:
    """404, whatever it looks like."""
    answer = await opens(house, shown_id)

    assert (404, "webhook_not_found") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not PII])
async def test_no_other_scope_shows_it(house: House, scope: Scope) -> None:
    """Not even those of operations and of auditors."""
    answer = await opens(house, "whk_01h455vb4pex5vsknk084sn02q", WHY, scope)

    assert (403, "scope_missing") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    "body", [{}, {**WHY, "purpose": "webhook_processing"}, {**WHY, "reason": "x"}, {**WHY, "x": 1}]
)
async def test_without_a_purpose_and_a_reason_nothing_is_shown(house: House, body: Any) -> None:
    """The purposes of the service itself are not for people."""
    kept = await house.notification()

    answer = await opens(house, kept["id"], body)

    assert (422, "validation_failed") == (answer.status_code, answer.json()["code"])
