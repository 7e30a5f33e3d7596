"""payops as it really runs: processes of its own, on sockets, that are stopped and killed.

``commanded`` runs the real command; ``forked`` starts in a fraction of the time, because a server
process has everything imported already, and takes a point at which to kill itself.
"""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from payops.sandbox import Delays
from payops.sandbox import Settings as SandboxSettings
from tests.support import crashing, forking, sentinel
from tests.support.waiting import eventually, free_port

ROOT: Final = Path(__file__).parents[2]
JWT_KEY: Final = "made up for the tests, and long enough for HS256"
WEBHOOK_SECRET: Final = "made up for the tests: signs callbacks"
RAIL_KEY: Final = "lip_sk_test_made_up_for_tests"
# Thirty times as fast as life, so that a journey takes as long as our own work.
SANDBOX: Final = SandboxSettings(
    api_key=RAIL_KEY,
    webhook_secret=WEBHOOK_SECRET,
    speed_percent=1_000,
    delays=Delays(reply_ms=0, jitter_ms=0, hang_ms=120_000),
)
_READY_SECONDS = 60
_STOPPED_SECONDS = 20


def environment(url: str, *, rail: str = "http://127.0.0.1:9/v1", **more: object) -> dict[str, str]:
    """The settings of one process: quick to retry and to ask, and without limits.

    ``more`` replaces or adds to them, names without their prefix: ``WORKER__POLL_MS=60_000``.
    """
    settings = {
        "ENV": "test",
        "DATABASE_URL": url,
        "AUTH__JWT_KEY": JWT_KEY,
        "PII__KEYS": f"k1:{base64.b64encode(bytes(range(32))).decode()}",
        "PII__INDEX_KEY": base64.b64encode(bytes(range(32, 64))).decode(),
        "LIPANA__BASE_URL": rail,
        "LIPANA__API_KEY": RAIL_KEY,
        "LIPANA__WEBHOOK_SECRET": WEBHOOK_SECRET,
        "LIPANA__TIMEOUT_SECONDS": 1,
        "LIPANA__BREAKER_FAILURES": 10_000,
        "LIPANA__BREAKER_SECONDS": 1,
        "MPESA_RETRY__BASE_DELAY_MS": 20,
        "MPESA_RETRY__JITTER_MS": 20,
        "MPESA_RETRY__LEASE_SECONDS": 2,
        "MPESA_STATUS__FIRST_ASK_SECONDS": 1,
        "MPESA_STATUS__EVERY_SECONDS": 1,
        "MPESA_STATUS__SENT_GRACE_SECONDS": 2,
        "MPESA_STATUS__UNKNOWN_ANSWERS_MAX": 3,
        "HTTP__RATE_LIMIT_PER_MINUTE": 0,
        "VELOCITY__WITHDRAWALS_PER_HOUR": 0,
        "VELOCITY__WITHDRAWAL_KES_PER_DAY": 0,
        "VELOCITY__RECIPIENT_KES_PER_DAY": 0,
        "WORKER__POLL_MS": 100,
    }
    return {f"PAYOPS_{name}": str(value) for name, value in (settings | more).items()}


def at(environ: Mapping[str, str], port: int) -> dict[str, str]:
    """``environ`` for a process that serves on ``port``."""
    return {
        "PAYOPS_PUBLIC_URL": f"http://127.0.0.1:{port}",
        **environ,
        "PAYOPS_PORT": str(port),
    }


class Child(Protocol):
    """A process: what ``subprocess`` and ``multiprocessing`` have in common here."""

    def wait(self) -> int: ...

    @property
    def exit_code(self) -> int | None: ...


@dataclass(slots=True)
class _Command:
    popen: subprocess.Popen[bytes]

    @property
    def exit_code(self) -> int | None:
        return self.popen.poll()

    def wait(self) -> int:
        return self.popen.wait(_STOPPED_SECONDS)


@dataclass(slots=True)
class _Fork:
    process: Any

    @property
    def exit_code(self) -> int | None:
        code: int | None = self.process.exitcode
        return code

    def wait(self) -> int:
        self.process.join(_STOPPED_SECONDS)
        assert self.process.exitcode is not None, "it does not end"
        return int(self.process.exitcode)


@dataclass(slots=True)
class Serving:
    """One process that serves on ``url``, or is about to."""

    url: str
    pid: int
    log: Path
    child: Child = field(repr=False)

    @property
    def is_alive(self) -> bool:
        return self.child.exit_code is None

    async def ready(self, http: httpx.AsyncClient) -> None:
        """Wait until it takes requests; its death ends the wait with its last words."""

        async def answers() -> bool:
            assert self.is_alive, self.last_words()
            with suppress(httpx.TransportError):
                return (await http.get(f"{self.url}/readyz")).status_code == 200
            return False

        await eventually(answers, within=_READY_SECONDS)

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.child.wait()

    def terminate(self) -> int:
        """SIGTERM, as an orchestrator sends it; returns the exit code."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        return self.child.wait()

    def last_words(self) -> str:
        return self.log.read_text()[-2_000:]

    def leaks(self) -> list[str]:
        """The lines of its log that hold a test customer's number."""
        return sentinel.numbers_in(self.log.read_text())


@contextmanager
def commanded(environ: Mapping[str, str], log: Path, port: int = 0) -> Iterator[Serving]:
    """``payops serve`` itself, killed at the end if it still runs."""
    port = port or free_port()
    with log.open("ab") as stream:
        popen = subprocess.Popen(
            [sys.executable, "-m", "payops", "serve"],
            cwd=log.parent,
            env={**_inherited(), **at(environ, port)},
            stdout=stream,
            stderr=stream,
        )
    yield from _until_done(Serving(f"http://127.0.0.1:{port}", popen.pid, log, _Command(popen)))


@contextmanager
def forked(
    environ: Mapping[str, str], log: Path, port: int = 0, *, dies: str = "", bug: str = ""
) -> Iterator[Serving]:
    """The same server in a forked process; ``dies`` and ``bug`` are ``crashing``'s."""
    port = port or free_port()
    process = forking.context.Process(
        target=crashing.serve, args=(at(environ, port), str(log), dies, bug), daemon=True
    )
    log.touch()
    process.start()
    assert process.pid is not None
    yield from _until_done(Serving(f"http://127.0.0.1:{port}", process.pid, log, _Fork(process)))


def _until_done(serving: Serving) -> Iterator[Serving]:
    try:
        yield serving
    finally:
        if serving.is_alive:
            serving.kill()
    assert [] == serving.leaks()


def payops(environ: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """What a command prints under ``--json``; its exit code is in ``exit_code``."""
    done = forking.run([*arguments, "--json"], {**_inherited(), **environ}, ROOT, within=60)
    assert [] == sentinel.numbers_in(done.err), "a number in the log"
    try:
        printed: dict[str, Any] = json.loads(done.out)
    except ValueError:
        raise AssertionError(done.out + done.err) from None
    return {**printed, "exit_code": done.code}


@asynccontextmanager
async def caller(key: str, url: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client that holds an API key or a token."""
    async with httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
        verify=False,  # plain HTTP: reading certificates would take most of the time
    ) as http:
        yield http


def _inherited() -> dict[str, str]:
    """This process's environment without any setting of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PAYOPS_")}
