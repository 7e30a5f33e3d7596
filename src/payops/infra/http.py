"""The one way out to the network: bounded in time, in bytes and in connections.

No other module makes calls. What a failed call leaves behind is said in two words: the request
was never written, or it may have been. Nothing is ever sent again from here: httpcore is left
at no retries, because only the caller knows what a second copy costs.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

import httpcore
import httpx

from payops.infra.db import require_no_transaction

ANSWER_BYTES_MAX: Final = 1024 * 1024
_CONNECTIONS_MAX: Final = 100

# Node's servers close an idle connection after five seconds. A request written into one that
# is just closing leaves us in doubt, so connections are given up earlier than that.
_IDLE_SECONDS_MAX: Final = 3

# Raised before the first byte of the request is written. Any other error may come after.
_BEFORE_WRITE = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.ConnectionNotAvailable,  # closed by `aclose` before the call had begun on it
)
_AFTER_WRITE = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    OSError,  # a TimeoutError is one
)

_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", re.ASCII)
_HEADERS: Final = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "payops"}
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_URLS_KEPT: Final = 256


class CallFailed(Exception):
    """No answer. The text names the kind of failure only: no address, header or body."""


class NeverWritten(CallFailed):
    """No byte of the request left this process: the other side cannot have acted on it."""


class AnswerMissing(CallFailed):
    """The request may have been written; whether it was acted on is not known."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of any status, redirects included: they are not followed."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes = field(repr=False)


class HttpClient:
    """At most ``connections_max`` connections. ``timeout_seconds`` is for one whole call, from
    the wait for a connection to the last byte of the answer, however slowly it drips.

    Proxies, certificates and credentials named by the environment are not used: requests go
    where the settings say. Of httpx its engine is used, httpcore: without the client around it
    a call costs less than half, and nothing keeps cookies, follows redirects or writes URLs
    to the log. Which connection is free is known here: in a pool of many httpcore looks
    through all of them twice a call, which took most of a busy worker's CPU.
    """

    def __init__(
        self,
        *,
        timeout_seconds: int,
        connections_max: int = _CONNECTIONS_MAX,
        ca_file: str | None = None,
    ) -> None:
        # Its trace names hosts, and some addresses are secrets.
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        self._timeout_seconds = timeout_seconds
        # Waiting for a connection and then making one, TCP and TLS each with its own
        # limit, ends before the whole call does: an outage is then seen as what it is.
        self._extensions = {"timeout": {"connect": timeout_seconds / 3}}
        self._pool_seconds = timeout_seconds / 5
        tls = _tls(ca_file)
        self._lines = [_Line(tls) for _ in range(connections_max)]
        # The one used last is the next: few calls at a time keep few connections warm.
        self._idle: asyncio.LifoQueue[_Line] = asyncio.LifoQueue()
        for line in self._lines:
            self._idle.put_nowait(line)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes | None = None,
    ) -> Reply:
        """One call, made once. An answer of any status is a ``Reply``.

        Raises:
            NeverWritten: no connection could be made or had in time.
            AnswerMissing: anything else went wrong, an answer over ``ANSWER_BYTES_MAX`` or in
                an encoding, of which none was asked for, among it.
        """
        require_no_transaction("use the network")
        try:
            async with asyncio.timeout(self._timeout_seconds):
                target = _target(url)
                async with self._free_line() as line:
                    connection = await line.to(target.url.origin)
                    async with connection.stream(
                        method,
                        target.url,
                        headers=[("host", target.host), *{**_HEADERS, **headers}.items()],
                        content=body,
                        extensions=self._extensions,
                    ) as response:
                        line.stream = response.extensions.get("network_stream")
                        return await _read(response)
        except _BEFORE_WRITE as error:
            raise NeverWritten(type(error).__name__) from error
        except _AFTER_WRITE as error:
            raise AnswerMissing(type(error).__name__) from error

    @asynccontextmanager
    async def _free_line(self) -> AsyncGenerator["_Line"]:
        """A line for one call; who waits longest has the next that is given back."""
        try:
            async with asyncio.timeout(self._pool_seconds):
                line = await self._idle.get()
        except TimeoutError as error:
            raise httpcore.PoolTimeout("all connections are in use") from error
        try:
            yield line
        finally:
            self._idle.put_nowait(line)

    async def aclose(self) -> None:
        for line in self._lines:
            await line.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


@dataclass(slots=True)
class _Line:
    """One connection at a time, for one call at a time."""

    tls: ssl.SSLContext
    connection: httpcore.AsyncHTTPConnection | None = None
    stream: httpcore.AsyncNetworkStream | None = None  # beneath it, known from its first answer

    async def to(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        """The open connection if it goes there and is still good, else one to be opened."""
        if self.connection is None or not await self._is_good(self.connection, origin):
            await self.aclose()
            self.stream = None
            self.connection = httpcore.AsyncHTTPConnection(
                origin, ssl_context=self.tls, keepalive_expiry=_IDLE_SECONDS_MAX
            )
        return self.connection

    async def _is_good(
        self, connection: httpcore.AsyncHTTPConnection, origin: httpcore.Origin
    ) -> bool:
        return (
            connection.can_handle_request(origin)
            and connection.is_idle()
            and not connection.has_expired()
            and not await self._has_more(connection, origin)
        )

    async def _has_more(
        self, connection: httpcore.AsyncHTTPConnection, origin: httpcore.Origin
    ) -> bool:
        """Whether more came than was asked for, or the end: it would answer the next call.

        A refusal that is about something else must never pass for that of a payout. What is
        still in the socket `has_expired` sees; what was read with the answer it does not.
        """
        read: Any = connection
        if read._connection._h11_state.trailing_data[0]:  # noqa: SLF001 - there is no other way
            return True
        if self.stream is None or origin.scheme != b"https":
            return False
        try:
            await self.stream.read(1, timeout=0)  # only what TLS has decrypted, or holds
        except httpcore.ReadTimeout:
            return False
        except httpcore.ReadError:
            pass  # broken, and nothing is written yet: no reason for doubt about the call
        return True

    async def aclose(self) -> None:
        if self.connection is not None:
            await self.connection.aclose()


@cache
def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Whom all clients of this process trust; reading that takes longer than all else at start."""
    if ca_file:
        return ssl.create_default_context(cafile=ca_file)
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a call goes: the URL as it is on the wire, and the Host that says so."""

    url: httpcore.URL
    host: bytes


@lru_cache(_URLS_KEPT)
def _target(url: str) -> _Target:
    parsed = httpx.URL(url)
    if parsed.scheme not in {"http", "https"}:
        raise httpcore.UnsupportedProtocol
    wire = httpcore.URL(
        scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path
    )
    return _Target(wire, parsed.netloc)


async def _read(response: httpcore.Response) -> Reply:
    named = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }
    # To unpack is to trust the other side with our memory, and nothing packed was asked for.
    if named.get("content-encoding", "").lower() not in {"", "identity"}:
        raise AnswerMissing("answer in an encoding")
    content = bytearray()
    async for chunk in response.aiter_stream():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise AnswerMissing("answer too long")
    return Reply(response.status, named, bytes(content))


def checked_base_url(url: str) -> str:
    """``url`` without its trailing slashes, fit to be continued with ``/path``.

    Raises:
        ValueError: no http(s) address, or one with credentials, query or fragment. The
            text does not repeat it.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError("not a URL") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("not an http or https URL")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("a base URL has no credentials, query or fragment")
    return url.rstrip("/")


def checked_header_value(text: str) -> str:
    """``text`` if it can be a header's value: visible ASCII with inner spaces.

    Checked when the program starts, because httpx would only say so when it sends, in words
    that repeat the value.

    Raises:
        ValueError: it cannot; the text does not repeat it.
    """
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError("not usable as the value of a header")
    return text
