"""``payops serve`` and ``payops dev``: how they begin and how they end."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.commands import Payops
from tests.support.sentinel import numbers_in
from tests.support.waiting import eventually, free_port

pytestmark = pytest.mark.slow

_STOPPED_SECONDS_MAX = 20


@contextmanager
def started(payops: Payops, *arguments: str, **more: str) -> Iterator["subprocess.Popen[str]"]:
    process = payops.start(*arguments, **more)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
        process.wait()


async def ready(port: int) -> None:
    async def look() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    await eventually(look, within=30)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_that_is_told_to_stop_ends_well(
    own_url: str, tmp_path: Path, told: signal.Signals
) -> None:
    """Drained, exit code 0, well within what it is given; also with a request still open."""
    port = free_port()
    payops = Payops.on(own_url, tmp_path, PAYOPS_LOG__LEVEL="info")
    with started(payops, "serve", PAYOPS_PORT=str(port)) as process:
        await ready(port)
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"POST /webhooks/mpesa HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
            began = time.monotonic()
            process.send_signal(told)
            out, err = process.communicate(timeout=_STOPPED_SECONDS_MAX)

    assert 0 == process.returncode, err
    assert time.monotonic() - began < _STOPPED_SECONDS_MAX
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert ["server.started", "server.stopped"] == [e for e in events if e.startswith("server.")]


async def test_a_taken_port_is_told_before_anything_else(own_url: str, tmp_path: Path) -> None:
    """The variable is named; no database was asked for."""
    payops = Payops.on(own_url, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = payops.run(
            "serve", PAYOPS_PORT=port, PAYOPS_DATABASE_URL="postgresql://x@127.0.0.1:1/x"
        )

    assert 3 == ended.code
    assert "PAYOPS_PORT" in ended.err
    assert port in ended.err


async def test_production_refuses_what_is_made_up(own_url: str, tmp_path: Path) -> None:
    """Each variable named, no secret shown."""
    payops = Payops.on(own_url, tmp_path)

    ended = payops.run("serve", PAYOPS_ENV="production")

    assert 3 == ended.code
    assert "PAYOPS_LIPANA__BASE_URL" in ended.err
    assert "PAYOPS_PUBLIC_URL" in ended.err
    for name, value in payops.environment.items():
        if name.startswith("PAYOPS_") and len(value) > 20:
            assert value not in ended.out + ended.err, name


async def test_dev_prints_lines_that_work(own_url: str, tmp_path: Path) -> None:
    """Once it is ready, on the port it was given; and it leaves nothing behind."""
    port = free_port()
    payops = Payops.on(own_url, tmp_path, PAYOPS_ENV="development", PAYOPS_LOG__LEVEL="warning")
    with started(payops, "dev", PAYOPS_PORT=str(port)) as process:
        await ready(port)
        await eventually((tmp_path / ".payops" / "run.json").exists)
        curls = curl_lines(process)
        answers = [
            subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout
            for line in curls
        ]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_STOPPED_SECONDS_MAX)

    assert 0 == process.returncode, err
    credited, withdrawn, invoice, listed, invoices, wallets, operations = map(json.loads, answers)
    assert "credit" == credited["kind"]
    assert "pending" == withdrawn["status"]
    assert "waiting" == invoice["status"]
    assert [withdrawn["txId"]] == [one["txId"] for one in listed["data"]]
    assert [invoice["invoiceId"]] == [one["invoiceId"] for one in invoices["data"]]
    assert "demo-user" == wallets["userId"]
    assert [withdrawn["txId"]] == [one["txId"] for one in operations["data"]]
    assert all(f"127.0.0.1:{port}" in line for line in curls)
    assert not (tmp_path / ".payops" / "run.json").exists()
    assert [] == numbers_in(err)


def curl_lines(process: "subprocess.Popen[str]") -> list[str]:
    """The curl lines of the banner, which ends with the line about the books."""
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.startswith("The books"):
            break
    return [line for line in lines if line.startswith("curl ")]
