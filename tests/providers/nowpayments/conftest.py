"""NOWPayments on a network that respx plays."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
import respx

from payops.infra.http import HttpClient
from payops.kernel.retrying import Backoff
from payops.providers.nowpayments.adapter import NowPayments
from payops.providers.nowpayments.client import NowPaymentsClient
from payops.providers.nowpayments.notifications import NowPaymentsNotifications

BASE_URL = "https://provider.test/v1"
PUBLIC_URL = "https://payops.test"
SECRET = b"test-ipn-secret-0123456789abcdef"
AT_ONCE = Backoff(attempts_max=3, base=timedelta(), jitter=timedelta())


@pytest.fixture
def network() -> Iterator[respx.Router]:
    with respx.mock(base_url=BASE_URL, assert_all_called=False) as router:
        yield router


@pytest.fixture
async def client() -> AsyncIterator[NowPaymentsClient]:
    async with HttpClient(timeout_seconds=5) as http:
        yield NowPaymentsClient(
            http, base_url=f"{BASE_URL}/", api_key="np_test_key", questions=AT_ONCE
        )


@pytest.fixture
def provider(client: NowPaymentsClient) -> NowPayments:
    """Settled in Tether on Tron, five percent on minimums."""
    return NowPayments(
        client,
        NowPaymentsNotifications((SECRET,)),
        public_url=f"{PUBLIC_URL}/",
        outcome_currency="usdttrc20",
    )
