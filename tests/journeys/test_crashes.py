"""kill -9 around every commit and every call: nothing acknowledged is lost, nothing paid twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from payops.infra.db import Database
from payops.sandbox import running
from tests.journeys.workload import (
    Customers,
    Supervisor,
    api_key,
    assert_books,
    book_of,
    log_in,
    paid_per_order,
    watched,
)
from tests.support.crashing import POINTS
from tests.support.process import SANDBOX, caller, environment, forked
from tests.support.waiting import free_port

# One that is paid, one that fails, one whose reply is lost; each under a key of its own.
PHONES = ("254700000000", "254700000001", "254700000020")
STATES = {"key-0": "completed", "key-1": "failed", "key-2": "completed"}
BLIND_POINTS = ("claim:before", "send:before", "send:after", "record:before", "record:after")


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is there once everything has come to rest."""

    database: Database
    customers: Customers
    states: dict[str, str]
    book: dict[str, Any]
    starts: int

    async def assert_right(self) -> None:
        """Nothing acknowledged is lost; a phone has its money once, and only if we say so."""
        acknowledged = self.customers.acknowledged
        await assert_books(self.database, [one["txId"] for one in acknowledged.values()])
        paid = paid_per_order(self.book)
        expected = {key: int(self.states.get(key) == "completed") for key in acknowledged}
        assert expected == {key: paid[order(key)] for key in acknowledged}
        assert len(paid) == paid.total(), "something was paid twice"

    def expected(self) -> dict[str, str]:
        """What each comes to; one that was written down and never left is a person's to judge."""
        asked = self.book["requests"]
        return {
            key: STATES[key] if asked.get(one["txId"]) else "review"
            for key, one in self.customers.acknowledged.items()
        }


def order(key: str) -> tuple[str, int]:
    """Which phone and sum the withdrawal under ``key`` is about: no two share them."""
    number = int(key.removeprefix("key-"))
    return PHONES[number], 100 + number


@asynccontextmanager
async def crashed(
    url: str, folder: Path, *, dies: str, bug: str = "", knows_our_id: bool = True, within: int = 25
) -> AsyncIterator[Aftermath]:
    """Three withdrawals by a process that dies at ``dies`` and is started again."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    settings = replace(SANDBOX, callback_url=f"{base}/webhooks/mpesa")
    async with running(settings) as sandbox, watched(url) as database:
        environ = environment(
            url,
            rail=sandbox.lipana_url,
            LIPANA__SENDS_REFERENCE=knows_our_id,
            # With the planted fault in the inbox nothing but the callback may settle.
            MPESA_STATUS__SENT_GRACE_SECONDS=900 if bug == "mark before effect" else 2,
        )
        # The first of them dies, and the fault stays: what it did is what was deployed.
        first = iter([dies])
        async with caller(await api_key(database)) as http:
            supervisor = Supervisor(
                lambda: forked(environ, log_in(folder), port, dies=next(first, ""), bug=bug), http
            )
            customers = Customers(http, lambda: base)
            async with supervisor.at_work():
                yield await _aftermath(database, customers, supervisor, sandbox.control_url, within)


async def _aftermath(
    database: Database, customers: Customers, supervisor: Supervisor, control: str, within: int
) -> Aftermath:
    numbers = range(len(PHONES))
    for number in numbers:
        await customers.fund(f"user-{number}", 1_000)
    await asyncio.gather(
        *(
            customers.withdraw(f"user-{n}", order(f"key-{n}")[1], PHONES[n], f"key-{n}")
            for n in numbers
        )
    )
    states: dict[str, str] = {}
    with suppress(AssertionError):  # what did not come to rest is for the test to judge
        states = await customers.settled(within=within)
    book = await book_of(customers.http, control)
    return Aftermath(database, customers, states, book, supervisor.starts)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
async def test_a_process_killed_at(point: str, own_url: str, tmp_path: Path) -> None:
    """
    Wherever it dies, the next one finishes: each withdrawal is settled, and paid at most once.
    """
    async with crashed(own_url, tmp_path, dies=point) as after:
        assert 2 == after.starts, "it did not die where it should have"
        await after.assert_right()
        assert after.expected() == after.states


@pytest.mark.slow
@pytest.mark.parametrize("point", BLIND_POINTS)
async def test_a_process_killed_with_a_rail_that_does_not_deduplicate(
    point: str, own_url: str, tmp_path: Path
) -> None:
    """
    Where every request is another payment, nothing that may have left is sent again.
    """
    async with crashed(own_url, tmp_path, dies=point, knows_our_id=False) as after:
        assert 2 == after.starts, "it did not die where it should have"
        assert set(STATES) == set(after.states), "not all came to rest"
        await after.assert_right()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "point", "words"),
    [
        ("send before commit", "claim:before", "key-"),
        ("mark before effect", "effect:before", "not all came to rest"),
        ("answer before commit", "keep:before", "two answers|acknowledged"),
    ],
)
async def test_the_harness_catches(
    bug: str, point: str, words: str, own_url: str, tmp_path: Path
) -> None:
    """
    A fault planted in the service does not survive the checks that the service passes.
    """

    async def play() -> None:
        knows = bug != "send before commit"  # a rail that de-duplicates would hide it
        async with crashed(
            own_url, tmp_path, dies=point, bug=bug, knows_our_id=knows, within=8
        ) as after:
            told = [one["txId"] for one in after.customers.acknowledged.values()]
            await assert_books(after.database, told)
            assert set(STATES) == set(after.states), "not all came to rest"
            await after.assert_right()

    with pytest.raises(AssertionError, match=words):
        await play()


async def test_a_client_is_never_left_without_an_answer(own_url: str, tmp_path: Path) -> None:
    """
    Asked again after the crash, the key's answer is the same, byte for byte.
    """
    async with crashed(own_url, tmp_path, dies="accept:after") as after:
        one = after.customers.acknowledged["key-0"]
        again = await after.customers.withdraw("user-0", 100, PHONES[0], "key-0")

    assert one == again
