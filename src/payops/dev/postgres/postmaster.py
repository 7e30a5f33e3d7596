"""The server as a process: is it there, is it ours, end it. Settled by evidence, never guessed.

A pid file outlives its process, and the number in it may belong to somebody else by now. So a
server is asked over its socket first, and a process counts as ours only if it works in our data.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from payops.dev.postgres.errors import PostgresUnavailable
from payops.dev.postgres.places import Place

OWNER = "payops"  # the superuser of the cluster, and the name of the database
PROC = Path("/proc")

_ANSWER_SECONDS_MAX = 5
_FAST_STOP_SECONDS_MAX = 30
_CRASH_STOP_SECONDS_MAX = 10
_POLL_SECONDS = 0.02

T = TypeVar("T")


class State(Enum):
    """What came back from the socket."""

    READY = "answers"
    BUSY = "starts, stops or recovers"
    ABSENT = "nobody listens"


@dataclass(frozen=True, slots=True)
class PidFile:
    """What the server wrote about itself; it may be gone all the same."""

    pid: int
    port: int


def read_pid_file(place: Place) -> PidFile | None:
    try:
        lines = (place.data / "postmaster.pid").read_text().splitlines()
        return PidFile(int(lines[0]), int(lines[3]))
    except (OSError, ValueError, IndexError):
        return None


def was_started_with(place: Place, arguments: Sequence[str]) -> bool:
    """Whether these were the options of the last start, by the server's own record of it."""
    try:
        record = (place.data / "postmaster.opts").read_text()
    except OSError:
        return False
    return record.rstrip("\n").endswith("".join(f' "{argument}"' for argument in arguments))


def state_of(place: Place, port: int) -> State:
    try:
        query(place, port, "SELECT", database="postgres")
    except asyncpg.CannotConnectNowError:
        return State.BUSY
    except (FileNotFoundError, ConnectionRefusedError):
        return State.ABSENT
    except asyncpg.TooManyConnectionsError:
        return State.READY
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError):
        return State.BUSY
    return State.READY


def query(place: Place, port: int, sql: str, *arguments: object, database: str) -> list[Any]:
    """Run one statement over the socket, as the owner, on a connection of its own."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(
            host=str(place.socket),
            port=port,
            user=OWNER,
            database=database,
            ssl=False,  # whatever PGSSLMODE asks of other servers
            timeout=_ANSWER_SECONDS_MAX,
            command_timeout=_CRASH_STOP_SECONDS_MAX,
        )
        try:
            rows: list[Any] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            await connection.close(timeout=_ANSWER_SECONDS_MAX)

    return _outside_any_loop(lambda: asyncio.run(ask()))


def _outside_any_loop(call: Callable[[], T]) -> T:
    # Tests and `payops dev` start the server from within a running event loop.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(call).result()


def serves(pid: int, data: Path) -> bool:
    """Whether process ``pid`` lives and is the server of ``data``: it works in that folder."""
    if PROC.joinpath("self").exists():
        try:
            return PROC.joinpath(str(pid), "cwd").samefile(data)
        except OSError:
            return False
    listing = subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return str(data) in listing.stdout


def end(place: Place, pid: int, *, has_ended: Callable[[], bool]) -> None:
    """Stop the server: clients are cut off, everything is written, no recovery is needed.

    Raises:
        PostgresUnavailable: it does not even end without that.
    """
    for how, seconds in (
        (signal.SIGINT, _FAST_STOP_SECONDS_MAX),
        (signal.SIGQUIT, _CRASH_STOP_SECONDS_MAX),  # safe: the next start recovers
    ):
        with suppress(ProcessLookupError):
            os.kill(pid, how)
        if wait_until(has_ended, seconds):
            return
    raise PostgresUnavailable(f"the database (process {pid}) does not stop; its log is {place.log}")


def clear_away(place: Place, port: int) -> None:
    """Remove what a dead server left: its number may be a stranger's by now, or was never written.

    PostgreSQL would take that stranger for a server and not start. Children of a killed server
    are no reason to keep the files: its shared memory, not they, holds up the next one.
    """
    for left in (
        place.data / "postmaster.pid",
        place.socket / f".s.PGSQL.{port}",
        place.socket / f".s.PGSQL.{port}.lock",
    ):
        left.unlink(missing_ok=True)


def wait_until(condition: Callable[[], bool], seconds: int) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
