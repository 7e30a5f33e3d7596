"""A change of a rule: as it was made, or as it waits for a second person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from payops.fraud.domain.rules import Measure, Mode, Rule
from payops.kernel.ids import read_id, show_id

CHANGE_PREFIX = "chg"


class ChangeState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    OVERTAKEN = "overtaken"  # the rule was changed by somebody else while it waited


@dataclass(frozen=True, slots=True)
class Version:
    """One step of a rule's history. ``before`` is ``None`` for a rule that was made new."""

    rule: Rule
    before: Mapping[str, object] | None
    reason: str
    changed_by: str
    approved_by: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A loosening that somebody wants. It holds for the version it was asked of only."""

    id: UUID
    name: str
    base_version: int
    measure: Measure
    limit: int  # in the rule's own unit
    mode: Mode
    reason: str
    proposed_by: str
    state: ChangeState = ChangeState.PENDING
    proposed_at: datetime | None = None
    expires_at: datetime | None = None
    is_over: bool = False  # ``expires_at`` is past
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None

    @property
    def shown_limit(self) -> int:
        """A count, or whole shillings."""
        return self.limit // self.measure.unit

    @property
    def shown_id(self) -> str:
        return show_id(CHANGE_PREFIX, self.id)


def read_change(text: str) -> UUID:
    """Raises ``ValueError`` for anything ``shown_id`` does not write."""
    return read_id(CHANGE_PREFIX, text)
