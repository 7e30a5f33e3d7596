"""Velocity: how many, and how much, in a window. Pure; the caller brings the history.

The history must be read in the transaction that will add to it, after the wallet was
locked: then no race can pass a limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from math import ceil
from typing import Final

from payops.fraud.errors import VelocityLimitExceeded

HOUR: Final = timedelta(hours=1)
NAIROBI: Final = timezone(timedelta(hours=3), "EAT")  # Kenya has had no other since 1960


@dataclass(frozen=True, slots=True)
class Done:
    """Something accepted earlier that counts: when, and how much in minor units."""

    at: datetime
    amount_minor: int


@dataclass(frozen=True, slots=True)
class WithdrawalLimits:
    """Zero switches a limit off."""

    per_hour: int
    kes_per_day: int  # whole shillings, per Nairobi day

    @property
    def are_off(self) -> bool:
        """Then no history need be read."""
        return not self.per_hour and not self.kes_per_day

    def check(self, history: Sequence[Done], amount_minor: int, now: datetime) -> None:
        """``history`` is in order of time and reaches back far enough for ``window_start``.

        Raises:
            VelocityLimitExceeded: with the time until a slot is free.
        """
        recent = [done for done in history if done.at > now - HOUR]
        if self.per_hour and len(recent) >= self.per_hour:
            free_at = recent[-self.per_hour].at + HOUR
            raise VelocityLimitExceeded(
                f"Withdrawal limit exceeded ({self.per_hour}/hour). Try again later.",
                retry_after_seconds=_seconds_until(free_at, now),
            )
        today = day_start(now)
        spent_minor = sum(done.amount_minor for done in history if done.at >= today)
        if self.kes_per_day and spent_minor + amount_minor > self.kes_per_day * 100:
            raise VelocityLimitExceeded(
                f"Daily withdrawal limit exceeded (KES {self.kes_per_day:,}/day). Try again later.",
                retry_after_seconds=_seconds_until(today + timedelta(days=1), now),
            )


def day_start(now: datetime) -> datetime:
    """Midnight in Nairobi before ``now``."""
    return now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)


def window_start(now: datetime) -> datetime:
    """How far back a history must reach for every limit."""
    return min(now - HOUR, day_start(now))


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, ceil((moment - now).total_seconds()))
