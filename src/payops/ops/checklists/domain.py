"""The lists, their lines, and what a line can come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from payops.kernel.ids import show_id

ID_PREFIX: Final = "chk"


class Status(StrEnum):
    PASS = "pass"  # noqa: S105 - the word of the interface, not a password
    ATTENTION = "attention"  # nothing is broken; a person should look, or could not be shown
    FAIL = "fail"


class ListName(StrEnum):
    PRE_LAUNCH = "pre-launch"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found. ``evidence`` holds what JSON holds, and no personal data."""

    status: Status
    detail: str
    evidence: Mapping[str, object] = field(default_factory=dict)


def passed(detail: str, **evidence: object) -> Finding:
    return Finding(Status.PASS, detail, evidence)


def attention(detail: str, **evidence: object) -> Finding:
    return Finding(Status.ATTENTION, detail, evidence)


def failed(detail: str, **evidence: object) -> Finding:
    return Finding(Status.FAIL, detail, evidence)


@dataclass(frozen=True, slots=True)
class Result:
    """A finding as it is on record."""

    id: UUID
    list: ListName
    item: str
    status: Status
    detail: str
    evidence: Mapping[str, object]
    ran_by: str
    ran_at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A line with its newest result and when it last passed, on whichever list."""

    item: str
    result: Result | None
    last_passed_at: datetime | None

    @property
    def title(self) -> str:
        return LINES[self.item]


# Every line there is, by the id it is stored under.
LINES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "migrations": "The schema is the one this version was made for",
        "ledger": "Every invariant of the books holds",
        "audit_chain": "The audit log is as it was written",
        "duplicate_request": "A request that comes twice has one effect and one answer",
        "duplicate_webhook": "A notification that comes twice is acknowledged and applied once",
        "reconciliation": "Both reconciliations have run, and left no difference",
        "limits": "Amounts and velocities beyond the limits are refused",
        "devices": "A request from an unknown device is stopped",
        "personal_data_sealed": "Personal data is stored sealed, and opening it is recorded",
        "secrets": "No secret is a default, a placeholder, or in the code",
        "alert_channels": "Somebody is told of alerts",
        "jobs": "Every timed job runs and ends well",
        "transition_times": "The time a payment takes is measured and has not grown",
        "stuck_payments": "No payment stays where it is for too long",
        "inbox": "No notification waits for a person, or for its effect",
        "open_alerts": "No alert is open",
        "velocity_hits": "Who met the velocity limits has been looked at",
        "personal_data_reads": "Who read personal data, and why, has been looked at",
        "api_keys": "No API key is forgotten or too old",
        "key_age": "No key and no secret is in use for too long",
        "dependency_audit": "No dependency has a known vulnerability",
    }
)

LISTS: Final[Mapping[ListName, tuple[str, ...]]] = MappingProxyType(
    {
        ListName.PRE_LAUNCH: (
            "migrations",
            "ledger",
            "audit_chain",
            "duplicate_request",
            "duplicate_webhook",
            "reconciliation",
            "limits",
            "devices",
            "personal_data_sealed",
            "secrets",
            "alert_channels",
            "jobs",
            "transition_times",
        ),
        ListName.HOURLY: ("stuck_payments", "transition_times", "inbox", "open_alerts"),
        ListName.DAILY: (
            "reconciliation",
            "ledger",
            "audit_chain",
            "stuck_payments",
            "velocity_hits",
            "jobs",
            "open_alerts",
        ),
        ListName.WEEKLY: (
            "personal_data_reads",
            "duplicate_request",
            "duplicate_webhook",
            "limits",
            "devices",
        ),
        ListName.MONTHLY: (
            "key_age",
            "api_keys",
            "dependency_audit",
            "secrets",
            "personal_data_sealed",
            "migrations",
        ),
    }
)


def show(result_id: UUID) -> str:
    return show_id(ID_PREFIX, result_id)
