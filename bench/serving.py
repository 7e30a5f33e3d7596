"""Starts the processes that are measured, as they would run in production, and stops them."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine
from payops.dev import secrets

_START_SECONDS_MAX: Final = 30
_STOP_SECONDS_MAX: Final = 20

# Every limit is on and counted; none is reached.
_LIMITS: Final = {
    "PAYOPS_HTTP__RATE_LIMIT_PER_MINUTE": "100000000",
    "PAYOPS_VELOCITY__WITHDRAWALS_PER_HOUR": "1000000",
    "PAYOPS_VELOCITY__WITHDRAWAL_KES_PER_DAY": "1000000000000",
    "PAYOPS_VELOCITY__RECIPIENT_KES_PER_DAY": "1000000000000",
}
UNLIMITED: Final = {
    "PAYOPS_HTTP__RATE_LIMIT_PER_MINUTE": "0",
    "PAYOPS_VELOCITY__WITHDRAWALS_PER_HOUR": "0",
    "PAYOPS_VELOCITY__WITHDRAWAL_KES_PER_DAY": "0",
    "PAYOPS_VELOCITY__RECIPIENT_KES_PER_DAY": "0",
}
SECRETS: Final = secrets.made_up()
RAIL_SECRETS: Final = ("PAYOPS_LIPANA__API_KEY", "PAYOPS_LIPANA__WEBHOOK_SECRET")


@dataclass(frozen=True, slots=True)
class Service:
    """Running processes of one kind."""

    ports: tuple[int, ...]
    pids: tuple[int, ...]

    def cpu_seconds(self) -> float:
        return machine.cpu_seconds(self.pids)


def free_ports(count: int = 1) -> tuple[int, ...]:
    """Ports on which nobody listens now, all different."""
    with ExitStack() as held:
        taken = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(one.getsockname()[1] for one in taken)


@contextmanager
def payops(
    url: str,
    folder: Path,
    *,
    role: str = "api",
    ports: Sequence[int] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """``payops serve`` on ``url``, a process a port; the log goes to files in ``folder``."""
    ports = ports or free_ports()
    with ExitStack() as running:
        pids = []
        for port in ports:
            environment = {
                **_LIMITS,
                **SECRETS,
                "PAYOPS_ENV": "test",
                "PAYOPS_ROLE": role,
                "PAYOPS_PORT": str(port),
                "PAYOPS_DATABASE_URL": url,
                **(settings or {}),
            }
            command = [sys.executable, "-m", "payops", "serve"]
            pids.append(running.enter_context(_process(command, environment, folder, port)))
        for port in ports:
            _wait_until_ready(port, "/readyz", folder)
        yield Service(tuple(ports), tuple(pids))


@contextmanager
def empty(folder: Path, ports: Sequence[int]) -> Iterator[Service]:
    """The endpoint that does nothing, under the same server with the same options."""
    with ExitStack() as running:
        pids = tuple(
            running.enter_context(
                _process([sys.executable, "-m", "bench.empty", str(port)], {}, folder, port)
            )
            for port in ports
        )
        for port in ports:
            _wait_until_ready(port, "/readyz", folder)
        yield Service(tuple(ports), pids)


@contextmanager
def sandbox(folder: Path) -> Iterator[Service]:
    """The rail's imitation: it takes payouts at once and calls back a moment later."""
    (port,) = free_ports()
    options = {
        "--port": str(port),
        "--api-key": SECRETS["PAYOPS_LIPANA__API_KEY"],
        "--webhook-secret": SECRETS["PAYOPS_LIPANA__WEBHOOK_SECRET"],
        "--latency-ms": "0",
        "--callback-ms": "200",  # at once would race with the answer, as no real rail does
        "--float-kes": "1000000000",
    }
    command = [sys.executable, "-m", "payops.sandbox", "--quiet"]
    for name, value in options.items():
        command += [name, value]
    with _process(command, {}, folder, port) as pid:
        _wait_until_ready(port, "/", folder)
        yield Service((port,), (pid,))


@contextmanager
def lean_rail(folder: Path) -> Iterator[Service]:
    """The rail that is made for load."""
    (port,) = free_ports()
    settings = {name: SECRETS[name] for name in RAIL_SECRETS}
    with _process([sys.executable, "-m", "bench.rail", str(port)], settings, folder, port) as pid:
        _wait_until_ready(port, "/", folder)
        yield Service((port,), (pid,))


@contextmanager
def _process(
    command: Sequence[str], settings: Mapping[str, str], folder: Path, port: int
) -> Iterator[int]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PAYOPS")}
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**inherited, **settings},
        )
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(port: int, path: str, folder: Path) -> None:
    """Raises ``RuntimeError`` with what the process said when it does not come up."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    said = (folder / f"{port}.log").read_text(errors="replace")[-2000:]
    raise RuntimeError(f"the process on port {port} does not answer:\n{said}")
