"""A rail made for load: Lipana's wire form at a fraction of the sandbox's CPU.

``python -m bench.rail PORT``, with the API key and the webhook secret in the environment, named
as in ``RAIL_SECRETS``. It takes every order once, however often it is repeated, pays all of
them a moment later, and tells so in a signed callback, again and again until that is answered
with 200. A real rail does not run on the cores of its customer; so this one, which has to,
does no more than the wire form asks for. How payops fares with a rail that misbehaves is for
the sandbox and the tests to say.
"""

import asyncio
import hashlib
import hmac
import json
import os
import re
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop

from bench.serving import RAIL_SECRETS

_CALLBACK_SECONDS: Final = 0.2  # at once would race with the answer, as no real rail does
_AGAIN_SECONDS: Final = 1
_CONNECTIONS: Final = 64  # for callbacks

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_KEY: Final = re.compile(rb"\r\nx-api-key: *([^\r]+)", re.IGNORECASE)
_PAY: Final = b"POST /v1/payouts/phone HTTP/1.1\r\n"


def message_end(received: bytes) -> tuple[int, int] | None:
    """Where the head and the whole of the first message end; ``None`` while some is missing."""
    head_end = received.find(_HEAD_END)
    if head_end < 0:
        return None
    length = _LENGTH.search(received, 0, head_end + 2)
    end = head_end + len(_HEAD_END) + (int(length[1]) if length else 0)
    return (head_end, end) if len(received) >= end else None


class _Connection(asyncio.Protocol):
    """Collects messages of either kind: one after the other, never two at once."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        ends = message_end(self._received)
        if ends is not None:
            head_end, end = ends
            head, body = self._received[: head_end + 2], self._received[head_end + 4 : end]
            self._received = self._received[end:]
            self.heard(head, body)

    def write(self, message: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(message)

    def heard(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError


class Counter(_Connection):
    """Where orders are taken."""

    def __init__(self, rail: "Rail") -> None:
        super().__init__()
        self._rail = rail

    def heard(self, head: bytes, body: bytes) -> None:
        key = _KEY.search(head)
        if not head.startswith(_PAY):
            self._answer(b"404 Not Found", {"success": False, "message": "No such payout"})
        elif key is None or key[1] != self._rail.api_key:
            self._answer(b"401 Unauthorized", {"success": False, "message": "Unauthorized"})
        else:
            self._answer(b"201 Created", {"success": True, "payout": self._rail.take(body)})

    def _answer(self, status: bytes, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(body), body)
        )


class Postman(_Connection):
    """Brings callbacks to one address, one at a time."""

    def __init__(self, done: Callable[["Postman", bytes, bool], None]) -> None:
        super().__init__()
        self._done = done
        self._callback = b""

    def bring(self, callback: bytes) -> None:
        self._callback = callback
        self.write(callback)

    def heard(self, head: bytes, body: bytes) -> None:  # noqa: ARG002 - only the status counts
        callback, self._callback = self._callback, b""
        self._done(self, callback, head[9:12] == b"200")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._transport = None
        if self._callback:
            self._done(self, self._callback, False)

    @property
    def is_connected(self) -> bool:
        return self._transport is not None

    def close(self) -> None:
        self._callback = b""
        if self._transport is not None:
            self._transport.close()


class Rail:
    """Orders taken, and callbacks on their way; all callbacks go to the first one's address."""

    def __init__(self, api_key: str, webhook_secret: str) -> None:
        self.api_key = api_key.encode()
        self._secret = webhook_secret.encode()
        self._payouts: dict[str, dict[str, object]] = {}
        self._waiting: deque[bytes] = deque()
        self._free: list[Postman] = []
        self._postmen: set[Postman] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        for postman in self._postmen:
            postman.close()

    def take(self, body: bytes) -> dict[str, object]:
        """The payout, the same one for every repeat of its order."""
        order = json.loads(body)
        txid: str = order["transactionId"]
        known = self._payouts.get(txid)
        if known is not None:
            return known
        payout: dict[str, object] = {
            "id": f"po_{len(self._payouts) + 1:08d}",
            "transactionId": txid,
            "status": "pending",
            "amount": order["amount"],
            "phone": order["phone"],
        }
        self._payouts[txid] = payout
        callback = self._callback(order, len(self._payouts))
        url = order["callbackUrl"]
        asyncio.get_running_loop().call_later(_CALLBACK_SECONDS, self._send, url, callback)
        return payout

    def _callback(self, order: dict[str, str], number: int) -> bytes:
        parts = urlsplit(order["callbackUrl"])
        content = {
            "transactionId": order["transactionId"],
            "userId": order["userId"],
            "amountKES": order["amount"],
            "status": "success",
            "receipt": f"BN{number:08d}",
        }
        body = json.dumps(content).encode()
        signature = hmac.digest(self._secret, body, hashlib.sha256).hex()
        head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-lipana-signature: {signature}\r\n\r\n"
        )
        return head.encode() + body

    def _send(self, url: str, callback: bytes) -> None:
        while self._free:
            postman = self._free.pop()
            if postman.is_connected:
                postman.bring(callback)
                return
            self._postmen.discard(postman)
        self._waiting.append(callback)
        if len(self._postmen) + len(self._connecting) < _CONNECTIONS:
            task = asyncio.create_task(self._connect(url))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, url: str) -> None:
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        make = partial(Postman, partial(self._delivered, url))
        try:
            _, postman = await loop.create_connection(make, parts.hostname or "", parts.port or 80)
        except OSError:
            if self._waiting:
                loop.call_later(_AGAIN_SECONDS, self._send, url, self._waiting.popleft())
        else:
            self._postmen.add(postman)
            self._next(postman)

    def _delivered(self, url: str, postman: Postman, callback: bytes, is_done: bool) -> None:  # noqa: FBT001 - called by Postman only
        if not is_done:
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._send, url, callback)
        self._next(postman)

    def _next(self, postman: Postman) -> None:
        if not postman.is_connected:
            self._postmen.discard(postman)
        elif self._waiting:
            postman.bring(self._waiting.popleft())
        else:
            self._free.append(postman)


async def serve(port: int) -> None:
    rail = Rail(*(os.environ[name] for name in RAIL_SECRETS))
    server = await asyncio.get_running_loop().create_server(
        partial(Counter, rail), "127.0.0.1", port
    )
    await server.serve_forever()


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
