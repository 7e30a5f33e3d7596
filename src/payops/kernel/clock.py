"""Where application code gets the time from; windows and leases use the database's clock."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current moment, in UTC."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)
