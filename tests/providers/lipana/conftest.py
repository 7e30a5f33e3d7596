"""The rail in both dialects, on a network that respx plays."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
import respx

from payops.infra.http import HttpClient
from payops.providers.lipana.adapter import LipanaRail
from payops.providers.lipana.client import LipanaClient

BASE_URL = "https://rail.test/v1"
PUBLIC_URL = "https://payops.test"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def network() -> Iterator[respx.Router]:
    with respx.mock(base_url=BASE_URL, assert_all_called=False) as router:
        yield router


@pytest.fixture
async def client() -> AsyncIterator[LipanaClient]:
    async with HttpClient(timeout_seconds=5) as http:
        yield LipanaClient(
            http, base_url=f"{BASE_URL}/", api_key="lip_sk_test_x", clock=FixedClock()
        )


@pytest.fixture
def rail(client: LipanaClient) -> LipanaRail:
    """The dialect in which our transaction id goes along."""
    return LipanaRail(client, public_url=f"{PUBLIC_URL}/", sends_reference=True)


@pytest.fixture
def blind_rail(client: LipanaClient) -> LipanaRail:
    """The dialect that knows a phone and an amount only."""
    return LipanaRail(client, public_url=PUBLIC_URL, sends_reference=False)
