"""Notifications, jobs, audit, access to personal data, alerts: what operations see and do."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from payops.access.domain import Scope
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from tests.support.house import House, opened
from tests.support.sql import execute
from tests.support.waiting import eventually

READ, WRITE, AUDIT = Scope.OPS_READ, Scope.OPS_WRITE, Scope.AUDIT_READ


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def listed(house: House, path: str, scope: Scope, **parameters: str) -> list[dict[str, Any]]:
    answer = await house.get(path, scope, **parameters)
    assert 200 == answer.status_code, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def test_a_parked_notification_is_seen_with_its_reason(house: House) -> None:
    """Without its body, which may name people."""
    kept = await house.notification()

    answer = await house.get(f"/api/ops/webhooks/{kept['id']}", READ)

    assert kept == answer.json()
    assert ("parked", "lipana", 1) == (kept["state"], kept["source"], kept["attempts"])
    assert kept["reason"].startswith("unreadable")
    assert [kept] == await listed(house, "/api/ops/webhooks", READ, state="parked")
    assert [] == await listed(house, "/api/ops/webhooks", READ, state="applied")


async def test_a_replay_is_an_audited_act(house: House) -> None:
    """It has its effect as if it had just come: here, none again."""
    kept = await house.notification()

    answer = await house.post(f"/api/ops/webhooks/{kept['id']}/replay", WRITE)

    assert (200, "parked", 2) == (
        answer.status_code,
        answer.json()["state"],
        answer.json()["attempts"],
    )
    (record,) = await listed(house, "/api/ops/audit", AUDIT, kind="webhook_replayed")
    assert (kept["id"], {"from": "parked"}) == (record["subject"], record["detail"])


async def test_a_replay_that_is_applied_ends_the_alert(house: House) -> None:
    """A notification parked for a wrong reason settles the payout once that is gone."""
    mine = await house.withdrawal()
    body = {"transactionId": mine["txId"], "userId": "amina", "amountKES": 100, "status": "success"}
    await execute(house.services.db, "UPDATE withdrawals SET amount = 20000")  # not what was sent
    kept = await house.notification(json.dumps(body).encode())
    await execute(
        house.services.db,
        "UPDATE withdrawals SET amount = 10000, state = 'sent', attempts = 1, due_at = now()",
    )

    answer = await house.post(f"/api/ops/webhooks/{kept['id']}/replay", WRITE)

    assert ("parked", "applied") == (kept["state"], answer.json()["state"])
    keys = [alert["key"] for alert in await listed(house, "/api/ops/alerts", READ)]
    assert f"webhook_parked:{kept['id']}" not in keys


async def test_what_has_no_body_any_more_is_not_replayed(house: House) -> None:
    """It would be due for ever and never have an effect."""
    kept = await house.notification()
    await execute(house.services.db, "UPDATE webhook_deliveries SET body_sealed = NULL")

    answer = await house.post(f"/api/ops/webhooks/{kept['id']}/replay", WRITE)

    assert (409, "webhook_not_replayable") == (answer.status_code, answer.json()["code"])
    assert "parked" == (await house.get(f"/api/ops/webhooks/{kept['id']}", READ)).json()["state"]


async def test_a_forged_notification_is_never_replayed(house: House) -> None:
    """Kept as evidence, without effect now or later."""
    await house.client.post("/webhooks/mpesa", content=b"{}")
    (kept,) = await listed(house, "/api/ops/webhooks", READ, state="rejected")

    answer = await house.post(f"/api/ops/webhooks/{kept['id']}/replay", WRITE)

    assert (409, "webhook_not_replayable") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("shown", ["whk_01h455vb4pex5vsknk084sn02q", "nonsense"])
async def test_there_is_no_such_notification(house: House, shown: str) -> None:
    """404, to read and to replay."""
    answers = [
        await house.get(f"/api/ops/webhooks/{shown}", READ),
        await house.post(f"/api/ops/webhooks/{shown}/replay", WRITE),
    ]

    assert [(404, "webhook_not_found")] * 2 == [(a.status_code, a.json()["code"]) for a in answers]


async def test_jobs_have_exactly_the_agreed_shape(house: House) -> None:
    """Null says that a job has never run; nothing is left out."""
    jobs = await listed(house, "/api/ops/jobs", READ)

    shape = {"name", "cron", "lastSlot", "lastStatus", "runs"}
    assert all(shape == set(job) for job in jobs)
    by_name = {job["name"]: job for job in jobs}
    assert {"reconcile-mpesa", "webhook-drain", "audit-seal", "ledger-verify"} <= set(by_name)
    assert ("0 2 * * *", None, None, []) == tuple(
        by_name["reconcile-mpesa"][name] for name in ("cron", "lastSlot", "lastStatus", "runs")
    )


async def test_a_job_is_run_by_name(house: House) -> None:
    """202 at once, the run in the history when it has ended, and who wanted it in the audit log."""
    answer = await house.post("/api/ops/jobs/ledger-verify/run", WRITE)

    async def ended() -> Any:
        jobs = await listed(house, "/api/ops/jobs", READ)
        (job,) = [job for job in jobs if job["name"] == "ledger-verify"]
        return job if job["lastStatus"] == "done" else None

    job = await eventually(ended)
    assert (202, "ledger-verify") == (answer.status_code, answer.json()["name"])
    assert answer.json()["slot"] == job["lastSlot"] == job["runs"][0]["slot"]
    assert {"slot", "startedAt", "finishedAt", "replica", "status"} == set(job["runs"][0])
    (record,) = await listed(house, "/api/ops/audit", AUDIT, kind="job_run")
    assert "ledger-verify" == record["subject"]


async def test_there_is_no_such_job(house: House) -> None:
    """404 with its own code."""
    answer = await house.post("/api/ops/jobs/nonsense/run", WRITE)

    assert (404, "job_not_found") == (answer.status_code, answer.json()["code"])


async def test_the_audit_log_is_searched(house: House) -> None:
    """By user, subject, kind and request; in pages."""
    mine = await house.withdrawal("amina")
    await house.withdrawal("brian")

    of_subject = await listed(house, "/api/ops/audit", AUDIT, subject=mine["txId"])
    of_user = await listed(house, "/api/ops/audit", AUDIT, userId="amina")
    page = (await house.get("/api/ops/audit", AUDIT, limit="1")).json()

    assert {mine["txId"]} == {record["subject"] for record in of_subject}
    assert {"amina"} == {record["userId"] for record in of_user}
    assert (1, True) == (len(page["data"]), page["hasMore"])


async def test_every_reading_of_personal_data_is_listed(house: House) -> None:
    """Purpose, actor, subject, when; never what was read."""
    kept = await house.notification()

    (access,) = await listed(house, "/api/ops/pii-access", AUDIT)

    assert ("webhook_processing", "system:inbox", kept["id"]) == (
        access["purpose"],
        access["actor"],
        access["subject"],
    )
    assert access["at"].endswith("Z")
    assert [] == await listed(house, "/api/ops/pii-access", AUDIT, purpose="legal_request")


async def test_open_alerts_are_listed(house: House) -> None:
    """The most severe first."""
    async with house.services.db.transaction() as tx:
        for severity in (Severity.WARNING, Severity.CRITICAL):
            alert = Alert(key=f"test:{severity}", kind="test", severity=severity, summary="Test.")
            await alerts.raise_alert(tx, alert)

    found = await listed(house, "/api/ops/alerts", READ)

    assert ["critical", "warning"] == [alert["severity"] for alert in found]


async def test_the_books_are_verified_over_http(house: House) -> None:
    """What is planted is found, and named."""
    await house.withdrawal()
    right = (await house.get("/api/ops/ledger/verify", READ)).json()
    await execute(house.services.db, "UPDATE wallets SET available = available + 1")

    wrong = (await house.get("/api/ops/ledger/verify", READ)).json()

    assert {"ok": True, "violations": []} == right
    assert ["wallets_equal_their_entries"] == [v["name"] for v in wrong["violations"]]
    assert wrong["violations"][0]["rows"]


async def test_many_replays_at_once_have_one_effect(house: House) -> None:
    """Impatient people and a drain beside them."""
    mine = await house.withdrawal()
    await execute(house.services.db, "UPDATE withdrawals SET state = 'sent', attempts = 1")
    body = {"transactionId": mine["txId"], "userId": "amina", "amountKES": 100, "status": "success"}
    kept = await house.notification(json.dumps(body).encode())

    answers = await asyncio.gather(
        *(house.post(f"/api/ops/webhooks/{kept['id']}/replay", WRITE) for _ in range(5))
    )

    assert {200} == {answer.status_code for answer in answers}
    journals = await listed(house, "/api/wallets/amina/transactions", Scope.WALLETS_READ)
    assert 1 == [journal["kind"] for journal in journals].count("withdrawal_paid")
