"""A block: a user may not take money out until it is lifted or over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

REASON_LENGTH_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Block:
    """One block, lifted or not. ``until`` ``None``: until somebody lifts it."""

    user_id: str
    id: UUID
    reason: str
    blocked_by: str
    blocked_at: datetime
    until: datetime | None = None
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lift_reason: str | None = None
