"""Wait for what happens elsewhere: poll with a deadline, never sleep for luck."""

import asyncio
import inspect
import socket
import time
from collections.abc import Callable
from typing import Any

# The first looks come soon; then one may be late by a tenth of the wait so far. Looks over HTTP,
# one after the other, would keep a core from what is waited for.
_POLL_SECONDS = 0.01
_POLL_SECONDS_MAX = 0.1
_POLL_SHARE = 0.1


async def eventually(check: Callable[[], Any], *, within: int = 10) -> Any:
    """What ``check`` returns once that is true; ``within`` is in seconds.

    ``check`` may be async and may fail with AssertionError until it holds.
    """
    began = time.monotonic()
    deadline = began + within
    while True:
        try:
            answer = check()
            found = await answer if inspect.isawaitable(answer) else answer
            if found or time.monotonic() > deadline:
                assert found, f"still {found!r} after {within} s"
                return found
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        late = _POLL_SHARE * (time.monotonic() - began)
        await asyncio.sleep(min(max(_POLL_SECONDS, late), _POLL_SECONDS_MAX))


def free_port() -> int:
    """A port nobody listened on a moment ago; where possible let the server choose instead."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
