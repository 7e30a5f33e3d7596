"""Sending callbacks: plain HTTP/1.1 over a pool of connections, bounded in number.

A general HTTP client costs several times the CPU of a small server. This one knows a POST and a
status, which is all that a callback needs.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic_ns
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

Origin: TypeAlias = tuple[str, str, int]

# Servers close idle connections, uvicorn after five seconds; a pool must give up on them earlier.
_IDLE_NS_MAX = 4_000_000_000
_ANSWER_BYTES_MAX = 65_536


@dataclass(slots=True, eq=False)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used_ns: int = 0

    @property
    def is_fresh(self) -> bool:
        return self.used_ns == 0


@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    length: int | None  #: None: the body's end is not announced as a number
    keeps: bool


class Postman:
    """Posts bodies and tells the status of the answer, ``at_once`` at a time.

    Several deliveries may be under way at once; each holds one connection of its own.
    """

    def __init__(self, *, at_once: int, timeout_ms: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._timeout_ms = timeout_ms
        self._idle: defaultdict[Origin, list[_Connection]] = defaultdict(list)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int | None:
        """The status that ``url`` answered with; None when no readable answer came in time."""
        parts = urlsplit(url)
        request = _request(parts, headers, body)
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout_ms / 1_000):
                    return await self._exchange(_origin(parts), request)
            except (TimeoutError, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                return None

    async def aclose(self) -> None:
        """Close the idle connections. Deliveries under way are the caller's to cancel."""
        connections = [connection for idle in self._idle.values() for connection in idle]
        self._idle.clear()
        for connection in connections:
            connection.writer.close()
        await asyncio.gather(
            *(connection.writer.wait_closed() for connection in connections),
            return_exceptions=True,
        )

    async def _exchange(self, origin: Origin, request: bytes) -> int:
        connection = await self._connection(origin)
        try:
            return await self._converse(connection, origin, request)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            # The server may have closed a pooled connection just as it was taken up again.
            answered = isinstance(error, asyncio.IncompleteReadError) and bool(error.partial)
            if connection.is_fresh or answered:
                raise
        return await self._converse(await _connect(origin), origin, request)

    async def _connection(self, origin: Origin) -> _Connection:
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if monotonic_ns() - connection.used_ns < _IDLE_NS_MAX:
                return connection
            connection.writer.close()
        return await _connect(origin)

    async def _converse(self, connection: _Connection, origin: Origin, request: bytes) -> int:
        keeps = False
        try:
            connection.writer.write(request)
            head = _head(await connection.reader.readuntil(b"\r\n\r\n"))
            if head.length is not None and head.length <= _ANSWER_BYTES_MAX:
                await connection.reader.readexactly(head.length)
                keeps = head.keeps
        finally:
            if not keeps:
                connection.writer.close()
        if keeps:
            connection.used_ns = monotonic_ns()
            self._idle[origin].append(connection)
        return head.status


def _origin(parts: SplitResult) -> Origin:
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname or "", parts.port or default


def _request(parts: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"host: {parts.netloc.rpartition('@')[2]}",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _head(raw: bytes) -> _Head:
    """Read an answer's head. Raises ValueError when it is not HTTP/1."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    version, status = first.split(" ", 2)[:2]
    if not version.startswith("HTTP/1."):
        raise ValueError("not an HTTP answer")
    fields = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    length = None if "content-length" not in fields else int(fields["content-length"])
    if int(status) == 204:
        length = 0
    keeps = version == "HTTP/1.1" and fields.get("connection") != "close"
    return _Head(int(status), length, keeps)


async def _connect(origin: Origin) -> _Connection:
    scheme, host, port = origin
    tls = ssl.create_default_context() if scheme == "https" else None
    return _Connection(*await asyncio.open_connection(host, port, ssl=tls))
