"""Connections enough: nothing of ours waits for its turn and takes that for the rail's outage."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from payops import bootstrap
from payops.pii.domain import Msisdn
from payops.withdrawals.ports import AnswerLost, NoAnswer, NotDelivered, Payout, Question
from tests.support.shop import settings_of

PHONE = Msisdn("254700000012")
SENDS, QUESTIONS = 40, 24


@dataclass(slots=True)
class Hall:
    """A rail that answers nobody until ``wanted`` have come in."""

    wanted: int
    present: int = 0
    _full: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.present += 1
        if self.present == self.wanted:
            self._full.set()
        await self._full.wait()
        writer.write(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()


@asynccontextmanager
async def hall(wanted: int) -> AsyncIterator[tuple[Hall, str]]:
    made = Hall(wanted)
    server = await asyncio.start_server(made.receive, "127.0.0.1", 0)
    try:
        yield made, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


@pytest.mark.parametrize("sends_reference", [True, False])
async def test_every_call_that_may_be_under_way_has_a_connection(*, sends_reference: bool) -> None:
    """As many sends and questions as the settings allow, all on the wire at the same time."""
    async with hall(SENDS + QUESTIONS) as (rail, url):
        services = bootstrap.build(
            settings_of(
                "postgresql://nobody@127.0.0.1:1/none",
                {
                    "lipana": {
                        "base_url": url,
                        "timeout_seconds": 5,
                        "sends_reference": sends_reference,
                    },
                    "worker": {"concurrency": SENDS},
                    "reconciliation": {"mpesa_concurrency": QUESTIONS},
                },
            )
        )
        client = services.sender._rail
        answers = await asyncio.gather(
            *(client.send(Payout(f"wd_{n}", "usr_1", PHONE, 100)) for n in range(SENDS)),
            *(client.ask(_question(n)) for n in range(QUESTIONS)),
        )
        await services.close()

    assert SENDS + QUESTIONS <= rail.present
    assert not [answer for answer in answers if isinstance(answer, NotDelivered)]
    assert {AnswerLost} == {type(answer) for answer in answers[:SENDS]}
    assert {NoAnswer} == {type(answer) for answer in answers[SENDS:]}


def _question(number: int) -> Question:
    return Question(f"wd_{number}", PHONE, 100, datetime(2026, 1, 1, tzinfo=UTC), None)
