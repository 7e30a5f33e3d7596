"""The one way out to the network: bounded in time, in bytes and in connections.

No other module imports httpx. What a failed call leaves behind is said in two words: the
request was never written, or it may have been. Nothing is ever sent again from here: httpx
and httpcore are left at no retries, because only the caller knows what a second copy costs.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType, TracebackType
from typing import Final, Self

import httpx

from payops.infra.db import require_no_transaction

ANSWER_BYTES_MAX: Final = 1024 * 1024
_CONNECTIONS_MAX: Final = 100

# Node's servers close an idle connection after five seconds. A request written into one that
# is just closing leaves us in doubt, so connections are given up earlier than that.
_IDLE_SECONDS_MAX: Final = 3

# Raised before the first byte of the request is written. Any other error may come after.
_BEFORE_WRITE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# InvalidURL and StreamError stand outside httpx's tree. TimeoutError is an OSError.
_AFTER_WRITE = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)

_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", re.ASCII)
_HEADERS: Final = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "payops"}
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


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
    where the settings say. Under httpx's client stands its transport, and that is used here:
    it keeps no cookies, follows no redirects and writes no URL to the log.

    Each transport has one connection, and which one is free is known here. In a pool of many
    httpcore looks through all of them twice a call, which took most of a busy worker's CPU.
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
        self._extensions = {
            "timeout": httpx.Timeout(timeout_seconds, connect=timeout_seconds / 3).as_dict()
        }
        self._pool_seconds = timeout_seconds / 5
        tls = _tls(ca_file)
        self._transports = [_transport(tls) for _ in range(connections_max)]
        # The one used last is the next: few calls at a time keep few connections warm.
        self._idle: asyncio.LifoQueue[httpx.AsyncHTTPTransport] = asyncio.LifoQueue()
        for transport in self._transports:
            self._idle.put_nowait(transport)

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
            AnswerMissing: anything else went wrong, an answer over ``ANSWER_BYTES_MAX``
                included.
        """
        require_no_transaction("use the network")
        try:
            async with asyncio.timeout(self._timeout_seconds):
                request = httpx.Request(
                    method,
                    url,
                    headers={**_HEADERS, **headers},
                    content=body,
                    extensions=self._extensions,
                )
                async with self._free_transport() as transport:
                    return await _exchange(transport, request)
        except _BEFORE_WRITE as error:
            raise NeverWritten(type(error).__name__) from error
        except _AFTER_WRITE as error:
            raise AnswerMissing(type(error).__name__) from error

    @asynccontextmanager
    async def _free_transport(self) -> AsyncGenerator[httpx.AsyncHTTPTransport]:
        """A transport for one call; who waits longest has the next that is given back."""
        try:
            async with asyncio.timeout(self._pool_seconds):
                transport = await self._idle.get()
        except TimeoutError as error:
            raise httpx.PoolTimeout("all connections are in use") from error
        try:
            yield transport
        finally:
            self._idle.put_nowait(transport)

    async def aclose(self) -> None:
        for transport in self._transports:
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


@cache
def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Whom all clients of this process trust; reading that takes longer than all else at start."""
    if ca_file:
        return ssl.create_default_context(cafile=ca_file)
    return httpx.create_ssl_context(trust_env=False)


def _transport(tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    """With one connection: a call of another origin closes it and opens its own."""
    return httpx.AsyncHTTPTransport(
        verify=tls,
        trust_env=False,
        limits=httpx.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE_SECONDS_MAX
        ),
    )


async def _exchange(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> Reply:
    response = await transport.handle_async_request(request)
    try:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > ANSWER_BYTES_MAX:
                raise AnswerMissing("answer too long")
    finally:
        await response.aclose()
    named = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, named, bytes(content))


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
