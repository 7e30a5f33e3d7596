"""A merchant of the sandbox: it pays, asks, and keeps the callbacks that reach it."""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from payops.sandbox import Delays, Settings, running

API_KEY = "lip_sk_test_for_tests"
SECRET = "made up for tests"

#: Ten times as fast as the default, and without jitter: a callback comes 30 ms after its reply.
SETTINGS = Settings(
    api_key=API_KEY,
    webhook_secret=SECRET,
    speed_percent=1_000,
    delays=Delays(reply_ms=0, jitter_ms=0),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One callback as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def signature(self) -> str | None:
        return self.headers.get("x-lipana-signature")

    @property
    def is_genuine(self) -> bool:
        """Whether the signature is the HMAC of the body, written in the usual way."""
        expected = hmac.new(SECRET.encode(), self.body, hashlib.sha256).hexdigest()
        return self.signature == expected


@dataclass(slots=True)
class Inbox:
    """Where callbacks go. ``answers`` are the statuses of the next ones, then it is always 200."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    open_now: int = 0
    open_max: int = 0
    connections: int = 0
    open_for_answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open_for_answers.set()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None, None]:
        """A bare HTTP server: what it is handed must be kept to the byte."""
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await self._receive(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.deliveries.append(Delivery(first.split(" ")[1], headers, body))
        self.open_now += 1
        self.open_max = max(self.open_max, self.open_now)
        await self.open_for_answers.wait()
        self.open_now -= 1
        status = self.answers.popleft() if self.answers else 200
        writer.write(b"HTTP/1.1 %d Answer\r\ncontent-length: 2\r\n\r\n{}" % status)

    @property
    def told(self) -> list[str]:
        """The status, or the event where there is no status, of each callback in order."""
        return [_told(delivery.content) for delivery in self.deliveries]


@dataclass(frozen=True, slots=True)
class Merchant:
    """Somebody with an account at the sandbox."""

    http: httpx.AsyncClient
    inbox: Inbox

    async def pay(
        self, phone: str, amount: object = 100, *, transaction_id: str | None = "wd_1", **more: Any
    ) -> httpx.Response:
        """Ask for a payout; without a transaction id in the dialect that knows none."""
        body = {"phone": phone, "amount": amount} | more
        if transaction_id is not None:
            url = f"{self.inbox.url}/webhooks/mpesa/{transaction_id}"
            body |= {"transactionId": transaction_id, "userId": "user-1", "callbackUrl": url} | more
        return await self.http.post("/v1/payouts/phone", json=body)

    async def ask(self, either_id: str) -> httpx.Response:
        return await self.http.get(f"/v1/payouts/{either_id}")

    async def book(self) -> dict[str, Any]:
        book: dict[str, Any] = (await self.http.get("/_sandbox/book")).json()
        assert [] == book["violations"]
        return book

    async def control(self, path: str, **content: Any) -> httpx.Response:
        return await self.http.post(f"/_sandbox/{path}", json=content)

    async def quiet_book(self) -> dict[str, Any]:
        """The book once nothing is under way any more: what has not come by then never comes."""
        return await self.book_once(lambda book: book["underWay"] == 0)

    async def book_once(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first book of which this holds."""
        async with asyncio.timeout(10):
            while not holds(book := await self.book()):
                await asyncio.sleep(0.005)
        return book


@asynccontextmanager
async def merchant_of(settings: Settings) -> AsyncGenerator[Merchant, None]:
    """A merchant of a sandbox of its own, whose account has the merchant's address."""
    inbox = Inbox()
    async with inbox.listening():
        settings = replace(settings, callback_url=f"{inbox.url}/account")
        async with (
            running(settings) as where,
            httpx.AsyncClient(
                base_url=where.url,
                headers={"x-api-key": settings.api_key},
                timeout=2,
                verify=False,  # plain HTTP: reading certificates would take most of the time
            ) as http,
        ):
            yield Merchant(http, inbox)


def payout_in(response: httpx.Response) -> dict[str, Any]:
    assert 200 == response.status_code, response.text
    payout: dict[str, Any] = response.json()["payout"]
    return payout


def _told(content: dict[str, Any]) -> str:
    told: str = content.get("status") or content.get("data", {}).get("status") or content["event"]
    return told
