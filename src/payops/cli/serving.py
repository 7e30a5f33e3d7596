"""Serving until told to stop; then unready, drained, exit 0."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import structlog
import uvicorn

from payops import bootstrap
from payops.app import create_app
from payops.cli.running import database_for, explained, load_settings
from payops.infra import logging
from payops.infra.settings import Settings
from payops.ops.readiness import refuse_unsafe

log = structlog.get_logger(__name__)

_BACKLOG = 2048
_REQUESTS_END_SECONDS = 5


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: it would die of the signal it was stopped by."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


def serve() -> None:
    """Run the API, the worker, or both, as PAYOPS_ROLE says."""
    settings = load_settings()
    logging.configure(settings.log, stream=sys.stdout)
    with explained():
        refuse_unsafe(settings)
        with database_for(settings) as complete:
            asyncio.run(run(complete))


async def run(settings: Settings, *, ready: Callable[[int], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM; ``ready`` is called with the port once requests are taken."""
    app = create_app(bootstrap.build(settings))
    listening = bind(settings.host, settings.port)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=_REQUESTS_END_SECONDS,
            lifespan="on",
        )
    )

    def stop() -> None:
        app.state.readiness.is_serving = False
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if server.started:
        log.info("server.started", host=settings.host, port=listening.getsockname()[1])
        ready(listening.getsockname()[1])
    await serving
    log.info("server.stopped")


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; replies must not wait for Nagle's algorithm.

    Raises:
        ValueError: the address is taken, with the variable to change.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ValueError(
            f"cannot serve on {host}:{port} ({error.strerror}); set PAYOPS_PORT to another port"
        ) from None
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening
