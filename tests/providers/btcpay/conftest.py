"""A store on a network that respx plays."""

from collections.abc import AsyncIterator, Iterator

import pytest
import respx

from payops.infra.http import HttpClient
from payops.providers.btcpay.adapter import BtcPay
from payops.providers.btcpay.client import BtcPayClient
from payops.providers.btcpay.notifications import BtcPayNotifications

BASE_URL = "https://btcpay.test/api/v1"
STORE = "5vUSQHpS8jnWKTG5XHnY"


@pytest.fixture
def network() -> Iterator[respx.Router]:
    with respx.mock(base_url=f"{BASE_URL}/stores/{STORE}", assert_all_called=False) as router:
        yield router


@pytest.fixture
async def client() -> AsyncIterator[BtcPayClient]:
    async with HttpClient(timeout_seconds=5) as http:
        yield BtcPayClient(http, base_url=f"{BASE_URL}/", store_id=STORE, api_key="test-key")


@pytest.fixture
def provider(client: BtcPayClient) -> BtcPay:
    return BtcPay(
        client, BtcPayNotifications(()), public_url="https://payops.test/", coins=("btc", "LTC")
    )
