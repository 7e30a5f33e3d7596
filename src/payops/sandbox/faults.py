"""Faults of a whole rail: for a number of requests, or until they are cleared."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

FAULTS_MAX = 100


class FaultKind(StrEnum):
    """What is wrong with the rail."""

    DOWN = "down"  # the connection is closed, nothing is acted on
    LOST = "lost"  # acted on as usual, then the connection is closed without a reply
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    RATE_LIMITED = "429"  # with Retry-After
    SERVER_ERROR = "500"  # nothing is acted on
    SLOW = "slow"  # answers as usual, but as late as a slow script does
    LATENCY = "latency"  # answers as usual, ``latency_ms`` later


@dataclass(slots=True, eq=False)
class Fault:
    """One fault; ``remaining`` requests of ``method`` still meet it, None for all until cleared."""

    kind: FaultKind
    remaining: int | None = None
    method: str | None = None
    latency_ms: int = 0
    retry_after_seconds: int = 1
    hits: int = 0


class Faults:
    """A queue: a request meets the first fault meant for its method, and at most one."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque(maxlen=FAULTS_MAX)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._queue)

    def add(self, fault: Fault) -> None:
        if len(self._queue) == FAULTS_MAX:
            raise ValueError(f"more than {FAULTS_MAX} faults")
        self._queue.append(fault)

    def clear(self) -> None:
        self._queue.clear()

    def take(self, method: str) -> Fault | None:
        """The fault that a request of ``method`` meets now, counted as met."""
        if not self._queue:
            return None
        for fault in self._queue:
            if fault.method in {None, method}:
                fault.hits += 1
                if fault.remaining is not None:
                    fault.remaining -= 1
                    if fault.remaining == 0:
                        self._queue.remove(fault)
                return fault
        return None
