"""The sandbox as an ASGI application."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from payops.sandbox.lipana.control import Controls
from payops.sandbox.lipana.rail import Rail
from payops.sandbox.lipana.routes import Endpoints
from payops.sandbox.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Lipana under ``/v1``, the controls under ``/_sandbox``.

    Served by ``running`` or ``serve`` it can also close connections without a reply; under any
    other server such a reply is an error inside the application.
    """
    rail = Rail(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await rail.aclose()

    return Starlette(
        routes=[
            Mount("/v1", routes=Endpoints(rail).routes()),
            Mount("/_sandbox", routes=Controls(rail).routes()),
        ],
        lifespan=lifespan,
    )
