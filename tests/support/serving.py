"""Serve an ASGI application on a real socket, in this process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from tests.support.waiting import eventually


@asynccontextmanager
async def serve(app: Any, *, lifespan: bool = True) -> AsyncGenerator[str, None]:
    """Serve ``app`` on a free loopback port; yields the base URL, without a final slash."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            lifespan="on" if lifespan else "off",
            log_config=None,
            timeout_graceful_shutdown=5,
            ws="none",
        )
    )
    # `serve` would take over the signals of the test run; `_serve` is the same without.
    running = asyncio.create_task(server._serve())
    try:
        await eventually(lambda: server.started or running.done())
        if running.done():
            running.result()
            raise RuntimeError("the server stopped while starting")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
