"""How long to wait before trying again: pure arithmetic, the sleeping is done elsewhere."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

Fraction = Callable[[], float]  # uniform in [0, 1)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits with jitter on top: before send n+1, ``base * 2^(n-1) + [0, jitter)``."""

    attempts_max: int
    base: timedelta
    jitter: timedelta

    def wait_after(
        self, attempt: int, *, at_least: timedelta | None = None, fraction: Fraction = random.random
    ) -> timedelta:
        """The wait after ``attempt`` (1 is the first); a longer ``at_least`` wins.

        ``at_least`` is what the other side asked for, usually a ``Retry-After``.
        """
        wait = self.base * 2 ** (attempt - 1) + self.jitter * fraction()
        return max(wait, at_least) if at_least else wait


def doubling(first: timedelta, count: int, *, most: timedelta) -> timedelta:
    """``first`` doubled ``count`` times, never more than ``most``."""
    return min(first * 2 ** min(count, 32), most)
