"""A notification in the inbox, and how long it is tried."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from payops.kernel.ids import read_id, show_id
from payops.kernel.retrying import doubling

ID_PREFIX: Final = "whk"
INBOX: Final = "webhooks"  # the topic that wakes the drain

ERRORS_MAX: Final = 8  # failures of our own, then a person must look
UNKNOWN_FOR: Final = timedelta(days=7)  # how long one about nothing we know is re-matched


class State(StrEnum):
    PENDING = "pending"  # kept, its effect still to come
    APPLIED = "applied"
    PARKED = "parked"  # contradicts what we know, or cannot be read: a person must look
    UNKNOWN = "unknown"  # about nothing we know yet
    REJECTED = "rejected"  # badly signed; kept as evidence, never with effect


@dataclass(frozen=True, slots=True)
class Kept:
    """A notification as it is stored, its body sealed."""

    id: UUID
    source: str
    dedupe_key: bytes
    path_reference: str | None
    body_sealed: bytes
    state: State


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification as operations people see it; the body stays sealed."""

    id: UUID
    source: str
    state: State
    attempts: int
    received_at: datetime
    handled_at: datetime | None
    reason: str | None
    subject: str | None
    path_reference: str | None


def wait_after(attempts: int) -> timedelta:
    """How long until the next try: seconds at first, an hour at most."""
    return doubling(timedelta(seconds=2), attempts, most=timedelta(hours=1))


def show(delivery_id: UUID) -> str:
    return show_id(ID_PREFIX, delivery_id)


def read(text: str) -> UUID:
    """Raises ``ValueError`` for anything ``show`` does not write."""
    return read_id(ID_PREFIX, text)
