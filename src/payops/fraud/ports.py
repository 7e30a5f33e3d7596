"""How the code of a verification gets to its user."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Channel(StrEnum):
    EMAIL = "email"  # the verified address of the user's token
    EVENT = "event"  # a signed event; BETRIX's back end tells the user


class Delivery(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"  # it may work later
    REFUSED = "refused"  # it will not, however often it is tried


@dataclass(frozen=True, slots=True)
class Notice:
    """A code for a user. ``address`` is where to, for e-mail only."""

    user_id: str
    verification_id: str
    expires_at: datetime
    code: str = field(repr=False)
    address: str | None = field(default=None, repr=False)


class Courier(Protocol):
    """One channel. May be handed the same notice twice; raises nothing."""

    async def deliver(self, notice: Notice) -> Delivery: ...
