from collections.abc import AsyncIterator

import pytest

from tests.providers.sandbox.crypto import Shop, shop_of
from tests.providers.sandbox.support import SETTINGS, Inbox, Merchant, merchant_of


@pytest.fixture
async def merchant() -> AsyncIterator[Merchant]:
    async with merchant_of(SETTINGS) as merchant:
        yield merchant


@pytest.fixture
def inbox(merchant: Merchant) -> Inbox:
    return merchant.inbox


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with shop_of() as shop:
        yield shop
