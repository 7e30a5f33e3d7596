"""Closing a connection without one byte of reply, which plain ASGI has no word for.

The server puts a function that closes the connection into each request's scope; a ``HangUp``
response calls it. Clients cannot tell whether the request was acted on, and that is its purpose.
"""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "payops.sandbox.hang_up"


class HangUpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also lets the application close the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"close": self.transport.close}}


class HangUp(Response):
    """No reply: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        extension = scope.get("extensions", {}).get(_EXTENSION)
        if extension is None:  # not under our server: an in-process client sees the same fact
            raise ConnectionResetError("the sandbox hung up")
        extension["close"]()
        await disconnected(receive)


async def disconnected(receive: Receive) -> None:
    """Return when the client is gone. The request's body must have been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def is_gone_within(receive: Receive, limit: asyncio.Timeout) -> bool:
    """Wait for the client to leave, at most for ``limit``; whether it did."""
    try:
        async with limit:
            await disconnected(receive)
    except TimeoutError:
        return False
    return True
