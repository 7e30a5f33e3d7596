"""The small HTTP client that callbacks are sent with, against servers of every manner."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from payops.sandbox.delivery import Postman
from tests.support.waiting import eventually, free_port


@dataclass(slots=True)
class Server:
    """Answers each request with the next of ``answers``; an empty one is a closed connection."""

    answers: list[bytes]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: int = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(4))
                answer = self.answers.pop(0)
                writer.write(answer)
                if not answer or b"connection: close" in answer.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.closed += 1
        writer.close()


@asynccontextmanager
async def served(*answers: bytes) -> AsyncGenerator[tuple[Server, str], None]:
    server = Server(list(answers))
    listening = await asyncio.start_server(server.converse, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield server, f"http://127.0.0.1:{port}/hooks/1?a=b"


@asynccontextmanager
async def posting(timeout_ms: int = 2_000) -> AsyncGenerator[Postman, None]:
    postman = Postman(at_once=4, timeout_ms=timeout_ms)
    yield postman
    await postman.aclose()


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


async def test_a_post_arrives_whole_and_its_status_comes_back() -> None:
    """
    Path, query, host, headers, length and body are on the wire as given.
    """
    async with served(OK) as (server, url), posting() as postman:
        status = await postman.post(url, {"x-a": "b"}, b"body")

        assert 200 == status
        host = url.split("/")[2]
        expected = (
            f"POST /hooks/1?a=b HTTP/1.1\r\nhost: {host}\r\ncontent-length: 4\r\nx-a: b\r\n\r\nbody"
        )
        assert [expected.encode()] == server.requests


async def test_a_connection_is_used_again() -> None:
    """
    Posts one after the other share one connection, also after an answer without a body.
    """
    none = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with served(OK, none, OK) as (server, url), posting() as postman:
        statuses = [await postman.post(url, {}, b"body") for _ in range(3)]

        assert [200, 204, 200] == statuses
        assert 1 == server.connections


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n",
        CHUNKED,
    ],
)
async def test_a_connection_that_may_not_be_used_again_is_not(first: bytes) -> None:
    """
    What closes, is old, is too long or has no stated length costs a connection, not an answer.
    """
    async with served(first, OK) as (server, url), posting() as postman:
        statuses = [await postman.post(url, {}, b"body") for _ in range(2)]

        assert [200, 200] == statuses
        assert 2 == server.connections


async def test_a_connection_closed_while_idle_is_replaced() -> None:
    """
    When the server has left a pooled connection, the post goes out on a new one.
    """
    async with served(OK, b"", OK) as (server, url), posting() as postman:
        statuses = [await postman.post(url, {}, b"body") for _ in range(2)]

        assert [200, 200] == statuses
        assert 3 == len(server.requests)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nok",
    ],
)
async def test_an_unreadable_answer_is_none(answer: bytes) -> None:
    """
    Whatever is not an answer in HTTP is no answer, and the connection is given up.
    """
    async with served(answer) as (server, url), posting() as postman:
        assert await postman.post(url, {}, b"body") is None

        await eventually(lambda: server.closed == server.connections == 1)


async def test_an_answer_that_does_not_come_is_none() -> None:
    """
    The time-out covers the whole exchange, and the connection is given up.
    """
    async with served(b"HTTP/1.1 200") as (server, url), posting(timeout_ms=50) as postman:
        assert await postman.post(url, {}, b"body") is None

        await eventually(lambda: server.closed == 1)


async def test_a_port_nobody_listens_on_is_none() -> None:
    """
    A refused connection is no answer.
    """
    async with posting() as postman:
        assert await postman.post(f"http://127.0.0.1:{free_port()}/", {}, b"body") is None
