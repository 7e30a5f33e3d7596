"""Crypto deposits on the test database, spoken to in business verbs.

Real services as ``bootstrap.build`` makes them; only the provider is played. Nothing runs by
itself: a test says when payments are read back.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from payops import bootstrap
from payops.bootstrap import Services
from payops.deposits.domain import invoices
from payops.deposits.domain.invoices import Checkout, Invoice, Receipt
from payops.deposits.domain.states import State
from payops.deposits.service import keeping, requesting
from payops.deposits.service.keeping import Story
from payops.idempotency.domain import Answer, Key, Keyed, canonical
from payops.kernel.ids import new_id
from payops.kernel.money import CURRENCIES, Money
from payops.ledger import service as ledger
from tests.support import sql
from tests.support.mint import Mint, signed
from tests.support.rail import FakeRail
from tests.support.shop import AMINA, CALLER, Overrides, settings_of

RATE = {"crypto": {"usd_kes_rate": "130"}}


class Till:
    """One process's worth of payops, with its mint."""

    def __init__(self, services: Services, mint: Mint) -> None:
        self.services = services
        self.mint = mint
        self.db = services.db

    # What customers do

    async def asks_for(
        self,
        amount: str,
        currency: str = "USD",
        *,
        coin: str | None = "BTC",
        user: str = AMINA,
        key: str = "",
        checkout: Checkout = Checkout.ADDRESS,
        provider: str | None = None,
    ) -> Answer:
        """One request for an invoice; without a ``key`` it is one never used before.

        Raises what the caller would be told.
        """
        price = Money.parse(amount, CURRENCIES[currency])
        body = {"price": price.text, "coin": coin, "checkout": checkout}
        return await self.services.deposits.invoicing.request(
            Keyed(
                Key(user, CALLER, requesting.OPERATION, key or str(new_id())),
                self.services.fingerprints.of("idempotency", canonical(body)),
                requesting.Request(user, price, coin, checkout, provider, CALLER, "req_test"),
            )
        )

    async def invoice(self, amount: str, currency: str = "USD", **wanted: Any) -> Invoice:
        """An invoice with an address or a page."""
        answer = await self.asks_for(amount, currency, **wanted)
        assert 201 == answer.status, answer.body
        assert answer.resource
        return await self.look(answer.resource)

    # What the worker does

    async def reads(self) -> int:
        """Read back whatever is due."""
        return await self.services.deposits.reader.due()

    async def time_comes(self) -> None:
        """Every payment that is read back at all is due now."""
        await self.execute("UPDATE deposit_payments SET due_at = now() WHERE due_at IS NOT NULL")

    async def catches_up(self) -> None:
        """Time comes, and everything is read."""
        await self.time_comes()
        await self.reads()

    async def quote_ends(self, invoice: Invoice) -> None:
        """The quote's window is over since a minute."""
        await self.execute(
            "UPDATE invoices SET quote_expires_at = now() - interval '1 minute' WHERE id = $1",
            invoice.id,
        )

    # What the provider does

    async def hears(self, **content: Any) -> bool:
        """A signed notification, its effect, and the read-backs it causes."""
        headers, body = signed(content)
        taken = await self.services.inbox.receive("mint", headers, body)
        await self.services.inbox.drained()
        await self.reads()
        return taken

    async def settles(self, invoice: Invoice, arrived: str, /, **facts: Any) -> Invoice:
        """The whole way of one payment, notified once at the end."""
        reference = invoice.provider_reference
        assert reference
        self.mint.arrives(reference, arrived)
        self.mint.becomes(reference, facts.pop("state", State.FINISHED))
        await self.hears(reference=reference, **facts)
        return await self.look(invoice.shown_id)

    # What can be seen

    async def look(self, shown_id: str) -> Invoice:
        async with self.db.transaction(read_only=True) as tx:
            return await keeping.get(tx, invoices.read(shown_id), user_id=None)

    async def story(self, invoice: Invoice) -> Story:
        async with self.db.transaction(read_only=True) as tx:
            return await keeping.story(tx, invoice.id)

    async def receipts(self, invoice: Invoice) -> Sequence[Receipt]:
        return (await self.story(invoice)).receipts

    async def balance(self, currency: str = "USD", user: str = AMINA) -> int:
        """Available, in minor units."""
        async with self.db.transaction(read_only=True) as tx:
            for wallet in await ledger.wallets(tx, user):
                if wallet.owner.currency == currency:
                    return wallet.available
        return 0

    async def house(self, account: str) -> int:
        """The sum of an account's entries, in minor units."""
        rows = await self.fetch(
            "SELECT coalesce(sum(amount), 0)::bigint AS sum FROM entries WHERE account = $1",
            account,
        )
        return int(rows[0]["sum"])

    async def inbox(self) -> list[tuple[str, str | None]]:
        rows = await self.fetch("SELECT state, reason FROM webhook_deliveries ORDER BY id")
        return [(row["state"], row["reason"]) for row in rows]

    async def alerts(self) -> list[str]:
        """The keys of the open alerts."""
        rows = await self.fetch("SELECT key FROM alerts WHERE resolved_at IS NULL ORDER BY key")
        return [row["key"] for row in rows]

    async def is_halted(self, name: str) -> bool:
        rows = await self.fetch("SELECT is_halted FROM switches WHERE name = $1", name)
        return any(row["is_halted"] for row in rows)

    async def audited(self, invoice: Invoice) -> list[str]:
        rows = await self.fetch(
            "SELECT kind FROM audit_log WHERE subject = $1 ORDER BY id", invoice.shown_id
        )
        return [row["kind"] for row in rows]

    async def assert_books(self) -> None:
        """Every invariant holds, the same ones as ``payops ledger verify`` checks."""
        assert [] == await ledger.verify(self.db, bootstrap.INVARIANTS)

    async def fetch(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        return await sql.fetch(self.db, statement, *arguments)

    async def execute(self, statement: str, *arguments: object) -> int:
        return await sql.execute(self.db, statement, *arguments)


def body_of(answer: Answer) -> dict[str, Any]:
    assert answer.body is not None
    content: dict[str, Any] = json.loads(answer.body)
    return content


@asynccontextmanager
async def open_till(
    url: str, mint: Mint | None = None, overrides: Overrides | None = None
) -> AsyncIterator[Till]:
    mint = mint or Mint()
    limits = {"velocity": {"deposits_per_hour": 0}}
    services = bootstrap.build(
        settings_of(url, {**RATE, **limits, **(overrides or {})}),
        rail=FakeRail(),
        crypto=[mint],
    )
    try:
        yield Till(services, mint)
    finally:
        await services.close()


OpenTill = Callable[..., Awaitable[Till]]


@pytest.fixture
async def open_tills(url: str) -> AsyncIterator[OpenTill]:
    """Opens tills on one database: another mint, other settings, or a second replica."""
    async with AsyncExitStack() as stack:

        async def opened(mint: Mint | None = None, **overrides: Any) -> Till:
            return await stack.enter_async_context(open_till(url, mint, overrides))

        yield opened


@pytest.fixture
async def till(open_tills: OpenTill) -> Till:
    """A till whose limits are off and whose rate is KES 130 a dollar."""
    return await open_tills()
