"""The way out to the network, against real sockets on loopback."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import httpx
import pytest
import respx

from payops.infra import db
from payops.infra.http import (
    ANSWER_BYTES_MAX,
    AnswerMissing,
    HttpClient,
    NeverWritten,
    Reply,
    checked_base_url,
    checked_header_value,
)
from tests.support.listening import Talk, listening
from tests.support.tls import Authority

OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def server(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that reads each request's head and then does what ``talk`` says."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer)
        await writer.drain()

    async with listening(answer, tls) as port:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


def certified(authority: Authority) -> ssl.SSLContext:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*authority.signs("127.0.0.1"))
    return tls


def says(*parts: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)

    return talk


async def test_an_answer_of_any_status_is_a_reply() -> None:
    """Errors of the other side are answers; header names are in lower case."""
    async with (
        server(says(b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nhi")) as url,
        HttpClient(timeout_seconds=5) as http,
    ):
        reply = await http.request("GET", url)

    assert Reply(503, {"retry-after": "7", "content-length": "2"}, b"hi") == reply
    assert "hi" not in repr(reply)


async def test_a_redirect_is_not_followed() -> None:
    """Where money goes is not for the answer to say."""
    answer = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    async with server(says(answer)) as url, HttpClient(timeout_seconds=5) as http:
        reply = await http.request("POST", url, body=b"{}")

    assert 307 == reply.status


async def test_a_refused_connection_was_never_written() -> None:
    """Nobody listens, so nobody can have acted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with HttpClient(timeout_seconds=5) as http:
            with pytest.raises(NeverWritten, match="ConnectError"):
                await http.request("POST", url, body=b"{}")


async def test_no_connection_in_time_was_never_written() -> None:
    """A call that waits in vain for one of the pool's connections has sent nothing."""
    arrived = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    async with server(talk) as url, HttpClient(timeout_seconds=1, connections_max=1) as http:
        first = asyncio.create_task(http.request("POST", url, body=b"{}"))
        await arrived.wait()
        with pytest.raises(NeverWritten, match="PoolTimeout"):
            await http.request("POST", url, body=b"{}")
        with pytest.raises(AnswerMissing):
            await first


async def test_as_many_calls_as_connections_never_wait_for_one() -> None:
    """Nobody is answered before everybody has arrived: a wait of ours is not the rail's outage."""
    count, arrived, all_here = 136, 0, asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await reader.readuntil(b"\r\n\r\n{}")
        arrived += 1
        if arrived == count:
            all_here.set()
        await all_here.wait()
        writer.write(OK + b"Content-Length: 0\r\n\r\n")

    async with server(talk) as url, HttpClient(timeout_seconds=10, connections_max=count) as http:
        calls = [http.request("POST", url, body=b"{}") for _ in range(count)]
        replies = await asyncio.gather(*calls)

    assert [200] * count == [reply.status for reply in replies]


async def test_who_waits_gets_the_connection_that_comes_free() -> None:
    """Also when it is a call given up that gives it back."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    answering = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.put_nowait(head.split()[1].decode())
        await answering.wait()
        writer.write(OK + b"Content-Length: 0\r\n\r\n")

    async with server(talk) as url, HttpClient(timeout_seconds=20, connections_max=1) as http:
        async with asyncio.timeout(10):
            first = asyncio.create_task(http.request("GET", f"{url}/first"))
            assert "/first" == await heard.get()
            second = asyncio.create_task(http.request("GET", f"{url}/second"))
            await asyncio.sleep(0)
            assert heard.empty()
            first.cancel()
            assert "/second" == await heard.get()
            answering.set()

            assert 200 == (await second).status


async def test_calls_one_after_the_other_share_a_connection() -> None:
    """However many there may be; and a call elsewhere does not need one more."""
    connections: list[str] = []

    def named(name: str) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(name)
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK + b"Content-Length: 0\r\n\r\n")

        return talk

    async with server(named("here")) as here, server(named("there")) as there:
        async with HttpClient(timeout_seconds=5, connections_max=8) as http:
            for _ in range(5):
                await http.request("GET", here)
        async with HttpClient(timeout_seconds=5, connections_max=1) as http:
            await http.request("GET", here)
            await http.request("GET", there)

    assert ["here", "here", "there"] == connections


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((), id="closed-without-a-word"),
        pytest.param((b"HTTP/1.1 2",), id="closed-within-the-head"),
        pytest.param((OK, b"Content-Length: 9\r\n\r\nhalf"), id="closed-within-the-body"),
        pytest.param((b"SSH-2.0-OpenSSH\r\n",), id="not-http"),
    ],
)
async def test_what_breaks_after_connecting_leaves_doubt(parts: tuple[bytes, ...]) -> None:
    """Once there is a connection, every failure may have come after the other side acted."""
    async with server(says(*parts)) as url, HttpClient(timeout_seconds=5) as http:
        with pytest.raises(AnswerMissing):
            await http.request("POST", url, body=b"{}")


async def test_a_dripping_answer_ends_with_the_whole_calls_time() -> None:
    """Each byte comes in time, but the call does not: the limit is for the whole."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    began_ns = time.monotonic_ns()
    async with server(talk) as url, HttpClient(timeout_seconds=1) as http:
        with pytest.raises(AnswerMissing, match="TimeoutError"):
            await http.request("GET", url)

    assert time.monotonic_ns() - began_ns < 5_000_000_000


async def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    """The limit counts what arrives, not what is announced."""
    body = b"x" * (ANSWER_BYTES_MAX + 1)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    async with (
        server(says(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)) as url,
        HttpClient(timeout_seconds=5) as http,
    ):
        with pytest.raises(AnswerMissing, match="answer too long"):
            await http.request("GET", url)


async def test_an_answer_of_exactly_the_limit_is_read() -> None:
    """The limit is the last length that passes."""
    body = b"x" * ANSWER_BYTES_MAX
    head = OK + b"Content-Length: %d\r\n\r\n" % len(body)
    async with server(says(head, body)) as url, HttpClient(timeout_seconds=5) as http:
        reply = await http.request("GET", url)

    assert body == reply.body


@pytest.mark.parametrize("name", ["gzip", "br"])
async def test_an_answer_in_an_encoding_is_not_unpacked(name: str) -> None:
    """None was asked for, and a few bytes could unpack to more than there is memory."""
    head = OK + b"Content-Encoding: %s\r\nContent-Length: 3\r\n\r\n" % name.encode()
    async with server(says(head, b"abc")) as url, HttpClient(timeout_seconds=5) as http:
        with pytest.raises(AnswerMissing, match="answer in an encoding"):
            await http.request("GET", url)


@pytest.mark.parametrize("name", ["identity", "Identity", ""])
async def test_an_answer_that_says_it_is_in_no_encoding_is_read(name: str) -> None:
    """An answer to a payout that is thrown away for its spelling would leave that in doubt."""
    head = OK + b"Content-Encoding: %s\r\nContent-Length: 3\r\n\r\n" % name.encode()
    async with server(says(head, b"abc")) as url, HttpClient(timeout_seconds=5) as http:
        reply = await http.request("GET", url)

    assert b"abc" == reply.body


async def test_a_connection_the_other_side_closed_is_not_written_into() -> None:
    """A request into it would be lost, and nobody would know whether it was acted on."""
    closed = asyncio.Event()
    connections: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 0\r\n\r\n")
        await writer.drain()
        closed.set()  # the server closes it, although it said nothing of that

    async with (
        server(talk) as url,
        HttpClient(timeout_seconds=5, connections_max=1) as http,
    ):
        await http.request("GET", url)
        await closed.wait()
        await connections[0].wait_closed()
        reply = await http.request("POST", url, body=b"{}")

    assert (200, 2) == (reply.status, len(connections))


async def test_calls_over_tls_share_a_connection_too(tmp_path: Path) -> None:
    """To look whether anything is left of the last answer does not end it."""
    authority = Authority(tmp_path)
    connections: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK + b"Content-Length: 2\r\n\r\nhi")

    async with (
        server(talk, tls=certified(authority)) as url,
        HttpClient(timeout_seconds=5, ca_file=str(authority.file)) as http,
    ):
        answers = [await http.request("GET", url) for _ in range(5)]

    assert [b"hi"] * 5 == [answer.body for answer in answers]
    assert 1 == len(connections)


async def test_a_connection_found_broken_before_the_call_leaves_no_doubt(tmp_path: Path) -> None:
    """Nothing was written into it, so the call goes over a new one as if nothing had been."""
    authority = Authority(tmp_path)

    class Broken(httpcore.AsyncNetworkStream):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            raise httpcore.ReadError

    async with (
        server(says(OK + b"Content-Length: 0\r\n\r\n"), tls=certified(authority)) as url,
        HttpClient(timeout_seconds=5, connections_max=1, ca_file=str(authority.file)) as http,
    ):
        await http.request("GET", url)
        http._lines[0].stream = Broken()
        reply = await http.request("POST", url, body=b"{}")

    assert 200 == reply.status


@pytest.mark.parametrize("is_one_piece", [True, False])
@pytest.mark.parametrize("is_tls", [True, False])
async def test_an_answer_too_many_is_not_taken_for_the_next_call_s(
    tmp_path: Path, *, is_tls: bool, is_one_piece: bool
) -> None:
    """A refusal about something else must not pass for that of a payout."""
    authority = Authority(tmp_path)
    tls = certified(authority) if is_tls else None
    answer, surplus = OK + b"Content-Length: 0\r\n\r\n", b"HTTP/1.1 400 No\r\n\r\n"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            parts = [answer, surplus] if head.startswith(b"GET") else [answer]
            for part in [b"".join(parts)] if is_one_piece else parts:
                writer.write(part)

    async with (
        server(talk, tls=tls) as url,
        HttpClient(timeout_seconds=5, connections_max=1, ca_file=str(authority.file)) as http,
    ):
        for _ in range(5):
            assert 200 == (await http.request("GET", url)).status
            assert 200 == (await http.request("POST", url, body=b"")).status


async def test_the_host_is_named_as_the_address_has_it() -> None:
    """With its port, and without one where it is the scheme's own."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK + b"Content-Length: 0\r\n\r\n")

    async with server(talk) as url, HttpClient(timeout_seconds=5) as http:
        await http.request("GET", f"{url}/päyouts?of=a b")

    assert heads[0].startswith(b"GET /p%C3%A4youts?of=a%20b HTTP/1.1\r\n")
    assert b"host: " + url.removeprefix("http://").encode() + b"\r\n" in heads[0]


async def test_nothing_is_sent_while_a_transaction_is_open() -> None:
    """Locks are not held while the network takes its time; that is a programming error."""
    token = db._transaction_open.set(True)
    try:
        async with HttpClient(timeout_seconds=1) as http:
            with pytest.raises(RuntimeError, match="use the network"):
                await http.request("GET", "http://127.0.0.1:9/")
    finally:
        db._transaction_open.reset(token)


async def test_a_request_is_made_once_and_carries_only_what_it_should() -> None:
    """No repeat after a failure, no cookie from an earlier answer, no proxy of the environment."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if len(heads) == 1:
            writer.write(OK + b"Set-Cookie: a=b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with server(talk) as url, HttpClient(timeout_seconds=5) as http:
        await http.request("GET", url, headers={"x-api-key": "k", "accept": "text/plain"})
        with pytest.raises(AnswerMissing):
            await http.request("GET", url)

    assert 2 == len(heads)
    assert b"x-api-key: k" in heads[0]
    assert [b"accept: text/plain"] == [
        line for line in heads[0].split(b"\r\n") if line.startswith(b"accept:")
    ]
    assert b"accept-encoding: identity" in heads[0]
    assert b"cookie" not in heads[1].lower()


async def test_a_client_that_is_closed_meanwhile_does_not_answer_with_a_foreign_error() -> None:
    """At whatever step the call is: what becomes of its withdrawal is decided by our errors."""
    ended: list[str] = []
    async with server(says(OK + b"Content-Length: 0\r\n\r\n")) as url:
        for steps in range(12):
            http = HttpClient(timeout_seconds=5, connections_max=1)
            call = asyncio.create_task(http.request("POST", url, body=b"{}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            await http.aclose()
            (outcome,) = await asyncio.gather(call, return_exceptions=True)
            ended.append(type(outcome).__name__)
            await http.aclose()

    assert {"Reply", "NeverWritten", "AnswerMissing"} >= set(ended)


@respx.mock
async def test_addresses_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Some addresses are secrets, so nobody writes them down."""
    respx.get("http://127.0.0.1:9/secret").mock(return_value=httpx.Response(200))
    async with HttpClient(timeout_seconds=1) as http:
        with caplog.at_level(logging.INFO):
            await http.request("GET", "http://127.0.0.1:9/secret")

    assert "secret" not in caplog.text


async def test_an_address_that_is_none_does_not_escape_as_a_foreign_error() -> None:
    """Also what the libraries keep outside their own trees of errors is one of ours."""
    async with HttpClient(timeout_seconds=1) as http:
        with pytest.raises(AnswerMissing, match="InvalidURL"):
            await http.request("GET", "http://127.0.0.1:port/")


def test_a_base_url_loses_its_trailing_slashes() -> None:
    """With or without a slash it is the same base."""
    assert "https://api.test/v1" == checked_base_url("https://api.test/v1//")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.test/v1",
        "ftp://api.test",
        "http://",
        "https://u:p@api.test",
        "https://api.test?a=1",
        "https://api.test:port",
    ],
)
def test_what_is_no_base_url_is_refused_without_repeating_it(url: str) -> None:
    """A base URL may hold a secret by mistake."""
    with pytest.raises(ValueError, match="URL") as caught:
        checked_base_url(url)

    assert "api.test" not in str(caught.value)


@pytest.mark.parametrize("text", ["", " key", "key\r\nx: y", "kéy", "key\0"])
def test_what_is_no_header_value_is_refused_without_repeating_it(text: str) -> None:
    """A key with a line break in it is found at the start, not in a log of the first call."""
    with pytest.raises(ValueError, match="not usable") as caught:
        checked_header_value(text)

    assert "key" not in str(caught.value)


def test_a_header_value_is_kept_as_it_is() -> None:
    """Inner spaces are allowed."""
    assert "lip sk" == checked_header_value("lip sk")
