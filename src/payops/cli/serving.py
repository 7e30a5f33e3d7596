"""Serving until told to stop; then unready, drained, exit 0."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

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
_REQUESTS_END_SECONDS = 4
# Whoever stops us kills us after 20 seconds. What is cut off then is safe: a lease ends it.
_STOPPED_SECONDS_MAX = 17
_STARTED_POLL_SECONDS = 0.01
# Collections by generation. Python's own 700 new objects are less than one request makes, and
# a twentieth of all CPU went into looking through what was still in use.
_COLLECTED_AFTER = (50_000, 20, 50)


class NotStarted(ValueError):
    """The application did not come up; the log has the reason."""


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
        # First of all: a taken port must not cost a database that starts and stops.
        with bind(settings.host, settings.port) as listening, database_for(settings) as complete:
            run_loop(run(complete, listening))


def run_loop(work: Any) -> None:
    """Run ``work`` on the loop that uvicorn would choose."""
    with asyncio.Runner(
        loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()
    ) as runner:
        runner.run(work)


async def run(
    settings: Settings,
    listening: socket.socket,
    *,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; ``ready`` is called once requests are taken.

    Raises:
        NotStarted: it never came to that.
    """
    app = create_app(await bootstrap.assemble(settings))
    server = _Server(_config(app))
    told = asyncio.Event()

    def stop() -> None:
        server.force_exit = told.is_set()  # asked twice: do not wait for open requests
        app.state.readiness.is_serving = False
        server.should_exit = True
        told.set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - it offers no event
        await asyncio.sleep(_STARTED_POLL_SECONDS)
    if server.started and not told.is_set():
        host, port, *_ = listening.getsockname()
        log.info("server.started", host=host, port=port)
        # What is loaded by now stays: a full collection over it would stop every request for
        # a tenth of a second, again and again (docs/performance.md).
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECTED_AFTER)
        ready()
    await _end(serving, told)
    if not server.started:
        raise NotStarted("the service did not start; the log has the reason")


async def _end(serving: "asyncio.Task[None]", told: asyncio.Event) -> None:
    """Wait until ``serving`` has ended, but not for ever once it was told to."""
    telling = asyncio.create_task(told.wait())
    await asyncio.wait({serving, telling}, return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    done, _ = await asyncio.wait({serving}, timeout=_STOPPED_SECONDS_MAX)
    if done:
        serving.result()
        log.info("server.stopped")
    else:
        log.warning("server.stopped_undrained", after_seconds=_STOPPED_SECONDS_MAX)


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        backlog=_BACKLOG,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=_REQUESTS_END_SECONDS,
        lifespan="on",
    )


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the address and does not listen yet; use it as a context manager.

    Replies must not wait for Nagle's algorithm.

    Raises:
        ValueError: the address cannot be had, with the variable to change.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setblocking(False)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ValueError(
            f"cannot serve on {host}:{port} ({error.strerror}); "
            "set PAYOPS_HOST or PAYOPS_PORT to another address"
        ) from None
    return listening
