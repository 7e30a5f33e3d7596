"""The whole money path on the test database, spoken to in business verbs.

Real services as ``bootstrap.build`` makes them; only the rail is played. Nothing runs by
itself: a test says when the sender sends, when the sweep asks, and when time has come.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from pydantic import SecretStr

from payops import bootstrap
from payops.bootstrap import Services
from payops.fraud.domain.devices import Origin
from payops.idempotency.domain import Answer, Key, Keyed, canonical
from payops.infra.settings import Environment, Settings
from payops.kernel.ids import new_id
from payops.kernel.money import KES, Money
from payops.ledger import entries
from payops.ledger import service as ledger
from payops.ledger.domain import Owner
from payops.pii.domain import Msisdn
from payops.reconciliation.domain import Tally
from payops.withdrawals import domain
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.service import keeping
from payops.withdrawals.service.requesting import OPERATION, Request
from tests.support import sql
from tests.support.rail import FakeRail

AMINA = "usr_amina"
BARAKA = "usr_baraka"
PHONE = Msisdn("254700000012")
OTHER_PHONE = Msisdn("254700000034")
SECRET = "made-up-webhook-secret-of-the-tests"
CALLER = "key:tests"

_MADE_UP_KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="

Overrides: TypeAlias = dict[str, Any]


def settings_of(url: str, overrides: Overrides | None = None) -> Settings:
    """Quick waits and no limits, unless ``overrides`` says so, group by group."""
    groups: dict[str, Any] = {
        "lipana": {
            "api_key": "lip_sk_test_made_up",
            "webhook_secret": SECRET,
            "timeout_seconds": 1,
            "breaker_failures": 100,
        },
        "mpesa_retry": {"base_delay_ms": 1, "jitter_ms": 0},
        "velocity": {
            "withdrawals_per_hour": 0,
            "withdrawal_kes_per_day": 0,
            "recipient_kes_per_day": 0,
        },
        "auth": {"jwt_key": "made-up-token-secret-of-the-tests-0123456789"},
        "pii": {"keys": f"k1:{_MADE_UP_KEY}", "index_key": _MADE_UP_KEY},
        "pool": {"size": 8, "listen": False},
        "worker": {"poll_ms": 20, "drain_seconds": 3},
    }
    for name, values in (overrides or {}).items():
        groups[name] = groups.get(name, {}) | values if isinstance(values, dict) else values
    return Settings(env=Environment.TEST, database_url=SecretStr(url), **groups)


class Shop:
    """One process's worth of payops."""

    def __init__(self, services: Services, rail: FakeRail) -> None:
        self.services = services
        self.rail = rail
        self.db = services.db

    # What customers do

    async def funds(self, user: str, kes: int) -> None:
        """Credit ``user`` with whole shillings."""
        owner, amount = Owner(user, KES.code), Money.whole(kes, KES)
        async with self.db.transaction() as tx:
            await ledger.lock(tx, [owner], create=[owner])
            journal = entries.credit(user, amount, reference=str(new_id()), reason="test")
            await ledger.post(tx, [journal])

    async def asks_for(
        self,
        kes: int,
        *,
        user: str = AMINA,
        to: Msisdn = PHONE,
        key: str = "",
        caller: str = CALLER,
        origin: Origin | None = None,
    ) -> Answer:
        """One withdrawal request; without a ``key`` it is one never used before."""
        return await self.services.withdrawal_desk.submit(
            self.keyed(kes, user=user, to=to, key=key, caller=caller, origin=origin)
        )

    def keyed(
        self,
        kes: int,
        *,
        user: str = AMINA,
        to: Msisdn = PHONE,
        key: str = "",
        caller: str = CALLER,
        origin: Origin | None = None,
    ) -> Keyed[Request]:
        fingerprint = self.services.fingerprints.of(
            "idempotency", canonical({"amountKES": kes, "phone": to.digits})
        )
        return Keyed(
            Key(user, caller, OPERATION, key or str(new_id())),
            fingerprint,
            Request(user, kes * 100, to, caller, "req_test", origin or Origin()),
        )

    async def accepts(self, kes: int, *, user: str = AMINA, to: Msisdn = PHONE) -> str:
        """Fund and accept a withdrawal; returns its transaction id."""
        await self.funds(user, kes)
        answer = await self.asks_for(kes, user=user, to=to)
        assert 202 == answer.status, answer.body
        assert answer.resource
        return answer.resource

    async def cancels(self, txid: str, *, user: str | None = None) -> Withdrawal:
        return await self.db.run(
            lambda tx: keeping.cancel(
                tx, domain.read(txid), user_id=user, actor=CALLER, metrics=self.services.metrics
            )
        )

    # What the worker does

    async def sends(self) -> int:
        """One round of the sender, to its end; returns how many withdrawals it took up."""
        taken = await self.services.sender.send_due()
        await self.settles_down()
        return taken

    async def sends_nothing_more(self) -> int:
        """A round of the sender that must not wait for the calls under way."""
        return await self.services.sender.send_due()

    async def settles_down(self) -> None:
        """Wait for every call on the wire and every answer being recorded."""
        sender = self.services.sender
        while sender._loops:
            await asyncio.wait(set(sender._loops))
        await sender._records.drained()

    async def asks(self) -> Tally:
        """One sweep: ask about what is due."""
        return await self.services.reconciliation.due()

    async def reconciles(self) -> Tally:
        """The nightly run: ask about all that is sent and not final."""
        return await self.services.reconciliation.everything(min_age_seconds=0)

    async def time_comes(self, txid: str) -> None:
        """Whatever the withdrawal waits for is due now."""
        await self.execute(
            "UPDATE withdrawals SET due_at = now() WHERE id = $1 AND due_at IS NOT NULL",
            domain.read(txid),
        )

    async def is_sent(self, kes: int, *, user: str = AMINA, to: Msisdn = PHONE) -> str:
        """A withdrawal the rail has taken."""
        txid = await self.accepts(kes, user=user, to=to)
        await self.sends()
        assert State.SENT == await self.state_of(txid)
        return txid

    async def is_lost(self, kes: int, *, user: str = AMINA, to: Msisdn = PHONE) -> str:
        """A withdrawal whose lease ran out: the process died with the call on the wire."""
        txid = await self.accepts(kes, user=user, to=to)
        (claimed,) = await self.services.sender._claims.due(1)
        assert txid == claimed.withdrawal.txid
        await self.time_comes(txid)
        await self.services.sender._claims.due(1)
        assert State.UNRESOLVED == await self.state_of(txid)
        await self.time_comes(txid)
        return txid

    # What the rail does

    async def hears(self, content: object, *, path: str | None = None, signed: bool = True) -> bool:
        """A callback, and its effect if it may have one; returns whether it was acknowledged."""
        is_taken = await self.delivers(content, path=path, signed=signed)
        await self.services.inbox.drained()
        return is_taken

    async def delivers(
        self, content: object, *, path: str | None = None, signed: bool = True
    ) -> bool:
        """A callback; its effect may still be on its way."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        secret = SECRET if signed else "another"
        signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
        return await self.services.inbox.receive(
            "lipana", {"x-lipana-signature": signature}, body, path
        )

    # What can be seen

    async def withdrawal(self, txid: str) -> Withdrawal:
        async with self.db.transaction(read_only=True) as tx:
            return await keeping.get(tx, domain.read(txid), user_id=None)

    async def state_of(self, txid: str) -> State:
        return (await self.withdrawal(txid)).state

    async def balance(self, user: str = AMINA) -> tuple[int, int]:
        """Available and held, in whole shillings."""
        async with self.db.transaction(read_only=True) as tx:
            for wallet in await ledger.wallets(tx, user):
                return wallet.available // 100, wallet.held // 100
        return 0, 0

    async def attempts(self, txid: str) -> list[str | None]:
        """What each attempt was answered, in order; ``None`` while it is open."""
        rows = await self.fetch(
            "SELECT answer FROM payout_attempts WHERE withdrawal_id = $1 ORDER BY number",
            domain.read(txid),
        )
        return [row["answer"] for row in rows]

    async def inbox(self) -> list[tuple[str, str | None]]:
        """State and reason of every notification, oldest first."""
        rows = await self.fetch("SELECT state, reason FROM webhook_deliveries ORDER BY id")
        return [(row["state"], row["reason"]) for row in rows]

    async def alerts(self) -> list[str]:
        """The keys of the open alerts."""
        rows = await self.fetch("SELECT key FROM alerts WHERE resolved_at IS NULL ORDER BY key")
        return [row["key"] for row in rows]

    async def audited(self, txid: str) -> list[str]:
        rows = await self.fetch("SELECT kind FROM audit_log WHERE subject = $1 ORDER BY id", txid)
        return [row["kind"] for row in rows]

    async def assert_books(self) -> None:
        """Every invariant holds, the same ones as ``payops ledger verify`` checks."""
        assert [] == await ledger.verify(self.db, bootstrap.INVARIANTS)

    async def fetch(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        return await sql.fetch(self.db, statement, *arguments)

    async def execute(self, statement: str, *arguments: object) -> int:
        return await sql.execute(self.db, statement, *arguments)

    async def delivery_ids(self) -> list[UUID]:
        return [row["id"] for row in await self.fetch("SELECT id FROM webhook_deliveries")]


@asynccontextmanager
async def running_shop(
    url: str, rail: FakeRail | None = None, overrides: Overrides | None = None
) -> AsyncIterator[Shop]:
    """A shop on ``url``; on the way out nothing of it goes on, whatever the test left hanging."""
    rail = rail or FakeRail()
    shop = Shop(bootstrap.build(settings_of(url, overrides), rail=rail), rail)
    try:
        yield shop
    finally:
        rail.goes_on()
        await shop.services.sender.stop(2)
        await shop.services.close()


OpenShop: TypeAlias = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def open_shop(url: str) -> AsyncIterator[OpenShop]:
    """Opens shops on one database: another rail, other settings, or a second replica."""
    async with AsyncExitStack() as stack:

        async def opened(rail: FakeRail | None = None, **overrides: Any) -> Shop:
            return await stack.enter_async_context(running_shop(url, rail, overrides))

        yield opened


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    """A shop whose rail de-duplicates and whose limits are off."""
    return await open_shop()
