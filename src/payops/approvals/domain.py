"""What is asked for, by whom, until when, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from payops.access.domain import person_of
from payops.audit.domain import HOUSE
from payops.kernel.ids import read_id, show_id

ID_PREFIX: Final = "apr"
# The parts of a payload that say what its asker looked at, not what is to be done.
_LOOKED_AT: Final = ("stood", "haltedAt", "block")


class Action(StrEnum):
    """What needs two people. Each has one executor, given where the service is put together."""

    WITHDRAWAL_RESOLVE = "withdrawal_resolve"
    WITHDRAWAL_REFUND = "withdrawal_refund"
    WITHDRAWAL_WRITE_OFF = "withdrawal_write_off"
    DEPOSIT_RESOLVE = "deposit_resolve"
    SWITCH_RESUME = "switch_resume"
    USER_UNBLOCK = "user_unblock"


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"  # and done: both commit together
    REJECTED = "rejected"
    EXPIRED = "expired"
    OVERTAKEN = "overtaken"  # what it was about changed while it waited


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts: as the audit log has them, and the human being behind it."""

    actor: str
    owner: str

    @property
    def name(self) -> str:
        """One spelling for each person, whichever of their keys or keyboards they use."""
        return person_of(self.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An act that somebody asks for. ``payload`` is what its executor needs, as JSON."""

    action: Action
    subject: str  # the shown id of what it is about, or its name
    reason: str
    user_id: str = HOUSE
    payload: Mapping[str, object] = field(default_factory=dict)

    @property
    def looked_at(self) -> Mapping[str, object]:
        """How things stood when it was asked for."""
        return {name: self.payload[name] for name in _LOOKED_AT if name in self.payload}


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """An act as it was asked for, and as it was decided. Times are the database's."""

    id: UUID
    wanted: Wanted
    asked_by: str
    asked_owner: str
    asked_at: datetime
    expires_at: datetime
    is_over: bool = False  # ``expires_at`` is past
    state: State = State.PENDING
    decided_by: str | None = None
    decided_owner: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None

    @property
    def shown_id(self) -> str:
        return show_id(ID_PREFIX, self.id)


@dataclass(frozen=True, slots=True)
class Effect:
    """What an executor changed, for the audit log: no personal data."""

    before: Mapping[str, object]
    after: Mapping[str, object]


def read(text: str) -> UUID:
    """Raises ``ValueError`` for anything that is not an approval's shown id."""
    return read_id(ID_PREFIX, text)
