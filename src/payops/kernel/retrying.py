"""How long to wait before trying again: pure arithmetic, the sleeping is done elsewhere."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

_DOUBLINGS_MAX = 24  # beyond that, a timedelta overflows

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
        doubled: int = 2 ** (attempt - 1)
        wait = self.base * doubled + self.jitter * fraction()
        return max(wait, at_least) if at_least else wait


def doubling(first: timedelta, count: int, *, most: timedelta) -> timedelta:
    """``first`` doubled ``count`` times, never more than ``most``."""
    doubled: int = 2 ** min(count, _DOUBLINGS_MAX)
    return min(first * doubled, most)
