"""Running the sandbox: inside another program's event loop, or as a program of its own."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn

from payops.sandbox.app import create_app
from payops.sandbox.hangup import HangUpProtocol
from payops.sandbox.settings import Settings, is_loopback

_BACKLOG = 2_048


@dataclass(frozen=True, slots=True)
class Running:
    """Where a sandbox listens."""

    url: str

    @property
    def lipana_url(self) -> str:
        """The rail's base address."""
        return f"{self.url}/v1"

    @property
    def nowpayments_url(self) -> str:
        """The base address of NOWPayments' API, its version included."""
        return f"{self.url}/nowpayments/v1"

    @property
    def btcpay_url(self) -> str:
        """The base address of the BTCPay Server's API, its version included."""
        return f"{self.url}/btcpay/api/v1"

    @property
    def control_url(self) -> str:
        return f"{self.url}/_sandbox"


@asynccontextmanager
async def running(
    settings: Settings, *, host: str = "127.0.0.1", port: int = 0, access_log: bool = False
) -> AsyncGenerator[Running]:
    """A sandbox in this event loop for as long as the block lasts; port 0 is any free one.

    At the end connections are closed and outstanding callbacks cancelled. Signals are left alone.

    Raises:
        ValueError: the host is not loopback, and the settings allow no other.
        OSError: the port is taken.
    """
    if settings.loopback_only and not is_loopback(host):
        raise ValueError(f"{host} is not a loopback address")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # asyncio sets this only on sockets of its own making; without it each reply may wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _Server(_config(settings, access_log=access_log))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - it offers no event
            await asyncio.sleep(0.001)
        shown = f"[{host}]" if ":" in host else host
        yield Running(f"http://{shown}:{listener.getsockname()[1]}")
    finally:
        server.stopping.set()
        await serving


async def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    access_log: bool = False,
    on_ready: Callable[[Running], None] | None = None,
) -> None:
    """Run a sandbox until SIGINT or SIGTERM; needs the main thread. Raises as ``running``."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    async with running(settings, host=host, port=port, access_log=access_log) as where:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        if on_ready is not None:
            on_ready(where)
        await stop.wait()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait to be told, in place of looking ten times a second; there is no header to renew."""
        await self.stopping.wait()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals belong to whoever owns the event loop."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A scripted reply may be a minute away. Its request ends when its connection does.
        for connection in list(self.server_state.connections):
            connection.transport.close()
        await super().shutdown(sockets)


def _config(settings: Settings, *, access_log: bool) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(settings),
        http=HangUpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=access_log,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,  # as front ends do; a client's pool must not find it closed
        timeout_graceful_shutdown=1,
        backlog=_BACKLOG,
    )
