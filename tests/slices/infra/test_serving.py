"""The suite's own server: real sockets, a port nobody else has, a clean end."""

from typing import Any

import httpx

from tests.support.serving import serve


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def test_two_applications_are_served_side_by_side() -> None:
    """
    Each on a port of its own, until its block ends.
    """
    async with (
        serve(answer, lifespan=False) as one,
        serve(answer, lifespan=False) as other,
        httpx.AsyncClient() as client,
    ):
        statuses = [(await client.get(url)).status_code for url in (one, other)]

    assert one != other
    assert [204, 204] == statuses
