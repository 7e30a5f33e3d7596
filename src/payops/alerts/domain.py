"""What an alert is, and what people are told of it.

An alert's key decides what counts as the same trouble again. An episode is that trouble as
people know it: from the first message about a key to the one that says it is over.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from payops.kernel.ids import read_id, show_id
from payops.kernel.retrying import Fraction, doubling

ID_PREFIX = "alr"
NOTICE_PREFIX: Final = "not"

# Topics: there are notices to decide about; there are messages to deliver.
NOTICES: Final = "alert_notices"
DELIVERIES: Final = "alert_deliveries"

_RETRY_FIRST: Final = timedelta(seconds=5)
_RETRY_MOST: Final = timedelta(minutes=5)
_ESCALATE_MOST: Final = timedelta(hours=12)

# The page of docs/runbooks for a kind of alert; the others are in its table of contents.
RUNBOOKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "callbacks_silent": "webhook-signature-failures",
        "deposit_coins": "crypto-address-mismatch",
        "deposit_credentials": "provider-outage",
        "deposit_overpaid": "deposit-stuck",
        "deposit_review": "deposit-stuck",
        "deposit_status_unknown": "deposit-stuck",
        "deposit_stuck": "deposit-stuck",
        "deposits_waiting": "deposit-stuck",
        "device_codes_undeliverable": "device-codes",
        "device_codes_undelivered": "device-codes",
        "float_low": "low-float",
        "halted": "halted",
        "inbox_backlog": "webhook-signature-failures",
        "job_missed": "scheduler-silent",
        "key_old": "key-compromise",
        "ledger_out_of_balance": "ledger-out-of-balance",
        "payout_exposure": "unresolved-withdrawal",
        "payout_failures": "provider-outage",
        "payout_reference": "unresolved-withdrawal",
        "payouts_waiting": "provider-outage",
        "personal_data_quota": "key-compromise",
        "phone_unreadable": "unresolved-withdrawal",
        "rail_credentials": "provider-outage",
        "reconciliation_break": "deposit-stuck",
        "reconciliation_overdue": "scheduler-silent",
        "signature_failures": "webhook-signature-failures",
        "velocity_anomaly": "velocity-anomaly",
        "webhook_parked": "webhook-signature-failures",
        "withdrawal_contradiction": "unresolved-withdrawal",
        "withdrawal_review": "unresolved-withdrawal",
        "withdrawal_unclear": "unresolved-withdrawal",
    }
)


_RUNBOOK_CONTENTS: Final = "README"


class Severity(StrEnum):
    """In ascending order: an open alert is only ever raised to a later one."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Trouble to be told of. ``key`` names it: ``rail_down:lipana``, ``unresolved:wd_…``.

    ``summary`` is one sentence for a person and ``detail`` the figures and ids behind it;
    neither holds personal data, for both leave the house when alerts are delivered.
    """

    key: str
    kind: str
    severity: Severity
    summary: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert as it is kept; open until ``resolved_at``."""

    id: UUID
    key: str
    kind: str
    severity: Severity
    summary: str
    detail: Mapping[str, object]
    raised_at: datetime
    last_seen_at: datetime
    count: int  # how often it was raised, the first time included
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None


class NoticeKind(StrEnum):
    """What a notice says of its alert."""

    RAISED = "raised"
    WORSENED = "worsened"
    RENEWED = "renewed"  # no worse, but somebody else has found or done the same
    ESCALATED = "escalated"  # still open, and nobody said that they are at it
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    TEST = "test"  # a person tries the channels; never kept


class Verdict(StrEnum):
    TELL = "tell"
    KEEP_QUIET = "keep_quiet"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Policy:
    """When people are told. ``quiet`` is how long trouble must be gone to be called over."""

    quiet: timedelta
    escalate: timedelta  # from a critical message to the first reminder; then doubling
    give_up: timedelta  # how long one message is tried


@dataclass(frozen=True, slots=True)
class Heard:
    """The oldest notice of a key that nothing was decided about yet."""

    kind: NoticeKind
    severity: Severity
    age: timedelta
    back_after: timedelta | None = None  # from this one to the next "raised" of its key


@dataclass(frozen=True, slots=True)
class Episode:
    """What people believe of a key now."""

    severity: Severity
    is_acknowledged: bool


def judge(heard: Heard, episode: Episode | None, quiet: timedelta) -> Verdict:
    """Whether people are told of ``heard``, given what they know.

    "Over" is held back until the trouble has stayed away for ``quiet``: they are never told
    that it is over while it is on, and trouble that flaps is one episode to them.
    """
    match heard.kind:
        case NoticeKind.RENEWED:
            is_news = True
        case NoticeKind.RAISED | NoticeKind.WORSENED:
            is_news = episode is None or heard.severity.rank > episode.severity.rank
        case NoticeKind.RESOLVED if episode is not None:
            if heard.back_after is None and heard.age < quiet:
                return Verdict.WAIT
            is_news = heard.back_after is None or heard.back_after >= quiet
        case _:
            is_news = episode is not None and not episode.is_acknowledged
    return Verdict.TELL if is_news else Verdict.KEEP_QUIET


def reminder_wait(reminders: int, policy: Policy) -> timedelta:
    """From one reminder of a critical alert to the next, after so many."""
    return doubling(policy.escalate, reminders, most=max(policy.escalate, _ESCALATE_MOST))


def retry_wait(
    attempts: int, *, at_least: timedelta | None = None, fraction: Fraction = random.random
) -> timedelta:
    """Before a message that failed ``attempts`` times is tried again: jittered, minutes at most.

    A longer ``at_least`` wins: it is what the channel asked for.
    """
    wait = doubling(_RETRY_FIRST, attempts - 1, most=_RETRY_MOST)
    wait += wait * fraction() / 4
    return max(wait, at_least) if at_least else wait


def runbook_page(kind: str) -> str:
    """The name, without its ending, of the page that says what to do."""
    return RUNBOOKS.get(kind, _RUNBOOK_CONTENTS)


def show(alert_id: UUID) -> str:
    return show_id(ID_PREFIX, alert_id)


def read(text: str) -> UUID:
    """Raises ``ValueError`` for anything ``show`` does not write."""
    return read_id(ID_PREFIX, text)
