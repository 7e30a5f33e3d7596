"""A receipt of M-Pesa is one receipt however it is typed: claimed once, found either way."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.access.service import create_key
from payops.withdrawals.domain import State
from tests.support.api import Api, code_of, running_api

OPS = "/api/ops"
TYPED, REAL = "slk4h7rty9", "SLK4H7RTY9"


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        yield made


async def resolved(api: Api, txid: str, receipt: str) -> tuple[int, str]:
    """What the second person is answered, when the first wants it paid with ``receipt``."""
    asked = await api.back_end.post(
        f"{OPS}/withdrawals/{txid}/resolve",
        json={"outcome": "completed", "reason": "their statement", "receipt": receipt},
    )
    if asked.status_code != 202:
        return code_of(asked)
    other = await create_key(api.services.db, name="o", owner="jim", scopes=list(Scope), live=False)
    approved = await api.stranger.post(
        f"{OPS}/approvals/{asked.json()['approvalId']}/approve",
        headers={"Authorization": f"Bearer {other.text}"},
        json={},
    )
    return approved.status_code, approved.json().get("code", "")


def paid(txid: str, kes: int, receipt: str) -> dict[str, object]:
    return {"transactionId": txid, "amountKES": kes, "status": "success", "receipt": receipt}


async def test_what_a_person_typed_is_the_receipt_that_the_rail_names_later(api: Api) -> None:
    """No second receipt for one payout, which would say that the customer was paid twice."""
    txid = await api.shop.is_lost(100)

    assert (200, "") == await resolved(api, txid, TYPED)
    await api.shop.hears(paid(txid, 100, REAL))

    assert REAL == (await api.shop.withdrawal(txid)).receipt
    assert [] == await api.shop.alerts()
    assert ["applied"] == [state for state, _ in await api.shop.inbox()]


@pytest.mark.parametrize(("first", "second"), [(TYPED, REAL), (REAL, TYPED)])
async def test_a_receipt_is_claimed_once_in_whatever_spelling(
    api: Api, first: str, second: str
) -> None:
    """The rail's word counts as a person's does."""
    one = await api.shop.is_sent(100)
    await api.shop.hears(paid(one, 100, first))
    two = await api.shop.is_lost(120)

    assert (409, "receipt_taken") == await resolved(api, two, second)

    assert REAL == (await api.shop.withdrawal(one)).receipt
    assert State.COMPLETED is await api.shop.state_of(one)
    assert State.COMPLETED is not await api.shop.state_of(two)


async def test_a_receipt_is_found_in_whatever_spelling(api: Api) -> None:
    """By the list's filter, by any name, and by the search over everything."""
    txid = await api.shop.is_sent(100)
    await api.shop.hears(paid(txid, 100, REAL))

    for spelled in (TYPED, REAL):
        for path, name in (("withdrawals", "receipt"), ("withdrawals", "q"), ("search", "q")):
            found = await api.back_end.get(f"{OPS}/{path}", params={name: spelled})
            (hit,) = found.json()["data"]
            assert txid in {hit.get("txId"), hit.get("id")}, (path, name, spelled)
    hits = (await api.back_end.get(f"{OPS}/search", params={"q": TYPED})).json()["data"]
    assert ["receipt"] == [hit["by"] for hit in hits]
