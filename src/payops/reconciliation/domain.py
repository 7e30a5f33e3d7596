"""What a reconciliation found: counts, and breaks that stay until they are explained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from payops.kernel.ids import read_id, show_id

BREAK_PREFIX: Final = "brk"


@dataclass(slots=True)
class Tally:
    """Counts of one run: ``{checked, completed, failed, unresolved, errors}``."""

    checked: int = 0
    completed: int = 0
    failed: int = 0
    unresolved: int = 0
    errors: int = 0

    def as_json(self) -> dict[str, int]:
        return {
            "checked": self.checked,
            "completed": self.completed,
            "failed": self.failed,
            "unresolved": self.unresolved,
            "errors": self.errors,
        }


@dataclass(slots=True)
class DepositTally:
    """Counts of one run over deposits; ``breaks`` are those open for what it looked at."""

    checked: int = 0
    credited: int = 0
    review: int = 0
    unchanged: int = 0
    errors: int = 0
    breaks: int = 0

    def as_json(self) -> dict[str, int]:
        return asdict(self)


class BreakKind(StrEnum):
    AMOUNT_DIFFERS = "amount_differs"  # another amount arrived than we have credited for
    STATE_DIFFERS = "state_differs"  # and reading it back did not bring us there
    SETTLED_NOT_CREDITED = "settled_not_credited"
    CREDITED_NOT_SETTLED = "credited_not_settled"
    NOT_KNOWN = "not_known"  # the provider has no such payment
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs; ``subject`` is the provider's payment, ``detail`` holds both sides."""

    kind: BreakKind
    provider: str
    subject: str
    user_id: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Break:
    """A difference on record, until it is gone or explained. ``owner``: who looks into it."""

    id: UUID
    kind: BreakKind
    provider: str
    subject: str
    user_id: str
    detail: Mapping[str, object]
    owner: str | None
    opened_at: datetime
    last_seen_at: datetime


def show_break(break_id: UUID) -> str:
    return show_id(BREAK_PREFIX, break_id)


def read_break(text: str) -> UUID:
    """Raises ``ValueError`` for anything ``show_break`` does not write."""
    return read_id(BREAK_PREFIX, text)
