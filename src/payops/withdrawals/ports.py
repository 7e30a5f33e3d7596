"""What withdrawals need of a payout rail, in their own words.

Answers are closed unions: what is known, not how it was said. The default is doubt. Only
what is *proved* harmless may be sent again to a rail that does not de-duplicate, and only
a definitive negative releases money.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

from payops.pii.domain import Msisdn


@dataclass(frozen=True, slots=True)
class Payout:
    """One payout to send. ``txid`` stays the same over all attempts."""

    txid: str
    user_id: str
    phone: Msisdn
    amount_kes: int  # whole shillings


@dataclass(frozen=True, slots=True)
class Taken:
    """The rail has it and will report the result later. Accepted is not paid."""

    reference: str  # the rail's own payout id


@dataclass(frozen=True, slots=True)
class Declined:
    """The rail answered no; no money moved, none will."""

    code: str  # the rail's, "" when it gave none
    message: str  # the rail's words, unscrubbed: never log or show as they are


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """The rail cannot have seen the request: it never left. Safe to send again.

    ``is_outage`` false: for a reason of ours, which says nothing about the rail.
    """

    why: str
    is_outage: bool = True


@dataclass(frozen=True, slots=True)
class CredentialRefused:
    """The rail turned our key away (401, 403) without looking at the request."""

    why: str


@dataclass(frozen=True, slots=True)
class AnswerLost:
    """It may or may not have been acted on.

    ``repeatable`` is false when the rail did answer, in a way that sending again cannot
    clear up (a 2xx that says failed): ask instead. ``is_outage`` is true when the rail did
    not answer at all, or with a 5xx: that is what a circuit breaker counts.
    """

    why: str
    retry_after: timedelta | None = None
    repeatable: bool = True
    is_outage: bool = False


Answer: TypeAlias = Taken | Declined | NotDelivered | CredentialRefused | AnswerLost


class Outcome(StrEnum):
    PAID = "paid"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Report:
    """What a rail says of one payout, by callback or when asked.

    Whatever is not ``None`` must agree with the withdrawal before it has any effect.
    """

    outcome: Outcome
    txid: str | None = None  # our id
    reference: str | None = None  # the rail's own payout id
    path_txid: str | None = None  # the id in the address a callback came to
    user_id: str | None = None
    amount_minor: int | None = None  # KES cents
    phone: Msisdn | None = None
    receipt: str | None = None  # M-Pesa's
    code: str = ""
    message: str = ""  # the rail's words, unscrubbed


@dataclass(frozen=True, slots=True)
class Candidates:
    """Payouts that could be the one asked about, found by phone, amount and time only.

    Each carries its ``reference``; which of them no other withdrawal has claimed is for
    the asker to find out.
    """

    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class NotKnown:
    """The rail says it has no such payout: no proof that it will not appear."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The question could not be put, or its answer not read."""

    why: str


StatusAnswer: TypeAlias = Report | Candidates | NotKnown | NoAnswer


@dataclass(frozen=True, slots=True)
class Question:
    """Which payout to ask about."""

    txid: str
    phone: Msisdn
    amount_kes: int
    first_sent_at: datetime
    reference: str | None  # the rail's id, when we have learned it


class PayoutRail(Protocol):
    """A way to pay a phone. Neither method raises for what the network or the rail does."""

    name: str
    deduplicates: bool  # the same txid sent twice is one payout

    async def send(self, payout: Payout) -> Answer: ...

    async def ask(self, question: Question) -> StatusAnswer: ...
