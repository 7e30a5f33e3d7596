"""A notice to send through a channel."""

from datetime import UTC, datetime
from typing import Any

from payops.alerts.domain import NoticeKind, Severity
from payops.alerts.ports import Notice

SOURCE = "payops test"
AT = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)


def notice(kind: NoticeKind = NoticeKind.RAISED, **fields: Any) -> Notice:
    given: dict[str, Any] = {
        "reference": "not_1",
        "thread": "not_1",
        "alert_id": "alr_1",
        "key": "rail_credentials:lipana",
        "alert_kind": "rail_credentials",
        "severity": Severity.CRITICAL,
        "summary": "The payout rail refuses our credentials; withdrawals wait.",
        "detail": {"rail": "lipana", "failures": 10},
        "raised_at": AT,
        "at": AT,
        "runbook": "https://wiki.betrix.example/provider-outage.md",
    }
    return Notice(kind=kind, **(given | fields))
