"""The abuse limit: requests per minute and caller, counted in this process only.

It keeps one caller from taking all the capacity. What bounds money is counted in the
database, in the transaction that holds the money.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from payops.kernel import errors

_WINDOW_SECONDS: Final = 60

# Beyond this many callers in a minute the further ones share a count: bounded memory.
CALLERS_MAX: Final = 100_000
_THE_REST: Final = ""


class RateLimited(errors.TooMany):
    """Too many requests in a minute, whatever they asked for."""

    code = "rate_limited"
    title = "Too many requests in a short time"


def monotonic_seconds() -> int:
    return time.monotonic_ns() // 1_000_000_000


class RateLimit:
    """A sliding window over two counted minutes.

    The previous minute counts for the part of it that the last sixty seconds still
    cover. Constant time and memory per call: no timestamps are kept, nothing is swept.
    """

    def __init__(
        self,
        per_minute: int,
        seconds: Callable[[], int] = monotonic_seconds,
        *,
        callers_max: int = CALLERS_MAX,
    ) -> None:
        """``per_minute`` requests for each caller; 0 is off."""
        self._per_minute = per_minute
        self._seconds = seconds
        self._callers_max = callers_max
        self._window = 0
        self._current: Counter[str] = Counter()
        self._previous: Counter[str] = Counter()

    def count(self, caller: str) -> None:
        """Count one request of ``caller``.

        Raises:
            RateLimited: it was one too many, and is not counted.
        """
        if self._per_minute:
            self.require_room(caller)
            self._current[self._key(caller)] += 1

    def require_room(self, caller: str) -> None:
        """Raise ``RateLimited`` if a request of ``caller`` would be one too many."""
        if not self._per_minute:
            return
        now = self._seconds()
        self._turn(now // _WINDOW_SECONDS)
        caller = self._key(caller)
        current, previous = self._current[caller], self._previous[caller]
        if not self._has_room(current, previous, now % _WINDOW_SECONDS):
            wait = self._seconds_until_room(current, previous, now % _WINDOW_SECONDS)
            raise RateLimited(retry_after_seconds=wait)

    def _has_room(self, current: int, previous: int, elapsed: int) -> bool:
        covered = previous * (_WINDOW_SECONDS - elapsed)
        return current * _WINDOW_SECONDS + covered < self._per_minute * _WINDOW_SECONDS

    def _seconds_until_room(self, current: int, previous: int, elapsed: int) -> int:
        for wait in range(1, _WINDOW_SECONDS - elapsed):
            if self._has_room(current, previous, elapsed + wait):
                return wait
        until_turn = _WINDOW_SECONDS - elapsed
        for after in range(_WINDOW_SECONDS):
            if self._has_room(0, current, after):
                return until_turn + after
        return until_turn + _WINDOW_SECONDS

    def _turn(self, window: int) -> None:
        if window == self._window:
            return
        self._previous = self._current if window == self._window + 1 else Counter()
        self._current = Counter()
        self._window = window

    def _key(self, caller: str) -> str:
        is_new = caller not in self._current
        return _THE_REST if is_new and len(self._current) >= self._callers_max else caller
