"""Customers who ask for withdrawals again and again until they are told, and what must hold."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from payops.access.domain import Scope
from payops.access.service import create_key
from payops.bootstrap import INVARIANTS
from payops.infra.db import Database, connect
from payops.ledger import service as ledger
from tests.support.process import Serving
from tests.support.waiting import eventually

# Where a withdrawal stays until a person, if anybody, moves it.
AT_REST: Final = frozenset({"completed", "failed", "cancelled", "review"})
_ASKED_SECONDS = 30
_AGAIN_SECONDS = 0.05
_STARTS_MAX = 5


async def api_key(database: Database) -> str:
    """A key that may do everything there is."""
    issued = await create_key(database, name="tests", owner="tests", scopes=set(Scope), live=False)
    return issued.text


@dataclass(slots=True)
class Customers:
    """They hold a key to the API of ``url``; ``acknowledged`` maps each key to its withdrawal."""

    http: httpx.AsyncClient
    url: Callable[[], str]
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def fund(self, user: str, shillings: int) -> None:
        body = {"amount": shillings, "currency": "KES", "reason": "funding", "reference": "first"}
        response = await self._until_told(f"/api/wallets/{user}/credits", f"fund-{user}", body)
        assert 201 == response.status_code, response.text

    async def withdraw(self, user: str, shillings: int, phone: str, key: str) -> dict[str, Any]:
        """Ask under ``key``, twice at once as an impatient app does, until both are told."""
        body = {"userId": user, "amountKES": shillings, "phoneNumber": phone}
        answers = await asyncio.gather(
            *(self._until_told("/api/withdrawals/mpesa", key, body) for _ in range(2))
        )
        assert [202, 202] == [answer.status_code for answer in answers], answers[0].text
        assert answers[0].content == answers[1].content, "two answers to one key"
        withdrawal: dict[str, Any] = answers[0].json()
        self.acknowledged[key] = withdrawal
        return withdrawal

    async def state(self, txid: str) -> str:
        with suppress(httpx.TransportError):
            response = await self.http.get(f"{self.url()}/api/withdrawals/{txid}")
            if response.status_code == 200:
                return str(response.json()["status"])
        return "not told"

    async def states(self) -> dict[str, str]:
        """The state of each acknowledged withdrawal, by its key."""
        keys = list(self.acknowledged)
        found = await asyncio.gather(*(self.state(self.acknowledged[key]["txId"]) for key in keys))
        return dict(zip(keys, found, strict=True))

    async def settled(
        self, *, within: int = 25, at_rest: frozenset[str] = AT_REST
    ) -> dict[str, str]:
        """The states once every acknowledged withdrawal has come to rest."""

        async def check() -> dict[str, str]:
            states = await self.states()
            assert set(states.values()) <= at_rest, states
            return states

        found: dict[str, str] = await eventually(check, within=within)
        return found

    async def _until_told(self, path: str, key: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        async with asyncio.timeout(_ASKED_SECONDS):
            while True:
                with suppress(httpx.TransportError):
                    response = await self.http.post(
                        f"{self.url()}{path}", json=body, headers=headers
                    )
                    if response.status_code not in {409, 500, 503}:
                        return response
                    assert response.status_code != 500, response.text
                await asyncio.sleep(_AGAIN_SECONDS)


@asynccontextmanager
async def watched(url: str) -> AsyncIterator[Database]:
    """The database behind the processes, for a look past them."""
    database = connect(url, pool_size=2)
    try:
        yield database
    finally:
        await database.close()


async def book_of(http: httpx.AsyncClient, control_url: str) -> dict[str, Any]:
    """What the sandbox says was received; it must be sound in itself."""
    book: dict[str, Any] = (await http.get(f"{control_url}/book")).json()
    assert [] == book["violations"]
    return book


def paid_per_order(book: dict[str, Any]) -> Counter[tuple[str, int]]:
    """How often each sum was paid to each phone, however the order was named."""
    return Counter(
        (payout["phone"], payout["amount"]) for payout in book["payouts"] if payout["receivedKES"]
    )


async def assert_books(database: Database, acknowledged: Sequence[str]) -> None:
    """The books are right, and every withdrawal that a caller was told of is in them.

    The second does not follow from the first: books that lost a withdrawal whole still balance.
    """
    broken = await ledger.verify(database, INVARIANTS)
    assert not broken, broken
    async with database.transaction(read_only=True) as tx:
        rows = await tx.fetch("SELECT resource FROM idempotency_keys WHERE resource LIKE 'wd_%'")
        count = await tx.fetchval("SELECT count(*) FROM withdrawals")
    lost = set(acknowledged) - {row["resource"] for row in rows}
    assert not lost, f"acknowledged and not there: {lost}"
    assert len(rows) == count, "a withdrawal without a key, or a key without its withdrawal"


@dataclass(slots=True)
class Supervisor:
    """Starts a process again when it died, as an orchestrator does, until ``stop``."""

    start: Callable[[], Any]
    http: httpx.AsyncClient
    serving: Serving | None = None
    starts: int = 0
    _stopping: bool = False

    async def run(self) -> None:
        while not self._stopping:
            assert self.starts < _STARTS_MAX, self.serving and self.serving.last_words()
            with self.start() as self.serving:
                self.starts += 1
                while self.serving.is_alive and not self._stopping:
                    await asyncio.sleep(0.02)
                if self.serving.is_alive:
                    assert 0 == self.serving.terminate()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Supervise while the block lasts; a service that does not come up is its failure."""
        running = asyncio.create_task(self.run())
        try:
            yield
        finally:
            self._stopping = True
            await running


def log_in(folder: Path, name: str = "serve") -> Path:
    return folder / f"{name}.log"
