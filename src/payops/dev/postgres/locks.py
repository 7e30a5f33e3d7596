"""File locks between the processes that share one server. The kernel frees those of the dead."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from payops.dev.postgres.errors import PostgresUnavailable

_WAIT_SECONDS_MAX = 180  # longer than a start with recovery, or a stop, may take
_POLL_SECONDS = 0.05


@contextmanager
def only_one(path: Path, *, wait_seconds: int = _WAIT_SECONDS_MAX) -> Iterator[None]:
    """Hold ``path`` alone, waiting for whoever starts or stops the server just now.

    Raises:
        PostgresUnavailable: the other one has not finished within ``wait_seconds``.
    """
    descriptor = _open(path)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _take(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise PostgresUnavailable(
                    "another process has been starting or stopping the database for more than "
                    f"{wait_seconds} s; it holds {path}"
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


class Users:
    """Who uses the server: each process shares the lock, so the last one can tell it is.

    Ask and change only while holding the start lock; that is what makes it exact.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)
        _take(self._descriptor, fcntl.LOCK_SH)

    def is_the_only_one(self) -> bool:
        alone = _take(self._descriptor, fcntl.LOCK_EX)
        _take(self._descriptor, fcntl.LOCK_SH)
        return alone

    def leave(self) -> None:
        os.close(self._descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
