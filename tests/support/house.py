"""The real application on the test database, its rail out of reach: for tests of routes."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from payops import bootstrap
from payops.access import service as access
from payops.access.domain import Scope
from payops.bootstrap import Services
from payops.dev import secrets
from payops.infra.settings import Auth, Environment, Http, Lipana, Pii, Pool, Role, Settings
from payops.webhooks.domain import State
from tests.support.applications import application

_MADE_UP = {name: SecretStr(value) for name, value in secrets.made_up().items()}
PHONE = "254700000001"


def settings_for(url: str) -> Settings:
    return Settings(
        env=Environment.TEST,
        role=Role.API,
        database_url=SecretStr(url),
        auth=Auth(jwt_key=_MADE_UP["PAYOPS_AUTH__JWT_KEY"]),
        http=Http(rate_limit_per_minute=0),
        pool=Pool(size=5, listen=False),
        pii=Pii(keys=_MADE_UP["PAYOPS_PII__KEYS"], index_key=_MADE_UP["PAYOPS_PII__INDEX_KEY"]),
        lipana=Lipana(
            base_url="http://127.0.0.1:9/v1",
            api_key=_MADE_UP["PAYOPS_LIPANA__API_KEY"],
            webhook_secret=_MADE_UP["PAYOPS_LIPANA__WEBHOOK_SECRET"],
        ),
    )


@dataclass(frozen=True)
class House:
    """A running application and a client in front of it."""

    services: Services
    app: FastAPI
    client: httpx.AsyncClient

    async def key(self, *scopes: Scope, owner: str = "jane") -> dict[str, str]:
        issued = await access.create_key(
            self.services.db, name="test", owner=owner, scopes=scopes, live=False
        )
        return {"Authorization": f"Bearer {issued.text}"}

    def token(self, user: str) -> dict[str, str]:
        token = access.issue_development_token(self.services.settings, user, timedelta(hours=1))
        return {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, *scopes: Scope, **parameters: str) -> httpx.Response:
        return await self.client.get(path, headers=await self.key(*scopes), params=parameters)

    async def post(self, path: str, *scopes: Scope, body: Any = None) -> httpx.Response:
        headers = {**await self.key(*scopes), "Idempotency-Key": uuid4().hex}
        return await self.client.post(path, headers=headers, json=body)

    async def withdrawal(self, user: str = "amina", phone: str = PHONE) -> dict[str, Any]:
        """A withdrawal of KES 100 that waits to be sent; nothing here sends it."""
        funding = {
            "amount": "100.00",
            "currency": "KES",
            "reason": "test",
            "reference": uuid4().hex,
        }
        await self.post(f"/api/wallets/{user}/credits", Scope.WALLETS_WRITE, body=funding)
        body = {"userId": user, "amountKES": 100, "phoneNumber": phone}
        asked = await self.post("/api/withdrawals/mpesa", Scope.WITHDRAWALS_WRITE, body=body)
        assert 202 == asked.status_code, asked.text
        answer: dict[str, Any] = asked.json()
        return answer

    async def notification(self, body: bytes = b"no JSON at all") -> dict[str, Any]:
        """A notification that was taken in; by default one that cannot be read."""
        await self.client.post(
            "/webhooks/mpesa", content=body, headers={"x-lipana-signature": self._signed(body)}
        )
        await self.services.inbox.drained()
        page = (await self.get("/api/ops/webhooks", Scope.OPS_READ)).json()
        newest: dict[str, Any] = page["data"][0]
        assert State(newest["state"]) is not State.REJECTED
        return newest

    def _signed(self, body: bytes) -> str:
        secret = self.services.settings.lipana.webhook_secret
        assert secret is not None
        return hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()


@asynccontextmanager
async def opened(url: str, **changes: Any) -> AsyncIterator[House]:
    """``changes`` are groups of settings in place of the usual ones."""
    services = bootstrap.build(settings_for(url).model_copy(update=changes))
    app = application(services)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://payops") as client,
    ):
        yield House(services, app, client)
