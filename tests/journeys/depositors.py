"""Users who pay in coins: a service, providers of deposits that misbehave, and both their books."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, Final

import httpx

from payops.bootstrap import INVARIANTS
from payops.infra.db import Database
from payops.ledger import service as ledger
from payops.sandbox import Btcpay, NowPayments, Running, price_of, running
from tests.journeys.workload import api_key, log_in, watched
from tests.support.process import SANDBOX, Serving, caller, environment, forked
from tests.support.waiting import eventually, free_port

NOWPAYMENTS: Final = NowPayments(api_key="np_made_up", ipn_secret="made up: signs notifications")
BTCPAY: Final = Btcpay(api_key="btcpay_made_up", webhook_secret="made up: signs events")
_QUIET_SECONDS = 30


def settings_of(sandbox: Running, **more: object) -> dict[str, object]:
    """The settings of a service that knows both providers, and reads back every second."""
    return {
        "NOWPAYMENTS__BASE_URL": sandbox.nowpayments_url,
        "NOWPAYMENTS__API_KEY": NOWPAYMENTS.api_key,
        "NOWPAYMENTS__IPN_SECRET": NOWPAYMENTS.ipn_secret,
        "NOWPAYMENTS__TIMEOUT_SECONDS": 1,
        "BTCPAY__BASE_URL": sandbox.btcpay_url,
        "BTCPAY__API_KEY": BTCPAY.api_key,
        "BTCPAY__WEBHOOK_SECRET": BTCPAY.webhook_secret,
        "BTCPAY__STORE_ID": BTCPAY.store_id,
        "BTCPAY__TIMEOUT_SECONDS": 1,
        "CRYPTO__USD_KES_RATE": 130,
        "CRYPTO__POLL_SECONDS": 1,
        "CRYPTO__BREAKER_FAILURES": 10_000,
        "CRYPTO__BREAKER_SECONDS": 1,
        "VELOCITY__DEPOSITS_PER_HOUR": 0,
        **more,
    }


@dataclass(frozen=True, slots=True)
class Depositors:
    """They ask for invoices over HTTP; the sandbox pays them as the script has it.

    ``invoices`` are by script; each has a user of its own, ``user-SCRIPT``.
    """

    http: httpx.AsyncClient
    base: str
    sandbox: Running
    database: Database
    environ: dict[str, str]
    serving: Serving
    provider: str = "nowpayments"
    invoices: dict[str, str] = field(default_factory=dict)

    async def ask(self, script: str, **more: object) -> httpx.Response:
        """One request for an invoice of the price that plays ``script``, always the same key."""
        body = {
            "userId": f"user-{script}",
            "amount": str(price_of(script)),
            "currency": "USD",
            "payCurrency": "BTC",
            "provider": self.provider,
            **more,
        }
        return await self.http.post(
            f"{self.base}/api/crypto/invoices",
            json={name: value for name, value in body.items() if value is not None},
            headers={"Idempotency-Key": f"{self.provider}-{script}"},
        )

    async def invoice(self, script: str) -> dict[str, Any]:
        """The only invoice of the script's user, whatever its request was answered with."""
        listed = await self.http.get(
            f"{self.base}/api/crypto/invoices", params={"userId": f"user-{script}"}
        )
        (found,) = listed.json()["data"]
        self.invoices[script] = found["invoiceId"]
        shown: dict[str, Any] = found
        return shown

    async def account(self, script: str) -> dict[str, Any]:
        """The invoice as operations see it."""
        answer = await self.http.get(f"{self.base}/api/ops/invoices/{self.invoices[script]}")
        account: dict[str, Any] = answer.json()
        return account

    async def states(self, scripts: Sequence[str]) -> dict[str, str]:
        async def one(script: str) -> str:
            found = await self.invoice(script)
            return str(found["status"])

        found = await asyncio.gather(*(one(script) for script in scripts))
        return dict(zip(scripts, found, strict=True))

    async def come_to(self, wanted: Mapping[str, str], *, within: int = 30) -> None:
        """Wait until each invoice is in its state, or one of several, and the sandbox is done."""

        async def as_wanted() -> bool:
            states = await self.states(list(wanted))
            wrong = {
                s: (states[s], wanted[s]) for s in wanted if states[s] not in wanted[s].split()
            }
            assert not wrong, wrong
            return True

        await self.quiet_book()
        await eventually(as_wanted, within=within)

    async def book(self) -> dict[str, Any]:
        """The sandbox's book; it must be sound in itself."""
        answer = await self.http.get(f"{self.sandbox.control_url}/{self.provider}/book")
        book: dict[str, Any] = answer.json()
        assert [] == book["violations"]
        return book

    async def quiet_book(self) -> dict[str, Any]:
        """The book once nothing more will come."""

        async def quiet() -> dict[str, Any] | None:
            book = await self.book()
            return None if book["underWay"] else book

        found: dict[str, Any] = await eventually(quiet, within=_QUIET_SECONDS)
        return found

    async def control(self, path: str, **content: object) -> dict[str, Any]:
        answer = await self.http.post(
            f"{self.sandbox.control_url}/{self.provider}/{path}", json=content
        )
        assert 200 == answer.status_code, answer.text
        given: dict[str, Any] = answer.json()
        return given

    async def wallet(self, user: str) -> dict[str, str]:
        """Available, by currency."""
        answer = await self.http.get(f"{self.base}/api/wallets/{user}")
        if answer.status_code == 404:
            return {}
        return {
            wallet["available"]["currency"]: wallet["available"]["amount"]
            for wallet in answer.json()["wallets"]
        }

    async def alerts(self) -> set[str]:
        """The kinds of the open alerts."""
        async with self.database.transaction(read_only=True) as tx:
            rows = await tx.fetch("SELECT DISTINCT kind FROM alerts WHERE resolved_at IS NULL")
        return {row["kind"] for row in rows}

    async def assert_books(self) -> None:
        broken = await ledger.verify(self.database, INVARIANTS)
        assert not broken, broken


def of_order(book: dict[str, Any], invoice_id: str) -> list[dict[str, Any]]:
    """What the sandbox opened for an invoice, whichever attempt it was; oldest first."""
    opened = book["payments"] if "payments" in book else book["invoices"]
    mine = [one for one in opened if (one["orderId"] or "").partition("-")[0] == invoice_id]
    return sorted(mine, key=lambda one: str(one.get("paymentId", "")))


def worth(price: Decimal, received: str, pay_amount: str) -> Decimal:
    """``price × received / payAmount``, rounded down to the cent."""
    share = Fraction(received) / Fraction(pay_amount)
    return Decimal(floor(Fraction(price) * 100 * share)) / 100


@asynccontextmanager
async def depositors(
    url: str, folder: Path, provider: str = "nowpayments", **settings: object
) -> AsyncIterator[Depositors]:
    """A service with both providers, on sockets and in a process of its own."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    played = replace(
        SANDBOX,
        callback_url=f"{base}/webhooks/mpesa",
        nowpayments=NOWPAYMENTS,
        btcpay=replace(BTCPAY, webhook_url=f"{base}/webhooks/btcpay"),
    )
    async with (
        running(played) as sandbox,
        watched(url) as database,
        caller(await api_key(database)) as http,
    ):
        environ = environment(url, rail=sandbox.lipana_url, **settings_of(sandbox, **settings))
        with forked(environ, log_in(folder), port) as serving:
            await serving.ready(http)
            yield Depositors(http, base, sandbox, database, environ, serving, provider)
