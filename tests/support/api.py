"""The HTTP API in this process, without a worker: what callers see, and nothing that goes on."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from payops import bootstrap
from payops.access.domain import Scope
from payops.access.service import create_key
from payops.bootstrap import Services
from payops.deposits.ports import CryptoProvider
from payops.infra.settings import Settings
from tests.support.applications import application
from tests.support.process import JWT_KEY
from tests.support.rail import FakeRail
from tests.support.shop import Shop, settings_of

AMINA = "usr_amina"
BARAKA = "usr_baraka"
PHONE = "254700000012"


@dataclass(frozen=True, slots=True)
class Api:
    """The application, with a client for each kind of caller."""

    app: Any
    services: Services
    shop: Shop
    back_end: httpx.AsyncClient  # an API key with every scope
    amina: httpx.AsyncClient  # an end user
    stranger: httpx.AsyncClient  # no credentials

    def as_user(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token(user)}"}

    async def with_scopes(self, *scopes: Scope) -> dict[str, str]:
        """The header of a new API key."""
        issued = await create_key(
            self.services.db, name="other", owner="other", scopes=set(scopes), live=False
        )
        return {"Authorization": f"Bearer {issued.text}"}

    async def withdraws(
        self, key: str = "k-1", *, by: httpx.AsyncClient | None = None, **body: object
    ) -> httpx.Response:
        """Ask for a withdrawal, by default KES 100 of Amina's through the back end."""
        who = by or self.back_end
        content = {"userId": AMINA, "amountKES": 100, "phoneNumber": PHONE} | body
        if by is self.amina:
            content.pop("userId")
        return await who.post(
            "/api/withdrawals/mpesa", json=content, headers={"Idempotency-Key": key}
        )


def token(user: str) -> str:
    now = int(time.time())
    claims = {"sub": user, "iat": now, "exp": now + 600, "iss": "betrix", "aud": "payops"}
    return jwt.encode(claims, JWT_KEY, "HS256")


def settings(url: str, overrides: dict[str, Any] | None = None) -> Settings:
    groups = {
        "auth": {"jwt_key": JWT_KEY},
        "http": {"rate_limit_per_minute": 0},
        **(overrides or {}),
    }
    return settings_of(url, groups)


@asynccontextmanager
async def running_api(
    url: str, overrides: dict[str, Any] | None = None, *, crypto: Sequence[CryptoProvider] = ()
) -> AsyncIterator[Api]:
    """Deposits only with ``crypto``, or where ``overrides`` configure a provider."""
    rail = FakeRail()
    services = bootstrap.build(settings(url, overrides), rail=rail, crypto=crypto)
    app = application(services)
    issued = await create_key(
        services.db, name="back end", owner="betrix", scopes=set(Scope), live=False
    )
    clients = [_client(app, credential) for credential in (issued.text, token(AMINA), "")]
    try:
        yield Api(app, services, Shop(services, rail), *clients)
    finally:
        for client in clients:
            await client.aclose()
        await services.close()


def _client(app: Any, credential: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://payops.test",
        headers={"Authorization": f"Bearer {credential}"} if credential else {},
    )


def code_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem; it must be a whole one."""
    assert "application/problem+json" == response.headers["content-type"], response.text
    problem = response.json()
    assert response.status_code == problem["status"]
    assert {"type", "title", "detail", "retryable", "requestId"} <= set(problem)
    return response.status_code, problem["code"]
