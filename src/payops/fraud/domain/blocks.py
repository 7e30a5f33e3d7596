"""A block: a user may not take money out until it is lifted or over."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


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

    def lasts_until(self, moment: datetime) -> bool:
        """Whether it still stands then, unless somebody lifts it before."""
        return self.until is None or self.until >= moment
