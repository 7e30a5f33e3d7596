"""Every way the sandbox knows to behave badly, over real sockets, to the end of the books."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from payops.infra.db import Database
from payops.sandbox import SCRIPTS, Running, running
from payops.sandbox.lipana.outcomes import Outcome
from tests.journeys.workload import Customers, api_key, assert_books, book_of, log_in, watched
from tests.support.process import SANDBOX, Serving, caller, environment, forked, payops
from tests.support.waiting import eventually, free_port

# Only what differs from the truth of the book: paid is completed, not paid is failed.
STATES = {
    "23": "review",  # the rail never heard of it, which proves nothing
    "32": "review",
    "44": "failed",  # a signed lie: the rail says failed, then success; a person is alerted
    "72": "sent",  # never ends
}


@dataclass(frozen=True, slots=True)
class Town:
    """A service, its rail and its customers."""

    serving: Serving
    sandbox: Running
    customers: Customers
    http: httpx.AsyncClient
    database: Database
    environ: dict[str, str]


@asynccontextmanager
async def town(url: str, folder: Path, **settings: object) -> AsyncIterator[Town]:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    async with (
        running(replace(SANDBOX, callback_url=f"{base}/webhooks/mpesa")) as sandbox,
        watched(url) as database,
        caller(await api_key(database)) as http,
    ):
        environ = environment(url, rail=sandbox.lipana_url, **settings)
        with forked(environ, log_in(folder), port) as serving:
            await serving.ready(http)
            yield Town(serving, sandbox, Customers(http, lambda: base), http, database, environ)


async def withdraw_all(customers: Customers, scripts: list[str]) -> None:
    async def one(number: int, script: str) -> None:
        await customers.fund(f"user-{script}", 1_000)
        await customers.withdraw(f"user-{script}", 100 + number, f"2547000000{script}", script)

    await asyncio.gather(*(one(number, script) for number, script in enumerate(scripts)))


def expected(script: str) -> str:
    ending = SCRIPTS[script]
    paid = ending.may_be_received and ending.outcome is Outcome.PAID
    return STATES.get(script, "completed" if paid else "failed")


@pytest.mark.slow
async def test_every_script_ends_as_it_should(own_url: str, tmp_path: Path) -> None:
    """
    All at once: each ends as the rail's book has it, and the two books are equal.

    Script 44 is the exception: the rail signs a failure of what it pays. What was released on
    the rail's own word is not taken back by code; it is an alert for a person.
    """
    scripts = list(SCRIPTS)
    async with town(own_url, tmp_path) as place:
        await withdraw_all(place.customers, scripts)
        wanted = {script: expected(script) for script in scripts}

        async def as_wanted() -> bool:
            states = await place.customers.states()
            wrong = {
                f"{script} {SCRIPTS[script].name}": (state, wanted[script])
                for script, state in states.items()
                if state != wanted[script]
            }
            assert not wrong, wrong
            return True

        await eventually(as_wanted, within=45)
        told = {key: one["txId"] for key, one in place.customers.acknowledged.items()}
        await assert_books(place.database, list(told.values()))
        book = await book_of(place.http, place.sandbox.control_url)
        received = {key: book["received"]["byTransaction"].get(told[key], 0) for key in told}
        paid = {
            key: 100 + number if wanted[key] == "completed" or key == "44" else 0
            for number, key in enumerate(scripts)
        }
        assert paid == received
        alerts = await _alert_kinds(place.database, told["44"])
        assert "withdrawal_contradiction" in alerts


@pytest.mark.slow
async def test_what_is_never_called_back_is_found_by_reconciling(
    own_url: str, tmp_path: Path
) -> None:
    """
    The command asks about all that was sent, and its report adds up.
    """
    silent = ["70", "71", "76"]
    async with town(own_url, tmp_path, MPESA_STATUS__SENT_GRACE_SECONDS=900) as place:
        await withdraw_all(place.customers, silent)
        await eventually(lambda: _all_in(place.customers, "sent"))
        await eventually(lambda: _nothing_under_way(place))

        report = await asyncio.to_thread(payops, place.environ, "reconcile", "mpesa")

        states = await place.customers.states()
        verified = await asyncio.to_thread(payops, place.environ, "ledger", "verify")
    assert {"70": "completed", "71": "completed", "76": "failed"} == states
    counts = {name: report[name] for name in ("checked", "completed", "failed", "errors")}
    assert {"checked": 3, "completed": 2, "failed": 1, "errors": 0} == counts
    assert (0, True, []) == (verified["exit_code"], verified["ok"], verified["violations"])


async def _all_in(customers: Customers, state: str) -> bool:
    return {state} == set((await customers.states()).values())


async def _nothing_under_way(place: Town) -> bool:
    book = await book_of(place.http, place.sandbox.control_url)
    return int(book["underWay"]) == 0


async def _alert_kinds(database: Database, txid: str) -> list[Any]:
    async with database.transaction(read_only=True) as tx:
        rows = await tx.fetch("SELECT kind FROM alerts WHERE key LIKE '%' || $1", txid)
    return [row["kind"] for row in rows]
