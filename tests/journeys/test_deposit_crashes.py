"""kill -9 around every commit and every call of a deposit: credited once, or nobody was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from payops.bootstrap import INVARIANTS
from payops.infra.db import Database
from payops.ledger import service as ledger
from payops.sandbox import Running, running
from tests.journeys.depositors import BTCPAY, NOWPAYMENTS, settings_of
from tests.journeys.workload import Supervisor, api_key, log_in, watched
from tests.support.crashing import DEPOSIT_POINTS
from tests.support.process import SANDBOX, caller, environment, forked
from tests.support.sql import execute, fetch
from tests.support.waiting import eventually, free_port

CUSTOMERS: Final = 2
UNPAID: Final = "36"  # the script that waits until somebody pays
_TOLD_SECONDS = 40
_AGAIN_SECONDS = 0.1
_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@dataclass(slots=True)
class Customers:
    """Each asks under one key until told, pays what it is shown, and looks at its wallet."""

    http: httpx.AsyncClient
    base: str
    sandbox: Running
    database: Database

    async def asks(self, number: int) -> dict[str, Any]:
        """Twice at once, as an impatient app does; both are told the same."""
        answers = await asyncio.gather(*(self._until_told(number) for _ in range(2)))
        assert answers[0].content == answers[1].content, "two answers to one key"
        shown: dict[str, Any] = answers[0].json()
        return shown

    async def _until_told(self, number: int) -> httpx.Response:
        body = {
            "userId": f"user-{number}",
            "amount": f"{20 + number}.00",
            "currency": "USD",
            "payCurrency": "BTC",
            "provider": "nowpayments",
        }
        headers = {"Idempotency-Key": f"key-{number}"}
        async with asyncio.timeout(_TOLD_SECONDS):
            while True:
                with suppress(httpx.TransportError):
                    answer = await self.http.post(
                        f"{self.base}/api/crypto/invoices", json=body, headers=headers
                    )
                    if answer.status_code == 201:
                        return answer
                    assert answer.status_code in {409, 502, 503}, answer.text
                await self.leases_end()
                await asyncio.sleep(_AGAIN_SECONDS)

    async def pays(self, shown: dict[str, Any]) -> None:
        """To the address that it was shown, and to no other."""
        book = await self.book()
        (opened,) = [p for p in book["payments"] if p["payAddress"] == shown["address"]]
        path = f"nowpayments/payments/{opened['paymentId']}/pay"
        answer = await self.http.post(f"{self.sandbox.control_url}/{path}", json={})
        assert 200 == answer.status_code, answer.text

    async def book(self) -> dict[str, Any]:
        answer = await self.http.get(f"{self.sandbox.control_url}/nowpayments/book")
        book: dict[str, Any] = answer.json()
        assert [] == book["violations"]
        return book

    async def leases_end(self) -> None:
        """Time passes: what a dead process had taken is free again, and waits are over."""
        # What the living hold is not waited for: several rows at once could close a ring of waits.
        for statement, passed in (
            (
                (
                    "UPDATE invoice_attempts SET lease_until = lease_until - $1::interval"
                    " WHERE (user_id, invoice_id, number) IN (SELECT user_id, invoice_id, number"
                    " FROM invoice_attempts FOR UPDATE SKIP LOCKED)"
                ),
                _SECOND,
            ),
            (
                (
                    "UPDATE deposit_payments SET due_at = due_at - $1::interval"
                    " WHERE (user_id, id) IN (SELECT user_id, id FROM deposit_payments"
                    " FOR UPDATE SKIP LOCKED)"
                ),
                _MINUTE,
            ),
        ):
            await execute(self.database, statement, passed)

    async def wallets(self) -> list[str]:
        """Every user's dollars, as the API shows them."""
        return [await self._wallet(number) for number in range(CUSTOMERS)]

    async def _wallet(self, number: int) -> str:
        with suppress(httpx.TransportError):
            answer = await self.http.get(f"{self.base}/api/wallets/user-{number}")
            for wallet in answer.json().get("wallets", []):
                return str(wallet["available"]["amount"])
        return "nothing"


# A payment that was forgotten is read, and an attempt's adopted, when the provider tells of it.
HEALED: Final = frozenset({"take for good", "show before commit"})


@asynccontextmanager
async def crashed(
    url: str, folder: Path, *, dies: str, bug: str = "", within: int = 30
) -> AsyncIterator[tuple[Customers, Supervisor, list[dict[str, Any]]]]:
    """Two deposits by a process that dies at ``dies`` and is started again.

    The provider notifies, unless a planted fault would be healed by that.
    """
    provider = replace(NOWPAYMENTS, ipn_secret="") if bug in HEALED else NOWPAYMENTS
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    played = replace(
        SANDBOX,
        callback_url=f"{base}/webhooks/mpesa",
        nowpayments=provider,
        btcpay=replace(BTCPAY, webhook_url=f"{base}/webhooks/btcpay"),
    )
    async with running(played) as sandbox, watched(url) as database:
        environ = environment(url, rail=sandbox.lipana_url, **settings_of(sandbox))
        first = iter([dies])
        async with caller(await api_key(database)) as http:
            await http.post(
                f"{sandbox.control_url}/nowpayments/script", json={"script": UNPAID, "count": 100}
            )
            supervisor = Supervisor(
                lambda: forked(environ, log_in(folder), port, dies=next(first, ""), bug=bug), http
            )
            customers = Customers(http, base, sandbox, database)
            async with supervisor.at_work():
                shown = await asyncio.gather(*(customers.asks(n) for n in range(CUSTOMERS)))
                for one in shown:
                    await customers.pays(one)

                async def all_credited() -> bool:
                    await customers.leases_end()
                    return await customers.wallets() == ["20.00", "21.00"]

                with suppress(AssertionError):  # what did not arrive is for the test to judge
                    await eventually(all_credited, within=within)
                yield customers, supervisor, list(shown)


async def assert_right(customers: Customers, shown: list[dict[str, Any]]) -> None:
    """Each customer has what it paid, once, for the address it was shown; the books hold."""
    assert ["20.00", "21.00"] == await customers.wallets(), "not all was credited, or not once"
    again = [await customers.asks(number) for number in range(CUSTOMERS)]
    assert shown == again, "two answers to one key"
    orders = [payment["orderId"] for payment in (await customers.book())["payments"]]
    assert len(set(orders)) == len(orders), "one order was asked for twice"
    posted = await fetch(
        customers.database, "SELECT count(*) AS n FROM journals WHERE kind = 'deposit_credited'"
    )
    assert [CUSTOMERS] == [row["n"] for row in posted], "credited twice"
    broken = await ledger.verify(customers.database, INVARIANTS)
    assert not broken, broken


@pytest.mark.slow
@pytest.mark.parametrize("point", DEPOSIT_POINTS)
async def test_a_process_killed_at(point: str, own_url: str, tmp_path: Path) -> None:
    """
    Wherever it dies, the next one finishes: each deposit has one address and one credit.
    """
    async with crashed(own_url, tmp_path, dies=point) as (customers, supervisor, shown):
        assert 2 == supervisor.starts, "it did not die where it should have"
        await assert_right(customers, shown)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "point", "words"),
    [
        ("ask before commit", "open:after", "one order was asked for twice"),
        ("take for good", "read:before", "not all was credited"),
        ("show before commit", "attempt:after", "two answers|not all was credited"),
    ],
)
async def test_the_harness_catches(
    bug: str, point: str, words: str, own_url: str, tmp_path: Path
) -> None:
    """
    A fault planted in the service does not survive the checks that the service passes.
    """

    async def play() -> None:
        async with crashed(own_url, tmp_path, dies=point, bug=bug, within=8) as (
            customers,
            _,
            shown,
        ):
            await assert_right(customers, shown)

    with pytest.raises(AssertionError, match=words):
        await play()
