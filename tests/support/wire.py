"""A wire to PostgreSQL that falls silent, is cut, or loses an answer on its way back.

What a dead switch or a failed-over server does to a client: nothing closes, nothing answers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import URL, make_url

_CHUNK = 65_536


@dataclass(slots=True)
class Wire:
    """The database at ``url``, by way of this process; ``refused`` counts calls while cut.

    ``said`` is what each connection has sent to the server so far, in the order they came.
    """

    url: str
    refused: int = 0
    said: list[bytearray] = field(default_factory=list)
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _is_cut: bool = False
    _loses: bytes = b""
    _ends: list[asyncio.StreamWriter] = field(default_factory=list)

    def falls_silent(self) -> None:
        """Bytes go in and do not come out; connections are still taken."""
        self._flows.clear()

    def is_cut(self) -> None:
        """Every connection ends, and new ones end as they begin."""
        self._is_cut = True
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    def mends(self) -> None:
        self._is_cut = False
        self._flows.set()

    def loses_the_answer_to(self, words: bytes) -> None:
        """The next message with ``words`` arrives; its connection is silent from then on."""
        self._loses = words

    @property
    def has_lost(self) -> bool:
        return not self._loses

    async def carry(self, near: asyncio.StreamReader, here: asyncio.StreamWriter, to: URL) -> None:
        if self._is_cut:
            self.refused += 1
            here.transport.abort()
            return
        far, there = await dialled(to)
        self._ends += [here, there]
        is_heard = asyncio.Event()
        is_heard.set()
        said = bytearray()
        self.said.append(said)
        try:
            await asyncio.gather(
                self._pump(near, there, is_heard, said),
                self._pump(far, here, is_heard),
            )
        finally:
            for end in (here, there):
                end.transport.abort()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        is_heard: asyncio.Event,
        said: bytearray | None = None,
    ) -> None:
        """``said`` is given where the client speaks, and takes its words down."""
        with suppress(ConnectionError):
            while chunk := await source.read(_CHUNK):
                if said is not None:
                    said += chunk
                    if self._loses and self._loses in chunk:
                        self._loses = b""
                        is_heard.clear()
                await self._flows.wait()
                if said is not None or is_heard.is_set():
                    target.write(chunk)
        target.transport.abort()


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[Wire]:
    """A wire to the database at ``url``, over loopback whatever ``url`` uses itself."""
    target = make_url(url)
    calls: set[asyncio.Task[None]] = set()

    def take(near: asyncio.StreamReader, here: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(wire.carry(near, here, target))
        calls.add(call)
        call.add_done_callback(calls.discard)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    near = target.set(host="127.0.0.1", port=port, query={})
    wire = Wire(near.render_as_string(hide_password=False))
    wire.mends()
    try:
        yield wire
    finally:
        server.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def dialled(to: URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = to.query.get("host", to.host)
    port = to.query.get("port", to.port or 5432)
    assert isinstance(place, str)
    if place.startswith("/"):
        return await asyncio.open_unix_connection(f"{place}/.s.PGSQL.{port}")
    return await asyncio.open_connection(place, int(str(port)))
