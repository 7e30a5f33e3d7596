"""A small HTTP server on loopback that keeps the JSON it is posted and answers on demand."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.listening import listening

OK = "200 OK\r\ncontent-length: 2\r\n\r\nok"
ACCEPTED = '202 Accepted\r\ncontent-length: 20\r\n\r\n{"status":"success"}'
HANG = "hang"


@dataclass
class Collector:
    """``answers`` are given in turn, then ``usual``; each is what follows ``HTTP/1.1 ``."""

    usual: str = OK
    answers: list[str] = field(default_factory=list)
    port: int = 0
    paths: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._exchange(reader, writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.paths.append(first.split(" ")[1])
        self.types.append(headers.get("content-type", ""))
        self.bodies.append(json.loads(body))
        self.raw.append(body)
        self.headers.append(headers)
        answer = self.answers.pop(0) if self.answers else self.usual
        if answer == HANG:
            await asyncio.sleep(3600)
        writer.write(f"HTTP/1.1 {answer}".encode())
        await writer.drain()


@asynccontextmanager
async def collector(*answers: str, usual: str = OK) -> AsyncIterator[Collector]:
    running = Collector(usual, list(answers))
    async with listening(running.serve) as running.port:
        yield running
