"""The rail made for load says what our adapter understands, and what it may believe."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from bench.rail import Counter, Rail
from payops.infra.http import HttpClient
from payops.pii.domain import Msisdn
from payops.providers.lipana.adapter import LipanaRail
from payops.providers.lipana.callbacks import SIGNATURE_HEADER, LipanaCallbacks
from payops.providers.lipana.client import LipanaClient
from payops.withdrawals.ports import CredentialRefused, Outcome, Payout, Taken
from tests.support.waiting import eventually

_KEY, _SECRET = "lip_sk_test_made_up", "made-up-webhook-secret-of-the-tests"
_PHONE = Msisdn("254700000012")
_TXID = "wd_01h455vb4pex5vsknk084sn02q"


class Listener:
    """The merchant's end: keeps callbacks, and refuses the first ``refusals`` of them."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError):
                await self._converse(reader, writer)
        finally:
            writer.close()
            self.connections -= 1

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
            self.heard.append((head[0], headers, body))
            status = b"503 No" if len(self.heard) <= self.refusals else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)


@asynccontextmanager
async def paying(listener: Listener, key: str = _KEY) -> AsyncIterator[LipanaRail]:
    """Our adapter before the rail, and ``listener`` where its callbacks go."""
    loop = asyncio.get_running_loop()
    paid_by = Rail(_KEY, _SECRET)
    counter = await loop.create_server(partial(Counter, paid_by), "127.0.0.1", 0)
    heard = await asyncio.start_server(listener.talk, "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (counter, heard)]
    try:
        async with HttpClient(timeout_seconds=5) as http:
            client = LipanaClient(http, base_url=f"http://127.0.0.1:{ports[0]}/v1", api_key=key)
            yield LipanaRail(
                client, public_url=f"http://127.0.0.1:{ports[1]}", sends_reference=True
            )
    finally:
        paid_by.close()
        await eventually(lambda: not listener.connections)
        for server in (counter, heard):
            server.close()
            await server.wait_closed()


async def test_what_it_takes_it_pays_and_tells_so_until_it_is_heard() -> None:
    """One payout however often it is ordered; the callback is signed and names what was paid."""
    listener = Listener(refusals=1)
    payout = Payout(_TXID, "usr_amina", _PHONE, 100)
    async with paying(listener) as rail:
        answers = [await rail.send(payout), await rail.send(payout)]
        await eventually(lambda: 2 == len(listener.heard))

    assert [Taken("po_00000001")] * 2 == answers
    callbacks = LipanaCallbacks((_SECRET.encode(),))
    line, headers, body = listener.heard[-1]
    assert f"POST /webhooks/mpesa/{_TXID} HTTP/1.1" == line
    assert callbacks.is_authentic({SIGNATURE_HEADER: headers[SIGNATURE_HEADER]}, body)
    report = callbacks.read(_TXID, body)
    assert (Outcome.PAID, _TXID, 10_000) == (report.outcome, report.txid, report.amount_minor)
    assert body == listener.heard[0][2]


async def test_it_takes_orders_from_its_customer_only() -> None:
    """A key that is not ours is refused, as the real one would."""
    async with paying(Listener(refusals=0), key="lip_sk_test_another") as rail:
        answer = await rail.send(Payout(_TXID, "usr_amina", _PHONE, 100))

    assert CredentialRefused("HTTP 401") == answer
