"""A merchant that is paid in coins: through NOWPayments and through a BTCPay Server."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from payops.sandbox import (
    BTCPAY_SCRIPTS,
    NOWPAYMENTS_SCRIPTS,
    Btcpay,
    Delays,
    NowPayments,
    Settings,
    price_of,
    running,
)
from tests.providers.sandbox.support import Inbox

API_KEY = "np_test_for_tests"
IPN_SECRET = "made up for tests: signs notifications"
TOKEN = "btcpay_test_for_tests"
WEBHOOK_SECRET = "made up for tests: signs events"
STORE = "StoreForTests"

#: Without pauses, but what hangs hangs longer than any merchant waits.
SETTINGS = Settings(
    nowpayments=NowPayments(api_key=API_KEY, ipn_secret=IPN_SECRET),
    btcpay=Btcpay(api_key=TOKEN, webhook_secret=WEBHOOK_SECRET, store_id=STORE),
    delays=Delays(reply_ms=0, step_ms=0, retry_ms=1, hang_ms=60_000),
)


#: Long enough for a request to be acted on, even on a busy machine.
PATIENCE_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Shop:
    """Somebody with an account at each of the two."""

    http: httpx.AsyncClient
    inbox: Inbox

    async def open(
        self, script: str = "01", *, coin: str = "btc", price: Any = None, **more: Any
    ) -> httpx.Response:
        """Ask NOWPayments for a payment that plays ``script``."""
        body = self.order(script, price) | {"pay_currency": coin} | more
        return await self.post("payment", **body)

    async def open_page(self, script: str = "01", **more: Any) -> dict[str, Any]:
        """Ask NOWPayments for a page."""
        response = await self.post("invoice", **self.order(script), **more)
        assert 201 == response.status_code, response.text
        page: dict[str, Any] = response.json()
        return page

    def order(self, script: str = "01", price: Any = None) -> dict[str, Any]:
        assert script in NOWPAYMENTS_SCRIPTS
        return {
            "price_amount": float(price_of(script)) if price is None else price,
            "price_currency": "usd",
            "order_id": "inv_1",
            "order_description": "a deposit",
            "ipn_callback_url": f"{self.inbox.url}/webhooks/nowpayments",
        }

    async def post(self, path: str, **content: Any) -> httpx.Response:
        return await self.http.post(
            f"/nowpayments/v1/{path}", json=content, headers={"x-api-key": API_KEY}
        )

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(
            f"/nowpayments/v1/{path}", params=query, headers={"x-api-key": API_KEY}
        )

    async def invoice(self, script: str = "01", *, price: Any = None, **more: Any) -> Any:
        """Ask the BTCPay Server for an invoice that plays ``script``."""
        assert script in BTCPAY_SCRIPTS
        body = {
            "amount": f"{price_of(script)}" if price is None else price,
            "currency": "USD",
            "metadata": {"orderId": "inv_1"},
        }
        return await self.http.post(
            f"/btcpay/api/v1/stores/{STORE}/invoices",
            json=body | more,
            headers={"authorization": f"token {TOKEN}"},
        )

    async def store(self, path: str, **query: Any) -> httpx.Response:
        """Ask the BTCPay Server's store something."""
        return await self.http.get(
            f"/btcpay/api/v1/stores/{STORE}/{path}",
            params=query,
            headers={"authorization": f"token {TOKEN}"},
        )

    async def control(self, path: str, **content: Any) -> httpx.Response:
        return await self.http.post(f"/_sandbox/{path}", json=content)

    async def book(self, provider: str = "nowpayments") -> dict[str, Any]:
        book: dict[str, Any] = (await self.http.get(f"/_sandbox/{provider}/book")).json()
        assert [] == book["violations"]
        return book

    async def quiet_book(self, provider: str = "nowpayments") -> dict[str, Any]:
        """The book once nothing is under way any more: what has not come by then never comes."""
        async with asyncio.timeout(20):
            while (book := await self.book(provider))["underWay"]:
                await asyncio.sleep(0.002)
        return book

    @property
    def notices(self) -> list[dict[str, Any]]:
        """The bodies of what was told, in order."""
        return [json.loads(delivery.body) for delivery in self.inbox.deliveries]


@asynccontextmanager
async def shop_of(settings: Settings = SETTINGS) -> AsyncGenerator[Shop, None]:
    """A shop at a sandbox of its own, which tells it everything."""
    inbox = Inbox()
    async with inbox.listening():
        store = replace(settings.btcpay, webhook_url=f"{inbox.url}/webhooks/btcpay")
        async with (
            running(replace(settings, btcpay=store)) as where,
            httpx.AsyncClient(
                base_url=where.url,
                timeout=20,
                verify=False,  # plain HTTP: reading certificates would take most of the time
            ) as http,
        ):
            yield Shop(http, inbox)


async def outcome_of(asking: Any, *, patience_seconds: int = 20) -> str:
    """How a POST was answered, in a word."""
    try:
        async with asyncio.timeout(patience_seconds):
            response: httpx.Response = await asking
    except TimeoutError:
        return "late"
    except httpx.TransportError:
        return "lost"
    is_json = response.headers["content-type"].startswith("application/json")
    return str(response.status_code) if is_json else "html"
