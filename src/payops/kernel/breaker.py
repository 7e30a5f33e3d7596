"""A circuit breaker: stop asking somebody who does not answer, and try again with one request.

Pure state in one process, no lock and no sleeping: it belongs to one event loop. What counts
as a failure is for the caller to say.
"""

import time
from collections.abc import Callable
from enum import StrEnum

_NS = 1_000_000_000


class Circuit(StrEnum):
    CLOSED = "closed"  # everything goes through
    OPEN = "open"  # nothing does
    HALF_OPEN = "half_open"  # one request is under way to find out


class Breaker:
    """Opens after ``failures_max`` failures in a row; one trial passes after ``open_seconds``.

    A trial that never reports, because its task was cancelled or crashed, holds its place for
    ``open_seconds`` only; then another is let through. ``now_ns`` is a monotonic clock in
    nanoseconds.
    """

    def __init__(
        self,
        *,
        failures_max: int,
        open_seconds: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if failures_max < 1 or open_seconds < 1:
            raise ValueError("failures_max and open_seconds must be positive")
        self._failures_max = failures_max
        self._open_ns = open_seconds * _NS
        self._now_ns = now_ns
        self._failures = 0
        self._next_trial_ns: int | None = None  # None while closed
        self._on_trial = False

    @property
    def circuit(self) -> Circuit:
        if self._next_trial_ns is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self._on_trial else Circuit.OPEN

    @property
    def seconds_until_trial(self) -> int:
        """Whole seconds, rounded up, until ``admit`` lets something through; 0 if it does now."""
        if self._next_trial_ns is None:
            return 0
        return max(0, -((self._now_ns() - self._next_trial_ns) // _NS))

    def admit(self, wanted: int = 1) -> int:
        """How many of ``wanted`` requests may begin now: all, one as a trial, or none.

        Whoever gets a trial and has nothing to send gives it back.
        """
        if self._next_trial_ns is None:
            return wanted
        now_ns = self._now_ns()
        if wanted < 1 or now_ns < self._next_trial_ns:
            return 0
        self._on_trial = True
        self._next_trial_ns = now_ns + self._open_ns
        return 1

    def give_back(self) -> None:
        """The admitted trial was not used: the next one may begin at once."""
        if self._on_trial:
            self._on_trial = False
            self._next_trial_ns = self._now_ns()

    def succeeded(self) -> bool:
        """A request was answered; returns whether this closed the breaker.

        While it is open and no trial is under way, an answer belongs to a request that began
        before, and says nothing about now.
        """
        closes = self._on_trial
        if closes:
            self._next_trial_ns = None
            self._on_trial = False
        self._failures = 0
        return closes

    def failed(self) -> bool:
        """A request failed; returns whether this opened a closed breaker."""
        if self._on_trial:
            return self.trip()
        if self._next_trial_ns is None:
            self._failures += 1
            if self._failures >= self._failures_max:
                return self.trip()
        return False

    def trip(self) -> bool:
        """Open at once, or begin the wait anew; returns whether it was closed before."""
        was_closed = self._next_trial_ns is None
        self._next_trial_ns = self._now_ns() + self._open_ns
        self._on_trial = False
        self._failures = 0
        return was_closed
